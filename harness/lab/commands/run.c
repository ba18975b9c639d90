/* SPDX-License-Identifier: MIT
 *
 * run and resume: measure a plan, print the table, draw the report.
 */
#include "command.h"
#include "error.h"
#include "host.h"
#include "measure.h"
#include "option.h"
#include "options.h"
#include "report.h"
#include "run_dir.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The table of what there is, and the page where the run was not stopped. */
static int show(const char *dir, bool page) {
    struct run *r = run_load(dir);
    if (r == NULL)
        return LAB_DISK; /* it was just written */
    table_print(r, stdout);
    fflush(stdout);
    int code = page ? report_write(r) : LAB_OK;
    if (page && code == LAB_OK)
        fprintf(stderr, "report  %s/report/index.html    raw  %s/run.sqlite\n", dir, dir);
    code = code ? code : run_told(r);
    run_free(r);
    return code;
}

static void tell_rest(const char *dir, int code, long left, long hopeless) {
    if (code == LAB_INTERRUPTED)
        fprintf(stderr, "interrupted: %ld processes are left; go on with: spanlab resume %s\n", left, dir);
    else if (left > hopeless && code != LAB_DISK)
        fprintf(stderr, "%ld planned processes were not run (budget spent): spanlab resume %s\n", left - hopeless, dir);
    if (hopeless > 0)
        fprintf(stderr, "%ld planned processes are left out: those of their cell before them all ran into their time limit\n",
                hopeless);
}

/* Whatever ended the measuring, what there is gets shown. */
static int finish(struct store *s, int code) {
    char *dir = lab_strdup(s->dir);
    static const char count_left[] = "SELECT count(*) FROM planned p WHERE NOT EXISTS (SELECT 1 FROM invocation i WHERE"
                                     " i.position=p.position)";
    long left = store_count(s, count_left);
    char *sql = lab_printf("%s AND %s", count_left, STORE_HOPELESS);
    long hopeless = store_count(s, sql);
    long measured = store_count(s, "SELECT count(*) FROM invocation");
    free(sql);
    store_close(s);
    if (measured > 0) {
        int shown = show(dir, code != LAB_INTERRUPTED && code != LAB_DISK);
        code = code == LAB_OK ? shown : code;
    }
    tell_rest(dir, code, left, hopeless);
    free(dir);
    return code;
}

static int run(int argc, const char **argv) {
    struct run_options o;
    int code = options_parse(argc, argv, &o);
    if (code != LAB_OK)
        return code;
    struct catalog catalog;
    struct plan plan;
    catalog_load(&catalog);
    code = plan_make(&o.request, &catalog, &plan);
    if (code == LAB_OK)
        code = options_absent(&plan, o.strict);
    if (code != LAB_OK)
        return code;
    if (o.dry_run)
        return plan_print(&plan, stdout), LAB_OK;
    if (plan.cell_count == 0)
        return lab_error(LAB_MISSING, "every subject that was asked for is missing: install one of them");
    struct store s;
    code = run_dir_create(&s, &o, &catalog, &plan, argc, argv);
    if (code != LAB_OK)
        return code;
    fprintf(stderr, "run     %s: %zu cells, %zu processes, seed %llu\n", s.dir, plan.cell_count, plan.invocation_count,
            (unsigned long long)o.request.seed);
    struct measure_options m = {o.request.seed, 1, o.budget_s, o.request.fixed_layout};
    return finish(&s, measure_all(&s, &catalog, &m));
}

static int resume(int argc, const char **argv) {
    struct measure_options m = {0};
    const char **rest;
    const struct option_row options[] = {{"budget", 'b', OPTION_DURATION, &m.budget_s, 0, 0, "stop after", "30m"}, {0}};
    int parsed = options_read(argc, argv, "[RUN]", options, 1, &rest);
    if (parsed != LAB_OK)
        return parsed;
    char *dir = options_run_dir(rest[0]);
    if (dir == NULL)
        return LAB_USAGE;
    struct catalog catalog;
    struct store s;
    catalog_load(&catalog);
    int code = store_open(&s, dir);
    if (code == LAB_OK)
        code = run_dir_check(&s, &catalog, &m);
    if (code != LAB_OK)
        return code;
    fprintf(stderr, "resuming %s: %ld of %ld processes are there; host and binaries are unchanged\n", dir,
            store_count(&s, "SELECT count(DISTINCT position) FROM invocation"),
            store_count(&s, "SELECT count(*) FROM planned"));
    free(dir);
    return finish(&s, measure_all(&s, &catalog, &m));
}

COMMAND(run) = {"run", "[OPTIONS]", "measure a matrix, print the table, draw the report", 50, run};
COMMAND(resume) = {"resume", "[RUN]", "go on with an interrupted run", 60, resume};
