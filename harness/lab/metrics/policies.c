/* SPDX-License-Identifier: MIT
 *
 * policies: what placement policies alone need of the workload's stream, by the models of the subject `policy` (docs/record.md,
 * policies); of memory invocations, which are one iteration.
 */
#include "metric.h"

#define POLICY_METRIC(id, of_key, of_title, of_unit, of_better, of_order, of_definition)                               \
    METRIC_OF_PART(id, "policies", of_key, of_title, of_unit, of_better, of_order, of_definition)

POLICY_METRIC(policy_live, "live_bytes", "peak live of the stream", "bytes", "neither", 100,
              "requested bytes that live at once, the most, set-up included");
POLICY_METRIC(policy_tau, "tau", "Kendall's tau of the policies' orders", "ratio", "neither", 101,
              "how far the order of the policies by what they need is the same for the stream and for the same sizes and "
              "lifetimes without their order: 1 the same, -1 the reverse; needs within 1 % of live bytes tie");

/* A policy, and the places of its metrics. */
#define POLICY(id, of_title, of_order)                                                                                 \
    POLICY_METRIC(policy_##id, #id "_over_live", of_title " alone over live", "ratio", "lower", of_order,              \
                  "what " of_title " alone needs at its peak, by a model without metadata and page rounding, over the " \
                  "most bytes that live at once");                                                                     \
    POLICY_METRIC(policy_##id##_shuffled, #id "_shuffled_over_live", of_title " alone, shuffled", "ratio", "lower",    \
                  of_order + 10, "the same of a stream of the same sizes and lifetimes in no order (knob shuffle)")

POLICY(first, "first fit", 102);
POLICY(next, "next fit", 103);
POLICY(best, "best fit", 104);
POLICY(segregated, "segregated lists", 105);
POLICY(classes, "size classes", 106);
POLICY(linear, "a bump pointer", 107);
POLICY(lines, "a bump pointer over lines", 108);

#define HOLES(id, of_title, of_order)                                                                                  \
    POLICY_METRIC(policy_##id##_holes, #id "_holes_per_block", "free blocks per live block, " of_title, "ratio", "neither", \
                  of_order, "free blocks over live blocks at the end of the run under " of_title)

HOLES(first, "first fit", 122);
HOLES(next, "next fit", 123);
HOLES(best, "best fit", 124);
HOLES(segregated, "segregated lists", 125);
