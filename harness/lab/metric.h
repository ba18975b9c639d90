/* SPDX-License-Identifier: MIT
 *
 * metric.h: what can be read off an invocation. A metric is one file with one METRIC(name) = {...}.
 */
#ifndef SPANLAB_METRIC_H
#define SPANLAB_METRIC_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* The kernel counts a thread's pages in batches: below this a resident size says nothing. */
enum { METRIC_RSS_RESOLUTION_BYTES = 1 << 20 };

struct metric {
    const char *name;       /* "peak_rss" */
    const char *title;      /* "peak RSS" */
    const char *unit;       /* "bytes"; "ns/op"; "ratio" */
    const char *better;     /* "lower" or "higher"; "neither" where it is no result */
    const char *definition; /* one sentence */
    bool memory;            /* read off memory invocations; else off throughput ones */
    bool own;               /* some workload's own figure: shown for the rows that have it, left out for all others */
    int order;              /* place in exports */
    /* Of one record (docs/record.md); NAN is n/a. */
    double (*extract)(json_t *record);
    /* True: the value is an upper bound, and the true value is below it. NULL: the metric has no bounds. */
    bool (*below)(json_t *record);
};

#define METRIC(id)                                                                                                     \
    static const struct metric metric_##id;                                                                           \
    static const struct metric *const metric_entry_##id __attribute__((used, section("spanlab_metrics"))) =           \
        &metric_##id;                                                                                                  \
    static const struct metric metric_##id

/* Metric i in order; NULL past the last. */
const struct metric *metric_at(size_t i);
size_t metric_count(void);
/* Index of a name; ends the program when there is none (a bug). */
size_t metric_index(const char *name);

/* Whether the metric's value of this record is a bound. */
bool metric_below(const struct metric *m, json_t *record);
/* Whether the peak of the resident set is below what the kernel's counters resolve. */
bool metric_rss_below(json_t *record);

/* A number below an object of the record, NAN when null or absent. */
double metric_number(json_t *record, const char *object, const char *key);

/* A metric that is one number of a part of the record, of memory invocations: those are one iteration on a fresh heap. */
#define METRIC_OF_PART(id, of_part, of_key, of_title, of_unit, of_better, of_order, of_definition)                     \
    static double extract_##id(json_t *record) {                                                                       \
        return metric_number(record, of_part, of_key);                                                                 \
    }                                                                                                                  \
    METRIC(id) = {                                                                                                     \
        .name = #id,                                                                                                   \
        .title = of_title,                                                                                             \
        .unit = of_unit,                                                                                               \
        .better = of_better,                                                                                           \
        .definition = of_definition,                                                                                   \
        .memory = true,                                                                                                \
        .own = true,                                                                                                   \
        .order = of_order,                                                                                             \
        .extract = extract_##id,                                                                                       \
    }

#endif
