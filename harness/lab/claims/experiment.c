/* SPDX-License-Identifier: MIT */
#include "claims/experiment.h"
#include "claims/counted.h"
#include "command.h"
#include "error.h"
#include "measure.h"
#include "metric.h"
#include "store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A deterministic figure must come out twice alike. */
enum { PROCESSES = 2, TIMEOUT_S = 300 };

struct experiment {
    struct spawner spawner; /* of what is counted */
    struct catalog catalog;
    struct plan plan;
    struct store store;
};

/* ---- cells */

struct cell_wish {
    const char *workload, *subject, *params, *figure;
    const struct claim_count *count; /* NULL: a cell of the run */
};

static const struct metric *metric_named(const char *name) {
    for (size_t i = 0; metric_at(i) != NULL; i++)
        if (strcmp(metric_at(i)->name, name) == 0)
            return metric_at(i);
    return NULL;
}

static bool from_memory_run(const char *figure) {
    const struct metric *m = metric_named(figure);
    return m != NULL && m->memory;
}

static struct cell_wish wish_of(const struct claim_measure *m, unsigned workload) {
    return (struct cell_wish){m->workloads[workload], m->subject, m->params, m->figure, m->count};
}

static struct cell_wish wish_against(const struct claim_measure *m, unsigned workload) {
    struct cell_wish w = wish_of(m, workload);
    w.workload = m->against->workload != NULL ? m->against->workload : w.workload;
    w.subject = m->against->subject != NULL ? m->against->subject : w.subject;
    w.params = m->against->params != NULL ? m->against->params : w.params;
    return w;
}

static void write_cell(FILE *yaml, struct cell_wish w) {
    fprintf(yaml, "  - workloads: [\"%s\"]\n    subjects: [\"%s\"]\n", w.workload, w.subject);
    if (w.params != NULL)
        fprintf(yaml, "    params: \"%s\"\n", w.params);
    fprintf(yaml, "    %s: %d\n    iterations: 1\n    warmup: 0\n    timeout: %d\n",
            from_memory_run(w.figure) ? "memory" : "invocations", PROCESSES, TIMEOUT_S);
}

/* Whether any of it is a cell of the run; what is counted is none. */
static bool write_measure(FILE *yaml, const struct claim_measure *m) {
    if (m == NULL || m->count != NULL)
        return false;
    for (unsigned i = 0; i < m->workloads_count; i++) {
        write_cell(yaml, wish_of(m, i));
        if (m->against != NULL)
            write_cell(yaml, wish_against(m, i));
    }
    return true;
}

/* The matrix of all of them; false: none is to be measured. */
static bool write_matrix(const char *path, const struct claim *const *claims, size_t count) {
    FILE *yaml = fopen(path, "w");
    if (yaml == NULL)
        lab_die(LAB_DISK, "cannot write %s", path);
    bool any = false;
    fprintf(yaml, "summary: the experiments of claims\ncells:\n");
    for (size_t i = 0; i < count; i++) {
        any |= write_measure(yaml, claims[i]->judge);
        any |= write_measure(yaml, claims[i]->transfers);
    }
    fclose(yaml);
    return any;
}

/* ---- which planned cell a wish is */

static bool same_knobs(const char *subject, const char *knobs) {
    const char *bar = strchr(subject, '|');
    struct settings wanted = {0};
    if (bar != NULL && !settings_parse(bar + 1, &wanted))
        return false;
    char *text = settings_format(&wanted);
    bool same = strcmp(text, knobs) == 0;
    free(text);
    settings_free(&wanted);
    return same;
}

/* Each of the cell's parameters is what the wish says, or the default. */
static bool same_params(const struct plan_cell *cell, const char *wanted_text) {
    struct settings all, wanted = {0};
    if (!settings_parse(cell->params, &all))
        return false;
    if (wanted_text != NULL && !settings_parse(wanted_text, &wanted))
        return false;
    bool same = true;
    for (size_t i = 0; i < all.count; i++) {
        const char *want = settings_get(&wanted, all.items[i].name);
        const struct catalog_param *p = catalog_find_param(cell->workload, all.items[i].name);
        char *usual = lab_printf("%llu", p != NULL ? (unsigned long long)p->value : 1ULL);
        same &= strcmp(want != NULL ? want : usual, all.items[i].value) == 0;
        free(usual);
    }
    settings_free(&all);
    settings_free(&wanted);
    return same;
}

static const struct plan_cell *planned_cell(const struct plan *plan, struct cell_wish w) {
    size_t name = strcspn(w.subject, "|");
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *c = &plan->cells[i];
        if (strcmp(c->workload->name, w.workload) == 0 && strncmp(c->subject->name, w.subject, name) == 0 &&
            c->subject->name[name] == '\0' && same_knobs(w.subject, c->knobs) && same_params(c, w.params))
            return c;
    }
    return NULL;
}

/* ---- figures */

struct reading {
    double value;
    bool differs; /* two processes disagree */
    char *missing, *version;
};

static char *why_missing(const struct experiment *e, struct cell_wish w) {
    size_t name = strcspn(w.subject, "|");
    for (size_t i = 0; i < e->plan.absent_count; i++)
        if (strncmp(e->plan.absent[i].subject, w.subject, name) == 0)
            return lab_printf("%s: %s; %s", w.subject, e->plan.absent[i].reason, e->plan.absent[i].remedy);
    return lab_printf("%s does not run %s", w.subject, w.workload);
}

static double figure_of(json_t *record, const char *figure) {
    const struct metric *m = metric_named(figure);
    return m != NULL ? m->extract(record) : metric_number(record, "workload_counters", figure);
}

static void take_record(struct reading *r, json_t *record, struct cell_wish w, unsigned number) {
    double value = figure_of(record, w.figure);
    if (number == 0) {
        r->value = value;
        const char *version = json_string_value(json_object_get(json_object_get(record, "subject"), "version"));
        r->version = lab_printf("%s (%s)", w.subject, version != NULL ? version : "version unknown");
    } else if (value != r->value) {
        r->differs = true;
        r->value = (r->value * number + value) / (number + 1);
    }
}

static sqlite3_stmt *records_of(struct experiment *e, const struct plan_cell *cell, const char *mode) {
    static const char sql[] =
        "SELECT i.record, i.wall_ns FROM invocation i JOIN cell c ON c.id=i.cell_id WHERE c.subject=?"
        " AND c.knobs=? AND c.workload=? AND c.params=? AND i.mode=? AND i.status='ok'";
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(e->store.db, sql, -1, &s, NULL) != SQLITE_OK)
        lab_die(LAB_DISK, "%s: %s", e->store.dir, sqlite3_errmsg(e->store.db));
    const char *const bound[] = {cell->subject->name, cell->knobs, cell->workload->name, cell->params, mode};
    for (int i = 0; i < 5; i++)
        sqlite3_bind_text(s, i + 1, bound[i], -1, SQLITE_STATIC);
    return s;
}

static struct reading read_cell(struct experiment *e, struct cell_wish w, struct claim_outcome *cost) {
    struct reading r = {.value = NAN};
    const struct plan_cell *cell = planned_cell(&e->plan, w);
    if (cell == NULL) {
        r.missing = why_missing(e, w);
        return r;
    }
    sqlite3_stmt *s = records_of(e, cell, from_memory_run(w.figure) ? "memory" : "throughput");
    unsigned number = 0;
    for (; sqlite3_step(s) == SQLITE_ROW; number++) {
        json_t *record = json_loads((const char *)sqlite3_column_text(s, 0), 0, NULL);
        take_record(&r, record, w, number);
        cost->seconds += (double)sqlite3_column_int64(s, 1) / 1e9;
        json_decref(record);
    }
    cost->processes += number;
    sqlite3_finalize(s);
    if (number < PROCESSES)
        r.missing = lab_printf("%s on %s failed: spanlab report shows how", w.subject, w.workload);
    else if (isnan(r.value))
        r.missing = lab_printf("%s on %s tells no %s", w.subject, w.workload, w.figure);
    return r;
}

/* Not in the run: the same, by callgrind, twice. */
static struct reading read_counted(struct experiment *e, struct cell_wish w, struct claim_outcome *cost) {
    struct reading r = {.value = NAN};
    char *name = lab_printf("%.*s", (int)strcspn(w.subject, "|"), w.subject);
    const struct catalog_subject *subject = catalog_find_subject(&e->catalog, name);
    free(name);
    if (subject == NULL || !subject->present) {
        r.missing = lab_printf("%s is not there%s%s", w.subject, subject != NULL ? ": " : "",
                               subject != NULL ? subject->remedy : "");
        return r;
    }
    struct settings knobs = {0};
    if (strchr(w.subject, '|') != NULL && !settings_parse(strchr(w.subject, '|') + 1, &knobs)) {
        r.missing = lab_printf("the knobs of '%s' are not name=value,name=value", w.subject);
        return r;
    }
    char *text = settings_format(&knobs);
    for (unsigned i = 0; i < PROCESSES && r.missing == NULL; i++) {
        struct counted c = counted_instructions(&e->spawner, subject, text, w.workload, w.params, w.count);
        cost->seconds += c.seconds;
        cost->processes += c.processes;
        r.missing = c.missing;
        /* Libraries of others hash addresses and read clocks: scripts/instructions.sh allows them the same. */
        r.differs |= i > 0 && fabs(c.per_operation - r.value) > 0.001 * fabs(r.value);
        r.value = c.per_operation;
    }
    r.version = lab_printf("%s (callgrind)", w.subject);
    free(text);
    settings_free(&knobs);
    return r;
}

static double combined(enum claim_combine how, double a, double b) {
    switch (how) {
    case CLAIM_ALONE:
        return a;
    case CLAIM_RATIO:
        return b != 0 ? a / b : NAN;
    case CLAIM_DIFFERENCE:
        return a - b;
    case CLAIM_PERCENT:
        return b != 0 ? 100 * (a / b - 1) : NAN;
    case CLAIM_NOT_BELOW:
        return a >= b;
    }
    return NAN;
}

/* The measure's figure from the cells that were run. */
static struct reading read_measure(struct experiment *e, const struct claim_measure *m, struct claim_outcome *cost) {
    struct reading all = {.value = 0};
    double divide = m->divide != 0 ? m->divide : 1;
    for (unsigned i = 0; i < m->workloads_count && all.missing == NULL; i++) {
        struct reading (*read)(struct experiment *, struct cell_wish, struct claim_outcome *) =
            m->count != NULL ? read_counted : read_cell;
        struct reading a = read(e, wish_of(m, i), cost), b = {0};
        if (m->against != NULL)
            b = read(e, wish_against(m, i), cost);
        all.differs |= a.differs || b.differs;
        all.missing = a.missing != NULL ? a.missing : b.missing;
        all.version = a.version != NULL ? a.version : all.version;
        all.value += combined(m->combine, a.value / divide, b.value / divide);
    }
    if (all.missing != NULL)
        all.value = NAN;
    return all;
}

static void take_figure(struct experiment *e, const struct claim *c, const struct claim_measure *m,
                        struct claim_outcome *cost, struct claim_figure *out) {
    *out = (struct claim_figure){.value = NAN, .verdict = claim_judge(c, NAN)};
    if (m == NULL)
        return;
    struct reading r = read_measure(e, m, cost);
    *out = (struct claim_figure){
        .value = r.value, .verdict = claim_judge(c, r.value), .subject = r.version, .missing = r.missing};
    if (r.differs && c->class == CLAIM_D) {
        out->verdict = VERDICT_INCONCLUSIVE;
        out->missing = lab_strdup("two processes gave different figures, and the claim's class is D");
    }
}

int experiments_run(const struct claim *const *claims, size_t count, const char *output,
                    struct claim_outcome *outcomes) {
    char folder[] = "/tmp/spanlab-claims-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return lab_error(LAB_DISK, "cannot make a folder in /tmp");
    char *path = lab_printf("%s/claims.yaml", folder);
    struct experiment e = {0};
    struct run_options options = {.request = {.matrix = path, .seed = 1, .fixed_layout = true}, .output = output};
    int code = LAB_OK;
    bool any = write_matrix(path, claims, count);
    catalog_load(&e.catalog);
    if (any) {
        code = plan_make(&options.request, &e.catalog, &e.plan);
        const char *argv[] = {"claims", "run"};
        if (code == LAB_OK && e.plan.cell_count > 0)
            code = run_dir_create(&e.store, &options, &e.catalog, &e.plan, 2, argv);
    }
    if (code == LAB_OK && e.plan.cell_count > 0) {
        struct measure_options m = {options.request.seed, 1, 0, true};
        fprintf(stderr, "run     %s: %zu cells, %zu processes\n", e.store.dir, e.plan.cell_count,
                e.plan.invocation_count);
        code = measure_all(&e.store, &e.catalog, &m);
    }
    spawner_start(&e.spawner);
    for (size_t i = 0; (code == LAB_OK || code == LAB_CELL_FAILED) && i < count; i++) {
        outcomes[i] = (struct claim_outcome){0};
        take_figure(&e, claims[i], claims[i]->judge, &outcomes[i], &outcomes[i].judge);
        take_figure(&e, claims[i], claims[i]->transfers, &outcomes[i], &outcomes[i].transfers);
    }
    spawner_stop(&e.spawner);
    if (e.store.db != NULL)
        store_close(&e.store);
    unlink(path);
    rmdir(folder);
    free(path);
    return code;
}
