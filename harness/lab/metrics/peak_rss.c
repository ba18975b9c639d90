/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    return metric_rss_below(record) ? METRIC_RSS_RESOLUTION_BYTES : metric_number(record, "memory", "peak_rss_bytes");
}

METRIC(peak_rss) = {
    .name = "peak_rss",
    .title = "peak RSS",
    .unit = "bytes",
    .better = "lower",
    .definition = "high-water mark of the resident set minus its size after set-up; below 1 MiB, the resolution of the kernel's counters, only that is known, and the value is a bound",
    .memory = true,
    .order = 40,
    .extract = extract,
    .below = metric_rss_below,
};
