/* SPDX-License-Identifier: MIT
 *
 * collector: what a traced subject's collector did in the timed parts of a process (docs/record.md, gc).
 */
#include "metric.h"

static json_t *gc_of(json_t *record) {
    return json_object_get(record, "gc");
}

static double gc_number(json_t *record, const char *key) {
    return metric_number(record, "gc", key);
}

static double part_number(json_t *record, const char *part, const char *key) {
    return metric_number(gc_of(record), part, key);
}

/* NAN when either side is not known, or there is nothing to divide by. */
static double over(double a, double b) {
    return b > 0 ? a / b : NAN;
}

static double cpu_share(json_t *record, const char *kind) {
    return over(part_number(record, "cpu", kind), gc_number(record, "process_cpu_ns"));
}

static double sweep_share(json_t *record) {
    return cpu_share(record, "sweep_ns") + cpu_share(record, "sweep_allocating_ns");
}

static double all_share(json_t *record) {
    return cpu_share(record, "mark_ns") + cpu_share(record, "assist_ns") + sweep_share(record) +
           cpu_share(record, "stop_ns");
}

static double per_collection(json_t *record, double value) {
    return over(value, gc_number(record, "cycles"));
}

#define GC_METRIC(id, of_title, of_unit, of_better, of_order, of_definition, value)                                    \
    static double extract_##id(json_t *record) {                                                                       \
        return json_is_object(gc_of(record)) ? (value) : NAN;                                                          \
    }                                                                                                                  \
    METRIC(id) = {                                                                                                     \
        .name = #id,                                                                                                   \
        .title = of_title,                                                                                             \
        .unit = of_unit,                                                                                               \
        .better = of_better,                                                                                           \
        .definition = of_definition,                                                                                   \
        .own = true,                                                                                                   \
        .order = of_order,                                                                                             \
        .extract = extract_##id,                                                                                       \
    }

GC_METRIC(gc_collections, "collections in a timed section", "count", "neither", 200,
          "collections that ended in the timed part of one iteration, the fewest of a process",
          gc_number(record, "least_cycles"));
GC_METRIC(gc_cpu_share, "collector's share of CPU", "ratio", "lower", 201,
          "marking, assists, sweeping and stops over all CPU of the process in the timed parts", all_share(record));
GC_METRIC(gc_mark_share, "marking's share of CPU", "ratio", "lower", 202,
          "CPU of marking, by the collector's threads or by who forces a collection, over all CPU of the process",
          cpu_share(record, "mark_ns"));
GC_METRIC(gc_assist_share, "assists' share of CPU", "ratio", "lower", 203,
          "CPU of marking by threads that allocate, over all CPU of the process", cpu_share(record, "assist_ns"));
GC_METRIC(gc_sweep_share, "sweeping's share of CPU", "ratio", "lower", 204,
          "CPU of sweeping, in the background and by threads that allocate, over all CPU of the process",
          sweep_share(record));
GC_METRIC(gc_stop_share, "stops' share of CPU", "ratio", "lower", 205,
          "CPU of the thread that stops the world, until all others run again, over all CPU of the process",
          cpu_share(record, "stop_ns"));
GC_METRIC(gc_cpu_share_estimate, "collector's share of CPU, as the subject estimates it", "ratio", "neither", 206,
          "real Go's own estimate (/cpu/classes/gc/total) over the CPU of the process; no measurement, and not to be "
          "compared with gc_cpu_share",
          over(part_number(record, "cpu_estimate", "total_ns"), gc_number(record, "process_cpu_ns")));
GC_METRIC(gc_cpu_per_collection, "collector's CPU per collection", "ns", "lower", 207,
          "marking, assists, sweeping and stops over the number of collections",
          per_collection(record, all_share(record) * gc_number(record, "process_cpu_ns")));
GC_METRIC(gc_pauses, "pauses of a process", "count", "neither", 210, "stops of the world in the timed parts",
          part_number(record, "pauses", "count"));
GC_METRIC(gc_pause_p50, "pause, median", "ns", "lower", 211, "median of the stops of the world of one process",
          part_number(record, "pauses", "p50_ns"));
GC_METRIC(gc_pause_p99, "pause, 99th percentile", "ns", "lower", 212,
          "99th percentile of the stops of the world of one process, by nearest rank",
          part_number(record, "pauses", "p99_ns"));
GC_METRIC(gc_pause_max, "pause, longest", "ns", "lower", 213, "longest stop of the world of one process",
          part_number(record, "pauses", "max_ns"));
GC_METRIC(gc_mmu_1ms, "MMU, 1 ms", "ratio", "higher", 214,
          "least share of any window of 1 ms that lies outside stops of the world", part_number(record, "mmu", "1ms"));
GC_METRIC(gc_mmu_10ms, "MMU, 10 ms", "ratio", "higher", 215,
          "least share of any window of 10 ms that lies outside stops of the world",
          part_number(record, "mmu", "10ms"));
GC_METRIC(gc_mmu_100ms, "MMU, 100 ms", "ratio", "higher", 216,
          "least share of any window of 100 ms that lies outside stops of the world",
          part_number(record, "mmu", "100ms"));
GC_METRIC(gc_peak_over_goal, "peak heap over goal", "ratio", "neither", 220,
          "live heap when marking ends over the goal in force, median over the cycles that nobody forced",
          part_number(record, "heap", "peak_over_goal"));
GC_METRIC(gc_heap_goal, "heap goal", "bytes", "neither", 219, "how large the heap may grow, at the end",
          part_number(record, "heap", "goal_bytes"));
GC_METRIC(gc_objects_per_visit, "objects per visit of a page", "ratio", "higher", 221,
          "Green Tea: objects scanned over visits of pages",
          over(part_number(record, "marker", "span_objects"), part_number(record, "marker", "span_visits")));
GC_METRIC(gc_single_visits, "visits for a single object", "ratio", "lower", 222,
          "Green Tea: visits of a page for one object, over all visits",
          over(part_number(record, "marker", "single_visits"), part_number(record, "marker", "span_visits")));
GC_METRIC(gc_scanned_per_collection, "bytes scanned per collection", "bytes", "lower", 223,
          "bytes of objects with pointers that were scanned, over collections",
          per_collection(record, part_number(record, "marker", "scanned_bytes")));
GC_METRIC(gc_rescan_greyed_per_collection, "bytes marked by the second scan", "bytes", "lower", 224,
          "bytes that only the second scan of stacks and roots marked, over collections",
          per_collection(record, part_number(record, "marker", "rescan_greyed_bytes")));
GC_METRIC(gc_metadata, "tables beside the heap", "bytes", "neither", 225,
          "bytes of tables and bitmaps beside the heap at the end, records of spans and threads' caches left out; Go's "
          "/memory/classes/metadata/other",
          part_number(record, "heap", "metadata_bytes"));
