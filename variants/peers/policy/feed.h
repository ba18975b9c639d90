/* SPDX-License-Identifier: MIT
 *
 * feed.h: one stream of allocations and frees, given to every policy; and the same again with all order taken out of it.
 */
#ifndef SPANLAB_POLICY_FEED_H
#define SPANLAB_POLICY_FEED_H

#include "policy.h"
#include "table.h"

#include <stdbool.h>

struct feed_figures {
    uint64_t allocations;
    uint64_t live_bytes, live_blocks; /* requested, at the moment with the most bytes */
    uint64_t end_blocks;              /* live now */
    uint64_t need_bytes[POLICY_KINDS]; /* the most */
    uint64_t end_holes[POLICY_KINDS];  /* now; 0 for what has none */
};

struct feed {
    struct policy *policies[POLICY_KINDS];
    struct table objects; /* 0 is no object */
    uint32_t unused;
    uint64_t live_bytes, live_blocks;
    struct feed_figures figures;
    bool remembers, resize_moves;
    struct table sizes, events; /* of all allocations; what happened, in order */
};

/* A fresh stream over a zeroed feed. remember: the stream is kept, for feed_shuffled and feed_write. */
void feed_begin(struct feed *f, const struct policy_options *options, bool remember);
void feed_end(struct feed *f);
/* A name for the object; never 0. */
uint32_t feed_allocate(struct feed *f, uint64_t size_bytes);
void feed_free(struct feed *f, uint32_t object);
/* As realloc; old and new both count as live while it moves, under resize_moves only. Of the remembered stream it is a new allocation in the old one's place. */
void feed_resize(struct feed *f, uint32_t object, uint64_t size_bytes);
struct feed_figures feed_figures(const struct feed *f);

/* What the remembered stream would have come to with as many allocations of the same sizes and the same lifetimes
 * (counted in allocations), each put in an order of its own at random. */
struct feed_figures feed_shuffled(const struct feed *f, const struct policy_options *options, uint64_t seed);
/* Kendall's tau-b of the policies' order by need over live bytes: 1 the same, -1 the reverse; NAN where all tie. Policies
 * tie whose needs differ by less than FEED_TIE of the live bytes: which of two such is first says nothing. */
#define FEED_TIE 0.01
double feed_tau(const struct feed_figures *a, const struct feed_figures *b);

/* Need over live bytes; live bytes are never 0 where something was allocated. */
double feed_over_live(const struct feed_figures *f, enum policy_kind kind);

/* Writes the remembered stream (workloads/streams/README.md). False: it could not be written whole. */
bool feed_write(const struct feed *f, int fd);

#endif
