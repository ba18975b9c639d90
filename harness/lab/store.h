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
int store_open(struct store *s, const char *dir);
void store_close(struct store *s);

/* 0, or an enum lab_exit after an error line: LAB_DISK when the disk is full. */
int store_set_meta(struct store *s, const char *key, const char *value);
/* NULL when there is none. */
char *store_get_meta(struct store *s, const char *key);

/* The next invocation in planned order that has no row, whose cell is not quarantined. False: nothing is left. */
bool store_next(struct store *s, struct store_todo *out);
void store_todo_free(struct store_todo *t);

/* Commits one outcome with its samples. 0, or LAB_DISK. */
int store_commit(struct store *s, const struct store_todo *t, int session, const struct store_outcome *o);

/* One number of one row: counts for progress. */
long store_count(struct store *s, const char *sql);

/* Adds invocations of a cell to the end of the plan. */
int store_extend(struct store *s, long cell_id, bool memory, unsigned number, uint64_t layout_seed);

enum { STORE_QUARANTINE_AFTER = 2 }; /* failed processes of a cell, its retry included, before its rest is left out */

#endif
