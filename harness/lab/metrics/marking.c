/* SPDX-License-Identifier: MIT
 *
 * marking: what marking a heap costs, on any runtime. It is no figure of one record: the cost of collecting an empty
 * heap is another cell's (collectors.h).
 */
#include "metric.h"

static double extract(json_t *record) {
    (void)record;
    return NAN;
}

METRIC(marking) = {
    .name = "marking",
    .title = "marking",
    .unit = "ns",
    .better = "lower",
    .definition = "process CPU of a forced collection of a heap that does not change, minus that of an empty heap (the "
                  "median of mark-empty on the same subject)",
    .own = true,
    .order = 230,
    .extract = extract,
};
