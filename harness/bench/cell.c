/* SPDX-License-Identifier: MIT */
#include "cell.h"

#include "crash.h"
#include "flavour.h"
#include "gbench.h"
#include "json.h"
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { EXIT_RECORD_OK = 0, EXIT_RECORD_BAD = 1, EXIT_USAGE = 2 };

/* Static: the cell must be reachable from whichever thread ends the process, and is no load on the stack. */
static struct cell cell;

static int usage(const char *message) {
    fprintf(stderr, "spanlab: %s\n", message);
    return EXIT_USAGE;
}

/* bench_fail and bench_out_of_memory end here. _exit: other threads may still run, and exit handlers may allocate. */
static void end_with_record(struct bench *b, enum bench_status status, const char *message) {
    (void)b;
    cell.status = status;
    cell.message = message;
    fprintf(stderr, "spanlab: %s: %s\n", cell.bench.workload->name, message);
    if (!record_write(&cell))
        fprintf(stderr, "spanlab: cannot write the record: %s\n", strerror(errno));
    _exit(EXIT_RECORD_BAD);
}

/* Standard output by default; a number is an open descriptor. -1 with errno. */
static int result_open(const char *result) {
    if (result == NULL)
        return STDOUT_FILENO;
    char *end;
    long fd = strtol(result, &end, 10);
    if (*result != '\0' && *end == '\0')
        return fcntl((int)fd, F_GETFD) >= 0 ? (int)fd : -1;
    return open(result, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* ---- measurement */

static void add_sample(const struct bench *b) {
    struct cell_sample *s = &cell.samples[cell.sample_count++];
    s->warmup = cell.sample_count <= cell.options.warmup;
    s->at = b->now;
}

static void drive(struct gbench_state *state, void *user) {
    struct bench *b = user;
    while (gbench_keep_running(state)) {
        bench_iterate(b);
        add_sample(b);
        gbench_set_iteration_time(state, (double)b->now.wall_ns * 1e-9);
        if (b->now.checksum != cell.samples[0].at.checksum)
            bench_fail(b, "iteration %u has checksum %016llx, the first had %016llx: the operation stream is not the same",
                       b->iteration, (unsigned long long)b->now.checksum,
                       (unsigned long long)cell.samples[0].at.checksum);
    }
}

/* Flags given here win over the BENCHMARK_* environment variables that the library reads. */
static void measure(void) {
    static char flags[][48] = {"bench", "--benchmark_list_tests=false", "--benchmark_repetitions=1",
                               "--benchmark_enable_random_interleaving=false", "--benchmark_out=",
                               "--benchmark_perf_counters="};
    enum { FLAGS = sizeof flags / sizeof *flags };
    char *argv[FLAGS + 1];
    int argc = FLAGS;
    for (int i = 0; i < FLAGS; i++)
        argv[i] = flags[i];
    argv[FLAGS] = NULL;
    gbench_initialize(&argc, argv, NULL);
    struct gbench *b = gbench_register(cell.bench.workload->name, drive, &cell.bench);
    gbench_use_manual_time(b);
    gbench_measure_process_cpu_time(b);
    gbench_iterations(b, cell.options.warmup + cell.options.iterations);
    uint64_t begin_ns = meter_wall_ns();
    gbench_run_quiet();
    cell.driven_ns = meter_wall_ns() - begin_ns;
}

/* ---- preparation */

static bool samples_open(void) {
    size_t size_bytes = (cell.options.warmup + cell.options.iterations) * sizeof *cell.samples;
    cell.samples = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return cell.samples != MAP_FAILED;
}

static int prepare(const struct options *o, char *error, size_t error_size) {
    cell.options = *o;
    cell.message = "";
    const struct workload *w = registry_find_workload(o->workload);
    if (w == NULL) {
        snprintf(error, error_size, "no workload '%s' in this program; --spanlab-catalog lists them", o->workload);
        return EXIT_USAGE;
    }
    if (!json_arena_open() || !samples_open() || !bench_open(&cell.bench, w)) {
        snprintf(error, error_size, "no memory for the harness itself: %s", strerror(errno));
        return EXIT_RECORD_BAD;
    }
    bench_params_default(&cell.bench, o->smoke);
    if (o->params != NULL && !bench_params_parse(&cell.bench, o->params, error, error_size))
        return EXIT_USAGE;
    if (o->knobs != NULL && !proof_want_knobs(&cell.proof, o->knobs, error, error_size))
        return EXIT_USAGE;
    cell.result_fd = result_open(o->result);
    if (cell.result_fd < 0) {
        snprintf(error, error_size, "cannot write the record to %s: %s", o->result, strerror(errno));
        return EXIT_USAGE;
    }
    cell.bench.seed = o->seed;
    cell.bench.end = end_with_record;
    bench_current = &cell.bench;
    return 0;
}

static void prove(void) {
    char error[1024];
    if (cell.options.expect == NULL)
        subject_detect(&cell.subject);
    else if (!subject_expect(&cell.subject, cell.options.expect, cell.options.library, error, sizeof error))
        bench_fail(&cell.bench, "%s", error);
    proof_run(&cell.proof, &cell.subject);
    if (!cell.proof.ok)
        bench_fail(&cell.bench, "%s", cell.proof.message);
}

static void prepare_memory(void) {
    char error[256];
    const struct peer *p = cell.subject.peer;
    if (!memory_open(&cell.memory, &cell.bench, p != NULL ? p->counters : NULL, p != NULL ? p->purge : NULL, error,
                     sizeof error))
        bench_fail(&cell.bench, "%s", error);
}

int cell_run(const struct options *o) {
    char error[1024];
    int code = prepare(o, error, sizeof error);
    if (code != 0) {
        usage(error);
        return code;
    }
    if (!crash_open())
        bench_fail(&cell.bench, "no memory for the crash handler's stacks");
    meter_open();
    flavour_attach();
    prove();
    environment_read(&cell.environment);
    if (o->memory)
        prepare_memory();
    measure();
    if (!record_write(&cell)) {
        fprintf(stderr, "spanlab: cannot write the record: %s\n", strerror(errno));
        return EXIT_RECORD_BAD;
    }
    return EXIT_RECORD_OK;
}
