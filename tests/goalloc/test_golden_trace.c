/* SPDX-License-Identifier: MIT
 *
 * gctrace against real Go's lines, to the character but for the numbers, and against how real Go writes durations.
 */
#include "unity_collecting.h"

#include "golden.h"

#include <ctype.h>

/* Numbers become N; of the seconds since the start every digit behind the point does. */
static void mask(const char *line, char *out) {
    bool since_start = false;
    while (*line != '\0' && *line != '\n') {
        if (!isdigit((unsigned char)*line)) {
            since_start = *line == '@';
            *out++ = *line++;
            continue;
        }
        *out++ = 'N';
        while (isdigit((unsigned char)*line))
            line++;
        if (*line != '.')
            continue;
        line++;
        if (since_start)
            *out++ = '.';
        for (; isdigit((unsigned char)*line); line++)
            if (since_start)
                *out++ = 'N';
    }
    *out = '\0';
}

/* The one line that a cycle prints; none was under way. */
static void trace_of(bool forced, char *line, size_t size) {
    goalloc_collect();
    FILE *file = tmpfile();
    assert_non_null(file);
    int stderr_copy = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    gc_settings.trace = true;
    uint32_t cycles = gc_cycles();
    if (forced)
        goalloc_collect();
    while (gc_cycles() == cycles || gc_is_marking())
        assert_non_null(goalloc_bytes(4096, false));
    gc_settings.trace = false;
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    rewind(file);
    assert_non_null(fgets(line, (int)size, file));
    fclose(file);
}

static void test_lines(void **state) {
    (void)state;
    FILE *golden = golden_open("gctrace-lines");
    char expected[512], line[512], masked[512];
    for (int forced = 0; forced < 2; forced++) {
        assert_true(golden_line(golden, expected, sizeof expected));
        trace_of(forced, line, sizeof line);
        mask(line, masked);
        assert_string_equal(masked, expected);
    }
    fclose(golden);
}

static void test_durations(void **state) {
    (void)state;
    FILE *golden = golden_open("gctrace-ms");
    char line[256], ours[24];
    unsigned compared = 0;
    while (golden_line(golden, line, sizeof line)) {
        char *text;
        uint64_t ns = strtoull(line, &text, 10);
        assert_string_equal(trace_ms(ours, ns), text + 1);
        compared++;
    }
    assert_true(compared > 1000);
    fclose(golden);
}

/* Who asked for a cycle decides what it is called, not who ends it: any of the collector's threads. */
static void test_forced_is_the_cycle(void **state) {
    (void)state;
    char line[512];
    for (unsigned i = 0; i < 50; i++) {
        uint64_t forced_before = gc_statistics.num_forced_gc;
        trace_of(true, line, sizeof line);
        assert_non_null(strstr(line, " (forced)"));
        assert_int_equal(gc_statistics.num_forced_gc, forced_before + 2);
    }
}

/* What the percentage and the times are made of: they must add up to the CPU that the process got at most, and all of
 * what marking took must be there (Go mgc.go:1112-1122). */
static void test_cpu_is_what_was_spent(void **state) {
    (void)state;
    static const struct goalloc_type node_type = {64, 1, NULL};
    static void *head;
    assert_int_equal(goalloc_root_add(&head, 1), 0);
    for (unsigned i = 0; i < 200000; i++) {
        void *node = goalloc_new(&node_type, 1);
        goalloc_store(node, head);
        goalloc_store(&head, node);
    }
    char line[512];
    uint64_t before_ns = os_process_cpu_ns(), total_before_ns = gc.cpu_total_ns, wall_before_ns = os_now_ns();
    trace_of(true, line, sizeof line);
    /* In this order: what is spent after marking was read is none of it. */
    uint64_t marking_ns = gc.assist_ns + gc.worker_ns, total_ns = gc.cpu_total_ns - total_before_ns;
    uint64_t spent_ns = os_process_cpu_ns() - before_ns, wall_ns = os_now_ns() - wall_before_ns;
    if (marking_ns == 0 || marking_ns > spent_ns)
        fail_msg("marking took %llu ns of the process's %llu", (unsigned long long)marking_ns, (unsigned long long)spent_ns);
    /* A stop costs all processors, whatever they got meanwhile. */
    if (total_ns < marking_ns || total_ns > spent_ns + gc_settings.procs * wall_ns)
        fail_msg("the cycle counts %llu ns; expected %llu of marking or more, and no more than %llu spent and %u times %llu",
                 (unsigned long long)total_ns, (unsigned long long)marking_ns, (unsigned long long)spent_ns,
                 gc_settings.procs, (unsigned long long)wall_ns);
    unsigned percent;
    assert_int_equal(sscanf(line, "gc %*u @%*[0-9.]s %u%%:", &percent), 1);
    assert_int_equal(percent, (unsigned)((double)gc.cpu_total_ns * 100 /
                                         ((double)(gc.last_end_ns - gc.ready_ns) * gc_settings.procs)));
    goalloc_root_remove(&head);
}

int main(void) {
    if (!goalloc_thread_attach())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_forced_is_the_cycle),
        cmocka_unit_test(test_cpu_is_what_was_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
