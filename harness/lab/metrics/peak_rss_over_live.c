/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    double live = metric_number(record, "memory", "peak_live_bytes");
    return live > 0 ? metric_number(record, "memory", "peak_rss_bytes") / live : NAN;
}

METRIC(peak_rss_over_live) = {
    .name = "peak_rss_over_live",
    .title = "peak RSS over peak live",
    .unit = "ratio",
    .better = "lower",
    .definition = "peak RSS over the largest sum of requested live bytes",
    .memory = true,
    .order = 45,
    .extract = extract,
};
