/* SPDX-License-Identifier: MIT */
#include "metric.h"
#include "stats.h"

#include <stdlib.h>

/* One process, one value: the median of the iterations that count. */
static double extract(json_t *record) {
    json_t *samples = json_object_get(record, "samples"), *sample;
    double *values = calloc(json_array_size(samples) + 1, sizeof *values), value;
    size_t i, n = 0;
    if (values == NULL)
        return NAN;
    json_array_foreach(samples, i, sample) {
        double ops = json_number_value(json_object_get(sample, "ops"));
        if (!json_is_true(json_object_get(sample, "warmup")) && ops > 0)
            values[n++] = json_number_value(json_object_get(sample, "zero_bytes")) / ops;
    }
    value = stats_median(values, n);
    free(values);
    return value;
}

METRIC(zero_share) = {
    .name = "zero_share",
    .title = "cleared bytes",
    .unit = "bytes/op",
    .better = "lower",
    .definition = "bytes that the workload asked to be zeroed, per operation",
    .memory = false,
    .order = 30,
    .extract = extract,
};
