/* SPDX-License-Identifier: MIT
 *
 * workload_counters: figures that a workload reports about itself (bench_counter), of memory invocations: those are one
 * iteration on a fresh heap.
 */
#include "metric.h"

#define COUNTER_METRIC(id, of_title, of_unit, of_better, of_definition, of_order)                                      \
    static double extract_##id(json_t *record) {                                                                       \
        return metric_number(record, "workload_counters", #id);                                                        \
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

COUNTER_METRIC(footprint_words, "footprint", "words", "lower",
               "pages that ever held a block of the workload's, in words", 90);
COUNTER_METRIC(held_words, "pages held at the end", "words", "lower",
               "pages that hold a block of the workload's at its end, in words", 91);
COUNTER_METRIC(range_words, "address range", "words", "lower",
               "from the lowest address of a block to the highest, in words", 92);
COUNTER_METRIC(robson_bound_words, "Robson's bound", "words", "neither",
               "words that no allocator can do without against this adversary: M(1 + log2(n)/2) - n + 1", 93);
