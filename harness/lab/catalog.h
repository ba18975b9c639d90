/* SPDX-License-Identifier: MIT
 *
 * catalog.h: what can be measured here. Asked from the bench programs beside spanlab (docs/record.md): the lab itself
 * knows no subject and no workload.
 */
#ifndef SPANLAB_CATALOG_H
#define SPANLAB_CATALOG_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog_knob {
    char *name, *variable, *format, *join, *summary;
};

struct catalog_subject {
    char *name, *summary;
    char *remedy;                       /* the command that makes it present; empty: it is built here */
    char *reason;                       /* why it is not present; NULL: its library was not found, or it is not built */
    char *library;                      /* what is preloaded; NULL: nothing, or not found */
    char *program;                      /* the bench program that runs it */
    char *flavour;                      /* manual | traced */
    struct text_list workloads;         /* names of those that the program has */
    bool preload, present, bound, user; /* bound: measured only where named; user: x:/path/lib.so */
    struct catalog_knob *knobs;
    size_t knob_count;
};

struct catalog_param {
    char *name, *summary;
    uint64_t value, smoke;
};

struct catalog_workload {
    char *name, *summary, *op, *models, *source, *bad_for;
    bool manual, traced;
    struct catalog_param *params;
    size_t param_count;
};

struct catalog {
    struct catalog_subject *subjects;
    size_t subject_count;
    struct catalog_workload *workloads;
    size_t workload_count;
    char *broken; /* the first program that gave no catalog, and why; NULL: none */
};

/* Asks every bench program beside spanlab. A program that gives no catalog is an absent subject with the reason; ends the
 * program with a line when there is none that gives one. */
void catalog_load(struct catalog *out);

struct catalog_subject *catalog_find_subject(const struct catalog *c, const char *name);
struct catalog_workload *catalog_find_workload(const struct catalog *c, const char *name);
const struct catalog_param *catalog_find_param(const struct catalog_workload *w, const char *name);
bool catalog_runs(const struct catalog_subject *s, const struct catalog_workload *w);

/* Adds a user's subject "name:/path/lib.so", or finds it when it was added before. NULL after an error line, also when the
 * loader does not load the library. */
struct catalog_subject *catalog_add_user(struct catalog *c, const char *spec);

/* Are the knobs "a=1,b=2" this subject's? *formatted: sorted by name. 0, or LAB_USAGE after an error line. */
int catalog_check_knobs(const struct catalog_subject *s, const char *text, char **formatted);

/* "unknown subject 'x': did you mean 'y'? spanlab list shows all" on stderr; returns LAB_USAGE. */
int catalog_unknown(const struct catalog *c, const char *kind, const char *name);

#endif
