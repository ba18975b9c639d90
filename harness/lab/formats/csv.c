/* SPDX-License-Identifier: MIT
 *
 * csv: tidy and long, one value a line; n/a is an empty value with its status.
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
                const char *status, FILE *out) {
    fprintf(out, "%s,%ld,%s,%s,", r->id, c->id, c->workload, c->subject);
    field(out, c->knobs);
    fputc(',', out);
    field(out, c->params);
    fprintf(out, ",%u,%s,%zu,%s,%s,%s,%s,%s\n", c->threads, c->flavour, process, m->name, value, m->unit, m->better, status);
}

static void write(const struct run *r, FILE *out) {
    fputs("run,cell,workload,alloc,config,params,threads,flavour,invocation,metric,value,unit,better,status\n", out);
    for (size_t i = 0; i < r->cell_count; i++)
        for (size_t k = 0; k < metric_count(); k++) {
            const struct run_cell *c = &r->cells[i];
            const struct metric *m = metric_at(k);
            const char *status = c->invalid ? "invalid" : c->failed > 0 ? "failed" : "ok";
            for (size_t v = 0; v < c->series[k].count; v++) {
                char value[64];
                snprintf(value, sizeof value, "%.17g", c->series[k].values[v]);
                row(r, c, m, v + 1, value, c->invalid ? "invalid" : collectors_no_gc(c) ? "no-GC" : "ok", out);
            }
            if (c->series[k].count == 0 && run_row_shows(r, c->row, m->name))
                row(r, c, m, 0, "", strcmp(status, "ok") == 0 ? "n/a" : status, out);
        }
}

FORMAT(csv) = {"csv", "tidy long CSV: R, pandas, DuckDB", write};
