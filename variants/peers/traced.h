/* SPDX-License-Identifier: MIT
 *
 * traced.h: what a traced subject tells about itself, beside its heap-NAME.h. One file traced/NAME.c defines it, and is
 * linked into that subject's own programs. Thread-safe where not said otherwise.
 */
#ifndef SPANLAB_TRACED_H
#define SPANLAB_TRACED_H

#include "peer.h"

/* Objects given out since start, by Go's size classes. */
enum { TRACED_SIZE_CLASSES = 67 };
struct traced_allocations {
    uint64_t tiny;  /* requests that share a 16 B block with one before, which alone counts in its class */
    uint64_t large; /* beyond the classes */
    uint64_t bytes; /* in all objects, rounding included */
    uint64_t by_class[TRACED_SIZE_CLASSES];
};

/* Sums since the process began; PEER_NA: the subject does not tell. CPU is of threads, each nanosecond under one head.
 */
struct traced_gc {
    uint64_t cycles, forced_cycles;
    uint64_t pauses, pause_ns; /* stops of the world */
    uint64_t mark_cpu_ns, assist_cpu_ns, sweep_cpu_ns, sweep_allocating_cpu_ns, stop_cpu_ns;
    uint64_t full_wall_ns; /* wall time of full collections, where CPU is not told */
    uint64_t rescans, rescan_greyed_bytes;
    uint64_t queued_objects, span_visits, single_visits, span_objects, scanned_bytes, marked_bytes;
};

struct traced_gc_cycle {
    bool forced;
    uint64_t goal_bytes, peak_live_bytes, next_goal_bytes; /* PEER_NA: no goal */
};

struct traced_pause {
    uint64_t begun_ns, length_ns; /* CLOCK_MONOTONIC */
};

struct traced_subject {
    const char *summary;           /* one line for `spanlab list` */
    const struct peer_knob *knobs; /* ended by a NULL name */
    /* As in struct peer. Outside timed sections, on one thread; must not allocate. */
    int (*read_knob)(const char *name, char *out, size_t size);
    /* What was linked: must be the subject's name. */
    const char *(*identity)(void);
    int (*version)(char *out, size_t size);
    int (*counters)(struct peer_counters *out);
    /* 0, or -1 when this build does not count them. Empties all threads' caches, so that it is exact. NULL: not kept.
     */
    int (*allocations)(struct traced_allocations *out);
    int (*walk)(void (*visit)(void *context, const struct peer_run *run), void *context); /* NULL: no heap maps */
    /* What its collector has done; NULL: it has none, or does not tell. 0, or -1 where this build has none. Cheap,
     * outside the clocks, while other threads run; must not allocate. */
    int (*gc)(struct traced_gc *out);
    /* The stops of the world from number `first` on (0: the process's first) as far as they are still known, oldest
     * first; *copied_first is the number of the first. Returns how many, at most count. NULL: it does not tell. */
    size_t (*pauses)(uint64_t first, struct traced_pause *out, size_t count, uint64_t *copied_first);
    /* The same of cycles that have ended. */
    size_t (*gc_cycles)(uint64_t first, struct traced_gc_cycle *out, size_t count, uint64_t *copied_first);
    /* Bytes of all its tables beside the heap now, but for records of spans and threads' caches, as Go reckons
     * /memory/classes/metadata/other; PEER_NA unknown. NULL: it does not tell. May walk the heap. */
    uint64_t (*metadata)(void);
    /* Its metric number `index` under the name it has in Go's runtime/metrics, of the whole process; false from the end
     * on. NULL: it has none. */
    bool (*metric)(size_t index, const char **name, uint64_t *value);
};

extern const struct traced_subject traced_subject;

#endif
