/* SPDX-License-Identifier: MIT
 *
 * objects.h: the ELF objects loaded into this process, and what they define and bind. Reads the dynamic linker's own
 * structures; nothing allocates. Call from one thread at a time.
 */
#ifndef SPANLAB_OBJECTS_H
#define SPANLAB_OBJECTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* One loaded object; `path` is "" for the vDSO and the executable's own path for the executable. */
struct object {
    char path[PATH_MAX];
    uintptr_t base;
    const void *dynamic; /* its dynamic section */
};

/* The object that holds an address. */
bool object_of_address(uintptr_t address, struct object *out);
/* The loaded object that is the file `path` (compared by device and inode, so links do not matter). */
bool object_of_file(const char *path, struct object *out);
/* The first loaded object whose file name is `soname` or `soname` with a further version behind it. */
bool object_of_soname(const char *soname, struct object *out);
/* The executable. */
bool object_of_program(struct object *out);

/* Does the object define and export a function of this name? */
bool object_exports(const struct object *o, const char *symbol);
/* Calls found(symbol, address, arg) for each symbol the object imports through a relocation, with what it is bound to. */
void object_bindings(const struct object *o, void (*found)(const char *symbol, uintptr_t address, void *arg), void *arg);

/* Two paths, one file? */
bool same_file(const char *a, const char *b);
/* Was the file that backs this address replaced or deleted since it was mapped? */
bool mapping_is_stale(uintptr_t address);

#endif
