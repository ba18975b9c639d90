/* SPDX-License-Identifier: MIT
 *
 * csv: tidy and long, one value a line; n/a is an empty value with its status. bound "<": the true value is below; failed:
 * the number of the cell's processes that failed. Each failed process also has a line of its own, without a value.
 */
#include "collectors.h"
#include "format.h"

#include <string.h>

/* Quoted where a comma or quote would break the line. */
static void field(FILE *out, const char *text) {
    if (strpbrk(text, ",\"\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void row(const struct run *r, const struct run_cell *c, const struct metric *m, size_t process, const char *value,
                const char *status, const char *bound, FILE *out) {
    field(out, r->id);
    fprintf(out, ",%ld,", c->id);
    field(out, c->workload);
    fputc(',', out);
    field(out, c->subject);
    fputc(',', out);
    field(out, c->knobs);
    fputc(',', out);
    field(out, c->params);
    fprintf(out, ",%u,%s,%zu,%ld,%s,%s,%s,%s,%s,%s\n", c->threads, c->flavour, process, c->failed, bound, m->name, value, m->unit,
            m->better, status);
}

/* Of a value that is there. flaky: other processes of the cell failed, so it is one of those that survived; shared: its threads took turns
 * on fewer processors. */
static const char *status_of(const struct run *r, const struct run_cell *c, const char *bound) {
    if (c->invalid)
        return "invalid";
    if (c->failed > 0)
        return "flaky";
    if (bound[0] != '\0')
        return strcmp(bound, "<") == 0 ? "floor" : "bound";
    return collectors_no_gc(c) ? "no-GC" : r->rows[c->row].shared ? "shared" : "ok";
}

static void write_values(const struct run *r, const struct run_cell *c, size_t metric, FILE *out) {
    const struct metric *m = metric_at(metric);
    const struct run_series *s = &c->series[metric];
    for (size_t v = 0; v < s->count; v++) {
        char value[64];
        const char *bound = run_bound(c, metric, v);
        snprintf(value, sizeof value, "%.17g", s->values[v]);
        row(r, c, m, v + 1, value, status_of(r, c, bound), bound, out);
    }
    bool served = m->memory ? c->memory_record != NULL : c->record != NULL; /* then the subject does not tell it */
    if (s->count == 0 && run_row_shows(r, c->row, m->name))
        row(r, c, m, 0, "", c->invalid ? "invalid" : c->failed > 0 && !served ? "failed" : "n/a", "", out);
}

/* A line of what each process that failed was to give first: its time, or its memory. */
static void write_failures(const struct run *r, const struct run_cell *c, FILE *out) {
    size_t numbers[2] = {c->series[metric_index("time")].count, c->series[metric_index("peak_rss")].count};
    for (long i = 0; i < c->failed; i++) {
        const struct run_failure *f = &c->failures[i];
        row(r, c, metric_at(metric_index(f->memory ? "peak_rss" : "time")), ++numbers[f->memory], "", f->status, "", out);
    }
}

static void write(const struct run *r, FILE *out) {
    fputs("run,cell,workload,alloc,config,params,threads,flavour,invocation,failed,bound,metric,value,unit,better,status\n", out);
    for (size_t i = 0; i < r->cell_count; i++) {
        for (size_t k = 0; k < metric_count(); k++)
            write_values(r, &r->cells[i], k, out);
        write_failures(r, &r->cells[i], out);
    }
}

FORMAT(csv) = {"csv", "tidy long CSV: R, pandas, DuckDB", write};
