/* SPDX-License-Identifier: MIT
 *
 * decay: which free pages a manual build gives back to the OS. No thread does it: the page heap's own events do, so
 * what a program leaves free at its last event is all that stays, and the policy bounds it.
 *
 * faithful: Go's background scavenger retains a tenth more than the heap had in use (mgcscavenge.go:105). Without
 * collections there is no such moment, so the rule holds whenever pages come back.
 * tuned: an eighth of what is in use, and what has lately been wanted back: pages that a program takes again soon after
 * they were given back are kept from then on. So a heap that swings pays page faults for its first swings only, and one
 * that has shrunk for good keeps little. GOALLOC_DECAY=off gives nothing back unasked.
 */
#ifndef GOALLOC_DECAY_H
#define GOALLOC_DECAY_H

#include "alloc/heap.h"

enum {
    DECAY_FLOOR_PAGES = (4 << 20) >> GOALLOC_PAGE_SHIFT,   /* kept in any case: giving back less is not worth it */
    DECAY_STEP_PAGES = (1 << 20) >> GOALLOC_PAGE_SHIFT,    /* the least to give back at a time */
    DECAY_MOST_PAGES = (32 << 20) >> GOALLOC_PAGE_SHIFT,   /* and the most while the heap is locked */
    DECAY_LARGE_PAGES = (8 << 20) >> GOALLOC_PAGE_SHIFT,   /* runs from here on go back before the heap is locked */
    DECAY_WANTED_PAGES = (16 << 20) >> GOALLOC_PAGE_SHIFT, /* kept at most for being wanted, or as much as is used */
    DECAY_HALVING_MS = 4000,                               /* in which what was wanted counts half */
};

/* Reads the knob. Once, before the first request is served. */
static void decay_init(void);

/* Free pages have come back to the page heap. True: so many that it has to be called again; others may take the lock
 * before. Heap lock held. */
static bool decay_look(void);

/* Gives pages in use that no span has to the page heap. Heap lock not held. */
static void decay_give_pages(uintptr_t base, size_t npages);

/* Gives free pages to the OS until pad_bytes of them are left. True: there were some. Heap lock not held. */
static bool decay_trim(size_t pad_bytes);

static const char *decay_name(void);

#endif
