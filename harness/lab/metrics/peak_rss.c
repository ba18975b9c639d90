/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    double peak_bytes = metric_number(record, "memory", "peak_rss_bytes");
    return peak_bytes < METRIC_RSS_RESOLUTION_BYTES ? METRIC_RSS_RESOLUTION_BYTES : peak_bytes; /* NAN stays */
}

METRIC(peak_rss) = {
    .name = "peak_rss",
    .title = "peak RSS",
    .unit = "bytes",
    .better = "lower",
    .definition = "high-water mark of the resident set minus its size after set-up; below 1 MiB, the resolution of the kernel's counters, it counts as 1 MiB",
    .memory = true,
    .order = 40,
    .extract = extract,
};
