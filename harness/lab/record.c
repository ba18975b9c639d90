/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <string.h>

enum { RECORD_SCHEMA = 1 };

static bool counts(json_t *object, const char *key) {
    json_t *n = json_object_get(object, key);
    return json_is_integer(n) && json_integer_value(n) >= 0;
}

static const char *samples_defect(json_t *samples, unsigned iterations) {
    size_t i;
    unsigned counted = 0;
    json_t *sample;
    if (!json_is_array(samples))
        return "the record has no samples";
    json_array_foreach(samples, i, sample) {
        if (!counts(sample, "wall_ns") || !counts(sample, "cpu_ns") || !counts(sample, "ops"))
            return "a sample of the record has no time or no operations";
        counted += !json_is_true(json_object_get(sample, "warmup"));
    }
    if (counted == 0 || (iterations != 0 && counted != iterations))
        return "the record has not as many samples as iterations were asked for";
    return NULL;
}

static const char *memory_defect(json_t *memory) {
    json_t *peak = json_object_get(memory, "peak_rss_bytes");
    if (!json_is_object(memory) || (!json_is_number(peak) && !json_is_null(peak)))
        return "the record of a memory process has no figures of memory";
    return NULL;
}

const char *record_defect(const char *text, bool memory, unsigned iterations, json_t **out) {
    *out = text == NULL ? NULL : json_loads(text, 0, NULL);
    json_t *schema = json_object_get(*out, "schema");
    const char *mode = json_string_value(json_object_get(*out, "mode"));
    if (*out == NULL)
        return "the record is no JSON";
    if (!json_is_object(*out) || !json_is_integer(schema))
        return "the record is not one of a process";
    if (json_integer_value(schema) != RECORD_SCHEMA)
        return "the record is of another version";
    if (mode == NULL || strcmp(mode, memory ? "memory" : "throughput") != 0)
        return "the record is of another mode";
    if (!json_is_true(json_object_get(json_object_get(*out, "proof"), "ok")))
        return "the record says ok without a proof of who served the calls";
    if (!json_is_string(json_object_get(*out, "checksum")))
        return "the record has no checksum";
    const char *samples = samples_defect(json_object_get(*out, "samples"), iterations);
    if (samples != NULL)
        return samples;
    return memory ? memory_defect(json_object_get(*out, "memory")) : NULL;
}
