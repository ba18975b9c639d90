/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    double requested = metric_number(record, "fragmentation", "requested_bytes");
    return requested > 0 ? metric_number(record, "fragmentation", "free_in_span_bytes") / requested : NAN;
}

METRIC(external_fragmentation) = {
    .name = "external_fragmentation",
    .title = "external fragmentation",
    .unit = "ratio",
    .better = "lower",
    .definition = "free bytes in spans that hold live objects over requested live bytes, at the last point of the run",
    .memory = true,
    .order = 90,
    .extract = extract,
};
