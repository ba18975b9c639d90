/* SPDX-License-Identifier: MIT
 *
 * progress.h: what a run tells while it goes on, on stderr: one line that is rewritten on a terminal, one plain line per
 * process elsewhere. The time left is estimated from what each cell's processes took so far.
 */
#ifndef SPANLAB_PROGRESS_H
#define SPANLAB_PROGRESS_H

#include "store.h"

struct progress_cell {
    long id;
    double seconds; /* of its processes so far */
    long count, left;
};

struct progress {
    bool terminal;
    long planned, done;
    uint64_t start_ns, begin_ns;
    double budget_s; /* 0: none; else what is left of it is the time left */
    char current[160];
    struct progress_cell *cells;
    size_t cell_count;
};

void progress_start(struct progress *p, struct store *s, long planned);
/* The cell gets one more process than was planned. */
void progress_extend(struct progress *p, long cell_id);
void progress_begin(struct progress *p, const struct store_todo *t);
void progress_tick(struct progress *p);
void progress_end(struct progress *p, const struct store_todo *t, const char *status, const char *message, uint64_t wall_ns,
                  const char *reproduce, bool disturbed);
void progress_stop(struct progress *p);

#endif
