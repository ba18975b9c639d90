/* SPDX-License-Identifier: MIT
 *
 * spanset: a set of spans that threads push to and pop from without a lock (Go mspanset.go). It is a queue of slots in
 * blocks of 512, found through a spine of block pointers; head and tail share one word, so that one compare-and-swap
 * takes a span. Only growing the spine takes a lock, once per block.
 *
 * Unlike Go, which ends the process when its own records find no memory, pushing is split in two: spanset_prepare may
 * fail, spanset_push after it cannot.
 */
#ifndef GOALLOC_SPANSET_H
#define GOALLOC_SPANSET_H

#include "span/span.h"

enum {
    SPANSET_BLOCK_SPANS = 512,
    SPANSET_FIRST_SPINE = 256, /* blocks; 131,072 spans before the spine has to double */
    SPANSET_SPINE_MARGIN = 32, /* blocks free in the spine before a push: threads pushing at once, by 512 */
    SPANSET_AHEAD_SPANS = 6,   /* how many spans ahead of the one that is taken a record is asked for */
    SPANSET_SOON_SPANS = 3,
};

/* Empty blocks have no span in any slot: they are recycled as they are. */
struct spanset_block {
    _Alignas(64) uint32_t popped;                         /* atomic: who takes the last span recycles the block */
    _Alignas(64) struct span *spans[SPANSET_BLOCK_SPANS]; /* atomic */
};
_Static_assert(sizeof(struct spanset_block) == 64 + 8 * SPANSET_BLOCK_SPANS, "the counter has a line of its own");

/* Zero-filled is empty. */
struct spanset {
    uint64_t index;               /* atomic: head << 32 | tail */
    struct spanset_block **spine; /* atomic; outgrown ones stay, since others may still read them */
    size_t spine_blocks;          /* atomic */
    size_t spine_capacity;
};

/* Makes sure that one push cannot fail; *spare is the calling thread's block in hand. False: out of memory. */
static bool spanset_prepare(struct spanset *set, struct spanset_block **spare);
/* Adds s; thread-safe. */
static void spanset_push(struct spanset *set, struct span *s, struct spanset_block **spare);
/* Takes any span, NULL when the set looks empty; thread-safe. Records of spans that will be taken soon are asked for;
 * *soon: one of those whose record has come, to ask for what it leads to. A hint: NULL, or any span. */
static struct span *spanset_pop_ahead(struct spanset *set, struct span **soon);
static struct span *spanset_pop(struct spanset *set);
/* Spans in it, as far as it can be seen. */
static size_t spanset_count(const struct spanset *set);
/* Starts the set from slot 0 again. It must be empty, and nobody else may use it. */
static void spanset_reset(struct spanset *set);
/* Calls visit for every span. Nobody else may use the set. */
static void spanset_each(struct spanset *set, void (*visit)(void *context, struct span *s), void *context);

#endif
