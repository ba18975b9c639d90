/* SPDX-License-Identifier: MIT */
#include "claims/experiment.h"
#include "claims/counted.h"
#include "claims/reading.h"
#include "command.h"
#include "error.h"
#include "measure.h"
#include "text.h"
#include "whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_S = 300 };

/* ---- what is measured for a claim */

static void write_cell(FILE *yaml, struct reading_wish w) {
    fprintf(yaml, "  - workloads: [\"%s\"]\n    subjects: [\"%s\"]\n", w.workload, w.subject);
    if (w.params != NULL)
        fprintf(yaml, "    params: \"%s\"\n", w.params);
    fprintf(yaml, "    %s: %d\n    iterations: 1\n    warmup: 0\n    timeout: %d\n",
            reading_from_memory_run(w.figure) ? "memory" : "invocations", reading_processes(w.class), TIMEOUT_S);
}

/* The measure on another subject. */
static struct claim_measure measure_of(const struct claim_measure *m, char *subject) {
    struct claim_measure other = *m;
    other.subject = subject;
    return other;
}

typedef void (*wish_taker)(void *context, struct reading_wish w);

static void tell_wishes(const struct claim *c, const struct claim_measure *m, wish_taker take, void *context) {
    if (m == NULL || m->check != NULL)
        return;
    for (unsigned i = 0; m->sweep != NULL && i < m->sweep->values_count; i++) {
        struct claim_measure at = measure_of(m, reading_swept_subject(m, i));
        take(context, reading_wish_of(c, &at, 0));
        free(at.subject);
    }
    if (m->sweep != NULL)
        return;
    const unsigned sides = m->program != NULL ? 1 : m->workloads_count;
    for (unsigned i = 0; i < sides; i++) {
        take(context, reading_wish_of(c, m, i));
        if (m->against != NULL)
            take(context, reading_wish_against(c, m, i));
    }
}

/* All that the figures of the claim are made of, except the tests that a check runs. */
static void tell_all_wishes(const struct claim *c, wish_taker take, void *context) {
    tell_wishes(c, c->judge, take, context);
    tell_wishes(c, c->transfers, take, context);
    for (unsigned s = 0; s < c->beside_count; s++) {
        struct claim_measure other = measure_of(c->judge, c->beside[s]);
        tell_wishes(c, &other, take, context);
    }
}

/* ---- what claims have in common */

static const char *or_none(const char *s) {
    return s != NULL ? s : "";
}

static void add_key(void *context, struct reading_wish w) {
    const struct claim_count *n = w.count;
    char *key = n == NULL ? lab_printf("%s|%s|%s", w.workload, w.subject, or_none(w.params))
                          : lab_printf("%s %s|%s|%s|%s|%s|%s|%u|%u", counted_how(w.figure), or_none(w.program),
                                       or_none(w.workload), or_none(w.subject), or_none(w.params), n->per,
                                       or_none(w.within), n->from, n->to);
    if (text_list_has(context, key))
        free(key);
    else
        text_list_add_taken(context, key);
}

struct text_list experiment_keys(const struct claim *c) {
    struct text_list keys = {0};
    text_list_add(&keys, c->id); /* which its mutation has, too */
    tell_all_wishes(c, add_key, &keys);
    if (c->judge != NULL && c->judge->check != NULL)
        text_list_add(&keys, c->judge->check->program);
    return keys;
}

/* ---- the matrix */

struct cells {
    FILE *yaml;
    bool any;
};

/* What is counted is no cell of the run. */
static void add_cell(void *context, struct reading_wish w) {
    struct cells *m = context;
    if (w.count != NULL)
        return;
    write_cell(m->yaml, w);
    m->any = true;
}

/* The matrix of all of them; false: none is to be measured. */
static bool write_matrix(const char *path, const struct claim *const *claims, size_t count) {
    FILE *yaml = fopen(path, "w");
    if (yaml == NULL)
        lab_die(LAB_DISK, "cannot write %s", path);
    struct cells m = {yaml, false};
    fprintf(yaml, "summary: the experiments of claims\ncells:\n");
    for (size_t i = 0; i < count; i++)
        tell_all_wishes(claims[i], add_cell, &m);
    bool failed = ferror(yaml) != 0;
    failed |= fclose(yaml) != 0;
    if (failed)
        lab_die(LAB_DISK, "cannot finish %s: free some space, or set TMPDIR to another folder", path);
    return m.any;
}

/* ---- figures */

static void take_figure(struct experiment *e, const struct claim *c, const struct claim_measure *m,
                        struct claim_outcome *cost, struct claim_figure *out) {
    *out = (struct claim_figure){.figure = claim_no_value, .verdict = claim_judge(c, claim_no_value)};
    if (m == NULL)
        return;
    struct reading r = reading_take(e, c, m, cost);
    *out = (struct claim_figure){
        .figure = r.figure, .verdict = claim_judge(c, r.figure), .subject = r.version, .missing = r.missing};
    if (r.missing == NULL && r.failed != NULL) {
        out->verdict = VERDICT_INCONCLUSIVE;
        out->missing = r.failed;
    } else if (r.differs && c->class == CLAIM_D) {
        out->verdict = VERDICT_INCONCLUSIVE;
        out->missing = lab_strdup("two processes gave different figures, and the claim's class is D");
    }
}

static void take_outcome(struct experiment *e, const struct claim *c, struct claim_outcome *out) {
    *out = (struct claim_outcome){0};
    take_figure(e, c, c->judge, out, &out->judge);
    take_figure(e, c, c->transfers, out, &out->transfers);
    out->beside = lab_alloc((c->beside_count + 1) * sizeof *out->beside);
    for (unsigned s = 0; s < c->beside_count; s++) {
        struct claim_measure other = measure_of(c->judge, c->beside[s]);
        take_figure(e, c, &other, out, &out->beside[s]);
    }
}

/* Some of the claims, in one run. A layout that is the same for all would be a bias of what is noisy, and without it
 * what is deterministic would not come out twice alike. */
struct group {
    const struct claim **claims;
    size_t *places; /* among all */
    size_t count;
    bool fixed_layout;
    const char *output;
};

static int measure_group(struct experiment *e, const struct group *g, const char *matrix) {
    struct run_options options = {.request = {.matrix = matrix, .seed = 1, .fixed_layout = g->fixed_layout},
                                  .output = g->output};
    const char *argv[] = {"claims", "run"};
    int code = plan_make(&options.request, &e->catalog, &e->plan);
    if (code != LAB_OK || e->plan.cell_count == 0)
        return code;
    code = run_dir_create(&e->store, &options, &e->catalog, &e->plan, 2, argv);
    if (code != LAB_OK)
        return code;
    struct measure_options m = {options.request.seed, 1, 0, g->fixed_layout};
    fprintf(stderr, "run     %s: %zu cells, %zu processes\n", e->store.dir, e->plan.cell_count,
            e->plan.invocation_count);
    /* The layout is fixed where figures are counts, addresses and sizes, which other processes do not change. */
    return (g->fixed_layout ? measure_untimed : measure_all)(&e->store, &e->catalog, &m);
}

static struct catalog bench_programs;

void experiments_prepare(void) {
    if (bench_programs.subject_count == 0)
        catalog_load(&bench_programs);
}

static int run_group(const struct group *g, struct experiment_listener listener, struct claim_outcome *outcomes) {
    char *folder = whole_temporary_name("claims");
    if (mkdtemp(folder) == NULL)
        return whole_temporary_error(folder);
    char *path = lab_printf("%s/claims.yaml", folder);
    experiments_prepare();
    struct experiment e = {.catalog = bench_programs};
    int code = write_matrix(path, g->claims, g->count) ? measure_group(&e, g, path) : LAB_OK;
    spawner_start(&e.spawner);
    for (size_t i = 0; (code == LAB_OK || code == LAB_CELL_FAILED) && i < g->count; i++) {
        struct claim_outcome *out = &outcomes[g->places[i]];
        take_outcome(&e, g->claims[i], out);
        if (listener.tell != NULL)
            listener.tell(listener.context, g->places[i], out);
    }
    spawner_stop(&e.spawner);
    code = code == LAB_OK && e.died ? LAB_CELL_FAILED : code;
    if (e.store.db != NULL)
        store_close(&e.store);
    unlink(path);
    rmdir(folder);
    free(folder);
    free(path);
    return code;
}

static struct group group_of(const struct claim *const *claims, size_t count, bool noisy) {
    struct group g = {.claims = lab_alloc((count + 1) * sizeof *g.claims),
                      .places = lab_alloc((count + 1) * sizeof *g.places),
                      .fixed_layout = !noisy};
    for (size_t i = 0; i < count; i++)
        if ((claims[i]->class == CLAIM_N) == noisy) {
            g.places[g.count] = i;
            g.claims[g.count++] = claims[i];
        }
    return g;
}

int experiments_run(const struct claim *const *claims, size_t count, const char *output,
                    struct experiment_listener listener, struct claim_outcome *outcomes) {
    struct group groups[2] = {group_of(claims, count, false), group_of(claims, count, true)};
    char *noisy = output != NULL ? lab_printf("%s%s", output, groups[0].count != 0 ? "-noisy" : "") : NULL;
    int worst = LAB_OK;
    groups[0].output = output;
    groups[1].output = noisy;
    for (size_t i = 0; i < 2 && (worst == LAB_OK || worst == LAB_CELL_FAILED); i++) {
        int code = groups[i].count != 0 ? run_group(&groups[i], listener, outcomes) : LAB_OK;
        worst = code != LAB_OK ? code : worst;
    }
    for (size_t i = 0; i < 2; i++) {
        free(groups[i].claims);
        free(groups[i].places);
    }
    free(noisy);
    return worst;
}
