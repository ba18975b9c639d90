/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    return metric_number(record, "memory", "peak_live_bytes");
}

METRIC(peak_live) = {
    .name = "peak_live",
    .title = "peak live",
    .unit = "bytes",
    .better = "lower",
    .definition = "largest sum of requested bytes that were not dropped",
    .memory = true,
    .order = 60,
    .extract = extract,
};
