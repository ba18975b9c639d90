/* SPDX-License-Identifier: MIT
 *
 * goalloc's traced builds: each is linked into programs of its own.
 */
#include "goalloc_walk.h"
#include "traced.h"

#include <stdio.h>
#include <string.h>

static const struct peer_knob knobs[] = {
    {"preset", "GOALLOC_PRESET", "%s", NULL, "tuned (default), or faithful to every decision of Go's"},
    {"GOGC", "GOGC", "%s", NULL,
     "growth of the heap between collections, percent of what is live (default 100), or off"},
    {"GOMEMLIMIT", "GOMEMLIMIT", "%s", NULL, "bytes that the process should stay below, or off (default)"},
    {"GOMAXPROCS", "GOMAXPROCS", "%s", NULL, "processors that pacing reckons with (default: those there are)"},
    {"early", "GOALLOC_EARLY", "%s", NULL,
     "on (default when tuned) lets marking begin at 45 % of the way to the heap goal if it must, off (faithful) at 70 %"},
    {"spend", "GOALLOC_SPEND", "%s", NULL,
     "on (default when tuned) lets a heap that has shrunk fill its memory again before it collects, off (faithful) not"},
    {"gcstoptheworld", "GODEBUG", "gcstoptheworld=%s", ",",
     "1: marking stops the program; 2: sweeping too (default 0)"},
    {"gccheckmark", "GODEBUG", "gccheckmark=%s", ",", "1: each cycle is checked by a second traversal (default 0)"},
    {"clobberfree", "GODEBUG", "clobberfree=%s", ",", "1: what is freed is overwritten (default 0)"},
    {"deterministic", "GOALLOC_DETERMINISTIC", "%s", NULL,
     "1: collects inline, by bytes alone, without clocks (default 0)"},
    {"queue", "GOALLOC_QUEUE", "%s", NULL,
     "greentea: order of queued pages: laps (default when tuned), fifo (faithful), lifo, address or random"},
    {"greentea", "GOALLOC_GREENTEA", "%s", NULL,
     "greentea: 1.26 (default when tuned) keeps all pages a thread finds, 1.25 (faithful) 256"},
    {"stay", "GOALLOC_STAY", "%s", NULL,
     "greentea: on (default when tuned) leaves a page when nothing in it is grey, off (faithful) as Go does"},
    {"kernel", "GOALLOC_KERNEL", "%s", NULL,
     "greentea: avx2 (default when tuned and there) or portable (faithful): inner loops of scanning a page"},
    {"past_end", "GOALLOC_PAST_END", "%s", NULL,
     "pointers one past an object's end keep it: off (faithful) none, stacks (default when tuned) those on stacks, on all"},
    {"huge", "GOALLOC_HUGE", "%s", NULL,
     "on (default when tuned) asks for huge pages above 16 MiB of heap, off (faithful) leaves them to the kernel"},
    {"fit", "GOALLOC_FIT", "%s", NULL, "list: segregated (default), first, next or best"},
    {"split", "GOALLOC_SPLIT", "%s", NULL, "list: smallest remainder that is split off, bytes (default 16)"},
    {"bin_bounds", "GOALLOC_BIN_BOUNDS", "%s", NULL,
     "list, segregated: exact has a bin a size to 1 KiB, then four to a doubling (default), powers one to a doubling"},
    {"bin_order", "GOALLOC_BIN_ORDER", "%s", NULL,
     "list, segregated: of a bin lifo takes the block freed last (default), address the lowest (Johnstone and Wilson 1998)"},
    {"run", "GOALLOC_RUN", "%s", NULL, "list, linear: bytes of a run (default 65536, 32768)"},
    {"holes", "GOALLOC_HOLES", "%s", NULL, "linear: on bumps through dead lines, off (default) waits for the whole run"},
    {"line", "GOALLOC_LINE", "%s", NULL, "linear: bytes of a line under holes=on, 16 to 512 (default 128)"},
    {"tail", "GOALLOC_TAIL", "%s", NULL,
     "list, linear: off keeps no room for marks at the end of pages, classic only (default on)"},
    {0},
};

static int version(char *out, size_t size) {
    snprintf(out, size, "%s (%s)", goalloc_version(), goalloc_axes());
    return 0;
}

_Static_assert(sizeof(struct peer_counters) == GOALLOC_COUNTERS * sizeof(uint64_t),
               "the same fields in the same order");

static int counters(struct peer_counters *out) {
    return goalloc_counters((uint64_t *)out);
}

/* Reading MemStats empties the caches, so that the metrics, which do not, count everything. Lists and linear runs have
 * no size classes, and MemStats says so. */
static int allocations(struct traced_allocations *out) {
    _Static_assert(TRACED_SIZE_CLASSES + 1 == GOALLOC_SIZE_BUCKETS, "and one bucket for large objects");
    struct goalloc_mem_stats stats;
    uint64_t by_size[GOALLOC_SIZE_BUCKETS];
    if (!goalloc_read_mem_stats(&stats) || stats.by_size[1].mallocs == GOALLOC_NA ||
        !goalloc_read_metric("/gc/heap/tiny/allocs:objects", &out->tiny, 1) ||
        !goalloc_read_metric("/gc/heap/allocs:bytes", &out->bytes, 1) ||
        !goalloc_read_metric("/gc/heap/allocs-by-size:bytes", by_size, GOALLOC_SIZE_BUCKETS))
        return -1;
    memcpy(out->by_class, by_size, sizeof out->by_class);
    out->large = by_size[TRACED_SIZE_CLASSES];
    return 0;
}

static int walk(void (*visit)(void *, const struct peer_run *), void *context) {
    return peer_goalloc_walk(goalloc_walk, visit, context);
}

static int gc(struct traced_gc *out) {
    struct goalloc_gc_sums s;
    if (!goalloc_read_gc(&s))
        return -1;
    *out = (struct traced_gc){.cycles = s.cycles,
                              .forced_cycles = s.forced_cycles,
                              .pauses = s.pauses,
                              .pause_ns = s.pause_ns,
                              .mark_cpu_ns = s.mark_cpu_ns,
                              .assist_cpu_ns = s.assist_cpu_ns,
                              .sweep_cpu_ns = s.sweep_cpu_ns,
                              .sweep_allocating_cpu_ns = s.sweep_allocating_cpu_ns,
                              .stop_cpu_ns = s.stop_cpu_ns,
                              .full_wall_ns = PEER_NA,
                              .rescans = s.rescans,
                              .rescan_greyed_bytes = s.rescan_greyed_bytes,
                              .queued_objects = s.queued_objects,
                              .span_visits = s.span_visits,
                              .single_visits = s.single_visits,
                              .span_objects = s.span_objects,
                              .scanned_bytes = s.scanned_bytes,
                              .marked_bytes = s.marked_bytes};
    return 0;
}

_Static_assert(sizeof(struct traced_pause) == sizeof(struct goalloc_gc_pause) &&
                   offsetof(struct traced_pause, length_ns) == offsetof(struct goalloc_gc_pause, length_ns),
               "the same fields in the same order");

static size_t pauses(uint64_t first, struct traced_pause *out, size_t count, uint64_t *copied_first) {
    return goalloc_gc_pauses(first, (struct goalloc_gc_pause *)out, count, copied_first);
}

static size_t gc_cycles(uint64_t first, struct traced_gc_cycle *out, size_t count, uint64_t *copied_first) {
    struct goalloc_gc_cycle c;
    size_t n = 0;
    for (*copied_first = first; n < count && goalloc_gc_cycles(first + n, &c, 1, copied_first) == 1; n++) {
        if (*copied_first != first + n) /* what lay between is gone */
            first = *copied_first - n;
        out[n] = (struct traced_gc_cycle){c.of.forced_cycles != 0, c.goal_bytes, c.peak_live_bytes, c.next_goal_bytes};
    }
    *copied_first = first;
    return n;
}

static uint64_t metadata(void) {
    uint64_t bytes;
    return goalloc_read_metric("/memory/classes/metadata/other:bytes", &bytes, 1) ? bytes : PEER_NA;
}

/* Histograms have more values than one. */
static bool metric(size_t index, const char **name, uint64_t *value) {
    *name = goalloc_metric_name(index);
    if (*name != NULL && !goalloc_read_metric(*name, value, 1))
        *value = PEER_NA;
    return *name != NULL;
}

const struct traced_subject traced_subject = {
    .summary = "goalloc with its collector, behind the traced interface",
    .knobs = knobs,
    .read_knob = goalloc_knob,
    .identity = goalloc_axes,
    .version = version,
    .counters = counters,
    .allocations = allocations,
    .walk = walk,
    .gc = gc,
    .pauses = pauses,
    .gc_cycles = gc_cycles,
    .metadata = metadata,
    .metric = metric,
};
