/* SPDX-License-Identifier: MIT
 *
 * count: adds to a run the instructions of an operation, by callgrind, of each cell whose workload can be cut short: it has
 * the parameter `calls`. What is counted does not depend on how busy the machine is.
 */
#include "claims/counted.h"
#include "command.h"
#include "error.h"
#include "options.h"
#include "store.h"
#include "table.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FROM_CALLS = 8000, TO_CALLS = 24000 };

struct cell {
    long id;
    char *subject, *knobs, *workload;
};

struct cells {
    struct cell *items;
    size_t count;
};

static void take_cell(void *context, sqlite3_stmt *row) {
    struct cells *all = context;
    all->items = lab_realloc(all->items, (all->count + 1) * sizeof *all->items);
    all->items[all->count++] = (struct cell){sqlite3_column_int64(row, 0), lab_strdup((const char *)sqlite3_column_text(row, 1)),
                                             lab_strdup((const char *)sqlite3_column_text(row, 2)),
                                             lab_strdup((const char *)sqlite3_column_text(row, 3))};
}

static void cells_free(struct cells *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].subject);
        free(all->items[i].knobs);
        free(all->items[i].workload);
    }
    free(all->items);
}

/* Whether its workload can be cut short, on a subject that serves and is there. */
static bool can_be_counted(const struct catalog *catalog, const struct cell *c) {
    const struct catalog_subject *subject = catalog_find_subject(catalog, c->subject);
    const struct catalog_workload *workload = catalog_find_workload(catalog, c->workload);
    return subject != NULL && subject->present && !subject->bound && workload != NULL &&
           catalog_find_param(workload, "calls") != NULL;
}

struct counting {
    struct catalog catalog;
    struct spawner spawner;
    char *reason; /* why the last cell that failed did */
    size_t tried, some;
};

/* Instructions of one operation; NAN where it was not counted. A line for each reason, not for each cell of the same one. */
static double count_cell(struct counting *all, const struct cell *c) {
    static const struct claim_count calls = {.per = (char *)"calls", .from = FROM_CALLS, .to = TO_CALLS};
    const struct counted_wish wish = {.subject = catalog_find_subject(&all->catalog, c->subject),
                                      .knobs = c->knobs,
                                      .workload = c->workload,
                                      .figure = "instructions",
                                      .count = &calls};
    struct counted found = counted_figure(&all->spawner, &wish);
    if (found.missing == NULL)
        return found.per_operation;
    if (all->reason == NULL || strcmp(all->reason, found.missing) != 0)
        fprintf(stderr, "n/a     %s %s: %s\n", c->subject, c->workload, found.missing);
    free(all->reason);
    all->reason = found.missing;
    return NAN;
}

static json_t *count_each(struct counting *all, const struct cells *cells) {
    json_t *counted = json_object();
    for (size_t i = 0; i < cells->count; i++) {
        if (!can_be_counted(&all->catalog, &cells->items[i]))
            continue;
        const double instructions = count_cell(all, &cells->items[i]);
        char id[32];
        snprintf(id, sizeof id, "%ld", cells->items[i].id);
        all->tried++;
        if (isnan(instructions))
            continue;
        json_object_set_new(counted, id, json_real(instructions));
        all->some++;
    }
    return counted;
}

/* What an earlier count has found stays where this one finds nothing. */
static int count_cells(struct store *s, const struct cells *cells) {
    struct counting all = {.tried = 0};
    catalog_load(&all.catalog);
    spawner_start(&all.spawner);
    json_t *counted = count_each(&all, cells);
    spawner_stop(&all.spawner);
    char *text = json_dumps(counted, JSON_COMPACT);
    int code = LAB_OK;
    if (all.tried == 0)
        code = lab_error(LAB_MISSING, "nothing in %s can be counted: its workloads have no parameter 'calls', as those of recorded "
                                      "streams do (MATRIX=policies)",
                         s->dir);
    else if (all.some == 0)
        code = lab_error(LAB_MISSING, "no cell of %s was counted: %s", s->dir, all.reason);
    else
        code = store_set_meta(s, "instructions", text);
    free(all.reason);
    free(text);
    json_decref(counted);
    return code;
}

static int count_run(const char *dir) {
    struct store s;
    struct cells all = {0};
    int code = store_open(&s, dir);
    if (code != LAB_OK)
        return code;
    store_each(&s, "SELECT id, subject, knobs, workload FROM cell ORDER BY id", take_cell, &all);
    code = count_cells(&s, &all);
    store_close(&s);
    cells_free(&all);
    if (code != LAB_OK)
        return code;
    struct run *r = run_load(dir);
    if (r == NULL)
        return LAB_DISK;
    table_print(r, stdout);
    code = run_told(r);
    run_free(r);
    return code;
}

static int count(int argc, const char **argv) {
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") == 0)) {
        fputs("usage: spanlab count [RUN]       RUN: a folder with run.sqlite; results/latest by default\n"
              "Adds the instructions of an operation by callgrind, of recorded streams (workloads stream-...).\n",
              argc == 2 ? stdout : stderr);
        return argc == 2 ? LAB_OK : LAB_USAGE;
    }
    char *dir = options_run_dir(argc == 2 ? argv[1] : NULL);
    int code = dir != NULL ? count_run(dir) : LAB_USAGE;
    free(dir);
    return code;
}

COMMAND(count) = {"count", "[RUN]", "add the instructions of an operation to a run, by callgrind", 75, count};
