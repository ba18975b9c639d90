/* SPDX-License-Identifier: MIT
 *
 * options.h: the options that run and plan share.
 */
#ifndef SPANLAB_OPTIONS_H
#define SPANLAB_OPTIONS_H

#include "plan.h"

struct run_options {
    struct plan_request request;
    double budget_s;
    const char *output; /* -o */
    bool strict, dry_run;
};

/* 0; LAB_USAGE after an error line; -1 when --help was printed. */
int options_parse(int argc, const char **argv, struct run_options *out);

/* "glibc libc6, tcmalloc libtcmalloc-minimal4": says on stderr what is absent. LAB_MISSING when strict, else 0. */
int options_absent(const struct plan *plan, bool strict);

/* The run a command names, or results/latest. The caller's to free; NULL after an error line. */
char *options_run_dir(const char *named);

#endif
