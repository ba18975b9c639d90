/* SPDX-License-Identifier: MIT
 *
 * parts.h: claims are measured several at a time, each part of them by a process of its own. Claims that need the same
 * processes are in one part, so that none runs twice; the longest part begins first, and the next one as soon as a
 * process is free, so that wrong expectations of what a part takes cost little.
 */
#ifndef SPANLAB_PARTS_H
#define SPANLAB_PARTS_H

#include "text.h"

/* What a part's process says of an item. */
struct part_answer {
    int verdict, mutation;
};

struct parts_work {
    size_t count; /* items */
    const struct text_list *keys; /* of each item: what is measured for it */
    const double *seconds;        /* of each item: what measuring it is expected to take */
    int jobs;
    /* Called in the part's process with its items and its number, from 1; returns an enum lab_exit. */
    int (*run)(void *context, const size_t *items, size_t count, int number, struct part_answer *answers);
    void *context;
    struct part_answer *answers; /* of each item; what a process that died has not said stays as it is */
};

/* The worst exit code of all parts; LAB_CELL_FAILED when a process has died. */
int parts_run(const struct parts_work *w);

#endif
