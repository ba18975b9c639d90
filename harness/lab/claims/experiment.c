/* SPDX-License-Identifier: MIT */
#include "claims/experiment.h"
#include "claims/reading.h"
#include "command.h"
#include "error.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_S = 300 };

/* ---- cells */

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

/* Whether any of it is a cell of the run; what is counted or checked is none. */
static bool write_measure(FILE *yaml, const struct claim *c, const struct claim_measure *m) {
    if (m == NULL || m->count != NULL || m->check != NULL) /* what has a program is counted */
        return false;
    for (unsigned i = 0; m->sweep != NULL && i < m->sweep->values_count; i++) {
        struct claim_measure at = measure_of(m, reading_swept_subject(m, i));
        write_cell(yaml, reading_wish_of(c, &at, 0));
        free(at.subject);
    }
    if (m->sweep != NULL)
        return true;
    for (unsigned i = 0; i < m->workloads_count; i++) {
        write_cell(yaml, reading_wish_of(c, m, i));
        if (m->against != NULL)
            write_cell(yaml, reading_wish_against(c, m, i));
    }
    return true;
}

/* The matrix of all of them; false: none is to be measured. */
static bool write_matrix(const char *path, const struct claim *const *claims, size_t count) {
    FILE *yaml = fopen(path, "w");
    if (yaml == NULL)
        lab_die(LAB_DISK, "cannot write %s", path);
    bool any = false;
    fprintf(yaml, "summary: the experiments of claims\ncells:\n");
    for (size_t i = 0; i < count; i++) {
        any |= write_measure(yaml, claims[i], claims[i]->judge);
        any |= write_measure(yaml, claims[i], claims[i]->transfers);
        for (unsigned s = 0; s < claims[i]->beside_count; s++) {
            struct claim_measure other = measure_of(claims[i]->judge, claims[i]->beside[s]);
            any |= write_measure(yaml, claims[i], &other);
        }
    }
    fclose(yaml);
    return any;
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
    if (r.differs && c->class == CLAIM_D) {
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

static int run_group(const struct group *g, struct experiment_listener listener, struct claim_outcome *outcomes) {
    char folder[] = "/tmp/spanlab-claims-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return lab_error(LAB_DISK, "cannot make a folder in /tmp");
    char *path = lab_printf("%s/claims.yaml", folder);
    struct experiment e = {0};
    catalog_load(&e.catalog);
    int code = write_matrix(path, g->claims, g->count) ? measure_group(&e, g, path) : LAB_OK;
    spawner_start(&e.spawner);
    for (size_t i = 0; (code == LAB_OK || code == LAB_CELL_FAILED) && i < g->count; i++) {
        struct claim_outcome *out = &outcomes[g->places[i]];
        take_outcome(&e, g->claims[i], out);
        if (listener.tell != NULL)
            listener.tell(listener.context, g->places[i], out);
    }
    spawner_stop(&e.spawner);
    if (e.store.db != NULL)
        store_close(&e.store);
    unlink(path);
    rmdir(folder);
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
