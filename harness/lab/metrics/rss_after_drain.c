/* SPDX-License-Identifier: MIT */
#include "metric.h"

static double extract(json_t *record) {
    return metric_number(record, "memory", "rss_after_drain_bytes");
}

METRIC(rss_after_drain) = {
    .name = "rss_after_drain",
    .title = "RSS after drain",
    .unit = "bytes",
    .better = "lower",
    .definition = "resident set after all is dropped and purged, minus its size after set-up, net of lazily freed pages",
    .memory = true,
    .order = 50,
    .extract = extract,
};
