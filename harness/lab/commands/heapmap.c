/* SPDX-License-Identifier: MIT
 *
 * heapmap: runs one proved invocation and draws the heap of its subject at some moments.
 */
#include "command.h"
#include "error.h"
#include "map.h"
#include "launch.h"
#include "option.h"
#include "plan.h"
#include "spawn.h"
#include "text.h"
#include "whole.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig) {
    (void)sig;
    interrupted = 1;
}

static bool go_on(void *context) {
    (void)context;
    return interrupted == 0;
}

struct heapmap_options {
    struct plan_request request;
    char *at, *output, *raw;
};

static int parse(int argc, const char **argv, struct heapmap_options *o) {
    char *matrix = NULL, *workload = NULL, *subject = NULL, *threads = NULL;
    uint64_t seed = 1;
    const char **rest;
    const struct field *threads_field = field_find(matrix_entry_fields, "threads");
    const struct option_row options[] = {
        {"workload", 'w', OPTION_LIST, &workload, 0, 0, "whose heap", "NAME"},
        {"subject", 's', OPTION_LIST, &subject, 0, 0, "a goalloc build", "NAME[|KNOB=V]"},
        {"threads", 't', OPTION_WHOLES, &threads, threads_field->least, threads_field->most, "thread count (default 1)",
         "N"},
        {"at", '\0', OPTION_TEXT, &o->at, 0, 0, "shares of the operations (default 0.5,1)", "0.25,0.5,1"},
        {"output", 'o', OPTION_TEXT, &o->output, 0, 0, "the drawing (default heapmap-WORKLOAD-SUBJECT.svg)", "FILE.svg"},
        {"raw", '\0', OPTION_TEXT, &o->raw, 0, 0, "keep record and map as JSON, too", "FILE.json"},
        {"matrix", 'm', OPTION_EMPTY_IS_NONE, &matrix, 0, 0, "whose sizes (default quick)", "MATRIX"},
        {"seed", '\0', OPTION_WHOLE, &seed, 0, INT64_MAX, "of the operation stream (default 1)", "N"},
        {0}};
    int code = options_read(argc, argv, "-w WORKLOAD -s SUBJECT [OPTIONS]", options, 0, &rest);
    if (code != LAB_OK)
        return code;
    if (o->at != NULL && o->at[strspn(o->at, "0123456789.,")] != '\0')
        return lab_error(LAB_USAGE, "--at is '%s': give ascending shares of the operations from 0 to 1, as 0.25,0.5,1",
                         o->at);
    if (workload == NULL || strchr(workload, ',') != NULL)
        return lab_error(LAB_USAGE, "which workload? -w NAME names one; spanlab list shows all");
    if (subject == NULL)
        return lab_error(LAB_USAGE, "which subject? -s NAME names a goalloc build; spanlab list shows all");
    o->request = (struct plan_request){.matrix = matrix != NULL ? matrix : "quick",
                                       .workloads = workload,
                                       .subjects = subject,
                                       .threads = threads != NULL ? threads : "1",
                                       .seed = seed,
                                       .fixed_layout = true};
    return LAB_OK;
}

static int choose_cell(const struct plan_request *request, struct plan *plan, const struct plan_cell **out) {
    if (plan->absent_count > 0)
        return lab_error(LAB_MISSING, "%s: %s", plan->absent[0].subject, plan->absent[0].reason);
    for (size_t i = 1; i < plan->cell_count; i++)
        if (plan->cells[i].subject != plan->cells[0].subject || plan->cells[i].threads != plan->cells[0].threads ||
            strcmp(plan->cells[i].knobs, plan->cells[0].knobs) != 0)
            return lab_error(LAB_USAGE,
                             "a heap map shows one subject with one thread count: '%s' with %s threads are more",
                             request->subjects, request->threads);
    *out = &plan->cells[0];
    return LAB_OK;
}

/* ---- the process */

struct paths {
    char *dir, *record, *map, *out, *err;
};

static bool paths_make(struct paths *p) {
    p->dir = whole_temporary_name("map");
    if (mkdtemp(p->dir) == NULL)
        return false;
    p->record = lab_printf("%s/record.json", p->dir);
    p->map = lab_printf("%s/map.json", p->dir);
    p->out = lab_printf("%s/stdout", p->dir);
    p->err = lab_printf("%s/stderr", p->dir);
    return true;
}

static void paths_remove(struct paths *p) {
    char *files[] = {p->record, p->map, p->out, p->err};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink(files[i]);
        free(files[i]);
    }
    rmdir(p->dir);
    free(p->dir);
}

/* What the process said about its failure: its own line, which is one of ours already. */
static int tell_failure(const struct paths *p, const struct spawn_result *r, json_t *record) {
    const char *message = json_string_value(json_object_get(record, "message"));
    char *said = text_read_tail(p->err, 4000);
    int code = LAB_CELL_FAILED;
    if (r->start_failed)
        lab_error(code, "the bench program does not start: %s", strerror(r->start_errno));
    else if (r->timed_out)
        lab_error(code, "still running at its time limit: try -m smoke");
    else if (message != NULL && message[0] != '\0')
        lab_error(code, "%s", message);
    else if (WIFEXITED(r->wait_status) && said[0] != '\0')
        fprintf(stderr, "%.*s\n", (int)strcspn(said, "\n"), said);
    else
        lab_error(code, "the bench program ended by SIG%s",
                  WIFSIGNALED(r->wait_status) ? sigabbrev_np(WTERMSIG(r->wait_status)) : "?");
    if (WIFEXITED(r->wait_status) && WEXITSTATUS(r->wait_status) == LAB_USAGE)
        code = LAB_USAGE;
    free(said);
    return code;
}

static bool spawn(struct launch *l, const struct paths *p, unsigned timeout_s, struct spawn_result *result) {
    struct sigaction catch = {.sa_handler = on_interrupt}, restore = {.sa_handler = SIG_DFL};
    struct spawner spawner;
    text_list_add_taken(&l->arguments, NULL);
    text_list_add_taken(&l->environment, NULL);
    struct spawn_request request = {l->arguments.items, l->environment.items, p->out, p->err, timeout_s * 1000u, true};
    interrupted = 0;
    sigaction(SIGINT, &catch, NULL);
    sigaction(SIGTERM, &catch, NULL);
    spawner_start(&spawner);
    bool finished = spawner_run(&spawner, &request, go_on, NULL, result);
    spawner_stop(&spawner);
    sigaction(SIGINT, &restore, NULL);
    sigaction(SIGTERM, &restore, NULL);
    l->arguments.count--; /* the NULLs */
    l->environment.count--;
    return finished;
}

static int run_cell(const struct heapmap_options *o, const struct plan_cell *cell, const struct paths *p,
                    json_t **record) {
    struct store_todo todo = {.memory = true,
                              .threads = cell->threads,
                              .timeout_s = cell->timeout_s,
                              .subject = cell->subject->name,
                              .knobs = cell->knobs,
                              .workload = cell->workload->name,
                              .params = cell->params};
    struct launch l;
    struct spawn_result result;
    launch_make(&l, cell->subject, &todo, o->request.seed, p->record);
    text_list_add_taken(&l.arguments, lab_printf("--spanlab-heapmap=%s", p->map));
    if (o->at != NULL)
        text_list_add_taken(&l.arguments, lab_printf("--spanlab-heapmap-at=%s", o->at));
    bool finished = spawn(&l, p, cell->timeout_s, &result);
    launch_free(&l);
    if (!finished)
        return LAB_INTERRUPTED;
    json_error_t error;
    *record = json_load_file(p->record, 0, &error);
    const char *status = json_string_value(json_object_get(*record, "status"));
    bool proved = json_is_true(json_object_get(json_object_get(*record, "proof"), "ok"));
    if (!result.start_failed && result.wait_status == 0 && status != NULL && strcmp(status, "ok") == 0 && proved)
        return LAB_OK;
    return tell_failure(p, &result, *record);
}

/* ---- the drawing */

static uint64_t counter(json_t *counters, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(counters, key));
}

/* With all threads at rest the runs must add up to what the subject counted at the same moment. */
static int check_drained(const struct map *m, json_t *record) {
    const struct map_moment *drained = &m->moments[m->moment_count - 1];
    json_t *c = json_object_get(json_object_get(record, "counters"), "drained");
    const struct map_totals *t = &drained->totals;
    if (drained->share >= 0 || counter(c, "allocated_bytes") != t->occupied ||
        counter(c, "free_in_span_bytes") + counter(c, "dead_bytes") != t->free_in_span || counter(c, "committed_bytes") != t->held)
        return lab_error(LAB_CELL_FAILED,
                         "the drained map does not add up to the subject's own counters: nothing was drawn");
    return LAB_OK;
}

static int write_drawing(const struct map *m, const char *path) {
    struct whole_file file;
    int code = whole_begin(&file, path);
    if (code != LAB_OK)
        return code;
    map_draw(m, file.out);
    return whole_end(&file);
}

/* "preset = tuned"; the caller's to free. */
static char *knobs_of(json_t *subject) {
    char *out = lab_strdup("");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(subject, "knobs"), name, value) {
        char *more = lab_printf("%s; %s = %s", out, name, json_string_value(value));
        free(out);
        out = more;
    }
    return out;
}

static int write_raw(const struct map *m, json_t *record, const char *path) {
    struct whole_file file;
    int code = whole_begin(&file, path);
    if (code != LAB_OK)
        return code;
    json_t *raw = json_pack("{s:O s:O}", "record", record, "map", m->document);
    json_dumpf(raw, file.out, JSON_COMPACT);
    json_decref(raw);
    return whole_end(&file);
}

static int draw(const struct heapmap_options *o, const struct paths *p, json_t *record) {
    json_error_t error;
    struct map m;
    int code = map_load(&m, json_load_file(p->map, 0, &error));
    if (code != LAB_OK)
        return code;
    json_t *subject = json_object_get(record, "subject");
    const char *sha256 = json_string_value(json_object_get(subject, "sha256"));
    char *knobs = knobs_of(subject);
    char *footer = lab_printf("goalloc %s; library sha256 %.16s…%s; spanlab %s", m.version,
                              sha256 != NULL ? sha256 : "?", knobs, SPANLAB_VERSION);
    char *path = o->output != NULL ? lab_strdup(o->output) : lab_printf("heapmap-%s-%s.svg", m.workload, m.subject);
    m.footer = footer;
    m.harness_bytes = counter(json_object_get(record, "counters"), "harness_bytes");
    code = check_drained(&m, record);
    if (code == LAB_OK)
        code = write_drawing(&m, path);
    if (code == LAB_OK && o->raw != NULL)
        code = write_raw(&m, record, o->raw);
    if (code == LAB_OK)
        printf("%s: %zu moments of %s on %s\n", path, m.moment_count, m.workload, m.subject);
    map_free(&m);
    free(path);
    free(footer);
    free(knobs);
    return code;
}

static int heapmap(int argc, const char **argv) {
    struct heapmap_options o = {0};
    struct catalog catalog;
    struct plan plan;
    const struct plan_cell *cell = NULL;
    struct paths p;
    int code = parse(argc, argv, &o);
    if (code != LAB_OK)
        return code;
    catalog_load(&catalog);
    code = plan_make(&o.request, &catalog, &plan);
    if (code == LAB_OK)
        code = choose_cell(&o.request, &plan, &cell);
    if (code != LAB_OK)
        return code;
    if (!paths_make(&p))
        return whole_temporary_error(p.dir);
    json_t *record = NULL;
    code = run_cell(&o, cell, &p, &record);
    if (code == LAB_OK)
        code = draw(&o, &p, record);
    json_decref(record);
    paths_remove(&p);
    return code;
}

COMMAND(heapmap) = {"heapmap", "-w W -s S", "draw a goalloc heap at chosen moments of a run, as SVG", 85, heapmap};
