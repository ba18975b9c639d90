/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "command.h"
#include "error.h"
#include "option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static uint64_t random_seed(void) {
    unsigned random = 0;
    return getrandom(&random, sizeof random, 0) == sizeof random ? random : (unsigned)getpid();
}

int options_parse(int argc, const char **argv, struct run_options *out) {
    *out = (struct run_options){.request = {.matrix = "quick"}};
    const struct field *threads_field = field_find(matrix_entry_fields, "threads");
    const struct field *invocations_field = field_find(matrix_entry_fields, "invocations");
    const char **rest;
    char *matrix = NULL, *workloads = NULL, *subjects = NULL, *threads = NULL, *output = NULL, *runner = NULL;
    int fixed = 0, strict = 0, dry_run = 0;
    uint64_t invocations = 0, seed = random_seed();
    const struct option_row options[] = {
        {"matrix", 'm', OPTION_EMPTY_IS_NONE, &matrix, 0, 0, "one that spanlab list names, or a YAML file", "MATRIX"},
        {"workloads", 'w', OPTION_LIST, &workloads, 0, 0, "only these workloads", "NAME,…"},
        {"subjects", 's', OPTION_LIST, &subjects, 0, 0, "these subjects; yours as x:/path/lib.so", "NAME[|KNOB=V],…"},
        {"threads", 't', OPTION_WHOLES, &threads, threads_field->least, threads_field->most, "these thread counts",
         "N,…"},
        {"invocations", 'n', OPTION_WHOLE, &invocations, 1, invocations_field->most, "processes per cell", "N"},
        {"budget", 'b', OPTION_DURATION, &out->budget_s, 0, 0, "stop after, spend what is left where spread is widest",
         "30m"},
        {"output", 'o', OPTION_TEXT, &output, 0, 0, "folder of the run", "DIR"},
        {"seed", '\0', OPTION_WHOLE, &seed, 0, INT64_MAX, "of streams, order and layout (default: random)", "N"},
        {"runner", '\0', OPTION_EMPTY_IS_NONE, &runner, 0, 0, "local is what there is", "local"},
        {"strict", '\0', OPTION_FLAG, &strict, 0, 0, "a missing subject is an error", NULL},
        {"fixed-layout", '\0', OPTION_FLAG, &fixed, 0, 0, "no ASLR, no random environment and stack", NULL},
        {"dry-run", '\0', OPTION_FLAG, &dry_run, 0, 0, "print the plan, measure nothing", NULL},
        {0}};
    int code = options_read(argc, argv, "[OPTION...]", options, 0, &rest);
    if (code != LAB_OK)
        return code;
    if (runner != NULL && strcmp(runner, "local") != 0)
        return lab_error(LAB_USAGE, "--runner is '%s': this version runs locally only, leave it out", runner);
    out->request.matrix = matrix != NULL ? matrix : "quick";
    out->request.workloads = workloads;
    out->request.subjects = subjects;
    out->request.threads = threads;
    out->request.invocations = (unsigned)invocations;
    out->request.seed = seed;
    out->request.fixed_layout = fixed != 0;
    out->output = output;
    out->strict = strict != 0;
    out->dry_run = dry_run != 0;
    return LAB_OK;
}

int options_absent(const struct plan *plan, bool strict) {
    for (size_t i = 0; i < plan->absent_count; i++) {
        const struct plan_absent *a = &plan->absent[i];
        fprintf(stderr, "n/a   %s: %s%s%s\n", a->subject, a->reason, a->remedy[0] != '\0' ? "; " : "", a->remedy);
    }
    if (strict && plan->absent_count > 0)
        return lab_error(LAB_MISSING,
                         "%zu subjects are missing and --strict was asked for: install them or name others",
                         plan->absent_count);
    return LAB_OK;
}

char *options_run_dir(const char *named) {
    const char *dir = named != NULL ? named : "results/latest";
    char *path = lab_printf("%s/run.sqlite", dir);
    bool there = access(path, R_OK) == 0;
    free(path);
    if (there)
        return lab_strdup(dir);
    if (named == NULL)
        lab_error(LAB_USAGE, "there is no run yet in results/latest: spanlab run makes one");
    else
        lab_error(LAB_USAGE, "%s is not a run: name a folder that holds run.sqlite", named);
    return NULL;
}
