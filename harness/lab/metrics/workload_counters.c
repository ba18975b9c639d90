/* SPDX-License-Identifier: MIT
 *
 * workload_counters: figures that a workload reports about itself (bench_counter), of memory invocations: those are one
 * iteration on a fresh heap.
 */
#include "metric.h"

#define COUNTER_METRIC(id, of_title, of_unit, of_better, of_definition, of_order)                                      \
    METRIC_OF_PART(id, "workload_counters", #id, of_title, of_unit, of_better, of_order, of_definition)

COUNTER_METRIC(footprint_words, "footprint", "words", "lower",
               "pages that ever held a block of the workload's, in words", 90);
COUNTER_METRIC(held_words, "pages held at the end", "words", "lower",
               "pages that hold a block of the workload's at its end, in words", 91);
COUNTER_METRIC(range_words, "address range", "words", "lower",
               "from the lowest address of a block to the highest, in words", 92);
COUNTER_METRIC(robson_bound_words, "Robson's bound", "words", "neither",
               "words that no allocator can do without against this adversary: M(1 + log2(n)/2) - n + 1", 93);
COUNTER_METRIC(
    robson_ratio, "address range over Robson's bound", "ratio", "lower",
    "from the lowest address of a block to the highest, over the words of address range that no allocator can "
    "do without against this adversary: never below 1, and far above it where large blocks are mapped elsewhere",
    94);
COUNTER_METRIC(footprint_over_bound, "footprint over Robson's bound", "ratio", "lower",
               "pages that ever held a block of the workload's, over Robson's bound; the bound is one on addresses, of "
               "which some pages may never be touched, so that less than 1 is possible",
               95);
