/* SPDX-License-Identifier: MIT
 *
 * map.c: reads the document and adds up its runs.
 */
#include "map.h"
#include "command.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

static bool read_run(const json_t *row, struct map_run *out) {
    static const char *const kinds[MAP_KINDS] = {"span", "large", "free", "released", "cached"};
    const char *kind = json_string_value(json_array_get(row, 0));
    for (int i = 0; i < MAP_KINDS; i++) {
        if (kind == NULL || strcmp(kind, kinds[i]) != 0)
            continue;
        uint64_t column[10];
        for (size_t c = 1; c < 10; c++)
            column[c] = (uint64_t)json_integer_value(json_array_get(row, c));
        *out = (struct map_run){.kind = (enum map_kind)i,
                                .base = column[1],
                                .pages = column[2],
                                .noscan = column[4] != 0,
                                .released = column[5] != 0,
                                .slot_bytes = column[6],
                                .slots = column[7],
                                .used_slots = column[8],
                                .used_bytes = column[9]};
        return out->pages > 0;
    }
    return false;
}

static void add_run(struct map_totals *t, const struct map_run *r, uint64_t page_bytes) {
    uint64_t size_bytes = r->pages * page_bytes;
    bool objects = r->kind == MAP_SPAN || r->kind == MAP_LARGE;
    t->occupied += r->used_bytes;
    if (objects && r->used_bytes > 0)
        t->free_in_span += size_bytes - r->used_bytes;
    else if (objects)
        t->empty_spans += size_bytes;
    else if (r->released)
        t->released += size_bytes;
    else if (r->kind == MAP_CACHED)
        t->cached += size_bytes;
    else
        t->free_pages += size_bytes;
    t->occupied_runs += objects && r->used_bytes > 0;
    t->empty_span_count += objects && r->used_bytes == 0;
}

static bool read_moment(const json_t *object, uint64_t page_bytes, struct map_moment *out) {
    const json_t *runs = json_object_get(object, "runs"), *share = json_object_get(object, "share");
    const json_t *metadata = json_object_get(object, "metadata_bytes");
    *out = (struct map_moment){.share = json_is_number(share) ? json_number_value(share) : -1,
                               .ops = number(object, "ops"),
                               .live_bytes = number(object, "live_bytes"),
                               .metadata_bytes = (uint64_t)json_integer_value(metadata),
                               .metadata_known = json_is_integer(metadata)};
    out->run_count = json_array_size(runs);
    out->runs = lab_alloc((out->run_count + 1) * sizeof *out->runs);
    uint64_t end = 0;
    for (size_t i = 0; i < out->run_count; i++) {
        struct map_run *r = &out->runs[i];
        if (!read_run(json_array_get(runs, i), r) || r->base < end || r->base % page_bytes != 0 ||
            r->used_bytes > r->pages * page_bytes)
            return false;
        end = r->base + r->pages * page_bytes;
        add_run(&out->totals, r, page_bytes);
    }
    struct map_totals *t = &out->totals;
    t->held = t->occupied + t->free_in_span + t->empty_spans + t->free_pages + t->cached + out->metadata_bytes;
    return true;
}

static char *read_params(const json_t *params) {
    char *out = lab_strdup("");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)params, key, value) {
        if (strcmp(key, "threads") == 0)
            continue;
        char *more =
            lab_printf("%s%s%s = %lld", out, out[0] == '\0' ? "" : ", ", key, (long long)json_integer_value(value));
        free(out);
        out = more;
    }
    return out;
}

int map_load(struct map *m, json_t *document) {
    json_t *moments = json_object_get(document, "moments");
    const json_t *threads = json_object_get(json_object_get(document, "params"), "threads");
    *m = (struct map){.subject = text(document, "subject"),
                      .version = text(document, "version"),
                      .workload = text(document, "workload"),
                      .params = read_params(json_object_get(document, "params")),
                      .footer = "",
                      .seed = number(document, "seed"),
                      .ops = number(document, "ops"),
                      .page_bytes = number(document, "page_bytes"),
                      .threads = json_is_integer(threads) ? (uint64_t)json_integer_value(threads) : 1,
                      .document = document};
    size_t count = json_array_size(moments);
    m->moments = lab_alloc((count + 1) * sizeof *m->moments);
    bool ok = number(document, "schema") == 1 && m->page_bytes > 0 && count > 0;
    for (size_t i = 0; ok && i < count; i++) {
        ok = read_moment(json_array_get(moments, i), m->page_bytes, &m->moments[i]);
        m->moment_count++;
    }
    if (ok)
        return LAB_OK;
    map_free(m);
    return lab_error(LAB_CELL_FAILED,
                     "the bench program wrote no heap map that this spanlab can read: run make build again");
}

void map_free(struct map *m) {
    for (size_t i = 0; i < m->moment_count; i++)
        free(m->moments[i].runs);
    free(m->moments);
    free(m->params);
    json_decref(m->document);
}

char *map_number(char out[MAP_NUMBER_CHARS], uint64_t n) {
    char digits[MAP_NUMBER_CHARS];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

char *map_bytes(char out[MAP_NUMBER_CHARS], uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < sizeof units / sizeof *units - 1; unit++)
        value /= 1024;
    bool whole = value == (double)(uint64_t)value;
    snprintf(out, MAP_NUMBER_CHARS,
             whole         ? "%.0f %s"
             : value < 10  ? "%.2f %s"
             : value < 100 ? "%.1f %s"
                           : "%.0f %s",
             value, units[unit]);
    return out;
}
