/* SPDX-License-Identifier: MIT
 *
 * main.c: a bench program. With --spanlab-* flags it runs one cell and writes a record; without them it is an ordinary
 * Google Benchmark program whose benchmarks are the workloads.
 */
#include "allocations.h"
#include "bench.h"
#include "collector.h"
#include "crash.h"
#include "flavour.h"
#include "gbench.h"
#include "heapmap.h"
#include "memory.h"
#include "meter.h"
#include "registry.h"
#include "result.h"
#include "traced.h"

#include <alloca.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { EXIT_RECORD_OK = 0, EXIT_RECORD_BAD = 1, EXIT_USAGE = 2, EXIT_NO_RECORD = 4 }; /* docs/record.md */

struct flags {
    char *workload, *params, *mode, *expect, *library, *knobs, *result, *heapmap, *heapmap_at;
    long long seed;
    int catalog, smoke, allocations, warmup, iterations;
};

/* One invocation; too large for a stack. */
static struct {
    struct bench bench;
    struct memory_meter memory;
    struct heapmap heapmap;
    struct allocations allocations;
    struct subject subject;
    struct proof proof;
    unsigned warmup;
    uint64_t driven_ns; /* from the first to the last iteration, everything included */
} cell;
static struct result *result;

static int usage(const char *format, const char *what) {
    fprintf(stderr, "spanlab: ");
    fprintf(stderr, format, what);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* ---- one cell */

/* Writes a record that does not say ok. */
static int give_up(const char *status, const char *message) {
    return result_write(result, status, message) ? EXIT_RECORD_BAD : EXIT_NO_RECORD;
}

static void end_invocation(struct bench *b, enum bench_status status, const char *message) {
    (void)b;
    _exit(give_up(status == BENCH_OOM ? "oom" : "failed", message));
}

/* The measured function: one iteration of the library is one of the workload, set-up and tear-down included; its time is
 * the timed part alone. */
static void run_cell(struct gbench_state *state, void *user) {
    struct bench *b = user;
    uint64_t begin_ns = meter_wall_ns();
    while (gbench_keep_running(state)) {
        collector_iteration_begin(result->sample_count >= cell.warmup);
        bench_iterate(b);
        b->now.collections = collector_iteration_end();
        gbench_set_iteration_time(state, (double)b->now.wall_ns / 1e9);
        struct result_sample *sample = &result->samples[result->sample_count];
        *sample = (struct result_sample){result->sample_count < cell.warmup, b->now};
        result->sample_count++;
        if (b->now.checksum != result->samples[0].at.checksum)
            bench_fail(b, "iteration %u gave another checksum than the first one", result->sample_count);
    }
    cell.driven_ns = meter_wall_ns() - begin_ns;
}

static double harness_cost(void) {
    uint64_t workload_ns = 0, ops = 0;
    for (unsigned i = 0; i < result->sample_count; i++) {
        workload_ns += result->samples[i].at.workload_ns;
        ops += result->samples[i].at.ops;
    }
    return ops == 0 || cell.driven_ns < workload_ns ? -1 : (double)(cell.driven_ns - workload_ns) / (double)ops;
}

static int (*subject_counters(void))(struct peer_counters *) {
    if (bench_flavour.subject != NULL)
        return flavour_counters;
    return cell.subject.peer != NULL ? cell.subject.peer->counters : NULL;
}

/* Maps take one iteration on a heap that has seen nothing: a warm-up would show in them. */
static int prepare_heapmap(const struct flags *f) {
    const struct peer *peer = cell.subject.peer;
    if (strcmp(f->mode, "memory") != 0 || f->warmup != 0 || f->iterations != 1)
        return usage("%s", "--spanlab-heapmap needs --spanlab-mode=memory with no warm-up and one iteration");
    char error[512];
    if (!heapmap_open(&cell.heapmap, f->heapmap, f->heapmap_at != NULL ? f->heapmap_at : HEAPMAP_DEFAULT_AT, error, sizeof error))
        return usage("%s", error);
    cell.heapmap.walk = bench_flavour.subject != NULL ? flavour_walk : peer != NULL ? peer->walk : NULL;
    if (cell.heapmap.walk == NULL)
        return usage("heap maps need a goalloc subject: %s does not tell where its pages are", cell.subject.name);
    return 0;
}

/* Reading the counts empties caches: on demand only, because it moves what is timed. */
static int prepare_allocations(void) {
    struct traced_allocations now;
    const struct traced_subject *traced = bench_flavour.traced;
    if (traced == NULL || traced->allocations == NULL || traced->allocations(&now) != 0)
        return usage("--spanlab-allocations needs a traced goalloc subject: %s does not count objects by size class",
                     cell.subject.name);
    cell.allocations.read = traced->allocations;
    cell.bench.allocations = &cell.allocations;
    return 0;
}

static int prepare_cell(const struct flags *f) {
    const struct workload *w = registry_find_workload(f->workload);
    if (w == NULL)
        return usage("this program has no workload '%s'; --spanlab-catalog lists them", f->workload);
    if (!bench_open(&cell.bench, w))
        return usage("%s", "no memory for the workers");
    bench_current = &cell.bench;
    cell.bench.seed = (uint64_t)f->seed;
    cell.bench.end = end_invocation;
    bench_params_default(&cell.bench, f->smoke != 0);
    char error[512];
    if (f->params != NULL && !bench_params_parse(&cell.bench, f->params, error, sizeof error))
        return usage("%s", error);
    if (strcmp(f->mode, "throughput") != 0 && strcmp(f->mode, "memory") != 0)
        return usage("--spanlab-mode is '%s': throughput or memory", f->mode);
    if (f->warmup < 0 || f->iterations < 1 || f->warmup + f->iterations > RESULT_MAX_SAMPLES)
        return usage("%s", "--spanlab-warmup must be at least 0, --spanlab-iterations at least 1, together at most 10000");
    if (f->expect != NULL)
        subject_find(f->expect, &cell.subject);
    else
        subject_serving(&cell.subject);
    if (f->allocations && prepare_allocations() != 0)
        return EXIT_USAGE;
    return f->heapmap != NULL ? prepare_heapmap(f) : 0;
}

static int run_one_cell(const struct flags *f) {
    int code = prepare_cell(f);
    if (code != 0)
        return code;
    result->bench = &cell.bench;
    result->subject = &cell.subject;
    result->proof = &cell.proof;
    result->path = f->result;
    result->harness_ns_per_op = -1;
    const struct peer *peer = cell.subject.peer;
    if (peer != NULL && peer->watch != NULL)
        peer->watch(PEER_WATCH_STOP); /* memory mode begins it, where the workload does */
    if (!proof_run(&cell.proof, &cell.subject, f->library, f->knobs)) {
        fprintf(stderr, "spanlab: %s\n", cell.proof.failure);
        return give_up("failed", cell.proof.failure);
    }
    char error[512];
    if (f->heapmap != NULL && !heapmap_rehearse(&cell.heapmap, &cell.bench, error, sizeof error)) {
        return give_up("failed", error);
    }
    if (strcmp(f->mode, "memory") == 0) {
        if (!memory_open(&cell.memory, &cell.bench, subject_counters(), peer != NULL ? peer->purge : NULL, error, sizeof error)) {
            return give_up("failed", error);
        }
        cell.memory.watch = peer != NULL ? peer->watch : NULL;
        result->memory = &cell.memory;
        cell.memory.heapmap = f->heapmap != NULL ? &cell.heapmap : NULL;
    }
    cell.warmup = (unsigned)f->warmup;
    flavour_attach();
    if (!collector_open()) {
        return give_up("failed", "no memory for what the collector does");
    }
    struct gbench *b = gbench_register(cell.bench.workload->name, run_cell, &cell.bench);
    gbench_use_manual_time(b);
    gbench_iterations(b, f->warmup + f->iterations);
    gbench_run_quiet();
    result->harness_ns_per_op = harness_cost();
    bool written = result_write(result, "ok", "");
    if (f->heapmap != NULL)
        written &= heapmap_write(&cell.heapmap, &cell.bench, cell.subject.name, cell.proof.version);
    flavour_detach();
    return written ? EXIT_RECORD_OK : EXIT_NO_RECORD;
}

/* ---- an ordinary Google Benchmark program */

static void run_alone(struct gbench_state *state, void *user) {
    const struct workload *w = user;
    memset(&cell.bench, 0, sizeof cell.bench);
    if (!bench_open(&cell.bench, w)) {
        gbench_skip_with_error(state, "no memory for the workers");
        return;
    }
    bench_current = &cell.bench;
    cell.bench.end = end_invocation;
    bench_params_default(&cell.bench, false);
    uint64_t ops = 0, wall_ns = 0;
    while (gbench_keep_running(state)) {
        bench_iterate(&cell.bench);
        gbench_set_iteration_time(state, (double)cell.bench.now.wall_ns / 1e9);
        ops += cell.bench.now.ops;
        wall_ns += cell.bench.now.wall_ns;
    }
    gbench_items_processed(state, (int64_t)ops);
    gbench_counter(state, "ns_per_op", ops == 0 ? 0 : (double)wall_ns / (double)ops, GBENCH_COUNTER_PLAIN);
    char label[64];
    snprintf(label, sizeof label, "checksum=%016llx", (unsigned long long)cell.bench.now.checksum);
    gbench_label(state, label);
}

static void alone_help(void) {
    gbench_print_help();
    puts("\nspanlab's own flags: --spanlab-catalog, --spanlab-workload=NAME and more: see docs/record.md");
}

static int run_all_alone(int argc, char **argv) {
    gbench_initialize(&argc, argv, alone_help);
    if (gbench_report_unrecognized(argc, argv))
        return EXIT_USAGE;
    gbench_custom_context("flavour", bench_flavour.name);
    const struct workload *w;
    for (size_t i = 0; (w = registry_workload(i)) != NULL; i++) {
        struct gbench *b = gbench_register(w->name, run_alone, (void *)w);
        gbench_use_manual_time(b);
        gbench_unit(b, GBENCH_MILLISECOND);
    }
    flavour_attach();
    gbench_run();
    gbench_shutdown();
    return 0;
}

/* ---- start */

static int parse(int argc, const char **argv, struct flags *f) {
    struct poptOption options[] = {
        {"spanlab-catalog", '\0', POPT_ARG_NONE, &f->catalog, 0, "print what can be measured", NULL},
        {"spanlab-workload", '\0', POPT_ARG_STRING, &f->workload, 0, "run one cell of it", "NAME"},
        {"spanlab-params", '\0', POPT_ARG_STRING, &f->params, 0, "parameters", "A=1,B=2"},
        {"spanlab-smoke", '\0', POPT_ARG_NONE, &f->smoke, 0, "smoke sizes", NULL},
        {"spanlab-seed", '\0', POPT_ARG_LONGLONG, &f->seed, 0, "of the operation stream", "N"},
        {"spanlab-mode", '\0', POPT_ARG_STRING, &f->mode, 0, "throughput or memory", "MODE"},
        {"spanlab-warmup", '\0', POPT_ARG_INT, &f->warmup, 0, "iterations that do not count", "N"},
        {"spanlab-iterations", '\0', POPT_ARG_INT, &f->iterations, 0, "iterations that count", "N"},
        {"spanlab-expect", '\0', POPT_ARG_STRING, &f->expect, 0, "who must serve the calls", "SUBJECT"},
        {"spanlab-library", '\0', POPT_ARG_STRING, &f->library, 0, "which library that is", "PATH"},
        {"spanlab-knobs", '\0', POPT_ARG_STRING, &f->knobs, 0, "what must be read back", "A=1,B=2"},
        {"spanlab-result", '\0', POPT_ARG_STRING, &f->result, 0, "where the record goes", "PATH|FD"},
        {"spanlab-allocations", '\0', POPT_ARG_NONE, &f->allocations, 0, "count objects by size class", NULL},
        {"spanlab-heapmap", '\0', POPT_ARG_STRING, &f->heapmap, 0, "where the heap's maps go", "PATH"},
        {"spanlab-heapmap-at", '\0', POPT_ARG_STRING, &f->heapmap_at, 0, "shares of the operations", HEAPMAP_DEFAULT_AT},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench", argc, argv, options, 0);
    int code = poptGetNextOpt(context);
    if (code < -1)
        return usage("%s is not understood; docs/record.md lists the flags", poptBadOption(context, 0));
    const char *extra = poptGetArg(context);
    if (extra != NULL)
        return usage("'%s' is not understood; docs/record.md lists the flags", extra);
    poptFreeContext(context);
    if (f->warmup < 0)
        f->warmup = strcmp(f->mode != NULL ? f->mode : "", "memory") == 0 ? 0 : 1;
    if (f->iterations < 0)
        f->iterations = strcmp(f->mode != NULL ? f->mode : "", "memory") == 0 ? 1 : 5;
    if (f->mode == NULL)
        f->mode = "throughput";
    return 0;
}

static bool has_own_flag(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--spanlab-", 10) == 0)
            return true;
    return false;
}

static __attribute__((noinline)) int start(int argc, char **argv) {
    result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (result == MAP_FAILED || !result_open() || !crash_open())
        return usage("%s", "no memory to start with");
    meter_open();
    if (!has_own_flag(argc, argv))
        return run_all_alone(argc, argv);
    static struct flags f = {.seed = 1, .warmup = -1, .iterations = -1}; /* static: popt's strings stay reachable */
    int code = parse(argc, (const char **)argv, &f);
    if (code != 0)
        return code;
    if (f.catalog)
        return result_catalog(), 0;
    if (f.workload == NULL)
        return usage("%s", "--spanlab-workload=NAME is missing");
    return run_one_cell(&f);
}

int main(int argc, char **argv) {
    /* The stack's place decides about cache conflicts, so the lab moves it at random (Mytkowicz et al., ASPLOS 2009). */
    const char *offset = getenv("SPANLAB_STACK_OFFSET");
    size_t offset_bytes = offset != NULL ? strtoul(offset, NULL, 10) : 0;
    if (offset_bytes > 1 << 20)
        return usage("SPANLAB_STACK_OFFSET is %s: at most 1 MiB", offset);
    volatile char *moved = alloca(offset_bytes + 1);
    moved[0] = 0;
    return start(argc, argv);
}
