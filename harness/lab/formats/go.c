/* SPDX-License-Identifier: MIT
 *
 * go: Go's benchmark text, one line per process, for benchstat -col /alloc. Units are sweet's where it has them. A line holds
 * numbers only: a peak that is a bound has a unit of its own, and so has the number of processes of a cell that failed.
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

static void write_memory(const struct run *r, const struct run_cell *c, FILE *out) {
    size_t rss = metric_index("peak_rss");
    for (size_t v = 0; v < c->series[rss].count; v++) {
        line_start(r, c, out);
        fprintf(out, "\t1\t%.0f %s\n", c->series[rss].values[v],
                run_bound(c, rss, v)[0] == '\0' ? "peak-RSS-bytes" : "peak-RSS-below-bytes");
    }
}

static void write_cell(const struct run *r, const struct run_cell *c, FILE *out) {
    size_t time = metric_index("time"), cpu_time = metric_index("cpu");
    if (c->failed > 0 || c->invalid) {
        line_start(r, c, out);
        fprintf(out, "\t1\t%ld failed-processes", c->failed);
        fputs(c->invalid ? "\t1 invalid-cells\n" : "\n", out);
    }
    if (c->invalid)
        return; /* its figures are of other work */
    for (size_t v = 0; v < c->series[time].count; v++) {
        line_start(r, c, out);
        fprintf(out, "\t1\t%.6g ns/op", c->series[time].values[v]);
        if (v < c->series[cpu_time].count)
            fprintf(out, "\t%.6g cpu-ns/op", c->series[cpu_time].values[v]);
        fputc('\n', out);
    }
    write_memory(r, c, out);
}

static void write(const struct run *r, FILE *out) {
    static const char *const units[] = {"cpu-ns/op", "peak-RSS-bytes", "peak-RSS-below-bytes", "failed-processes", "invalid-cells"};
    const char *cpu = json_string_value(json_object_get(r->host, "cpu"));
    fprintf(out, "spanlab-run: %s\ngoos: linux\ncpu: %s\n", r->id, cpu != NULL ? cpu : "unknown");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        fprintf(out, "Unit %s better=lower assume=nothing\n", units[i]);
    for (size_t i = 0; i < r->cell_count; i++)
        write_cell(r, &r->cells[i], out);
}

FORMAT(go) = {"go", "Go benchmark text: benchstat -col /alloc", write};
