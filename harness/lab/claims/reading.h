/* SPDX-License-Identifier: MIT
 *
 * reading.h: a measure's figure: read from the cells of a run, counted by callgrind, or from a test program.
 */
#ifndef SPANLAB_READING_H
#define SPANLAB_READING_H

#include "claims/recorded.h"
#include "plan.h"
#include "spawn.h"
#include "store.h"

/* Where figures come from. */
struct experiment {
    struct spawner spawner; /* of what is in no run */
    struct catalog catalog;
    struct plan plan;
    struct store store;
    bool died; /* something counted or checked: processes of the run are in its store */
};

/* One side of a measure. */
struct reading_wish {
    const char *workload, *subject, *params, *figure, *within;
    const char *program;             /* NULL: a subject on a workload */
    const struct claim_count *count; /* NULL: a cell of the run */
    enum claim_class class;
};
struct reading_wish reading_wish_of(const struct claim *c, const struct claim_measure *m, unsigned workload);
struct reading_wish reading_wish_against(const struct claim *c, const struct claim_measure *m, unsigned workload);
/* The subject at the i-th value of the measure's sweep: "goalloc|preset=faithful,GOGC=50". The caller's to free. */
char *reading_swept_subject(const struct claim_measure *m, unsigned i);

/* Whether the figure is one of processes that sample memory. */
bool reading_from_memory_run(const char *figure);
/* Processes that a figure of the class needs: two that must agree, or as many as give an interval. */
unsigned reading_processes(enum claim_class class);

struct reading {
    struct claim_value figure;
    bool differs;            /* two processes disagree */
    char *missing, *version; /* why there is no figure; of whom it is */
    char *failed;            /* NULL, or which processes failed: the figure is of those that survived */
};
/* What it took is added to cost. */
struct reading reading_take(struct experiment *e, const struct claim *c, const struct claim_measure *m,
                            struct claim_outcome *cost);

#endif
