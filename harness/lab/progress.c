/* SPDX-License-Identifier: MIT */
#include "progress.h"
#include "error.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct progress_cell *cell_of(struct progress *p, long id) {
    for (size_t i = 0; i < p->cell_count; i++)
        if (p->cells[i].id == id)
            return &p->cells[i];
    p->cells = lab_realloc(p->cells, (p->cell_count + 1) * sizeof *p->cells);
    p->cells[p->cell_count] = (struct progress_cell){.id = id};
    return &p->cells[p->cell_count++];
}

/* A row (cell, seconds, n) of history. */
static void take_history(void *context, sqlite3_stmt *row) {
    struct progress_cell *c = cell_of(context, sqlite3_column_int64(row, 0));
    c->seconds = sqlite3_column_double(row, 1);
    c->count = sqlite3_column_int64(row, 2);
}

/* A row (cell, n) of what is left. */
static void take_left(void *context, sqlite3_stmt *row) {
    cell_of(context, sqlite3_column_int64(row, 0))->left = sqlite3_column_int64(row, 1);
}

void progress_start(struct progress *p, struct store *s, long planned) {
    *p = (struct progress){.terminal = isatty(STDERR_FILENO), .planned = planned, .start_ns = text_now_ns()};
    p->done = store_count(s, "SELECT count(DISTINCT position) FROM invocation");
    store_each(s, "SELECT cell_id, sum(wall_ns)/1e9, count(*) FROM invocation GROUP BY cell_id", take_history, p);
    store_each(s,
               "SELECT cell_id, count(*) FROM planned p WHERE NOT EXISTS (SELECT 1 FROM invocation i WHERE "
               "i.position=p.position)"
               " GROUP BY cell_id",
               take_left, p);
}

/* Cells without history are taken to cost what the others do on average; 1 s when there is none at all. */
static double seconds_left(const struct progress *p) {
    double seconds = 0, known = 0;
    long count = 0;
    /* A budget is spent to its end, and not beyond. */
    if (p->budget_s > 0)
        return fmax(0, p->budget_s - (double)(text_now_ns() - p->start_ns) / 1e9);
    for (size_t i = 0; i < p->cell_count; i++) {
        known += p->cells[i].seconds;
        count += p->cells[i].count;
    }
    double average = count > 0 ? known / (double)count : 1;
    for (size_t i = 0; i < p->cell_count; i++) {
        const struct progress_cell *c = &p->cells[i];
        seconds += (double)c->left * (c->count > 0 ? c->seconds / (double)c->count : average);
    }
    return seconds;
}

void progress_extend(struct progress *p, long cell_id) {
    cell_of(p, cell_id)->left++;
    p->planned++;
}

static void describe(struct progress *p, const struct store_todo *t) {
    snprintf(p->current, sizeof p->current, "%s%s%s  %s%s%s", t->subject, t->knobs[0] != '\0' ? "|" : "", t->knobs,
             t->workload, t->threads > 1 ? "\303\227" : "", "");
    if (t->threads > 1)
        snprintf(p->current + strlen(p->current), sizeof p->current - strlen(p->current), "%u", t->threads);
    if (t->memory)
        snprintf(p->current + strlen(p->current), sizeof p->current - strlen(p->current), "  memory");
}

void progress_begin(struct progress *p, const struct store_todo *t) {
    p->begin_ns = text_now_ns();
    describe(p, t);
    progress_tick(p);
}

void progress_tick(struct progress *p) {
    if (!p->terminal)
        return;
    uint64_t now = text_now_ns();
    char eta[32];
    snprintf(eta, sizeof eta, "%s", text_duration(seconds_left(p)));
    fprintf(stderr, "\r\033[K[%ld/%ld] %s  %.1fs  elapsed %s  ETA %s", p->done + 1, p->planned, p->current,
            (double)(now - p->begin_ns) / 1e9, text_duration((double)(now - p->start_ns) / 1e9), eta);
    fflush(stderr);
}

void progress_end(struct progress *p, const struct store_todo *t, const char *status, const char *message,
                  uint64_t wall_ns, const char *reproduce, bool disturbed) {
    struct progress_cell *c = cell_of(p, t->cell_id);
    c->seconds += (double)wall_ns / 1e9;
    c->count++;
    if (t->attempt == 1) {
        c->left -= c->left > 0;
        p->done++;
    }
    bool ok = strcmp(status, "ok") == 0;
    if (p->terminal && ok)
        return;
    if (p->terminal)
        fputs("\r\033[K", stderr);
    fprintf(stderr, "[%ld/%ld] %s  %.2fs  %s%s%s%s  ETA %s\n", p->done, p->planned, p->current, (double)wall_ns / 1e9,
            status, ok ? "" : ": ", ok ? "" : message, disturbed ? " (disturbed)" : "", text_duration(seconds_left(p)));
    if (!ok)
        fprintf(stderr, "        again: %s\n", reproduce);
}

void progress_stop(struct progress *p) {
    if (p->terminal)
        fputs("\r\033[K", stderr);
    free(p->cells);
    p->cells = NULL;
}
