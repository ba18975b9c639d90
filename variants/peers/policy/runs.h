/* SPDX-License-Identifier: MIT
 *
 * runs.h: bump pointers. A run is bumped through once, and serves again when every block in it is dead. With lines, a run
 * also serves again through its dead lines, those in which nothing lives, as in Immix (Blackburn and McKinley, PLDI 2008)
 * but by goalloc's rules: a block that does not fit a stretch of dead lines passes over it, of the runs with dead lines the
 * one that got some last serves first, and a run that was bumped through to its end serves again only after another block
 * in it has died. A block of more than a quarter of a run is placed by itself.
 */
#ifndef SPANLAB_POLICY_RUNS_H
#define SPANLAB_POLICY_RUNS_H

#include "extents.h"

/* Where the next block goes: [at, end) of a run. */
struct bump {
    uint32_t run; /* 0: none */
    uint64_t at_bytes, end_bytes;
};

struct runs {
    struct extents space; /* runs and large blocks are laid out first fit */
    uint64_t round_bytes, run_bytes;
    uint64_t line_bytes; /* 0: linear */
    struct table all, lines; /* 0 is no run; live blocks on each line of each run */
    uint32_t unused;
    uint32_t partial; /* runs with dead lines that nothing bumps through */
    struct bump bump;
    uint64_t held_bytes;
};

struct policy_block runs_allocate(struct runs *r, uint64_t size_bytes);
/* In place: what is large, as extents are; of what was bumped nothing is given back. False: it must move. */
bool runs_resize(struct runs *r, struct policy_block *b, uint64_t size_bytes);
void runs_free(struct runs *r, const struct policy_block *b);
void runs_release(struct runs *r);

#endif
