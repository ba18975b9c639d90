/* SPDX-License-Identifier: MIT
 *
 * go: Go's benchmark text, one line per process, for benchstat -col /alloc. Units are sweet's where it has them.
 */
#include "format.h"

#include <ctype.h>
#include <string.h>

/* "larson-bench" -> "LarsonBench": names begin with a capital and hold no dash, which benchstat takes for GOMAXPROCS. */
static void name(FILE *out, const char *workload) {
    bool capital = true;
    for (; *workload != '\0'; workload++) {
        if (*workload != '-')
            fputc(capital ? toupper((unsigned char)*workload) : *workload, out);
        capital = *workload == '-';
    }
}

/* Spaces and slashes would end a part of the name. */
static void part(FILE *out, const char *key, const char *value) {
    fprintf(out, "/%s=", key);
    for (; *value != '\0'; value++)
        fputc(*value == ' ' || *value == '/' ? '_' : *value, out);
}

static void line_start(const struct run *r, const struct run_cell *c, FILE *out) {
    fputs("Benchmark", out);
    name(out, c->workload);
    part(out, "alloc", c->label);
    /* What tells rows of one workload apart follows its name in the label. */
    const char *differ = strchr(r->rows[c->row].label, ' ');
    if (differ != NULL)
        part(out, "params", differ + 1);
    fprintf(out, "/threads=%u-%u", c->threads, c->threads);
}

static void write(const struct run *r, FILE *out) {
    const char *cpu = json_string_value(json_object_get(r->host, "cpu"));
    size_t time = metric_index("time"), cpu_time = metric_index("cpu"), rss = metric_index("peak_rss");
    fprintf(out, "spanlab-run: %s\ngoos: linux\ncpu: %s\nUnit cpu-ns/op better=lower assume=nothing\nUnit peak-RSS-bytes better=lower "
                 "assume=nothing\n",
            r->id, cpu != NULL ? cpu : "unknown");
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *c = &r->cells[i];
        if (c->invalid)
            continue; /* a benchstat line can carry no status */
        for (size_t v = 0; v < c->series[time].count; v++) {
            line_start(r, c, out);
            fprintf(out, "\t1\t%.6g ns/op", c->series[time].values[v]);
            if (v < c->series[cpu_time].count)
                fprintf(out, "\t%.6g cpu-ns/op", c->series[cpu_time].values[v]);
            fputc('\n', out);
        }
        for (size_t v = 0; v < c->series[rss].count; v++) {
            line_start(r, c, out);
            fprintf(out, "\t1\t%.0f peak-RSS-bytes\n", c->series[rss].values[v]);
        }
    }
}

FORMAT(go) = {"go", "Go benchmark text: benchstat -col /alloc", write};
