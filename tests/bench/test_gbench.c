/* SPDX-License-Identifier: MIT
 *
 * The C shim, from C: each case registers benchmarks in a child process, runs them with Google Benchmark's JSON file
 * reporter, and reads the file back.
 */
#include "gbench.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- running */

/* In a child: registers, runs with the extra flag (may be NULL), leaves JSON in the file; what the library prints goes
 * to `out`. */
static void child_run(void (*registers)(void), const char *flag, const char *file, const char *out) {
    char to_file[256], *argv[] = {(char *)"test", to_file, (char *)"--benchmark_out_format=json", (char *)flag, NULL};
    int argc = flag != NULL ? 4 : 3;
    snprintf(to_file, sizeof to_file, "--benchmark_out=%s", file);
    if (freopen(out, "w", stdout) == NULL || freopen(out, "a", stderr) == NULL)
        _exit(99);
    gbench_initialize(&argc, argv, NULL);
    if (gbench_report_unrecognized(argc, argv))
        _exit(98);
    registers();
    gbench_run();
    gbench_clear();
    gbench_shutdown();
    exit(0);
}

static char folder[] = "spanlab-gbench-XXXXXX"; /* where the test is started */
static char json_file[64], out_file[64];

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(json_file, sizeof json_file, "%s/out.json", folder);
    snprintf(out_file, sizeof out_file, "%s/stdout", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(json_file);
    unlink(out_file);
    return rmdir(folder);
}

static json_t *run_with(void (*registers)(void), const char *flag) {
    unlink(json_file);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child_run(registers, flag, json_file, out_file);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    json_error_t error;
    json_t *root = json_load_file(json_file, 0, &error);
    assert_non_null(root);
    return root;
}

static json_t *run(void (*registers)(void)) {
    return run_with(registers, NULL);
}

/* ---- reading */

static size_t row_count(json_t *root) {
    return json_array_size(json_object_get(root, "benchmarks"));
}

static json_t *row(json_t *root, const char *name) {
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(root, "benchmarks"), i,
                       each) if (strcmp(json_string_value(json_object_get(each, "name")), name) == 0) return each;
    fail_msg("no row named %s", name);
    return NULL;
}

static double number(json_t *root, const char *name, const char *key) {
    json_t *value = json_object_get(row(root, name), key);
    if (value == NULL)
        fail_msg("row %s has no %s", name, key);
    return json_number_value(value);
}

static void assert_near(double value, double wanted) {
    if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted) + 1e-12))
        fail_msg("%.17g is not %.17g", value, wanted);
}

/* ---- fixed iterations, names, units, the user's pointer */

static void count_loops(struct gbench_state *s, void *user) {
    double loops = 0;
    while (gbench_keep_running(s))
        loops++;
    gbench_counter(s, "loops", loops, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "done", (double)gbench_iterations_done(s), GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "max", (double)gbench_iterations_max(s), GBENCH_COUNTER_PLAIN);
    if (user != NULL)
        gbench_counter(s, "user", *(const double *)user, GBENCH_COUNTER_PLAIN);
}

static double seven_and_a_half = 7.5;

static void register_fixed(void) {
    struct gbench *b = gbench_register("fixed", count_loops, &seven_and_a_half);
    gbench_iterations(b, 7);
    gbench_unit(b, GBENCH_MICROSECOND);
}

static void fixed_iterations_run_exactly(void **state) {
    (void)state;
    json_t *root = run(register_fixed);
    assert_int_equal(row_count(root), 1);
    const char *name = "fixed/iterations:7";
    assert_near(number(root, name, "iterations"), 7);
    assert_near(number(root, name, "loops"), 7);
    assert_near(number(root, name, "done"), 7);
    assert_near(number(root, name, "max"), 7);
    assert_near(number(root, name, "user"), 7.5);
    assert_string_equal(json_string_value(json_object_get(row(root, name), "time_unit")), "us");
    json_decref(root);
}

static void register_repeated(void) {
    struct gbench *b = gbench_register("again", count_loops, NULL);
    gbench_min_time(b, 0.001);
    gbench_repetitions(b, 3);
}

static void repetitions_are_reported_each(void **state) {
    (void)state;
    json_t *root = run_with(register_repeated, "--benchmark_report_aggregates_only=false");
    size_t i, iterations = 0;
    json_t *each;
    json_array_foreach(json_object_get(root, "benchmarks"), i,
                       each) if (strcmp(json_string_value(json_object_get(each, "run_type")), "iteration") == 0)
        iterations++;
    assert_int_equal(iterations, 3);
    json_decref(root);
}

static void an_empty_name_is_refused(void **state) {
    (void)state;
    assert_null(gbench_register("", count_loops, NULL));
    assert_null(gbench_register(NULL, count_loops, NULL));
}

/* ---- arguments and ranges */

static void show_arguments(struct gbench_state *s, void *user) {
    size_t n = (size_t)(uintptr_t)user;
    while (gbench_keep_running(s))
        continue;
    double joined = 0;
    for (size_t i = 0; i < n; i++)
        joined = joined * 1000 + (double)gbench_arg_value(s, i);
    gbench_counter(s, "joined", joined, GBENCH_COUNTER_PLAIN);
}

static struct gbench *with_arguments(const char *name, size_t n) {
    struct gbench *b = gbench_register(name, show_arguments, (void *)(uintptr_t)n);
    gbench_iterations(b, 1);
    return b;
}

static void register_arguments(void) {
    struct gbench *one = with_arguments("one", 1);
    gbench_arg(one, 3);
    gbench_arg(one, 5);
    struct gbench *two = with_arguments("two", 2);
    gbench_args(two, (const int64_t[]){4, 9}, 2);
    gbench_arg_names(two, (const char *const[]){"size", "count"}, 2);
    struct gbench *range = with_arguments("range", 1);
    gbench_range_multiplier(range, 4);
    gbench_range(range, 2, 64);
    struct gbench *product = with_arguments("product", 2);
    gbench_ranges(product, (const int64_t[][2]){{1, 8}, {3, 3}}, 2);
    struct gbench *dense = with_arguments("dense", 1);
    gbench_dense_range(dense, 2, 8, 3);
}

static void arguments_and_ranges_arrive(void **state) {
    (void)state;
    json_t *root = run(register_arguments);
    assert_near(number(root, "one/3/iterations:1", "joined"), 3);
    assert_near(number(root, "one/5/iterations:1", "joined"), 5);
    assert_near(number(root, "two/size:4/count:9/iterations:1", "joined"), 4009);
    static const int powers[] = {2, 4, 16, 64}; /* both ends and the multiplier's powers between */
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "range/%d/iterations:1", powers[i]);
        assert_near(number(root, name, "joined"), powers[i]);
    }
    assert_near(number(root, "product/1/3/iterations:1", "joined"), 1003);
    assert_near(number(root, "product/8/3/iterations:1", "joined"), 8003);
    assert_near(number(root, "dense/2/iterations:1", "joined"), 2);
    assert_near(number(root, "dense/5/iterations:1", "joined"), 5);
    assert_near(number(root, "dense/8/iterations:1", "joined"), 8);
    assert_int_equal(row_count(root), 2 + 1 + 4 + 2 + 3);
    json_decref(root);
}

/* ---- clocks */

static void quarter_seconds(struct gbench_state *s, void *user) {
    (void)user;
    while (gbench_keep_running(s))
        gbench_set_iteration_time(s, 0.25);
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
}

/* How long a run and its parts took depends on what else the machine does. Each function therefore reads the clocks
 * itself, and the test compares what Google Benchmark says with these readings. */
static void pausing(struct gbench_state *s, void *user) {
    (void)user;
    double begin = seconds_of(CLOCK_MONOTONIC), paused = 0;
    while (gbench_keep_running(s)) {
        gbench_pause_timing(s);
        double pause = seconds_of(CLOCK_MONOTONIC);
        nap();
        paused += seconds_of(CLOCK_MONOTONIC) - pause;
        gbench_resume_timing(s);
    }
    gbench_counter(s, "own", seconds_of(CLOCK_MONOTONIC) - begin - paused, GBENCH_COUNTER_PLAIN);
}

static void napping(struct gbench_state *s, void *user) {
    (void)user;
    double begin = seconds_of(CLOCK_MONOTONIC), napped = 0;
    while (gbench_keep_running(s)) {
        double nap_begin = seconds_of(CLOCK_MONOTONIC);
        nap();
        napped += seconds_of(CLOCK_MONOTONIC) - nap_begin;
    }
    gbench_counter(s, "napped", napped, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "own", seconds_of(CLOCK_MONOTONIC) - begin, GBENCH_COUNTER_PLAIN);
}

static void *spin(void *spun) {
    double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    do
        *(double *)spun = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
    while (*(double *)spun < 0.05);
    return NULL;
}

static void spinning_elsewhere(struct gbench_state *s, void *user) {
    (void)user;
    double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID), process_begin = seconds_of(CLOCK_PROCESS_CPUTIME_ID), spun = 0;
    while (gbench_keep_running(s)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, spin, &spun) == 0)
            pthread_join(thread, NULL);
    }
    gbench_counter(s, "spun", spun, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "own_thread", seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "own_process", seconds_of(CLOCK_PROCESS_CPUTIME_ID) - process_begin, GBENCH_COUNTER_PLAIN);
}

static void one_shot(const char *name, gbench_function *f, void (*clock)(struct gbench *), int64_t iterations) {
    struct gbench *b = gbench_register(name, f, NULL);
    gbench_iterations(b, iterations);
    gbench_unit(b, GBENCH_SECOND);
    if (clock != NULL)
        clock(b);
}

static void register_clocks(void) {
    one_shot("manual", quarter_seconds, gbench_use_manual_time, 4);
    one_shot("real", napping, gbench_use_real_time, 1);
    one_shot("paused", pausing, gbench_use_real_time, 1);
    one_shot("process", spinning_elsewhere, gbench_measure_process_cpu_time, 1);
    one_shot("main-thread", spinning_elsewhere, NULL, 1);
}

/* A time of a row lies between two readings, which are counters of the row; without a least one it is 0. */
static void assert_within(json_t *root, const char *name, const char *key, const char *least, const char *most) {
    double value = number(root, name, key), low = least != NULL ? number(root, name, least) : 0;
    double high = number(root, name, most);
    if (value < low - 1e-6 || value > high + 1e-6)
        fail_msg("%s: expected %s of %.9f to %.9f s, there is %.9f s", name, key, low, high, value);
}

static void the_chosen_clock_counts(void **state) {
    (void)state;
    json_t *root = run(register_clocks);
    assert_near(number(root, "manual/iterations:4/manual_time", "real_time"), 0.25);
    assert_string_equal(json_string_value(json_object_get(row(root, "manual/iterations:4/manual_time"), "time_unit")),
                        "s");
    assert_within(root, "real/iterations:1/real_time", "real_time", "napped", "own");
    assert_within(root, "paused/iterations:1/real_time", "real_time", NULL, "own");
    assert_within(root, "process/iterations:1/process_time", "cpu_time", "spun", "own_process");
    assert_within(root, "main-thread/iterations:1", "cpu_time", NULL, "own_thread");
    json_decref(root);
}

static void batches(struct gbench_state *s, void *user) {
    (void)user;
    double calls = 0;
    while (gbench_keep_running_batch(s, 10))
        calls++;
    gbench_counter(s, "calls", calls, GBENCH_COUNTER_PLAIN);
}

static void register_batches(void) {
    gbench_iterations(gbench_register("batch", batches, NULL), 25);
}

static void batches_overshoot_at_most_once(void **state) {
    (void)state;
    json_t *root = run(register_batches);
    assert_near(number(root, "batch/iterations:25", "calls"), 3);
    assert_near(number(root, "batch/iterations:25", "iterations"), 30);
    json_decref(root);
}

/* ---- threads */

static void threaded(struct gbench_state *s, void *user) {
    (void)user;
    while (gbench_keep_running(s))
        continue;
    gbench_counter(s, "threads_seen", gbench_thread_count(s), GBENCH_COUNTER_AVG_THREADS);
    gbench_counter(s, "indices", gbench_thread_index(s), GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "each", 1, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "average", 6, GBENCH_COUNTER_AVG_THREADS);
}

static void register_threads(void) {
    struct gbench *b = gbench_register("team", threaded, NULL);
    gbench_iterations(b, 5);
    gbench_threads(b, 3);
    struct gbench *range = gbench_register("teams", threaded, NULL);
    gbench_iterations(range, 1);
    gbench_thread_range(range, 1, 4);
}

static void every_thread_enters(void **state) {
    (void)state;
    json_t *root = run(register_threads);
    assert_near(number(root, "team/iterations:5/threads:3", "threads"), 3);
    assert_near(number(root, "team/iterations:5/threads:3", "threads_seen"), 3);
    assert_near(number(root, "team/iterations:5/threads:3", "indices"), 0 + 1 + 2);
    assert_near(number(root, "team/iterations:5/threads:3", "each"), 3);
    assert_near(number(root, "team/iterations:5/threads:3", "average"), 6);
    assert_near(number(root, "teams/iterations:1/threads:1", "each"), 1);
    assert_near(number(root, "teams/iterations:1/threads:2", "each"), 2);
    assert_near(number(root, "teams/iterations:1/threads:4", "each"), 4);
    assert_int_equal(row_count(root), 4);
    json_decref(root);
}

/* ---- counters, labels, errors */

static void counting(struct gbench_state *s, void *user) {
    quarter_seconds(s, user); /* two iterations: half a second */
    gbench_counter(s, "plain", 10, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "rate", 10, GBENCH_COUNTER_RATE);
    gbench_counter(s, "invariant", 3, GBENCH_COUNTER_INVARIANT);
    gbench_counter(s, "per_iteration", 6, GBENCH_COUNTER_AVG_ITERATIONS);
    gbench_counter(s, "inverse", 4, GBENCH_COUNTER_INVERT);
    gbench_counter(s, "invariant_rate", 3, GBENCH_COUNTER_INVARIANT | GBENCH_COUNTER_RATE);
    gbench_counter(s, "seconds_per_item", 10, GBENCH_COUNTER_RATE | GBENCH_COUNTER_INVERT);
    gbench_items_processed(s, 50);
    gbench_bytes_processed(s, 1024);
    gbench_label(s, "a label");
}

static void register_counters(void) {
    struct gbench *b = gbench_register("counters", counting, NULL);
    gbench_iterations(b, 2);
    gbench_use_manual_time(b);
}

static void counters_follow_their_flags(void **state) {
    (void)state;
    static const struct {
        const char *key;
        double wanted;
    } rows[] = {
        {"plain", 10},
        {"rate", 20},
        {"invariant", 6},
        {"per_iteration", 3},
        {"inverse", 0.25},
        {"invariant_rate", 12},
        {"seconds_per_item", 0.05},
        {"items_per_second", 100},
        {"bytes_per_second", 2048},
    };
    json_t *root = run(register_counters);
    const char *name = "counters/iterations:2/manual_time";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near(number(root, name, rows[i].key), rows[i].wanted);
    assert_string_equal(json_string_value(json_object_get(row(root, name), "label")), "a label");
    json_decref(root);
}

static void failing(struct gbench_state *s, void *user) {
    double *loops = user;
    while (gbench_keep_running(s))
        if (++*loops == 2)
            gbench_skip_with_error(s, "no memory on the moon");
    if (!gbench_error_occurred(s) || *loops != 2)
        abort(); /* keep_running had to return false */
}

static void register_failing(void) {
    static double loops;
    gbench_iterations(gbench_register("failing", failing, &loops), 100);
    gbench_iterations(gbench_register("healthy", count_loops, NULL), 1);
}

static void an_error_is_a_row(void **state) {
    (void)state;
    json_t *root = run(register_failing);
    json_t *bad = row(root, "failing/iterations:100"), *good = row(root, "healthy/iterations:1");
    assert_true(json_is_true(json_object_get(bad, "error_occurred")));
    assert_string_equal(json_string_value(json_object_get(bad, "error_message")), "no memory on the moon");
    assert_null(json_object_get(good, "error_occurred"));
    json_decref(root);
}

/* ---- set-up and tear-down */

static struct phases {
    int setups, teardowns, threads;
    int64_t arguments;
} phases[2];

static void phase_setup(struct gbench_state *s, void *user) {
    struct phases *p = user;
    p->setups++;
    p->arguments = p->arguments * 10 + gbench_arg_value(s, 0);
    p->threads = gbench_thread_count(s);
}

static void phase_teardown(struct gbench_state *s, void *user) {
    (void)s;
    ((struct phases *)user)->teardowns++;
}

static void phase_body(struct gbench_state *s, void *user) {
    struct phases *p = user;
    while (gbench_keep_running(s))
        continue;
    if (gbench_thread_index(s) != 0)
        return;
    gbench_counter(s, "open", p->setups - p->teardowns, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "setups", p->setups, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "arguments", (double)p->arguments, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "threads_told", p->threads, GBENCH_COUNTER_PLAIN);
}

static void register_phases(void) {
    for (int i = 0; i < 2; i++) {
        struct gbench *b = gbench_register(i == 0 ? "first" : "second", phase_body, &phases[i]);
        gbench_iterations(b, 10);
        gbench_arg(b, 3 + i);
        gbench_arg(b, 5 + i);
        gbench_threads(b, 2);
        if (!gbench_setup_teardown(b, phase_setup, phase_teardown))
            abort();
    }
}

static void setup_and_teardown_bracket_each_run(void **state) {
    (void)state;
    json_t *root = run(register_phases);
    assert_near(number(root, "first/3/iterations:10/threads:2", "setups"), 1);
    assert_near(number(root, "first/5/iterations:10/threads:2", "setups"), 2);
    assert_near(number(root, "first/5/iterations:10/threads:2", "open"), 1);
    assert_near(number(root, "first/5/iterations:10/threads:2", "arguments"), 35);
    assert_near(number(root, "first/5/iterations:10/threads:2", "threads_told"), 2);
    assert_near(number(root, "second/6/iterations:10/threads:2", "arguments"), 46);
    json_decref(root);
}

static void setup_slots_end_and_come_back(void **state) {
    (void)state;
    for (int i = 0; i < 64; i++)
        assert_true(gbench_setup_teardown(gbench_register("slot", count_loops, NULL), phase_setup, NULL));
    assert_false(gbench_setup_teardown(gbench_register("slot", count_loops, NULL), phase_setup, NULL));
    gbench_clear();
    assert_true(gbench_setup_teardown(gbench_register("slot", count_loops, NULL), phase_setup, NULL));
    gbench_clear();
}

/* ---- the program around */

static void register_with_context(void) {
    gbench_custom_context("subject", "mine");
    register_fixed();
}

static void custom_context_is_in_the_report(void **state) {
    (void)state;
    json_t *root = run(register_with_context);
    assert_string_equal(json_string_value(json_object_get(json_object_get(root, "context"), "subject")), "mine");
    json_decref(root);
}

static void the_build_type_is_the_reports(void **state) {
    (void)state;
    char type[16];
    gbench_library_build_type(type, sizeof type);
    json_t *root = run(register_fixed);
    assert_string_equal(json_string_value(json_object_get(json_object_get(root, "context"), "library_build_type")),
                        type);
    json_decref(root);
}

static void register_two(void) {
    register_fixed();
    register_counters();
}

static void usual_flags_work(void **state) {
    (void)state;
    json_t *root = run_with(register_two, "--benchmark_filter=^counters");
    assert_int_equal(row_count(root), 1);
    row(root, "counters/iterations:2/manual_time");
    json_decref(root);
}

static void leftovers_are_reported(void **state) {
    (void)state;
    char *argv[] = {(char *)"test", (char *)"--no-such-flag", NULL};
    assert_true(gbench_report_unrecognized(2, argv));
    assert_false(gbench_report_unrecognized(1, argv));
}

static void quiet_run_prints_nothing(void **state) {
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen(out_file, "w", stdout) == NULL || freopen(out_file, "a", stderr) == NULL)
            _exit(99);
        register_two();
        size_t n = gbench_run_quiet();
        fflush(NULL);
        _exit((int)n);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    FILE *printed = fopen(out_file, "r");
    assert_non_null(printed);
    assert_int_equal(fgetc(printed), EOF);
    fclose(printed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_iterations_run_exactly),
        cmocka_unit_test(repetitions_are_reported_each),
        cmocka_unit_test(an_empty_name_is_refused),
        cmocka_unit_test(arguments_and_ranges_arrive),
        cmocka_unit_test(the_chosen_clock_counts),
        cmocka_unit_test(batches_overshoot_at_most_once),
        cmocka_unit_test(every_thread_enters),
        cmocka_unit_test(counters_follow_their_flags),
        cmocka_unit_test(an_error_is_a_row),
        cmocka_unit_test(setup_and_teardown_bracket_each_run),
        cmocka_unit_test(setup_slots_end_and_come_back),
        cmocka_unit_test(custom_context_is_in_the_report),
        cmocka_unit_test(the_build_type_is_the_reports),
        cmocka_unit_test(usual_flags_work),
        cmocka_unit_test(leftovers_are_reported),
        cmocka_unit_test(quiet_run_prints_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
