/* SPDX-License-Identifier: MIT
 * The C interface to Google Benchmark: everything that can be registered, from C, judged by the report it gives. */
#include "gbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

static char out_path[] = "/tmp/gbench-XXXXXX";
static int calls, setups, teardowns, seen_count, setups_user;
static double manual_seconds = 0.25;
static int64_t seen[16];

/* The library takes its flags once per process. */
static void initialize(void) {
    static char out_flag[64], format_flag[] = "--benchmark_out_format=json", name[] = "test_gbench";
    static char *argv[] = {name, out_flag, format_flag, NULL};
    int argc = 3;
    snprintf(out_flag, sizeof out_flag, "--benchmark_out=%s", out_path);
    gbench_initialize(&argc, argv, NULL);
    if (gbench_report_unrecognized(argc, argv))
        abort();
}

static json_t *root; /* the report of the one run: the library's reporters serve a process once */

static json_t *row(json_t *root, const char *name) {
    size_t i;
    json_t *b;
    json_array_foreach(json_object_get(root, "benchmarks"), i,
                       b) if (strcmp(json_string_value(json_object_get(b, "name")), name) == 0) return b;
    fail_msg("no row '%s'", name);
    return NULL;
}

static double number(json_t *r, const char *key) {
    json_t *n = json_object_get(r, key);
    if (!json_is_number(n))
        fail_msg("'%s' is missing", key);
    return json_number_value(n);
}

static void spin(struct gbench_state *s, void *user) {
    int *turns = user;
    while (gbench_keep_running(s))
        ++*turns;
}

static void fixed_iterations_are_exact(void **state) {
    (void)state;
    assert_int_equal(calls, 37);
    assert_int_equal(number(row(root, "fixed/iterations:37"), "iterations"), 37);
}

static void manual(struct gbench_state *s, void *user) {
    while (gbench_keep_running(s))
        gbench_set_iteration_time(s, *(double *)user);
}

static void manual_time_is_what_is_reported(void **state) {
    (void)state;
    json_t *r = row(root, "manual/iterations:4/manual_time");
    assert_true(number(r, "real_time") > 249.9 && number(r, "real_time") < 250.1);
    assert_string_equal(json_string_value(json_object_get(r, "time_unit")), "ms");
}

static void note_args(struct gbench_state *s, void *user) {
    while (gbench_keep_running(s))
        continue;
    seen[(*(int *)user)++] = gbench_arg_value(s, 0) * 1000 + (gbench_arg_value(s, 0) == 7 ? gbench_arg_value(s, 1) : 0);
}

static void arguments_and_ranges(void **state) {
    (void)state;
    assert_int_equal(seen_count, 4);
    assert_int_equal(seen[0], 1000);
    assert_int_equal(seen[1], 4000);
    assert_int_equal(seen[2], 16000);
    assert_int_equal(seen[3], 7009);
    row(root, "args/x:7/y:9/iterations:1");
}

static void threaded(struct gbench_state *s, void *user) {
    (void)user;
    while (gbench_keep_running(s))
        continue;
    gbench_counter(s, "index_sum", gbench_thread_index(s), GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "average", 10, GBENCH_COUNTER_AVG_THREADS);
}

static void threads_run_together(void **state) {
    (void)state;
    json_t *r = row(root, "threads/iterations:2/threads:3");
    assert_int_equal(number(r, "threads"), 3);
    assert_int_equal(number(r, "index_sum"), 0 + 1 + 2);
    assert_int_equal(number(r, "average"), 10);
}

static void set_up(struct gbench_state *s, void *user) {
    (void)s;
    setups += user == &setups_user; /* the function's own */
}

static void tear_down(struct gbench_state *s, void *user) {
    (void)s, (void)user;
    teardowns++;
}

static void set_up_and_tear_down_once_a_run(void **state) {
    (void)state;
    assert_int_equal(setups, 1);
    assert_int_equal(teardowns, 1);
}

static void counters(struct gbench_state *s, void *user) {
    (void)user;
    while (gbench_keep_running(s))
        gbench_set_iteration_time(s, 0.5);
    gbench_counter(s, "plain", 12, GBENCH_COUNTER_PLAIN);
    gbench_counter(s, "rate", 12, GBENCH_COUNTER_RATE);
    gbench_counter(s, "per_iteration", 12, GBENCH_COUNTER_AVG_ITERATIONS);
    gbench_counter(s, "invariant", 12, GBENCH_COUNTER_INVARIANT);
    gbench_items_processed(s, 200);
    gbench_label(s, "a label");
}

static void counters_and_labels_follow_their_flags(void **state) {
    (void)state;
    json_t *r = row(root, "counters/iterations:4/manual_time");
    assert_int_equal(number(r, "plain"), 12);
    assert_int_equal(number(r, "rate"), 6); /* over 2 s */
    assert_int_equal(number(r, "per_iteration"), 3);
    assert_int_equal(number(r, "invariant"), 48);
    assert_int_equal(number(r, "items_per_second"), 100);
    assert_string_equal(json_string_value(json_object_get(r, "label")), "a label");
}

static void skipping(struct gbench_state *s, void *user) {
    (void)user;
    gbench_skip_with_error(s, "not today");
    while (gbench_keep_running(s))
        fail_msg("%s", "a skipped benchmark ran");
    assert_true(gbench_error_occurred(s));
}

static void a_skip_is_an_error_row(void **state) {
    (void)state;
    json_t *r = row(root, "skipped/iterations:3");
    assert_true(json_is_true(json_object_get(r, "error_occurred")));
    assert_string_equal(json_string_value(json_object_get(r, "error_message")), "not today");
}

static void context_and_build_type_are_told(void **state) {
    (void)state;
    char build[32];
    gbench_library_build_type(build, sizeof build);
    json_t *context = json_object_get(root, "context");
    assert_string_equal(json_string_value(json_object_get(context, "subject")), "glibc");
    assert_string_equal(json_string_value(json_object_get(context, "library_build_type")), build);
}

static void nothing_has_no_name(void **state) {
    (void)state;
    assert_null(gbench_register("", spin, &calls));
}

static void register_all(void) {
    static int64_t two[] = {7, 9};
    static const char *const names[] = {"x", "y"};
    gbench_iterations(gbench_register("fixed", spin, &calls), 37);
    struct gbench *b = gbench_register("manual", manual, &manual_seconds);
    gbench_use_manual_time(b);
    gbench_iterations(b, 4);
    gbench_unit(b, GBENCH_MILLISECOND);
    b = gbench_register("range", note_args, &seen_count);
    gbench_range_multiplier(b, 4);
    gbench_range(b, 1, 16);
    gbench_iterations(b, 1);
    b = gbench_register("args", note_args, &seen_count);
    gbench_args(b, two, 2);
    gbench_arg_names(b, names, 2);
    gbench_iterations(b, 1);
    b = gbench_register("threads", threaded, NULL);
    gbench_threads(b, 3);
    gbench_iterations(b, 2);
    b = gbench_register("around", spin, &setups_user);
    if (!gbench_setup_teardown(b, set_up, tear_down))
        abort();
    gbench_iterations(b, 5);
    b = gbench_register("counters", counters, NULL);
    gbench_use_manual_time(b);
    gbench_iterations(b, 4);
    gbench_iterations(gbench_register("skipped", skipping, NULL), 3);
    gbench_custom_context("subject", "glibc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_iterations_are_exact),
        cmocka_unit_test(manual_time_is_what_is_reported),
        cmocka_unit_test(arguments_and_ranges),
        cmocka_unit_test(threads_run_together),
        cmocka_unit_test(set_up_and_tear_down_once_a_run),
        cmocka_unit_test(counters_and_labels_follow_their_flags),
        cmocka_unit_test(a_skip_is_an_error_row),
        cmocka_unit_test(context_and_build_type_are_told),
        cmocka_unit_test(nothing_has_no_name),
    };
    close(mkstemp(out_path));
    initialize();
    register_all();
    gbench_run();
    json_error_t error;
    root = json_load_file(out_path, 0, &error);
    if (root == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(out_path);
    return failed;
}
