/* SPDX-License-Identifier: MIT
 *
 * classes.h: size classes by the table of goalloc, which is Go's: a span holds slots of one class and is that class's own
 * until its last object dies; then its pages may serve any class. The span that had a free slot last serves first, and in
 * a span the lowest slot. What is larger than the largest class is a span by itself.
 */
#ifndef SPANLAB_POLICY_CLASSES_H
#define SPANLAB_POLICY_CLASSES_H

#include "extents.h"

enum { CLASSES_MAX = 128 };

struct classes {
    struct extents pages; /* spans are laid out first fit */
    struct table spans;   /* 0 is no span */
    uint32_t unused;
    uint32_t partial[CLASSES_MAX]; /* spans with a free slot and an object */
    uint64_t held_bytes;
};

struct policy_block classes_allocate(struct classes *c, uint64_t size_bytes);
/* Whether the block's slot, or its pages, are those of this size as well. */
bool classes_resize(const struct classes *c, const struct policy_block *b, uint64_t size_bytes);
void classes_free(struct classes *c, const struct policy_block *b);
void classes_release(struct classes *c);

#endif
