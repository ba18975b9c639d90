/* SPDX-License-Identifier: MIT */
#include "claims/reading.h"
#include "claims/checked.h"
#include "claims/counted.h"
#include "command.h"
#include "error.h"
#include "metric.h"
#include "record.h"
#include "stats.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A deterministic figure must come out twice alike; with 10 processes the noisy ones are held to what every verdict of
 * a run is. */
enum { AGREEING_PROCESSES = 2, NOISY_PROCESSES = 10, INTERVAL_SEED = 1 };

/* ---- what is wished for */

static const struct metric *metric_named(const char *name) {
    for (size_t i = 0; metric_at(i) != NULL; i++)
        if (strcmp(metric_at(i)->name, name) == 0)
            return metric_at(i);
    return NULL;
}

bool reading_from_memory_run(const char *figure) {
    const struct metric *m = metric_named(figure);
    return m != NULL && m->memory;
}

unsigned reading_processes(enum claim_class class) {
    return class == CLAIM_N ? NOISY_PROCESSES : AGREEING_PROCESSES;
}

struct reading_wish reading_wish_of(const struct claim *c, const struct claim_measure *m, unsigned workload) {
    return (struct reading_wish){.workload = m->program == NULL ? m->workloads[workload] : NULL,
                                 .subject = m->subject,
                                 .params = m->params,
                                 .figure = m->figure,
                                 .within = m->count != NULL ? m->count->within : NULL,
                                 .program = m->program,
                                 .count = m->count,
                                 .class = c->class};
}

struct reading_wish reading_wish_against(const struct claim *c, const struct claim_measure *m, unsigned workload) {
    struct reading_wish w = reading_wish_of(c, m, workload);
    w.workload = m->against->workload != NULL ? m->against->workload : w.workload;
    w.subject = m->against->subject != NULL ? m->against->subject : w.subject;
    w.params = m->against->params != NULL ? m->against->params : w.params;
    w.within = m->against->within != NULL ? m->against->within : w.within;
    w.program = m->against->program != NULL ? m->against->program : w.program;
    return w;
}

char *reading_swept_subject(const struct claim_measure *m, unsigned i) {
    return lab_printf("%s%c%s=%u", m->subject, strchr(m->subject, '|') != NULL ? ',' : '|', m->sweep->knob,
                      m->sweep->values[i]);
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

/* Whether the wish is for the subject of that name, whatever the knobs. */
static bool is_of(struct reading_wish w, const char *subject) {
    size_t length = strcspn(w.subject, "|");
    return strncmp(subject, w.subject, length) == 0 && subject[length] == '\0';
}

static const struct plan_cell *planned_cell(const struct plan *plan, struct reading_wish w) {
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *c = &plan->cells[i];
        if (strcmp(c->workload->name, w.workload) == 0 && is_of(w, c->subject->name) &&
            same_knobs(w.subject, c->knobs) && same_params(c, w.params))
            return c;
    }
    return NULL;
}

/* ---- the figures of one side: a value per process */

struct side {
    double *values;
    size_t count;
    char *missing, *version, *failed; /* as in struct reading */
    bool differs;
};

static void side_free(struct side *s) {
    free(s->values);
}

static void side_add(struct side *s, double value) {
    s->values = lab_realloc(s->values, (s->count + 1) * sizeof *s->values);
    s->values[s->count++] = value;
}

static char *why_missing(const struct experiment *e, struct reading_wish w) {
    for (size_t i = 0; i < e->plan.absent_count; i++)
        if (is_of(w, e->plan.absent[i].subject))
            return lab_printf("%s: %s; %s", w.subject, e->plan.absent[i].reason, e->plan.absent[i].remedy);
    return lab_printf("%s does not run %s", w.subject, w.workload);
}

static double figure_of(json_t *record, const char *figure) {
    const struct metric *m = metric_named(figure);
    return m != NULL ? m->extract(record) : metric_number(record, "workload_counters", figure);
}

static bool below_resolution(json_t *record, const char *figure) {
    const struct metric *m = metric_named(figure);
    return m != NULL && metric_below(m, record);
}

/* False: the record cannot be read. */
static bool take_record(struct side *s, const char *text, struct reading_wish w) {
    json_t *record;
    if (record_defect(text, reading_from_memory_run(w.figure), 0, &record) != NULL) {
        json_decref(record);
        return false;
    }
    double value = figure_of(record, w.figure);
    const char *version = json_string_value(json_object_get(json_object_get(record, "subject"), "version"));
    if (s->version == NULL)
        s->version = lab_printf("%s (%s)", w.subject, version != NULL ? version : "version unknown");
    if (s->missing == NULL && below_resolution(record, w.figure))
        s->missing = lab_printf("%s of %s on %s is below what is resolved, which is no figure", w.figure, w.subject, w.workload);
    s->differs |= s->count > 0 && value != s->values[0];
    side_add(s, value);
    json_decref(record);
    return true;
}

static sqlite3_stmt *records_of(struct experiment *e, const struct plan_cell *cell, const char *mode) {
    static const char sql[] =
        "SELECT i.record, i.wall_ns, i.peak_bytes, i.status='ok' FROM invocation i JOIN cell c ON c.id=i.cell_id WHERE c.subject=?"
        " AND c.knobs=? AND c.workload=? AND c.params=? AND i.mode=? ORDER BY i.id";
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(e->store.db, sql, -1, &s, NULL);
    const char *const bound[] = {cell->subject->name, cell->knobs, cell->workload->name, cell->params, mode};
    for (int i = 0; i < 5 && code == SQLITE_OK; i++)
        code = sqlite3_bind_text(s, i + 1, bound[i], -1, SQLITE_STATIC);
    if (code != SQLITE_OK)
        lab_die(LAB_DISK, "cannot read %s/run.sqlite: %s", e->store.dir, sqlite3_errmsg(e->store.db));
    return s;
}

static void cost_add(struct claim_outcome *cost, double seconds, double peak_bytes, unsigned processes) {
    cost->seconds += seconds;
    cost->processes += processes;
    cost->peak_bytes = peak_bytes > cost->peak_bytes ? peak_bytes : cost->peak_bytes;
}

static struct side read_cell(struct experiment *e, struct reading_wish w, struct claim_outcome *cost) {
    struct side side = {0};
    const struct plan_cell *cell = planned_cell(&e->plan, w);
    if (cell == NULL) {
        side.missing = why_missing(e, w);
        return side;
    }
    sqlite3_stmt *s = records_of(e, cell, reading_from_memory_run(w.figure) ? "memory" : "throughput");
    unsigned processes = 0, failed = 0;
    for (; sqlite3_step(s) == SQLITE_ROW; processes++) {
        const char *record = (const char *)sqlite3_column_text(s, 0);
        bool good = sqlite3_column_int(s, 3) && take_record(&side, record, w);
        failed += !good;
        if (good)
            cost_add(cost, (double)sqlite3_column_int64(s, 1) / 1e9, (double)sqlite3_column_int64(s, 2), 1);
    }
    if (sqlite3_finalize(s) != SQLITE_OK)
        lab_die(LAB_DISK, "cannot read %s/run.sqlite: %s", e->store.dir, sqlite3_errmsg(e->store.db));
    if (failed > 0)
        side.failed = lab_printf("%u of %u processes of %s on %s failed: spanlab report shows how", failed, processes, w.subject,
                                 w.workload);
    if (side.count < AGREEING_PROCESSES)
        side.missing = lab_printf("%s on %s failed: spanlab report shows how", w.subject, w.workload);
    else if (side.missing == NULL && isnan(stats_median(side.values, side.count)))
        side.missing = lab_printf("%s on %s tells no %s", w.subject, w.workload, w.figure);
    return side;
}

/* By callgrind, which is slow: a second time only where the figure gates. */
static void count_it(struct experiment *e, struct side *side, struct reading_wish w, struct counted_wish wish,
                     struct claim_outcome *cost) {
    const unsigned attempts = w.class == CLAIM_D ? AGREEING_PROCESSES : 1;
    for (unsigned i = 0; i < attempts && side->missing == NULL; i++) {
        wish.attempt = i;
        struct counted c = counted_figure(&e->spawner, &wish);
        cost_add(cost, c.seconds, (double)c.peak_bytes, c.processes);
        side->missing = c.missing;
        e->died |= c.died;
        side_add(side, c.per_operation);
        /* Libraries of others hash addresses and read clocks: scripts/instructions.sh allows them the same. */
        side->differs |= fabs(c.per_operation - side->values[0]) > 0.001 * fabs(side->values[0]);
    }
}

static struct side read_program(struct experiment *e, struct reading_wish w, struct claim_outcome *cost) {
    struct side side = {.version = lab_printf("%s (%s)", w.program, counted_how(w.figure))};
    const struct counted_wish wish = {.program = w.program, .figure = w.figure, .within = w.within, .count = w.count};
    count_it(e, &side, w, wish, cost);
    return side;
}

/* Not in the run: a subject on a workload. */
static struct side read_counted(struct experiment *e, struct reading_wish w, struct claim_outcome *cost) {
    struct side side = {0};
    char *name = lab_printf("%.*s", (int)strcspn(w.subject, "|"), w.subject);
    const struct catalog_subject *subject = catalog_find_subject(&e->catalog, name);
    free(name);
    if (subject == NULL || !subject->present) {
        side.missing = lab_printf("%s is not there%s%s", w.subject, subject != NULL ? ": " : "",
                                  subject != NULL ? subject->remedy : "");
        return side;
    }
    struct settings knobs = {0};
    if (strchr(w.subject, '|') != NULL && !settings_parse(strchr(w.subject, '|') + 1, &knobs)) {
        side.missing = lab_printf("the knobs of '%s' are not name=value,name=value", w.subject);
        return side;
    }
    char *text = settings_format(&knobs);
    const struct counted_wish wish = {.subject = subject,
                                      .knobs = text,
                                      .workload = w.workload,
                                      .params = w.params,
                                      .figure = w.figure,
                                      .within = w.within,
                                      .count = w.count};
    count_it(e, &side, w, wish, cost);
    side.version = lab_printf("%s (%s)", w.subject, counted_how(w.figure));
    free(text);
    settings_free(&knobs);
    return side;
}

/* ---- both sides together */

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
    case CLAIM_SHARE:
        return a + b != 0 ? 100 * a / (a + b) : NAN;
    case CLAIM_NOT_BELOW:
        return a >= b;
    case CLAIM_SLOPE:
        break; /* has more than two sides */
    }
    return NAN;
}

static struct stats_interval interval_of(enum claim_combine how, struct stats_series a, struct stats_series b) {
    if (how == CLAIM_ALONE)
        return stats_median_interval(a.values, a.count);
    struct stats_interval i = how == CLAIM_DIFFERENCE ? stats_difference_interval(a, b, INTERVAL_SEED)
                                                      : stats_ratio_interval(a, b, INTERVAL_SEED);
    if (how == CLAIM_PERCENT)
        i = (struct stats_interval){100 * (i.low - 1), 100 * (i.high - 1), i.known};
    return i;
}

/* Deterministic values are alike: what differs is shown by `differs`, and the mean is told. */
static double value_of(enum claim_class class, const struct side *s) {
    if (class == CLAIM_N)
        return stats_median(s->values, s->count);
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->values[i];
    return s->count > 0 ? sum / (double)s->count : NAN;
}

/* On one workload. */
static struct claim_value value_between(const struct claim *c, const struct claim_measure *m, const struct side *a,
                                        const struct side *b) {
    /* Of what is relative the divisor would fall out. */
    const bool absolute = m->combine == CLAIM_ALONE || m->combine == CLAIM_DIFFERENCE;
    const double divide = absolute && m->divide != 0 ? m->divide : 1;
    struct claim_value v = claim_no_value;
    v.value = (combined(m->combine, value_of(c->class, a), value_of(c->class, b)) - m->less) / divide;
    if (c->class != CLAIM_N)
        return v;
    struct stats_interval i =
        interval_of(m->combine, (struct stats_series){a->values, a->count}, (struct stats_series){b->values, b->count});
    return i.known ? (struct claim_value){v.value, (i.low - m->less) / divide, (i.high - m->less) / divide} : v;
}

static struct reading take_checked(struct experiment *e, const struct claim_measure *m, struct claim_outcome *cost) {
    struct checked k = checked_tests(&e->spawner, m->check);
    cost_add(cost, k.seconds, (double)k.peak_bytes, 1);
    struct reading r = {.figure = claim_no_value, .missing = k.missing};
    e->died |= k.died;
    r.version = lab_printf("goalloc (%s)", m->check->program);
    if (r.missing == NULL)
        r.figure.value = k.passed;
    return r;
}

/* Least squares of the figure's logarithm on the knob's, over the process-th process at each value. */
static double slope_of(const struct claim_measure *m, const struct side *sides, size_t process) {
    const unsigned count = m->sweep->values_count;
    double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (unsigned i = 0; i < count; i++) {
        double x = log(m->sweep->values[i]), y = log(sides[i].values[process] - m->less);
        sum_x += x, sum_y += y, sum_xx += x * x, sum_xy += x * y;
    }
    return (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x * sum_x);
}

static struct claim_value slope_between(const struct claim *c, const struct claim_measure *m,
                                        const struct side *sides) {
    struct side slopes = {0};
    size_t processes = sides[0].count;
    for (unsigned i = 1; i < m->sweep->values_count; i++)
        processes = sides[i].count < processes ? sides[i].count : processes;
    for (size_t p = 0; p < processes; p++)
        side_add(&slopes, slope_of(m, sides, p));
    struct claim_value v = claim_no_value;
    v.value = value_of(c->class, &slopes);
    struct stats_interval i = stats_median_interval(slopes.values, slopes.count);
    if (c->class == CLAIM_N && i.known)
        v = (struct claim_value){v.value, i.low, i.high};
    side_free(&slopes);
    return v;
}

/* "goalloc, GOGC 25 to 800 (0.1.0)", of "goalloc|GOGC=25 (0.1.0)". The caller's to free. */
static char *swept_version(const struct claim_measure *m, const char *version) {
    const char *behind = version + strlen(m->subject);
    const char *number = strchr(behind, ' ') != NULL ? strchr(behind, ' ') : "";
    return lab_printf("%s, %s %u to %u%s", m->subject, m->sweep->knob, m->sweep->values[0],
                      m->sweep->values[m->sweep->values_count - 1], number);
}

static struct reading take_slope(struct experiment *e, const struct claim *c, const struct claim_measure *m,
                                 struct claim_outcome *cost) {
    struct reading r = {.figure = claim_no_value};
    const unsigned count = m->sweep->values_count;
    struct side *sides = lab_alloc(count * sizeof *sides);
    unsigned read = 0;
    while (read < count && r.missing == NULL) {
        char *subject = reading_swept_subject(m, read);
        struct reading_wish w = reading_wish_of(c, m, 0);
        w.subject = subject;
        struct side *side = &sides[read++];
        *side = read_cell(e, w, cost);
        r.missing = side->missing;
        r.failed = r.failed != NULL ? r.failed : side->failed;
        r.differs |= side->differs;
        r.version = r.version != NULL ? r.version : side->version;
        free(subject);
    }
    if (r.missing == NULL) {
        char *first = r.version;
        r.figure = slope_between(c, m, sides);
        r.version = swept_version(m, first);
        free(first);
    }
    while (read > 0)
        side_free(&sides[--read]);
    free(sides);
    return r;
}

/* The figure of the i-th workload, counted from 0, beside those before it. */
static double over_workloads(enum claim_over over, double before, double here, unsigned i) {
    if (i == 0)
        return here;
    switch (over) {
    case CLAIM_LARGEST:
        return fmax(before, here);
    case CLAIM_SMALLEST:
        return fmin(before, here);
    case CLAIM_MEAN:
        return (before * i + here) / (i + 1);
    case CLAIM_SUM:
        break;
    }
    return before + here;
}

struct reading reading_take(struct experiment *e, const struct claim *c, const struct claim_measure *m,
                            struct claim_outcome *cost) {
    if (m->check != NULL)
        return take_checked(e, m, cost);
    if (m->sweep != NULL)
        return take_slope(e, c, m, cost);
    struct reading all = {.figure = {0, NAN, NAN}};
    struct side (*read)(struct experiment *, struct reading_wish, struct claim_outcome *) =
        m->program != NULL ? read_program
        : m->count != NULL ? read_counted
                           : read_cell;
    const unsigned rounds = m->program != NULL ? 1 : m->workloads_count;
    for (unsigned i = 0; i < rounds && all.missing == NULL; i++) {
        struct side a = read(e, reading_wish_of(c, m, i), cost), b = {0};
        if (m->against != NULL)
            b = read(e, reading_wish_against(c, m, i), cost);
        all.differs |= a.differs || b.differs;
        all.missing = a.missing != NULL ? a.missing : b.missing;
        all.failed = all.failed != NULL ? all.failed : a.failed != NULL ? a.failed : b.failed;
        all.version = a.version != NULL ? a.version : all.version;
        struct claim_value here = value_between(c, m, &a, &b);
        all.figure = (struct claim_value){over_workloads(m->over, all.figure.value, here.value, i), here.low, here.high};
        side_free(&a);
        side_free(&b);
    }
    if (all.missing != NULL)
        all.figure = claim_no_value;
    return all;
}
