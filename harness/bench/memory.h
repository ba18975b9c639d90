/* SPDX-License-Identifier: MIT
 *
 * memory.h: memory mode. Everything is relative to the moment after set-up: the resident set, its peak (the kernel's
 * high-water mark, reset then), the timeline by operation index and the subject's counters. Nothing here allocates
 * after memory_open. Main thread, except memory_point and memory_exclude.
 *
 * Resident bytes of the timeline come from /proc/self/statm (about a microsecond): exact on kernels from 6.16, before that
 * short by up to 64 pages per thread, because the kernel batches its counters; the same holds for the high-water mark,
 * hence the 1 MiB of `below_resolution`. /proc/self/smaps_rollup is exact everywhere but walks all pages, so it is read at
 * the ends and near new peaks only.
 */
#ifndef SPANLAB_MEMORY_H
#define SPANLAB_MEMORY_H

#include "bench.h"
#include "peer.h"

/* Peaks below this are within what the kernel's counters may miss. */
enum { MEMORY_RESOLUTION_BYTES = 1 << 20, MEMORY_MAX_ROWS = 1000 };

struct memory_row {
    uint64_t ops;
    uint64_t live_bytes;     /* requested and not dropped */
    int64_t resident_bytes;  /* above the baseline */
};

/* One moment of /proc/self/smaps_rollup, in bytes; METER_NA where the kernel does not tell. */
struct memory_rollup {
    int64_t rss_bytes, anon_bytes, anon_huge_bytes, lazy_free_bytes;
};

struct memory_counters {
    bool known;
    struct peer_counters at;
};

struct heapmap; /* heapmap.h */

struct memory_meter {
    struct bench *bench;
    struct heapmap *heapmap; /* takes maps at some of the points; NULL: none is asked for */
    int (*counters)(struct peer_counters *out); /* NULL: the subject offers none */
    void (*purge)(void);                        /* may be NULL */
    void (*watch)(enum peer_watch how);         /* NULL: the subject computes nothing of the stream */

    /* results of the last iteration */
    struct memory_row *rows;
    unsigned row_count;
    struct memory_rollup before, peak, drained; /* peak: near the largest sampled resident set */
    int64_t peak_rss_bytes, rss_end_bytes;      /* above the baseline; METER_NA when unreadable */
    uint64_t peak_live_bytes;
    int64_t minor_faults, major_faults;
    struct memory_counters before_counters, end_counters, drained_counters;
    uint64_t end_live_bytes;  /* at end_counters */
    uint64_t end_ops, points; /* at the last point inside run; how many there were */
    uint64_t harness_bytes;   /* allocated on the subject's heap by others than the workload */
    bool harness_known;

    /* workings */
    int statm_fd, status_fd, rollup_fd, clear_fd;
    int64_t base_resident_bytes, base_peak_bytes;
    uint64_t excluded_bytes; /* the harness's own memory mapped since the baseline; any thread, atomic */
    bool running;            /* between run_begin and run_end; any thread, atomic */
    unsigned stride, skipped;
    int64_t rollup_resident_bytes; /* resident set when `peak` was taken */
    struct peer_counters threads_begin;
    bool threads_begin_known;
};

/* Prepares a zeroed meter and the bench's sampling; false with a sentence in error. */
bool memory_open(struct memory_meter *m, struct bench *b, int (*counters)(struct peer_counters *), void (*purge)(void),
                 char *error, size_t error_size);

void memory_iteration_begin(struct memory_meter *m); /* before set-up */
void memory_run_begin(struct memory_meter *m);       /* after set-up */
void memory_threads_begin(struct memory_meter *m);   /* before and after the harness creates threads */
void memory_threads_end(struct memory_meter *m);
void memory_point(struct memory_meter *m);           /* worker 0, inside run */
void memory_run_end(struct memory_meter *m);         /* before teardown */
void memory_iteration_end(struct memory_meter *m);   /* after teardown: drains */

/* The harness has mapped and touched memory of its own. */
void memory_exclude(struct memory_meter *m, size_t size_bytes);

#endif
