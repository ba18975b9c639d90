/* SPDX-License-Identifier: MIT
 *
 * test_workloads.c alone BENCH_MANUAL [BENCH_TRACED] | subjects BENCH_MANUAL COUNT_CALLS_LIBRARY |
 *                  once BENCH_MANUAL [BENCH_TRACED] | collected BENCH_UNCOLLECTED BENCH_TRACED...
 *
 * Runs every workload of a bench program at smoke size, as the lab does, and looks at the records.
 *   alone     without preload: cards, repetition, seeds, memory mode; traced twins when a traced program is named
 *   once      each once in either mode, with two threads where it has threads: what a sanitizer can find
 *   subjects  under every subject that is present: one checksum and one operation count for all; calls counted
 *   collected on builds that collect, in a tight heap, each cycle checked and what is freed overwritten
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

enum { ARGUMENTS_MAX = 16, ITERATIONS = 2 };

/* Workloads without a random choice: another seed gives the same operations. All others must differ. A card may say so
 * itself. */
static const char *const seedless[] = {"null", "pair", "batch", "threadtest", "xmalloc", "robson", NULL};
static const char seedless_card[] = "Nothing random.";
static const char finding_card[] = "Allocates as it finds."; /* not as many objects on every subject */

/* Blocks that an iteration allocates beside one per operation, at smoke size and one thread. */
static const struct beside {
    const char *workload;
    uint64_t blocks;
} beside[] = {
    {"larson-paper", 5 * 500}, /* the warm-up: every block allocated once and replaced four times */
    {"larson-bench", 5 * 500},
    {"xmalloc", 5}, /* the batches themselves */
    {NULL, 0},
};

static const char *bench_manual, *bench_traced, *count_library;
static char *const *bench_collecting; /* ended by NULL */
static json_t *catalog;

struct cell {
    const char *bench, *workload;
    const char *library; /* to preload, or NULL */
    const char *subject; /* expected to serve, or NULL */
    const char *mode;    /* NULL: throughput */
    uint64_t threads, seed, iterations;
};

struct outcome {
    char checksum[17];
    uint64_t ops; /* of one iteration */
};

/* Runs a program with one preloaded library (or NULL) and returns what it printed; *status as wait reports it. */
static char *output_of(char *const arguments[], const char *library, int *status) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (library != NULL)
            setenv("LD_PRELOAD", library, 1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(arguments[0], arguments);
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    for (ssize_t got; (got = read(ends[0], text + used, capacity - used - 1)) > 0;) {
        used += (size_t)got;
        if (capacity - used < 2)
            text = realloc(text, capacity *= 2);
    }
    text[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, status, 0), child);
    return text;
}

static json_t *parsed(char *text) {
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    if (value == NULL)
        print_error("not JSON (%s):\n%s\n", error.text, text);
    assert_non_null(value);
    free(text);
    return value;
}

static json_t *read_catalog(const char *bench) {
    char program[4096], flag[] = "--spanlab-catalog";
    char *const arguments[] = {program, flag, NULL};
    int status;
    snprintf(program, sizeof program, "%s", bench);
    json_t *value = parsed(output_of(arguments, NULL, &status));
    assert_int_equal(status, 0);
    return value;
}

static json_t *run_cell(const struct cell *cell) {
    static char text[ARGUMENTS_MAX][4096];
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    int n = 0, status;
#define ARGUMENT(...) (snprintf(text[n], sizeof text[n], __VA_ARGS__), arguments[n] = text[n], n++)
    ARGUMENT("%s", cell->bench);
    ARGUMENT("--spanlab-smoke");
    ARGUMENT("--spanlab-workload=%s", cell->workload);
    ARGUMENT("--spanlab-seed=%llu", (unsigned long long)cell->seed);
    ARGUMENT("--spanlab-mode=%s", cell->mode != NULL ? cell->mode : "throughput");
    if (cell->mode == NULL) {
        ARGUMENT("--spanlab-warmup=0"); /* its operations are not in the record */
        ARGUMENT("--spanlab-iterations=%llu", (unsigned long long)cell->iterations);
    }
    if (cell->threads > 0)
        ARGUMENT("--spanlab-params=threads=%llu", (unsigned long long)cell->threads);
    if (cell->subject != NULL)
        ARGUMENT("--spanlab-expect=%s", cell->subject);
#undef ARGUMENT
    char *answer = output_of(arguments, cell->library, &status);
    if (status != 0 || answer[0] == '\0') {
        print_error("%s on %s, %llu threads: status %x\n%s\n", cell->workload,
                    cell->subject != NULL ? cell->subject : "libc", (unsigned long long)cell->threads, (unsigned)status,
                    answer);
        fail();
    }
    json_t *record = parsed(answer);
    const char *said = json_string_value(json_object_get(record, "status"));
    if (said == NULL || strcmp(said, "ok") != 0)
        fail_msg("%s on %s: expected status ok, there was %s", cell->workload,
                 cell->subject != NULL ? cell->subject : "libc", said != NULL ? said : "none");
    return record;
}

/* The record's checksum, and the operations of an iteration, which must be those of every other. */
static struct outcome outcome_of(const struct cell *cell) {
    struct outcome outcome = {"", 0};
    json_t *record = run_cell(cell), *sample;
    size_t i;
    snprintf(outcome.checksum, sizeof outcome.checksum, "%s", json_string_value(json_object_get(record, "checksum")));
    json_array_foreach(json_object_get(record, "samples"), i, sample) {
        const uint64_t ops = (uint64_t)json_integer_value(json_object_get(sample, "ops"));
        if (i > 0 && ops != outcome.ops)
            fail_msg("%s: expected %llu operations as in iteration 0, iteration %zu has %llu", cell->workload,
                     (unsigned long long)outcome.ops, i, (unsigned long long)ops);
        outcome.ops = ops;
    }
    assert_true(i > 0);
    json_decref(record);
    return outcome;
}

/* What the program without preload does of a workload at seed 1 in one iteration: run once for each number of threads,
 * although several tests compare with it. */
static struct outcome first_outcome_of(const struct cell *cell) {
    enum { THREADS_MAX = 4, WORKLOADS_MAX = 128 };
    static struct {
        const char *workload, *bench;
        struct outcome outcome;
    } known[WORKLOADS_MAX][THREADS_MAX];
    assert_true(cell->seed == 1 && cell->mode == NULL && cell->library == NULL && cell->threads < THREADS_MAX);
    for (size_t i = 0; i < WORKLOADS_MAX; i++) {
        const char *name = known[i][cell->threads].workload;
        if (name == NULL) {
            known[i][cell->threads].workload = strdup(cell->workload); /* a catalog may be gone by then */
            known[i][cell->threads].bench = cell->bench;
            return known[i][cell->threads].outcome = outcome_of(cell);
        }
        if (strcmp(name, cell->workload) == 0 && strcmp(known[i][cell->threads].bench, cell->bench) == 0)
            return known[i][cell->threads].outcome;
    }
    fail_msg("expected %d workloads at most, there are more", WORKLOADS_MAX);
    return (struct outcome){"", 0};
}

static void assert_same(const struct cell *cell, struct outcome expected) {
    const struct outcome outcome = outcome_of(cell);
    if (strcmp(outcome.checksum, expected.checksum) != 0 || outcome.ops != expected.ops) {
        print_error("%s on %s, %llu threads, seed %llu: checksum %s, %llu operations; expected %s, %llu\n",
                    cell->workload, cell->subject != NULL ? cell->subject : "libc", (unsigned long long)cell->threads,
                    (unsigned long long)cell->seed, outcome.checksum, (unsigned long long)outcome.ops,
                    expected.checksum, (unsigned long long)expected.ops);
        fail();
    }
}

static const char *name_of(const json_t *object) {
    return json_string_value(json_object_get(object, "name"));
}

static bool listed(const char *name, const char *const list[]) {
    for (; *list != NULL; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

static bool takes_threads(const json_t *workload) {
    json_t *param;
    size_t i;
    json_array_foreach(json_object_get(workload, "params"), i,
                       param) if (strcmp(name_of(param), "threads") == 0) return true;
    return false;
}

/* Thread counts to test: 1 and 2, or only 0 (nothing said) where a workload has no such parameter. */
static unsigned thread_counts(const json_t *workload, const unsigned **counts) {
    static const unsigned none[] = {0}, both[] = {1, 2};
    *counts = takes_threads(workload) ? both : none;
    return takes_threads(workload) ? 2 : 1;
}

static void every_card_is_filled_in(void **state) {
    static const char *const fields[] = {"name", "summary", "op", "models", "source", "bad_for"};
    json_t *workload, *param;
    size_t i, k;
    (void)state;
    assert_true(json_array_size(json_object_get(catalog, "workloads")) >= 9);
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        for (k = 0; k < sizeof fields / sizeof fields[0]; k++) {
            const char *text = json_string_value(json_object_get(workload, fields[k]));
            if (text == NULL || text[0] == '\0')
                print_error("workload %zu (%s): empty %s\n", i, name_of(workload), fields[k]);
            assert_true(text != NULL && text[0] != '\0');
        }
        json_array_foreach(json_object_get(workload, "params"), k, param) {
            assert_true(json_string_length(json_object_get(param, "summary")) > 0);
            assert_true(json_is_integer(json_object_get(param, "value")));
            assert_true(json_is_integer(json_object_get(param, "smoke")));
        }
    }
}

static void a_repetition_performs_the_same_operations(void **state) {
    const unsigned *threads;
    json_t *workload;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        const unsigned n = thread_counts(workload, &threads);
        for (unsigned k = 0; k < n; k++) {
            const struct cell cell = {.bench = bench_manual,
                                      .workload = name_of(workload),
                                      .threads = threads[k],
                                      .seed = 7,
                                      .iterations = ITERATIONS};
            assert_same(&cell, outcome_of(&cell));
        }
    }
}

static void another_seed_gives_other_operations(void **state) {
    json_t *workload;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        struct cell cell = {.bench = bench_manual, .workload = name_of(workload), .seed = 1, .iterations = 1};
        const struct outcome first = first_outcome_of(&cell);
        cell.seed = 2;
        const struct outcome second = outcome_of(&cell);
        const bool same = strcmp(first.checksum, second.checksum) == 0;
        const char *source = json_string_value(json_object_get(workload, "source"));
        const bool expected = listed(cell.workload, seedless) || strstr(source, seedless_card) != NULL;
        if (same != expected)
            print_error("%s: checksums of two seeds %s and %s\n", cell.workload, first.checksum, second.checksum);
        assert_int_equal(same, expected);
    }
}

/* Sampling must not change what a workload does, and must see it: at least its peak and its end. */
static void memory_mode_performs_the_same_operations(void **state) {
    json_t *workload;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        struct cell cell = {.bench = bench_manual, .workload = name_of(workload), .seed = 1, .iterations = 1};
        const struct outcome plain = first_outcome_of(&cell);
        cell.mode = "memory";
        json_t *record = run_cell(&cell);
        const char *checksum = json_string_value(json_object_get(record, "checksum"));
        if (checksum == NULL || strcmp(checksum, plain.checksum) != 0)
            fail_msg("%s: expected checksum %s in memory mode, there was %s", cell.workload, plain.checksum,
                     checksum != NULL ? checksum : "none");
        if (strcmp(cell.workload, "null") != 0) {
            const json_t *memory = json_object_get(record, "memory");
            const size_t points = json_array_size(json_object_get(record, "timeline"));
            const long long peak = json_integer_value(json_object_get(memory, "peak_live_bytes"));
            if (points < 2 || peak <= 0)
                fail_msg("%s: expected 2 points in time at least and live bytes, there were %zu and a peak of %lld",
                         cell.workload, points, peak);
        }
        json_decref(record);
    }
}

static bool in_catalog(const json_t *programs, const char *name) {
    json_t *workload;
    size_t i;
    json_array_foreach(json_object_get(programs, "workloads"), i,
                       workload) if (strcmp(name_of(workload), name) == 0) return true;
    return false;
}

/* A workload that only collectors have is held to itself: what it builds and finds must not depend on the run. */
static void traced_twins_agree(void **state) {
    const unsigned *threads;
    json_t *workload;
    size_t i, both = 0;
    (void)state;
    if (bench_traced == NULL)
        skip();
    json_t *traced = read_catalog(bench_traced);
    assert_true(json_array_size(json_object_get(traced, "workloads")) > 0);
    json_array_foreach(json_object_get(traced, "workloads"), i, workload) {
        const unsigned n = thread_counts(workload, &threads);
        for (unsigned k = 0; k < n; k++) {
            const bool manual = in_catalog(catalog, name_of(workload));
            struct cell cell = {.bench = manual ? bench_manual : bench_traced,
                                .workload = name_of(workload),
                                .threads = threads[k],
                                .seed = 1,
                                .iterations = 1};
            const struct outcome expected = first_outcome_of(&cell);
            cell.bench = bench_traced;
            assert_same(&cell, expected);
            both += manual;
        }
    }
    assert_true(both > 0);
    json_decref(traced);
}

/* Every workload of either program; the twins are other code. */
static void every_workload_runs(void **state) {
    const char *const benches[] = {bench_manual, bench_traced};
    (void)state;
    for (size_t b = 0; b < sizeof benches / sizeof benches[0] && benches[b] != NULL; b++) {
        json_t *programs = read_catalog(benches[b]), *workload;
        size_t i;
        json_array_foreach(json_object_get(programs, "workloads"), i, workload) {
            struct cell cell = {.bench = benches[b],
                                .workload = name_of(workload),
                                .threads = takes_threads(workload) ? 2 : 0,
                                .seed = 1,
                                .iterations = 1};
            outcome_of(&cell);
            cell.mode = "memory";
            if (b == 0)
                json_decref(run_cell(&cell));
        }
        assert_true(i > 0);
        json_decref(programs);
    }
}

static void one_checksum_on_all_subjects(void **state) {
    const unsigned *threads;
    json_t *workload, *subject;
    size_t i, j, subjects = 0;
    (void)state;
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        const unsigned n = thread_counts(workload, &threads);
        for (unsigned k = 0; k < n; k++) {
            struct cell cell = {.bench = bench_manual,
                                .workload = name_of(workload),
                                .threads = threads[k],
                                .seed = 1,
                                .iterations = ITERATIONS};
            const struct outcome expected = outcome_of(&cell);
            subjects = 0;
            json_array_foreach(json_object_get(catalog, "subjects"), j, subject) {
                if (!json_is_true(json_object_get(subject, "present")))
                    continue;
                cell.subject = name_of(subject);
                cell.library = json_string_value(json_object_get(subject, "library"));
                assert_same(&cell, expected);
                subjects++;
            }
        }
    }
    print_message("%zu subjects\n", subjects);
    assert_true(subjects > 0);
}

/* More threads than processors, so that some wait while others collect, and end while others have work left. */
static void collections_change_nothing(void **state) {
    enum { THREADS = 3 };
    json_t *workload;
    size_t i;
    (void)state;
    setenv("GODEBUG", "gccheckmark=1,clobberfree=1", 1);
    setenv("GOGC", "25", 1);
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        struct cell cell = {.workload = name_of(workload),
                            .threads = takes_threads(workload) ? THREADS : 0,
                            .seed = 1,
                            .iterations = 1};
        cell.bench = bench_manual;
        const struct outcome expected = outcome_of(&cell);
        for (char *const *bench = bench_collecting; *bench != NULL; bench++) {
            cell.bench = *bench;
            assert_same(&cell, expected);
        }
    }
    assert_true(i > 0);
}

/* Blocks allocated and freed by a run of a cell, by the witness's count. */
static void count_calls(const struct cell *cell, unsigned long long counts[2]) {
    char path[] = "/tmp/count-calls-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    setenv("COUNT_CALLS", path, 1);
    json_decref(run_cell(cell));
    unsetenv("COUNT_CALLS");
    FILE *file = fdopen(fd, "r");
    assert_int_equal(fscanf(file, "%llu %llu", &counts[0], &counts[1]), 2);
    fclose(file);
    unlink(path);
}

/* Between runs of few and of many iterations lie whole iterations: what they allocate must be what they say they did.
 */
static void operations_are_those_that_malloc_sees(void **state) {
    enum { FEW = 1, MANY = 5, HARNESS_PER_ITERATION = 64 };
    json_t *workload;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(catalog, "workloads"), i, workload) {
        const char *source = json_string_value(json_object_get(workload, "source"));
        if (strcmp(name_of(workload), "null") == 0 || strstr(source, finding_card) != NULL)
            continue; /* allocates nothing, by intent, or what no count of its own could tell */
        struct cell cell = {.bench = bench_manual,
                            .workload = name_of(workload),
                            .seed = 1,
                            .iterations = FEW,
                            .library = count_library,
                            .threads = takes_threads(workload) ? 1 : 0};
        unsigned long long few[2], many[2];
        uint64_t expected = 0;
        for (const struct beside *b = beside; b->workload != NULL; b++)
            if (strcmp(b->workload, cell.workload) == 0)
                expected = b->blocks;
        count_calls(&cell, few);
        cell.iterations = MANY;
        count_calls(&cell, many);
        expected += outcome_of(&cell).ops;
        const uint64_t allocated = (many[0] - few[0]) / (MANY - FEW), freed = (many[1] - few[1]) / (MANY - FEW);
        if (allocated < expected || allocated > expected + HARNESS_PER_ITERATION ||
            freed + HARNESS_PER_ITERATION < allocated)
            print_error("%s: an iteration allocates %llu blocks and frees %llu; by its own count %llu\n", cell.workload,
                        (unsigned long long)allocated, (unsigned long long)freed, (unsigned long long)expected);
        assert_in_range(allocated, expected, expected + HARNESS_PER_ITERATION);
        assert_in_range(freed, allocated > HARNESS_PER_ITERATION ? allocated - HARNESS_PER_ITERATION : 0,
                        allocated + HARNESS_PER_ITERATION);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(every_card_is_filled_in),
        cmocka_unit_test(a_repetition_performs_the_same_operations),
        cmocka_unit_test(another_seed_gives_other_operations),
        cmocka_unit_test(memory_mode_performs_the_same_operations),
        cmocka_unit_test(traced_twins_agree),
    };
    const struct CMUnitTest once[] = {
        cmocka_unit_test(every_workload_runs),
    };
    const struct CMUnitTest subjects[] = {
        cmocka_unit_test(one_checksum_on_all_subjects),
        cmocka_unit_test(operations_are_those_that_malloc_sees),
    };
    const struct CMUnitTest collected[] = {
        cmocka_unit_test(collections_change_nothing),
    };
    if (argc < 3) {
        fprintf(stderr, "usage: test_workloads alone|once BENCH_MANUAL [BENCH_TRACED] | subjects BENCH_MANUAL LIBRARY | "
                        "collected BENCH_UNCOLLECTED BENCH_TRACED...\n");
        return 2;
    }
    bench_manual = argv[2];
    const char *third = argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL;
    catalog = read_catalog(bench_manual);
    if (strcmp(argv[1], "subjects") == 0) {
        count_library = third;
        return cmocka_run_group_tests_name("workloads.subjects", subjects, NULL, NULL);
    }
    if (strcmp(argv[1], "collected") == 0) {
        bench_collecting = argv + 3;
        return cmocka_run_group_tests_name("workloads.collected", collected, NULL, NULL);
    }
    bench_traced = third;
    if (strcmp(argv[1], "once") == 0)
        return cmocka_run_group_tests_name("workloads.once", once, NULL, NULL);
    return cmocka_run_group_tests_name("workloads.alone", alone, NULL, NULL);
}
