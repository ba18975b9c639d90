/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    return metric_number(record, "workload_counters", "ratio");
}

METRIC(robson_ratio) = {
    .name = "robson_ratio",
    .title = "footprint over Robson's bound",
    .unit = "ratio",
    .better = "lower",
    .definition =
        "pages that ever held a block, over the words that no allocator can do without against this adversary",
    .memory = true,
    .own = true,
    .order = 94,
    .extract = extract,
};
