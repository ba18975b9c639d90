/* SPDX-License-Identifier: MIT
 *
 * model.h: what fuzz_malloc and fuzz_misuse share: an operation language over the malloc ABI, run against a model that
 * knows every live object. After each operation: no two objects overlap, alignment and usable size are as promised,
 * what was cleared is zero, contents stay, refusals are clean.
 *
 * One operation: a byte, of which the lower 5 bits choose the operation and the upper 3 the thread; then its numbers
 * (input.h). Nothing but these calls uses the allocator, so what it says of itself (goalloc_object_of,
 * goalloc_counters) must be exactly what the model knows.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "input.h"

enum { MODEL_OBJECTS = 1024, MODEL_FREED = 64 };

struct object {
    unsigned char *p;
    size_t size;   /* asked for */
    size_t usable; /* promised, and filled */
    size_t align;  /* asked for; 0: none */
    uint8_t tag;   /* of the fill */
};

/* By address. */
extern struct object model_live[MODEL_OBJECTS];
extern unsigned model_count;
/* Addresses of objects that were given back, in a ring. */
extern void *model_freed[MODEL_FREED];
extern unsigned model_freed_count;

/* Runs all operations of an input. */
void model_run(struct input *in);
/* Checks and gives back every object, ends the threads and flushes the caches, so that the next input finds an empty
 * heap. */
void model_finish(void);
/* The live object that covers an address, or NULL. */
struct object *model_object_of(const void *address);

#endif
