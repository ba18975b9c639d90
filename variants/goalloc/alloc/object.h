/* SPDX-License-Identifier: MIT
 *
 * object: from an address to the object that covers it. All validation of untrusted addresses goes through here.
 */
#ifndef GOALLOC_OBJECT_H
#define GOALLOC_OBJECT_H

#include "alloc/heap.h"

/* What object_of finds. */
struct object {
    uintptr_t base;    /* first byte of the object's slot */
    size_t size_bytes; /* of the slot: at least what was requested */
    unsigned slot;     /* index in the span */
    bool noscan;       /* holds no pointers */
    struct span *span;
};

/* The live object whose slot covers address (interior addresses too; one past the end belongs to no object). False when
 * there is none: outside the heap, span not in use, tail of a span, or free slot. Any address. Freed slots are
 * recognised exactly on the owner's thread and with other threads at rest, else as of a moment ago. */
static bool object_of(uintptr_t address, struct object *out);

/* One line and abort. `what` is the operation: "free". */
_Noreturn static void object_die_invalid(const char *what, uintptr_t address);
/* The collector has found a pointer to a slot that is free. */
_Noreturn static void object_die_found_free(const struct span *s, unsigned slot);
_Noreturn static void object_die_not_live(const char *what, uintptr_t address);
/* Known to have been live once, and freed. */
_Noreturn static void object_die_double_free(const struct span *s, unsigned slot);

#endif
