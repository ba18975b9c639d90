/* SPDX-License-Identifier: MIT
 *
 * heapmap.h: the runs of pages of the subject's heap at chosen moments of one iteration in memory mode, written as one
 * JSON document (docs/record.md). A moment is a share of the workload's operations; how many those are, a rehearsal in
 * a forked process counts first, so that the measured heap has seen nothing before. Nothing here allocates on that
 * heap.
 */
#ifndef SPANLAB_HEAPMAP_H
#define SPANLAB_HEAPMAP_H

#include "memory.h"

enum { HEAPMAP_MAX_MOMENTS = 16 };
#define HEAPMAP_DEFAULT_AT "0.5,1"

struct heapmap_moment {
    double share;                             /* of the operations; negative: drained */
    uint64_t ops, live_bytes, metadata_bytes; /* metadata: PEER_NA when not known */
    size_t first_run, run_count;
};

struct heapmap {
    const char *path;
    int (*walk)(void (*visit)(void *context, const struct peer_run *run), void *context);
    struct heapmap_moment moments[HEAPMAP_MAX_MOMENTS + 1]; /* the last one is drained */
    unsigned count, taken;
    uint64_t all_ops, all_points; /* of the rehearsal */
    struct peer_run *runs;        /* mapped; grows */
    size_t run_count, run_capacity;
    bool full; /* no memory for all runs */
};

/* Reads "0.25,0.5,1" into the moments. False with a sentence in error. */
bool heapmap_open(struct heapmap *h, const char *path, const char *at, char *error, size_t error_size);

/* Runs the iteration once in a forked process. False with a sentence in error. Before memory_open. */
bool heapmap_rehearse(struct heapmap *h, struct bench *b, char *error, size_t error_size);

void heapmap_point(struct heapmap *h, struct memory_meter *m);   /* at every point inside run */
void heapmap_run_end(struct heapmap *h, struct memory_meter *m); /* takes what no point came late enough for */
void heapmap_drained(struct heapmap *h, struct memory_meter *m);

/* Writes the document; false with a line on stderr when it cannot be written. */
bool heapmap_write(const struct heapmap *h, const struct bench *b, const char *subject, const char *version);

#endif
