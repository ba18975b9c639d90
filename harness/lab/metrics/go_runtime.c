/* SPDX-License-Identifier: MIT
 *
 * go_runtime: what Go's runtime/metrics say of a whole process, which the record keeps under "go": real Go's, and those
 * that goalloc keeps under their names. Claims about Go are judged by these.
 */
#include "metric.h"

static double told(json_t *record, const char *name) {
    return metric_number(json_object_get(record, "go"), "metrics", name);
}

/* Tiny requests are counted apart from the blocks that they share (runtime/metrics/description.go). */
static double tiny_share(json_t *record) {
    double tiny = told(record, "/gc/heap/tiny/allocs:objects"), others = told(record, "/gc/heap/allocs:objects");
    return 100 * tiny / (tiny + others);
}

static double live(json_t *record) {
    return told(record, "/gc/heap/live:bytes");
}

/* doc/gc-guide.html, "GOGC": target = live + (live + stacks + globals) * GOGC / 100, and at least 4 MiB * GOGC / 100
 * (mgcpacer.go:59). */
static double goal_by_the_guide(json_t *record) {
    double percent = told(record, "/gc/gogc:percent") / 100, at_least = 4 * 1048576.0 * percent;
    double goal =
        live(record) +
        (live(record) + told(record, "/gc/scan/stack:bytes") + told(record, "/gc/scan/globals:bytes")) * percent;
    return goal > at_least || isnan(goal) ? goal : at_least;
}

static double goal_over_formula(json_t *record) {
    return told(record, "/gc/heap/goal:bytes") / goal_by_the_guide(record);
}

static double mean_pause(json_t *record) {
    return metric_number(record, "go", "pause_total_ns") / metric_number(record, "go", "num_gc");
}

#define GO_METRIC(id, of_title, of_unit, of_order, of_definition, value)                                               \
    METRIC(id) = {                                                                                                     \
        .name = #id,                                                                                                   \
        .title = of_title,                                                                                             \
        .unit = of_unit,                                                                                               \
        .better = "neither",                                                                                           \
        .own = true,                                                                                                   \
        .definition = of_definition,                                                                                   \
        .order = of_order,                                                                                             \
        .extract = value,                                                                                              \
    }

GO_METRIC(go_tiny_share, "requests that found room in a tiny block", "%", 300,
          "Go and goalloc: tiny allocations over all allocations of the process", tiny_share);
GO_METRIC(go_live, "live heap after the last collection", "bytes", 301,
          "Go and goalloc: bytes that its last collection marked", live);
GO_METRIC(go_goal_over_formula, "heap goal over the GC guide's formula", "ratio", 302,
          "Go and goalloc: heap goal over live heap + (live heap + stacks + globals) * GOGC / 100, at the end of the process",
          goal_over_formula);
GO_METRIC(go_mean_pause, "mean stop of the world", "ns", 303,
          "real Go: MemStats.PauseTotalNs over NumGC, of the whole process", mean_pause);
