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

/* Instructions of one operation; NAN where it cannot be counted. A line for each that fails. */
static double count_cell(const struct catalog *catalog, struct spawner *spawner, const struct cell *c) {
    static const struct claim_count calls = {.per = (char *)"calls", .from = FROM_CALLS, .to = TO_CALLS};
    const struct catalog_subject *subject = catalog_find_subject(catalog, c->subject);
    const struct catalog_workload *workload = catalog_find_workload(catalog, c->workload);
    if (subject == NULL || !subject->present || subject->bound || workload == NULL || catalog_find_param(workload, "calls") == NULL)
        return NAN;
    const struct counted_wish wish = {
        .subject = subject, .knobs = c->knobs, .workload = c->workload, .figure = "instructions", .count = &calls};
    struct counted found = counted_figure(spawner, &wish);
    if (found.missing != NULL)
        fprintf(stderr, "n/a     %s %s: %s\n", c->subject, c->workload, found.missing);
    free(found.missing);
    return found.per_operation;
}

static int count_cells(struct store *s, const struct cells *all) {
    struct catalog catalog = {0};
    struct spawner spawner;
    catalog_load(&catalog);
    spawner_start(&spawner);
    json_t *counted = json_object();
    size_t some = 0;
    for (size_t i = 0; i < all->count; i++) {
        const double instructions = count_cell(&catalog, &spawner, &all->items[i]);
        char id[32];
        snprintf(id, sizeof id, "%ld", all->items[i].id);
        if (isnan(instructions))
            continue;
        json_object_set_new(counted, id, json_real(instructions));
        some++;
    }
    spawner_stop(&spawner);
    char *text = json_dumps(counted, JSON_COMPACT);
    int code = store_set_meta(s, "instructions", text);
    free(text);
    json_decref(counted);
    if (code == LAB_OK && some == 0)
        code = lab_error(LAB_MISSING, "nothing in %s can be counted: its workloads have no parameter 'calls', as those of recorded "
                                      "streams do (MATRIX=policies), or valgrind is missing",
                         s->dir);
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
