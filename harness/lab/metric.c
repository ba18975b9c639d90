/* SPDX-License-Identifier: MIT */
#include "metric.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

extern const struct metric *const __start_spanlab_metrics[];
extern const struct metric *const __stop_spanlab_metrics[];

static const struct metric **sorted;

size_t metric_count(void) {
    return (size_t)(__stop_spanlab_metrics - __start_spanlab_metrics);
}

static int by_order(const void *a, const void *b) {
    return (*(const struct metric *const *)a)->order - (*(const struct metric *const *)b)->order;
}

const struct metric *metric_at(size_t i) {
    if (sorted == NULL) {
        sorted = lab_alloc(metric_count() * sizeof *sorted);
        memcpy(sorted, __start_spanlab_metrics, metric_count() * sizeof *sorted);
        qsort(sorted, metric_count(), sizeof *sorted, by_order);
    }
    return i < metric_count() ? sorted[i] : NULL;
}

size_t metric_index(const char *name) {
    for (size_t i = 0; i < metric_count(); i++)
        if (strcmp(metric_at(i)->name, name) == 0)
            return i;
    lab_die(1, "there is no metric '%s'", name);
}

double metric_number(json_t *record, const char *object, const char *key) {
    json_t *n = json_object_get(json_object_get(record, object), key);
    return json_is_number(n) ? json_number_value(n) : NAN;
}

bool metric_below(const struct metric *m, json_t *record) {
    return m->below != NULL && m->below(record);
}

bool metric_rss_below(json_t *record) {
    return metric_number(record, "memory", "peak_rss_bytes") < METRIC_RSS_RESOLUTION_BYTES; /* false of NAN */
}
