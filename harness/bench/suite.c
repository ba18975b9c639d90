/* SPDX-License-Identifier: MIT
 *
 * suite.c: run by hand, a bench program is an ordinary Google Benchmark program over all its workloads.
 */
#include "cell.h"

#include "crash.h"
#include "flavour.h"
#include "gbench.h"
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORKLOADS = 256 };

/* One at a time runs; they share the crew. */
static struct bench suite_bench;
static const struct options *suite_options;

/* The library is inside a run that cannot be unwound from another thread, so the program ends. */
static void end_with_message(struct bench *b, enum bench_status status, const char *message) {
    (void)status;
    fprintf(stderr, "spanlab: %s: %s\n", b->workload->name, message);
    _exit(1);
}

static bool set_params(struct bench *b, const struct workload *w, char *error, size_t error_size) {
    b->workload = w;
    bench_params_default(b, suite_options->smoke);
    return suite_options->params == NULL || bench_params_parse(b, suite_options->params, error, error_size);
}

static void drive(struct gbench_state *state, void *user) {
    char text[256];
    struct bench *b = &suite_bench;
    set_params(b, user, text, sizeof text);
    uint64_t ops = 0, checksum = 0;
    bool first = true;
    while (gbench_keep_running(state)) {
        bench_iterate(b);
        gbench_set_iteration_time(state, (double)b->now.wall_ns * 1e-9);
        ops += b->now.ops;
        if (!first && b->now.checksum != checksum) {
            gbench_skip_with_error(state, "the iterations' checksums differ");
            return;
        }
        checksum = b->now.checksum;
        first = false;
    }
    gbench_items_processed(state, (int64_t)ops);
    snprintf(text, sizeof text, "checksum=%016llx", (unsigned long long)checksum);
    gbench_label(state, text);
}

static void register_workload(const struct workload *w) {
    char name[256], ignored[256];
    if (!set_params(&suite_bench, w, ignored, sizeof ignored))
        return; /* it does not have the parameters asked for */
    int i = bench_param_index(w, "threads");
    unsigned long long threads = i >= 0 ? (unsigned long long)suite_bench.params[i] : 1;
    snprintf(name, sizeof name, "%s/threads:%llu", w->name, threads);
    struct gbench *b = gbench_register(name, drive, (void *)(uintptr_t)w);
    gbench_use_manual_time(b);
    gbench_measure_process_cpu_time(b);
    gbench_unit(b, GBENCH_MILLISECOND);
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct workload *const *)a)->name, (*(const struct workload *const *)b)->name);
}

static void register_all(void) {
    const struct workload *all[MAX_WORKLOADS];
    size_t n = 0;
    while (n < MAX_WORKLOADS && (all[n] = registry_workload(n)) != NULL)
        n++;
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++)
        register_workload(all[i]);
}

int suite_run(const struct options *o, int argc, char **argv) {
    static struct subject subject;
    char ignored[1024];
    suite_options = o;
    gbench_initialize(&argc, argv, options_print_help);
    if (gbench_report_unrecognized(argc, argv))
        return 2;
    if (!bench_open(&suite_bench, NULL) || !crash_open()) {
        fprintf(stderr, "spanlab: no memory for the harness itself\n");
        return 1;
    }
    suite_bench.seed = o->seed;
    suite_bench.end = end_with_message;
    bench_current = &suite_bench;
    meter_open();
    flavour_attach();
    subject_detect(&subject);
    subject_identify(&subject, ignored, sizeof ignored);
    gbench_custom_context("subject", subject.name);
    gbench_custom_context("subject_version", subject.version);
    gbench_custom_context("subject_library", subject.library);
    register_all();
    gbench_run();
    gbench_shutdown();
    return 0;
}
