/* SPDX-License-Identifier: MIT */
#include "collectors.h"
#include "error.h"
#include "timespace.h"

#include <stdlib.h>
#include <string.h>

enum { STATISTICS_SEED = 20251, NAME_COLUMNS = 27, FIGURE_COLUMNS = 9 };

/* ---- what is pooled */

void collectors_add_record(struct run_cell *c, json_t *record) {
    json_t *gc = json_object_get(record, "gc"), *pauses = json_object_get(gc, "pauses"), *length;
    size_t i;
    if (!json_is_object(gc))
        return;
    c->collects = true;
    c->pauses_inexact |= json_is_false(json_object_get(pauses, "exact"));
    json_array_foreach(json_object_get(pauses, "lengths_ns"), i, length) {
        if (c->pauses.count % 1024 == 0)
            c->pauses.values = lab_realloc(c->pauses.values, (c->pauses.count + 1024) * sizeof *c->pauses.values);
        c->pauses.values[c->pauses.count++] = json_number_value(length);
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double collectors_pause(const struct run_cell *c, double share) {
    size_t n = c->pauses.count;
    if (n == 0)
        return NAN;
    qsort(c->pauses.values, n, sizeof *c->pauses.values, ascending);
    size_t rank = (size_t)ceil(share * (double)n - 1e-9);
    return c->pauses.values[rank == 0 ? 0 : rank - 1];
}

bool collectors_no_gc(const struct run_cell *c) {
    return c->collects && !(run_median(c, "gc_collections") >= COLLECTORS_LEAST_COLLECTIONS);
}

/* ---- marking */

static const char empty_heap[] = "mark-empty";

static bool marks_a_shape(const struct run_cell *c) {
    return strncmp(c->workload, "mark-", 5) == 0 && strcmp(c->workload, empty_heap) != 0 && !c->invalid;
}

static const struct run_cell *empty_of(const struct run *r, const struct run_cell *c) {
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *e = &r->cells[i];
        if (strcmp(e->workload, empty_heap) == 0 && strcmp(e->label, c->label) == 0 && !e->invalid &&
            run_values(e, "cpu").count > 0)
            return e;
    }
    return NULL;
}

void collectors_fill_marking(struct run *r) {
    for (size_t i = 0; i < r->cell_count; i++) {
        struct run_cell *c = &r->cells[i];
        const struct run_cell *empty = marks_a_shape(c) ? empty_of(r, c) : NULL;
        struct stats_series cpu = run_values(c, "cpu");
        if (empty == NULL || cpu.count == 0)
            continue;
        struct run_series *s = &c->series[metric_index("marking")];
        s->values = lab_alloc(cpu.count * sizeof *s->values);
        for (; s->count < cpu.count; s->count++)
            s->values[s->count] = cpu.values[s->count] - run_median(empty, "cpu");
    }
}

struct collectors_marking collectors_marking(const struct run *r, const struct run_cell *c) {
    struct collectors_marking out = {.value = NAN};
    const struct run_cell *empty = c != NULL && marks_a_shape(c) ? empty_of(r, c) : NULL;
    if (empty == NULL || run_values(c, "cpu").count == 0)
        return out;
    struct stats_series x = run_values(c, "cpu"), y = run_values(empty, "cpu");
    out.value = stats_median(x.values, x.count) - stats_median(y.values, y.count);
    out.interval = stats_difference_interval(x, y, STATISTICS_SEED);
    return out;
}

/* ---- the tables */

static void put(FILE *out, const char *text) {
    fprintf(out, "%*s", FIGURE_COLUMNS, text);
}

static void put_percent(FILE *out, double share, bool estimate) {
    char text[32];
    snprintf(text, sizeof text, isnan(share) ? "n/a" : estimate ? "(%.0f%%)" : "%.1f%%", 100 * share);
    put(out, text);
}

static void put_number(FILE *out, const char *format, double value) {
    char text[32];
    if (isnan(value))
        snprintf(text, sizeof text, "n/a");
    else
        snprintf(text, sizeof text, format, value);
    put(out, text);
}

static void put_time(FILE *out, double ns, bool bound) {
    char text[32];
    const char *least = bound ? "<" : "";
    if (isnan(ns))
        snprintf(text, sizeof text, "n/a");
    else if (ns >= 1e6)
        snprintf(text, sizeof text, "%s%.2fms", least, ns / 1e6);
    else
        snprintf(text, sizeof text, "%s%.0fus", least, ns / 1e3);
    put(out, text);
}

static void put_name(FILE *out, const char *label) {
    if (strlen(label) > NAME_COLUMNS - 2)
        fprintf(out, "  %s\n%*s", label, NAME_COLUMNS, "");
    else
        fprintf(out, "  %-*s", NAME_COLUMNS - 2, label);
}

static void put_heading(FILE *out, const char *title, const char *const *names) {
    fprintf(out, "%s\n%*s", title, NAME_COLUMNS, "");
    for (; *names != NULL; names++)
        put(out, *names);
    fputc('\n', out);
}

static void cost_line(const struct run *r, const struct run_cell *c, FILE *out) {
    double scanned_bytes = run_median(c, "gc_scanned_per_collection");
    char collections[32];
    snprintf(collections, sizeof collections, "%.0f%s", run_median(c, "gc_collections"),
             collectors_no_gc(c) ? " no-GC" : "");
    put_name(out, c->label);
    put(out, collections);
    double share = run_median(c, "gc_cpu_share"), estimate = run_median(c, "gc_cpu_share_estimate");
    put_percent(out, isnan(share) ? estimate : share, isnan(share));
    put_percent(out, run_median(c, "gc_mark_share"), false);
    put_percent(out, run_median(c, "gc_assist_share"), false);
    put_percent(out, run_median(c, "gc_sweep_share"), false);
    put_percent(out, run_median(c, "gc_stop_share"), false);
    put_number(out, "%.1fM", scanned_bytes / (1 << 20));
    put_number(out, "%.1f", run_median(c, "gc_objects_per_visit"));
    put_number(out, "%.2f", run_median(c, "gc_peak_over_goal"));
    put_number(out, "%.2f", timespace_lbo(r, c));
    fputc('\n', out);
}

static void pause_line(const struct run *r, const struct run_cell *c, FILE *out) {
    char count[32];
    (void)r;
    snprintf(count, sizeof count, "%zu%s", c->pauses.count, c->pauses.count < COLLECTORS_LEAST_PAUSES ? "!" : "");
    put_name(out, c->label);
    put(out, count);
    put_time(out, collectors_pause(c, 0.5), c->pauses_inexact);
    put_time(out, collectors_pause(c, 0.99), c->pauses_inexact);
    put_time(out, collectors_pause(c, 1), c->pauses_inexact);
    put_number(out, "%.3f", run_median(c, "gc_mmu_1ms"));
    put_number(out, "%.3f", run_median(c, "gc_mmu_10ms"));
    put_number(out, "%.3f", run_median(c, "gc_mmu_100ms"));
    fputc('\n', out);
}

static void put_rows(const struct run *r, FILE *out,
                     void (*line)(const struct run *r, const struct run_cell *c, FILE *out)) {
    for (size_t row = 0; row < r->row_count; row++) {
        bool named = false;
        for (size_t i = 0; i < r->subject_count; i++) {
            const struct run_cell *c = run_find(r, row, r->subjects[i]);
            if (c == NULL || !c->collects || c->ok == 0)
                continue;
            if (!named)
                fprintf(out, "%s\n", r->rows[row].label);
            named = true;
            line(r, c, out);
        }
    }
    fputc('\n', out);
}

static void put_marking(const struct run *r, FILE *out) {
    bool begun = false;
    for (size_t row = 0; row < r->row_count; row++) {
        bool named = false;
        for (size_t i = 0; i < r->subject_count; i++) {
            const struct run_cell *c = run_find(r, row, r->subjects[i]);
            struct collectors_marking m = collectors_marking(r, c);
            if (isnan(m.value))
                continue;
            if (!begun)
                fputs("MARKING, ms of CPU per forced collection beyond an empty heap's, lower is better\n", out);
            if (!named)
                fprintf(out, "%s\n", r->rows[row].label);
            begun = named = true;
            fprintf(out, "  %-54s%*.2f", c->label, FIGURE_COLUMNS, m.value / 1e6);
            if (m.interval.known)
                fprintf(out, "  [%.2f, %.2f]\n", m.interval.low / 1e6, m.interval.high / 1e6);
            else
                fprintf(out, "  %zu process%s, no interval\n", run_values(c, "cpu").count,
                        run_values(c, "cpu").count == 1 ? "" : "es");
        }
    }
    if (begun)
        fputc('\n', out);
}

void collectors_print(const struct run *r, FILE *out) {
    static const char *const costs[] = {"collect.", "GC CPU",   "mark",    "assist", "sweep", "stop",
                                        "scanned",  "obj/page", "of goal", "LBO",    NULL};
    static const char *const stops[] = {"pauses", "p50", "p99", "longest", "MMU 1ms", "10ms", "100ms", NULL};
    bool any = false;
    for (size_t i = 0; i < r->cell_count; i++)
        any |= r->cells[i].collects && r->cells[i].ok > 0;
    if (!any)
        return;
    put_marking(r, out);
    put_heading(
        out,
        "COLLECTORS: collections in a timed section; share of CPU (lower is better); bytes scanned per collection "
        "(lower);\nobjects per visit of a page (higher); peak heap over goal (near 1); all CPU over the least without "
        "collecting, LBO "
        "(lower)",
        costs);
    put_rows(r, out, cost_line);
    put_heading(out, "PAUSES, of all processes together (lower is better); MMU, mutator utilisation (higher is better)",
                stops);
    put_rows(r, out, pause_line);
    fprintf(
        out,
        "no-GC: fewer than %d collections in a timed section, which tell nothing of the collector. ! is fewer than %d "
        "pauses\nbehind a p99. In brackets: the runtime's own estimate, no measurement. < is the upper bound of a "
        "histogram's bucket.\n\n",
        COLLECTORS_LEAST_COLLECTIONS, COLLECTORS_LEAST_PAUSES);
}
