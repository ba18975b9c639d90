/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    double requested = metric_number(record, "fragmentation", "requested_bytes");
    return requested > 0 ? metric_number(record, "fragmentation", "rounding_bytes") / requested : NAN;
}

METRIC(internal_fragmentation) = {
    .name = "internal_fragmentation",
    .title = "internal fragmentation",
    .unit = "ratio",
    .better = "lower",
    .definition = "bytes lost to rounding over requested live bytes, at the last point of the run",
    .memory = true,
    .order = 80,
    .extract = extract,
};
