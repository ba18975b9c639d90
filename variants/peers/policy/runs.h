/* SPDX-License-Identifier: MIT
 *
 * runs.h: bump pointers. A run is bumped through once, and serves again when every block in it is dead. With lines, a run
 * that is used up serves again from the beginning of a stretch of lines in which nothing lives, as in Immix (Blackburn
 * and McKinley, PLDI 2008): a block that is longer than a line and does not fit the stretch goes to an overflow run
 * instead, and of runs with such lines the one that got its first line last serves first. A block of more than a quarter
 * of a run is placed by itself.
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
    struct bump bump, overflow;
    uint64_t held_bytes;
};

struct policy_block runs_allocate(struct runs *r, uint64_t size_bytes);
/* In place: what is large, as extents are; of what was bumped nothing is given back. False: it must move. */
bool runs_resize(struct runs *r, struct policy_block *b, uint64_t size_bytes);
void runs_free(struct runs *r, const struct policy_block *b);
void runs_release(struct runs *r);

#endif
