/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "command.h"
#include "error.h"

#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { OPTION_FIXED_LAYOUT = 1, OPTION_STRICT, OPTION_DRY_RUN };

static const char *empty_is_null(const char *s) {
    return s != NULL && s[0] != '\0' ? s : NULL;
}

int options_parse(int argc, const char **argv, struct run_options *out) {
    *out = (struct run_options){.request = {.matrix = "quick"}};
    char *matrix = NULL, *workloads = NULL, *subjects = NULL, *threads = NULL, *budget = NULL, *output = NULL,
         *runner = NULL;
    int invocations = 0, fixed = 0, strict = 0, dry_run = 0;
    long long seed = -1;
    struct poptOption options[] = {
        {"matrix", 'm', POPT_ARG_STRING, &matrix, 0, "one that spanlab list names, or a YAML file", "MATRIX"},
        {"workloads", 'w', POPT_ARG_STRING, &workloads, 0, "only these workloads", "NAME,…"},
        {"subjects", 's', POPT_ARG_STRING, &subjects, 0, "these subjects; yours as x:/path/lib.so", "NAME[|KNOB=V],…"},
        {"threads", 't', POPT_ARG_STRING, &threads, 0, "these thread counts", "N,…"},
        {"invocations", 'n', POPT_ARG_INT, &invocations, 0, "processes per cell", "N"},
        {"budget", 'b', POPT_ARG_STRING, &budget, 0, "stop after, spend what is left where spread is widest", "30m"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "folder of the run", "DIR"},
        {"seed", '\0', POPT_ARG_LONGLONG, &seed, 0, "of streams, order and layout (default: random)", "N"},
        {"runner", '\0', POPT_ARG_STRING, &runner, 0, "local is what there is", "local"},
        {"strict", '\0', POPT_ARG_NONE, &strict, 0, "a missing subject is an error", NULL},
        {"fixed-layout", '\0', POPT_ARG_NONE, &fixed, 0, "no ASLR, no random environment and stack", NULL},
        {"dry-run", '\0', POPT_ARG_NONE, &dry_run, 0, "print the plan, measure nothing", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("spanlab", argc, argv, options, 0);
    int code = poptGetNextOpt(context);
    const char *extra = poptGetArg(context);
    if (code < -1)
        return lab_error(LAB_USAGE, "%s: %s (spanlab %s --help)", poptBadOption(context, POPT_BADOPTION_NOALIAS),
                         poptStrerror(code), argv[0]);
    if (extra != NULL)
        return lab_error(LAB_USAGE, "'%s' is not an option: spanlab %s --help lists them", extra, argv[0]);
    poptFreeContext(context);
    if (runner != NULL && runner[0] != '\0' && strcmp(runner, "local") != 0)
        return lab_error(LAB_USAGE, "--runner is '%s': this version runs locally only, leave it out", runner);
    if (empty_is_null(budget) != NULL && (out->budget_s = text_parse_duration(budget)) < 0)
        return lab_error(LAB_USAGE, "--budget is '%s': write 90s, 30m or 2h", budget);
    if (invocations < 0 || invocations > 10000)
        return lab_error(LAB_USAGE, "--invocations is %d: 1 to 10000 are allowed", invocations);
    if (seed < 0) {
        unsigned random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            random = (unsigned)getpid();
        seed = random;
    }
    out->request.matrix = empty_is_null(matrix) != NULL ? matrix : "quick";
    out->request.workloads = empty_is_null(workloads);
    out->request.subjects = empty_is_null(subjects);
    out->request.threads = empty_is_null(threads);
    out->request.invocations = (unsigned)invocations;
    out->request.seed = (uint64_t)seed;
    out->request.fixed_layout = fixed != 0;
    out->output = empty_is_null(output);
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
