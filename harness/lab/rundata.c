/* SPDX-License-Identifier: MIT */
#include "rundata.h"
#include "collectors.h"
#include "command.h"
#include "error.h"
#include "record.h"
#include "store_file.h"
#include "text.h"
#include "usable.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATISTICS_SEED = 20251,
    VERDICT_PROCESSES = 10,
    DISTURBED_SHARE = 3, /* a cell has no verdict when more than one process in so many was disturbed */
};

bool run_is_variant(const char *subject) {
    return strncmp(subject, "manual-", 7) == 0 || strncmp(subject, "classic-", 8) == 0 ||
           strncmp(subject, "greentea-", 9) == 0;
}

bool run_is_models(const char *subject) {
    static const char name[] = "policy";
    const char behind = strncmp(subject, name, sizeof name - 1) == 0 ? subject[sizeof name - 1] : '-';
    return behind == '\0' || behind == '|';
}

bool run_is_bound(const char *subject) {
    return strcmp(subject, "null") == 0 || run_is_models(subject) || strncmp(subject, "nogc-", 5) == 0;
}

bool run_is_peer(const char *subject) {
    return !run_is_variant(subject) && !run_is_bound(subject);
}

/* ---- reading */

static char *column(sqlite3_stmt *q, int i) {
    const char *text = (const char *)sqlite3_column_text(q, i);
    return lab_strdup(text != NULL ? text : "");
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *q = NULL;
    return sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK ? q : NULL;
}

/* Whether all rows were read: finalize tells what the last step met. */
static bool finished(sqlite3_stmt *q) {
    return sqlite3_finalize(q) == SQLITE_OK;
}

static bool read_meta(struct run *r, sqlite3 *db) {
    sqlite3_stmt *q = prepare(db, "SELECT key, value FROM meta");
    r->meta = json_object();
    if (q == NULL)
        return false;
    while (sqlite3_step(q) == SQLITE_ROW) {
        char *key = column(q, 0), *value = column(q, 1);
        json_object_set_new(r->meta, key, json_string(value));
        free(key);
        free(value);
    }
    bool whole = finished(q);
    const char *host = json_string_value(json_object_get(r->meta, "host"));
    r->host = host == NULL ? NULL : json_loads(host, 0, NULL);
    const char *id = json_string_value(json_object_get(r->meta, "run_id"));
    r->id = lab_strdup(id != NULL ? id : r->dir);
    return whole;
}

static bool read_cells(struct run *r, sqlite3 *db) {
    sqlite3_stmt *q = prepare(db, "SELECT id,subject,knobs,workload,params,threads,flavour,verdict,(SELECT count(*) FROM planned p"
                                  " WHERE p.cell_id=cell.id) FROM cell ORDER BY id");
    if (q == NULL)
        return false;
    while (sqlite3_step(q) == SQLITE_ROW) {
        r->cells = lab_realloc(r->cells, (r->cell_count + 1) * sizeof *r->cells);
        struct run_cell *c = &r->cells[r->cell_count++];
        *c = (struct run_cell){.id = sqlite3_column_int64(q, 0),
                               .subject = column(q, 1),
                               .knobs = column(q, 2),
                               .workload = column(q, 3),
                               .params = column(q, 4),
                               .threads = (unsigned)sqlite3_column_int(q, 5),
                               .flavour = column(q, 6),
                               .planned = sqlite3_column_int64(q, 8),
                               .checksum = lab_strdup("")};
        c->label = c->knobs[0] == '\0' ? lab_strdup(c->subject) : lab_printf("%s|%s", c->subject, c->knobs);
        c->series = lab_alloc(metric_count() * sizeof *c->series);
    }
    return finished(q);
}

static struct run_cell *cell_by_id(struct run *r, long id) {
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].id == id)
            return &r->cells[i];
    return NULL;
}

static void add_value(struct run_series *s, double value, bool below) {
    if (isnan(value))
        return; /* n/a */
    s->values = lab_realloc(s->values, (s->count + 1) * sizeof *s->values);
    s->below = lab_realloc(s->below, (s->count + 1) * sizeof *s->below);
    s->values[s->count] = value;
    s->below[s->count++] = below;
    s->bounds += below;
}

/* Times and resident sets of the models' process tell nothing of what they model. */
static bool tells(const struct run_cell *c, const struct metric *m) {
    return !run_is_models(c->subject) || m->own;
}

static void add_record(struct run_cell *c, json_t *record, bool memory) {
    for (size_t i = 0; i < metric_count(); i++)
        if (metric_at(i)->memory == memory && tells(c, metric_at(i)))
            add_value(&c->series[i], metric_at(i)->extract(record), metric_below(metric_at(i), record));
    c->ok += !memory;
    if (!memory)
        collectors_add_record(c, record);
    json_t **keep = memory ? &c->memory_record : &c->record;
    if (*keep == NULL)
        *keep = json_incref(record);
}

static void take_checksum(struct run_cell *c, const char *checksum) {
    if (checksum[0] == '\0')
        return;
    if (c->checksum[0] != '\0' && strcmp(c->checksum, checksum) != 0)
        c->invalid = true;
    free(c->checksum);
    c->checksum = lab_strdup(checksum);
}

static void add_failure(struct run *r, struct run_cell *c, struct run_failure f) {
    c->failures = lab_realloc(c->failures, (size_t)(c->failed + 1) * sizeof *c->failures);
    c->failures[c->failed++] = f;
    r->failed++;
    free(c->failure);
    free(c->reproduce);
    c->failure = lab_printf("%s: %s", f.status, f.message);
    c->reproduce = lab_strdup(f.reproduce);
}

static void add_disturbed(struct run *r, struct run_cell *c, json_t *record, bool memory) {
    json_t *d = json_object_get(record, "disturbance");
    bool stolen = json_integer_value(json_object_get(d, "steal_ns")) > json_integer_value(json_object_get(d, "runqueue_ns"));
    r->disturbed++;
    r->stolen += stolen;
    c->disturbed += !memory;
}

/* One row: a process that failed counts whatever came after it; of those that ended well the first of a position does. */
static void take_invocation(struct run *r, struct run_cell *c, sqlite3_stmt *q, bool *position_served) {
    char *mode = column(q, 1), *status = column(q, 2), *record = column(q, 6), *checksum = column(q, 5);
    bool memory = strcmp(mode, "memory") == 0, ok = strcmp(status, "ok") == 0;
    json_t *parsed = NULL;
    const char *defect = ok ? record_defect(record, memory, 0, &parsed) : NULL;
    c->processes++;
    if (ok && defect == NULL && !*position_served) {
        *position_served = true;
        if (sqlite3_column_int(q, 8) != 0)
            add_disturbed(r, c, parsed, memory);
        add_record(c, parsed, memory);
        take_checksum(c, checksum);
    }
    if (!ok || defect != NULL)
        add_failure(r, c, (struct run_failure){.status = lab_strdup(ok ? "damaged" : status),
                                               .message = ok ? lab_printf("in the store, %s", defect) : column(q, 3),
                                               .reproduce = column(q, 4),
                                               .memory = memory,
                                               .made_up_for = *position_served});
    r->damaged += defect != NULL;
    json_decref(parsed);
    free(mode);
    free(status);
    free(record);
    free(checksum);
}

/* Of a position's attempts an undisturbed good one comes first, then a disturbed one, then what failed. */
static bool read_invocations(struct run *r, sqlite3 *db) {
    sqlite3_stmt *q = prepare(db, "SELECT cell_id,mode,status,message,reproduce,checksum,record,position,disturbed FROM invocation"
                                  " ORDER BY position, (status='ok') DESC, disturbed, attempt");
    long last_position = -1;
    bool position_served = false;
    if (q == NULL)
        return false;
    while (sqlite3_step(q) == SQLITE_ROW) {
        if (sqlite3_column_int64(q, 7) != last_position) {
            last_position = sqlite3_column_int64(q, 7);
            position_served = false;
            r->done++;
        }
        struct run_cell *c = cell_by_id(r, sqlite3_column_int64(q, 0));
        if (c != NULL)
            take_invocation(r, c, q, &position_served);
    }
    return finished(q);
}

static bool read_absent(struct run *r, sqlite3 *db) {
    sqlite3_stmt *q = prepare(db, "SELECT subject,reason,remedy FROM absent ORDER BY subject");
    if (q == NULL)
        return false;
    while (sqlite3_step(q) == SQLITE_ROW) {
        r->absent = lab_realloc(r->absent, (r->absent_count + 1) * sizeof *r->absent);
        r->absent[r->absent_count++] = (struct run_absent){column(q, 0), column(q, 1), column(q, 2)};
    }
    return finished(q);
}

/* ---- rows */

/* The parameters of a row that other rows of its workload have otherwise, threads apart. */
static char *distinguishing(const struct run *r, const struct run_row *row) {
    struct settings own, other;
    settings_parse(row->params, &own);
    struct settings differ = {0};
    for (size_t i = 0; i < r->row_count; i++) {
        if (strcmp(r->rows[i].workload, row->workload) != 0 || !settings_parse(r->rows[i].params, &other))
            continue;
        for (size_t k = 0; k < own.count; k++) {
            const char *theirs = settings_get(&other, own.items[k].name);
            if (strcmp(own.items[k].name, "threads") != 0 && theirs != NULL && strcmp(theirs, own.items[k].value) != 0)
                settings_set(&differ, own.items[k].name, own.items[k].value);
        }
        settings_free(&other);
    }
    char *text = settings_format(&differ);
    settings_free(&differ);
    settings_free(&own);
    return text;
}

static void make_rows(struct run *r) {
    for (size_t i = 0; i < r->cell_count; i++) {
        struct run_cell *c = &r->cells[i];
        size_t k = 0;
        while (k < r->row_count &&
               (strcmp(r->rows[k].workload, c->workload) != 0 || strcmp(r->rows[k].params, c->params) != 0))
            k++;
        if (k == r->row_count) {
            r->rows = lab_realloc(r->rows, (r->row_count + 1) * sizeof *r->rows);
            r->rows[r->row_count++] =
                (struct run_row){c->workload, c->params, c->threads, .least_floor = NAN, .most_floor = NAN};
        }
        c->row = k;
    }
    for (size_t i = 0; i < r->row_count; i++) {
        struct run_row *row = &r->rows[i];
        char *differ = distinguishing(r, row), threads[16] = "";
        row->shared = row->threads > usable_processors(r->host);
        if (row->threads > 1)
            snprintf(threads, sizeof threads, "\303\227%u%s", row->threads, row->shared ? "!" : "");
        row->label = lab_printf("%s%s%s%s", row->workload, threads, differ[0] != '\0' ? " " : "", differ);
        free(differ);
    }
}

/* All subjects of a row must have seen the same operation stream. The checksum of most subjects is taken for right. */
static void check_checksums(struct run *r) {
    for (size_t row = 0; row < r->row_count; row++) {
        const char *common = NULL;
        size_t most = 0;
        for (size_t i = 0; i < r->cell_count; i++) {
            size_t same = 0;
            for (size_t k = 0; k < r->cell_count && r->cells[i].row == row; k++)
                same += r->cells[k].row == row && strcmp(r->cells[k].checksum, r->cells[i].checksum) == 0;
            if (same > most && r->cells[i].checksum[0] != '\0') {
                most = same;
                common = r->cells[i].checksum;
            }
        }
        for (size_t i = 0; i < r->cell_count; i++)
            if (r->cells[i].row == row && common != NULL && r->cells[i].checksum[0] != '\0' &&
                strcmp(r->cells[i].checksum, common) != 0)
                r->cells[i].invalid = true;
    }
}

static struct run_cell *best_peer(struct run *r, size_t row, const char *metric) {
    struct run_cell *best = NULL;
    for (size_t i = 0; i < r->cell_count; i++) {
        struct run_cell *c = &r->cells[i];
        double value = run_median(c, metric);
        if (c->row != row || c->invalid || !run_is_peer(c->subject) || isnan(value))
            continue;
        if (best == NULL || value < run_median(best, metric))
            best = c;
    }
    return best;
}

/* What a row is compared with: glibc, else the first subject in the order of the columns. */
static struct run_cell *baseline_of(const struct run *r, size_t row) {
    struct run_cell *c = run_find(r, row, "glibc");
    for (size_t i = 0; c == NULL && i < r->subject_count; i++)
        c = run_find(r, row, r->subjects[i]);
    return c == NULL || c->invalid || isnan(run_median(c, "time")) ? NULL : c;
}

static void choose_baselines(struct run *r) {
    for (size_t row = 0; row < r->row_count; row++) {
        struct run_row *at = &r->rows[row];
        at->baseline = baseline_of(r, row);
        at->fastest_peer = best_peer(r, row, "time");
        at->smallest_peer = best_peer(r, row, "peak_rss");
    }
}

static int subject_rank(const char *label) {
    if (strcmp(label, "glibc") == 0)
        return 0;
    return run_is_variant(label) ? 1 : run_is_bound(label) ? 3 : 2;
}

/* Numbers in names are compared as numbers: narenas=2 comes before narenas=10. */
static int by_rank(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int difference = subject_rank(x) - subject_rank(y);
    if (difference != 0)
        return difference;
    size_t base = strcspn(x, "|"), other = strcspn(y, "|");
    bool same_subject = base == other && strncmp(x, y, base) == 0;
    /* Of goalloc's builds the fuller ones come first: tiny before notiny, size classes before lists. */
    return subject_rank(x) == 1 && !same_subject ? strverscmp(y, x) : strverscmp(x, y);
}

/* Baseline first. Subjects that the user or the matrix has named stay in that order. */
static void list_subjects(struct run *r) {
    for (size_t i = 0; i < r->cell_count; i++) {
        size_t k = 0;
        while (k < r->subject_count && strcmp(r->subjects[k], r->cells[i].label) != 0)
            k++;
        if (k < r->subject_count)
            continue;
        r->subjects = lab_realloc(r->subjects, (r->subject_count + 1) * sizeof *r->subjects);
        r->subjects[r->subject_count++] = r->cells[i].label;
    }
    const char *order = json_string_value(json_object_get(r->meta, "subject_order"));
    if (order == NULL || strcmp(order, "given") != 0) {
        if (r->subject_count > 1)
            qsort(r->subjects, r->subject_count, sizeof *r->subjects, by_rank);
        return;
    }
    size_t at = 0;
    while (at < r->subject_count && strcmp(r->subjects[at], "glibc") != 0)
        at++;
    if (at == r->subject_count)
        return;
    char *baseline = r->subjects[at];
    memmove(r->subjects + 1, r->subjects, at * sizeof *r->subjects);
    r->subjects[0] = baseline;
}

/* ---- contrasts */

struct run_cell *run_find(const struct run *r, size_t row, const char *label) {
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].row == row && strcmp(r->cells[i].label, label) == 0)
            return &r->cells[i];
    return NULL;
}

struct stats_series run_values(const struct run_cell *c, const char *metric) {
    const struct run_series *s = &c->series[metric_index(metric)];
    return (struct stats_series){s->values, s->count};
}

double run_median(const struct run_cell *c, const char *metric) {
    struct stats_series s = run_values(c, metric);
    return stats_median(s.values, s.count);
}

/* Bounds are the least values there are, so the median is one when the middle is. */
bool run_is_below(const struct run_cell *c, const char *metric) {
    const struct run_series *s = &c->series[metric_index(metric)];
    return s->bounds > 0 && s->bounds >= (s->count + 1) / 2;
}

const char *run_bound(const struct run_cell *c, size_t metric, size_t value) {
    const struct run_series *s = &c->series[metric];
    if (s->below != NULL && s->below[value])
        return "<";
    const char *name = metric_at(metric)->name;
    return c->pauses_inexact && strncmp(name, "gc_pause_", 9) == 0 ? "<=" : ""; /* upper ends of a histogram's buckets */
}

bool run_row_shows(const struct run *r, size_t row, const char *metric) {
    if (!metric_at(metric_index(metric))->own)
        return true;
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].row == row && run_values(&r->cells[i], metric).count > 0)
            return true;
    return false;
}

struct run_contrast run_ratio(const struct run_cell *a, const struct run_cell *b, const char *metric) {
    struct run_contrast out = {.ratio = NAN, .p = NAN, .limit = NAN, .floor = NAN};
    if (a == NULL || b == NULL || a->invalid || b->invalid)
        return out;
    struct stats_series x = run_values(a, metric), y = run_values(b, metric);
    double below = stats_median(y.values, y.count);
    if (x.count == 0 || y.count == 0 || !(below > 0))
        return out;
    double limit = stats_median(x.values, x.count) / below;
    bool upper = run_is_below(a, metric), lower = run_is_below(b, metric);
    if (upper || lower) { /* of two bounds nothing is known */
        out.limit = limit;
        out.bound = upper && lower ? 0 : upper ? '<' : '>';
        return out;
    }
    out.ratio = limit;
    /* A resampled median may be one of the bounds, which are no values. */
    size_t index = metric_index(metric);
    bool exact = a->series[index].bounds == 0 && b->series[index].bounds == 0;
    if (exact && x.count >= STATS_LEAST_FOR_INTERVAL && y.count >= STATS_LEAST_FOR_INTERVAL)
        out.interval = stats_ratio_interval(x, y, STATISTICS_SEED);
    return out;
}

/* The floor belongs to the two sides: how steady a third subject is says nothing about them. */
static double contrast_floor(const struct run_cell *a, const struct run_cell *b) {
    const struct stats_series sides[] = {run_values(a, "time"), run_values(b, "time")};
    return stats_noise_floor(sides, 2, STATISTICS_SEED, NULL);
}

/* Of a cell that others disturbed in more than a third of its processes, the times are theirs as well. */
static bool cell_disturbed(const struct run_cell *c) {
    return c->disturbed * DISTURBED_SHARE > c->ok;
}

static void widen_floors(struct run_row *row, double floor) {
    if (isnan(floor))
        return;
    row->least_floor = fmin(row->least_floor, floor); /* fmin and fmax take the number of a number and NAN */
    row->most_floor = fmax(row->most_floor, floor);
}

static char mark_of(const struct run_contrast *t) {
    bool shown = t->interval.known && (t->interval.low > 1 || t->interval.high < 1) && t->p < 0.05 && !isnan(t->floor) &&
                 fabs(t->ratio - 1) > t->floor;
    return !shown ? '~' : t->ratio < 1 ? '+' : '-';
}

/* A verdict has five conditions. Each side has ten processes. Others disturbed at most a third of them. The interval does
 * not hold 1. The effect is above the noise floor of the two sides. The test stands when Holm's correction counts all
 * verdict contrasts of the run. */
static void judge_contrasts(struct run *r) {
    r->time_contrasts = lab_alloc((r->cell_count + 1) * sizeof *r->time_contrasts);
    double *p = lab_alloc((r->cell_count + 1) * sizeof *p);
    for (size_t i = 0; i < r->cell_count; i++) {
        struct run_cell *c = &r->cells[i], *b = r->rows[c->row].baseline;
        struct run_contrast *t = &r->time_contrasts[i];
        *t = run_ratio(c, b, "time");
        p[i] = NAN;
        if (b == NULL || c == b || isnan(t->ratio))
            continue;
        t->floor = contrast_floor(c, b);
        widen_floors(&r->rows[c->row], t->floor);
        struct stats_series x = run_values(c, "time"), y = run_values(b, "time");
        if (x.count < VERDICT_PROCESSES || y.count < VERDICT_PROCESSES)
            continue;
        c->verdict = !cell_disturbed(c) && !cell_disturbed(b);
        if (c->verdict)
            p[i] = stats_mann_whitney(x, y);
        else
            t->mark = 'd';
    }
    stats_holm(p, r->cell_count);
    for (size_t i = 0; i < r->cell_count; i++) {
        r->time_contrasts[i].p = p[i];
        if (!isnan(p[i]))
            r->time_contrasts[i].mark = mark_of(&r->time_contrasts[i]);
    }
    free(p);
}

struct run_geomean run_over_best_peer(const struct run *r, const char *label, const char *metric, unsigned threads) {
    struct run_geomean out = {.ratio = NAN};
    struct stats_series *x = lab_alloc((r->row_count + 1) * sizeof *x), *y = lab_alloc((r->row_count + 1) * sizeof *y);
    bool time = strcmp(metric, "time") == 0, all_known = true;
    double log_sum = 0;
    for (size_t row = 0; row < r->row_count; row++) {
        if ((threads != 0 && r->rows[row].threads != threads) || strcmp(r->rows[row].workload, "null") == 0)
            continue;
        struct run_cell *c = run_find(r, row, label),
                        *best = time ? r->rows[row].fastest_peer : r->rows[row].smallest_peer;
        struct run_contrast ratio = run_ratio(c, best, metric);
        if (isnan(ratio.ratio) || !(ratio.ratio > 0)) {
            out.left_out++;
            continue;
        }
        x[out.rows] = run_values(c, metric);
        y[out.rows] = run_values(best, metric);
        all_known &= ratio.interval.known;
        log_sum += log(ratio.ratio);
        out.rows++;
    }
    if (out.rows > 0) {
        out.ratio = exp(log_sum / (double)out.rows);
        if (all_known)
            out.interval = stats_geomean_interval(x, y, out.rows, STATISTICS_SEED);
    }
    free(x);
    free(y);
    return out;
}

/* ---- all */

static bool read_all(struct run *r, sqlite3 *db) {
    return read_meta(r, db) && read_cells(r, db) && read_invocations(r, db) && read_absent(r, db);
}

struct run *run_load(const char *dir) {
    sqlite3 *db = store_read(dir);
    if (db == NULL)
        return NULL;
    struct run *r = lab_alloc(sizeof *r);
    r->dir = lab_strdup(dir);
    bool whole = read_all(r, db);
    if (!whole)
        lab_error(LAB_DISK, "cannot read %s/run.sqlite (%s): restore a copy, or begin a new run", dir, sqlite3_errmsg(db));
    sqlite3_close(db);
    if (!whole) {
        run_free(r);
        return NULL;
    }
    for (size_t i = 0; i < r->cell_count; i++)
        r->planned += r->cells[i].planned;
    make_rows(r);
    check_checksums(r);
    for (size_t i = 0; i < r->cell_count; i++)
        r->invalid += r->cells[i].invalid;
    collectors_fill_marking(r);
    list_subjects(r);
    choose_baselines(r);
    judge_contrasts(r);
    return r;
}

int run_told(const struct run *r) {
    if (r->damaged == 0)
        return LAB_OK;
    return lab_error(LAB_CELL_FAILED, "%ld records of %s cannot be read, and count as failed: restore a copy of run.sqlite, or "
                                      "measure anew",
                     r->damaged, r->dir);
}

void run_free(struct run *r) {
    for (size_t i = 0; i < r->cell_count; i++) {
        struct run_cell *c = &r->cells[i];
        for (size_t k = 0; k < metric_count(); k++) {
            free(c->series[k].values);
            free(c->series[k].below);
        }
        for (long k = 0; k < c->failed; k++) {
            free(c->failures[k].status);
            free(c->failures[k].message);
            free(c->failures[k].reproduce);
        }
        free(c->failures);
        free(c->series);
        free(c->pauses.values);
        json_decref(c->record);
        json_decref(c->memory_record);
        char *texts[] = {c->subject, c->knobs,    c->label,   c->workload, c->params,
                         c->flavour, c->checksum, c->failure, c->reproduce};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            free(texts[k]);
    }
    for (size_t i = 0; i < r->row_count; i++)
        free(r->rows[i].label);
    free(r->cells);
    free(r->rows);
    free(r->subjects);
    free(r->time_contrasts);
    json_decref(r->meta);
    json_decref(r->host);
    free(r->dir);
    free(r->id);
    free(r);
}
