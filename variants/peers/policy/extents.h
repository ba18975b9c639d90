/* SPDX-License-Identifier: MIT
 *
 * extents.h: blocks of any size laid into one address space, free neighbours joined at once. Whichever the fit, free
 * blocks are known by address; best fit knows them by size besides, and segregated lists link them by bins.
 */
#ifndef SPANLAB_POLICY_EXTENTS_H
#define SPANLAB_POLICY_EXTENTS_H

#include "policy.h"
#include "tree.h"

#include <stdbool.h>

enum { EXTENT_BINS = 256 };

struct extents {
    enum policy_kind fit; /* POLICY_FIRST to POLICY_SEGREGATED */
    uint64_t round_bytes, split_bytes;
    uint64_t end_bytes;  /* of the last block: above it everything is free */
    uint64_t rover_bytes; /* next fit: end of the block that was placed last */
    struct tree by_address, by_size;
    uint32_t bins[EXTENT_BINS]; /* youngest free block of each */
    uint64_t bins_used[EXTENT_BINS / 64];
};

struct policy_block extents_allocate(struct extents *e, uint64_t size_bytes);
/* In place: gives back what is no longer needed, or takes what follows where that is free. False: it cannot. */
bool extents_resize(struct extents *e, struct policy_block *b, uint64_t size_bytes);
void extents_free(struct extents *e, uint64_t start_bytes, uint64_t size_bytes);
void extents_release(struct extents *e);

static inline uint64_t round_up(uint64_t n, uint64_t unit) {
    return (n + unit - 1) / unit * unit;
}

#endif
