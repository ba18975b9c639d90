/* SPDX-License-Identifier: MIT
 *
 * gbench: Google Benchmark's JSON, one entry per process as a repetition; a process that failed is an entry with
 * error_occurred, and the others of its cell carry failed_processes. METRIC_bound "<": the true value is below. No NaN is ever
 * written: what is not there is left out.
 *
 * Memory figures are counters of the repetition of their number. A cell may have more memory processes than timed ones, or
 * those alone; an entry without a time would be one of 0 ns to a reader that compares repetitions. So those left are
 * aggregates named "memory", which such readers keep apart.
 */
#include "error.h"
#include "format.h"
#include "usable.h"

#include <stdlib.h>
#include <string.h>

static json_t *context(const struct run *r) {
    const char *created = json_string_value(json_object_get(r->meta, "created_at"));
    json_t *build = NULL;
    for (size_t i = 0; build == NULL && i < r->cell_count; i++)
        build = json_object_get(json_object_get(r->cells[i].record, "environment"), "library_build_type");
    json_t *c = json_object();
    json_object_set_new(c, "date", json_string(created != NULL ? created : ""));
    json_object_set(c, "host_name", json_object_get(r->host, "host_name"));
    json_object_set_new(c, "executable", json_string("bench-manual"));
    json_object_set(c, "num_cpus", json_object_get(r->host, "cores"));
    usable_copy(c, r->host);
    json_object_set_new(c, "caches", json_array());
    json_object_set_new(c, "load_avg", json_array());
    json_object_set_new(c, "library_build_type", build != NULL ? json_incref(build) : json_string("unknown"));
    json_object_set_new(c, "spanlab_run", json_string(r->id));
    return c;
}

static json_t *entry(const struct run *r, const struct run_cell *c, size_t repetition, size_t repetitions) {
    char *name = lab_printf("%s/%s/threads:%u", r->rows[c->row].label, c->label, c->threads);
    json_t *e = json_pack("{s:s s:s s:s s:i s:i s:i}", "name", name, "run_name", name, "run_type", "iteration", "repetitions",
                          (int)repetitions, "repetition_index", (int)repetition, "threads", (int)c->threads);
    free(name);
    return e;
}

static void add_metrics(const struct run_cell *c, size_t process, json_t *e) {
    size_t time = metric_index("time"), cpu = metric_index("cpu");
    for (size_t k = 0; k < metric_count(); k++) {
        if (k == time || k == cpu || process >= c->series[k].count)
            continue;
        const char *bound = run_bound(c, k, process);
        json_object_set_new(e, metric_at(k)->name, json_real(c->series[k].values[process]));
        if (bound[0] == '\0')
            continue;
        char *name = lab_printf("%s_bound", metric_at(k)->name);
        json_object_set_new(e, name, json_string(bound));
        free(name);
    }
}

static void add_failed(const struct run_cell *c, json_t *e) {
    if (c->failed > 0)
        json_object_set_new(e, "failed_processes", json_integer(c->failed));
}

/* Nothing is timed by it. */
static void add_no_time(json_t *e) {
    json_object_set_new(e, "iterations", json_integer(0));
    json_object_set_new(e, "real_time", json_real(0));
    json_object_set_new(e, "cpu_time", json_real(0));
    json_object_set_new(e, "time_unit", json_string("ns"));
}

static void add_error(const struct run *r, const struct run_cell *c, size_t repetition, size_t repetitions, const char *message,
                      json_t *list) {
    json_t *e = entry(r, c, repetition, repetitions);
    json_object_set_new(e, "error_occurred", json_true());
    json_object_set_new(e, "error_message", json_string(message));
    add_no_time(e);
    json_array_append_new(list, e);
}

static size_t most_values(const struct run_cell *c) {
    size_t most = 0;
    for (size_t k = 0; k < metric_count(); k++)
        most = c->series[k].count > most ? c->series[k].count : most;
    return most;
}

/* Values of a process beyond the timed ones. */
static void add_untimed(const struct run *r, const struct run_cell *c, size_t process, size_t repetitions, json_t *list) {
    json_t *e = entry(r, c, process, repetitions);
    char *name = lab_printf("%s_memory", json_string_value(json_object_get(e, "run_name")));
    json_object_set_new(e, "name", json_string(name));
    json_object_set_new(e, "run_type", json_string("aggregate"));
    json_object_set_new(e, "aggregate_name", json_string("memory"));
    json_object_set_new(e, "aggregate_unit", json_string("time"));
    add_no_time(e);
    add_failed(c, e);
    add_metrics(c, process, e);
    json_array_append_new(list, e);
    free(name);
}

/* Real and CPU time of each process. */
static void add_cell(const struct run *r, const struct run_cell *c, json_t *list) {
    size_t time = metric_index("time"), cpu = metric_index("cpu"), n = c->series[time].count;
    size_t all = n + (size_t)c->failed + c->invalid;
    for (size_t v = 0; v < n; v++) {
        json_t *e = entry(r, c, v, all);
        json_object_set_new(e, "iterations", json_integer(1));
        json_object_set_new(e, "real_time", json_real(c->series[time].values[v]));
        json_object_set_new(e, "cpu_time", json_real(v < c->series[cpu].count ? c->series[cpu].values[v] : 0));
        json_object_set_new(e, "time_unit", json_string("ns"));
        add_failed(c, e);
        add_metrics(c, v, e);
        json_array_append_new(list, e);
    }
    for (size_t v = n; v < most_values(c); v++)
        add_untimed(r, c, v, all, list);
    for (long i = 0; i < c->failed; i++) {
        char *message = lab_printf("%s%s: %s", c->failures[i].memory ? "memory process: " : "", c->failures[i].status,
                                   c->failures[i].message);
        add_error(r, c, n + (size_t)i, all, message, list);
        free(message);
    }
    if (c->invalid)
        add_error(r, c, all - 1, all, "INVALID: another checksum", list);
}

static void write(const struct run *r, FILE *out) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->cell_count; i++)
        add_cell(r, &r->cells[i], list);
    json_t *root = json_pack("{s:o s:o}", "context", context(r), "benchmarks", list);
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
}

FORMAT(gbench) = {"gbench", "Google Benchmark JSON: compare.py, github-action-benchmark, Bencher", write};
