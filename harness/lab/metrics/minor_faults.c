/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    return metric_number(record, "memory", "minor_faults");
}

METRIC(minor_faults) = {
    .name = "minor_faults",
    .title = "minor page faults",
    .unit = "count",
    .better = "lower",
    .definition = "minor page faults of the timed part",
    .memory = true,
    .order = 70,
    .extract = extract,
};
