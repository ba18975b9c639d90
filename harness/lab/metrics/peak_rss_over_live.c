/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    double live = metric_number(record, "memory", "peak_live_bytes");
    double peak = metric_rss_below(record) ? METRIC_RSS_RESOLUTION_BYTES : metric_number(record, "memory", "peak_rss_bytes");
    return live > 0 ? peak / live : NAN;
}

METRIC(peak_rss_over_live) = {
    .name = "peak_rss_over_live",
    .title = "peak RSS over peak live",
    .unit = "ratio",
    .better = "lower",
    .definition = "peak RSS over the largest sum of requested live bytes; a bound where peak RSS is one",
    .memory = true,
    .order = 45,
    .extract = extract,
    .below = metric_rss_below,
};
