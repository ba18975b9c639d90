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
            values[n++] = json_number_value(json_object_get(sample, "wall_ns")) / ops;
    }
    value = stats_median(values, n);
    free(values);
    return value;
}

METRIC(time) = {
    .name = "time",
    .title = "time",
    .unit = "ns/op",
    .better = "lower",
    .definition = "wall time of the timed part over operations, median of a process's iterations",
    .memory = false,
    .order = 10,
    .extract = extract,
};
