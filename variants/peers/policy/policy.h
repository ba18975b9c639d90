/* SPDX-License-Identifier: MIT
 *
 * policy.h: what a placement policy alone makes of a stream of allocations and frees. A policy lays blocks into an address
 * space of its own, that begins at 0 and grows at its end; it keeps no metadata, touches no memory and rounds to no page.
 *
 * What a policy needs at a moment is what it holds and has not wholly given back by its own rule: of extents all from 0
 * to the end of the last block; of size classes the spans with a live object, of runs those with one, besides what is large.
 */
#ifndef SPANLAB_POLICY_H
#define SPANLAB_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* first, next and best fit and segregated lists place extents: a block is cut from the low end of a free one, and a freed
 * block is joined with its free neighbours at once. Without a free block that is large enough the end grows. */
enum policy_kind {
    POLICY_FIRST,      /* the lowest free block that is large enough */
    POLICY_NEXT,       /* the same, from the end of the block that was placed last, and from 0 when none is there */
    POLICY_BEST,       /* the smallest that is large enough, of equal ones the lowest */
    POLICY_SEGREGATED, /* lists by size: exact below 512 B, four to a doubling above; in a list the youngest first */
    POLICY_CLASSES,    /* Go's size classes: slots in spans that are a class's own until they are empty */
    POLICY_LINEAR,     /* bumps within a run, which serves again once every block in it is dead */
    POLICY_LINES,      /* bumps through the dead lines of runs as well, as Immix and goalloc do */
    POLICY_KINDS
};

struct policy_options {
    uint64_t round_bytes; /* sizes are rounded up to a multiple of it */
    uint64_t split_bytes; /* extents: a smaller remainder stays with its block */
    uint64_t run_bytes;   /* linear, lines */
    uint64_t line_bytes;  /* lines; run_bytes is a multiple of it */
    bool resize_moves;    /* a resized block always moves, as if it were allocated anew, copied and freed */
};
extern const struct policy_options policy_defaults;

struct policy_block {
    uint64_t start_bytes, size_bytes; /* size: all that it takes up, rounding included */
    uint32_t owner, slot;             /* the span or run it is of */
};

struct policy;

/* The name in tables and records: "first". */
const char *policy_name(enum policy_kind kind);

struct policy *policy_new(enum policy_kind kind, const struct policy_options *options);
void policy_delete(struct policy *p);
/* size_bytes 0 counts as 1. */
struct policy_block policy_allocate(struct policy *p, uint64_t size_bytes);
void policy_free(struct policy *p, const struct policy_block *b);
/* As realloc: in place where the policy can; else the block has moved, and its old place was there until then. */
void policy_resize(struct policy *p, struct policy_block *b, uint64_t size_bytes);

uint64_t policy_need_bytes(const struct policy *p); /* now */
uint64_t policy_peak_bytes(const struct policy *p); /* the most so far */
/* Free blocks among extents now; 0 for the others, which have none. */
uint64_t policy_holes(const struct policy *p);

#endif
