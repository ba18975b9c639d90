/* SPDX-License-Identifier: MIT
 *
 * store.h: writing run.sqlite (schema.sql). One transaction per invocation: what is committed survives kill -9.
 */
#ifndef SPANLAB_STORE_H
#define SPANLAB_STORE_H

#include "plan.h"

#include <sqlite3.h>

struct store {
    sqlite3 *db;
    char *dir, *reserve; /* the reserve file is given up when the disk is full, so that the last commit fits */
    int lock;            /* of the folder: one process writes it */
};

/* What is still to do, joined with its cell. Strings are the caller's (store_todo_free). */
struct store_todo {
    long position, cell_id;
    bool memory;
    unsigned number, attempt, threads, warmup, iterations, timeout_s;
    uint64_t layout_seed;
    char *subject, *knobs, *workload, *params, *flavour;
};

/* The outcome of one process. NULL strings are stored empty. */
struct store_outcome {
    const char *started_at, *status, *message, *stderr_tail, *reproduce, *disturbance, *layout, *checksum, *record;
    uint64_t wall_ns, peak_bytes;
    int exit_code, signal; /* -1, 0: none */
    bool disturbed;
};

/* Creates dir/run.sqlite with the plan in it. 0, or an enum lab_exit after an error line. */
int store_create(struct store *s, const char *dir, const struct plan *plan);
/* Opens it to go on: locked, checked, brought to this version. The same. */
int store_open(struct store *s, const char *dir);
void store_close(struct store *s);
/* Closes it and removes it: a run that could not be begun is none. */
void store_discard(struct store *s);

/* 0, or an enum lab_exit after an error line: LAB_DISK when the disk is full. */
int store_set_meta(struct store *s, const char *key, const char *value);
/* NULL when there is none. */
char *store_get_meta(struct store *s, const char *key);

/* The next invocation in planned order that has no row and is not hopeless. False: nothing is left. */
bool store_next(struct store *s, struct store_todo *out);
void store_todo_free(struct store_todo *t);

/* Commits one outcome with its samples. 0, or LAB_DISK. */
int store_commit(struct store *s, const struct store_todo *t, int session, const struct store_outcome *o);

/* One number of one row: counts for progress. */
long store_count(struct store *s, const char *sql);
/* All rows of a statement. */
void store_each(struct store *s, const char *sql, void (*take)(void *context, sqlite3_stmt *row), void *context);

/* Adds invocations of a cell to the end of the plan. */
int store_extend(struct store *s, long cell_id, bool memory, unsigned number, uint64_t layout_seed);

/* Of a planned process p: two of its cell and mode ran into their time limit and none ended well. Each further one would
 * cost its whole limit. Everything else that fails is quick, and is run: how often it fails is a result. */
#define STORE_HOPELESS                                                                                                  \
    "((SELECT count(DISTINCT i.position) FROM invocation i WHERE i.cell_id=p.cell_id AND i.mode=p.mode"                \
    " AND i.status='timeout') >= 2 AND NOT EXISTS (SELECT 1 FROM invocation i WHERE i.cell_id=p.cell_id"               \
    " AND i.mode=p.mode AND i.status='ok'))"

#endif
