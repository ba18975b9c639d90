/* SPDX-License-Identifier: MIT
 *
 * The limiter of the collector's CPU on a clock that the test drives: the steps, durations and expected figures are
 * those of Go 1.25.3's own test (mgclimit_test.go:13), all of it twice over, so that nothing is carried along but what
 * is meant to be.
 */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wunused-function"
#include "os/os.c"
#include "gc/limiter.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
enum { PROCS = 14, CYCLE = 7 };

static struct limiter limiter;
static int64_t clock_ns;

static int64_t advance(int64_t ns) {
    return clock_ns += ns;
}

static void update_after(int64_t ns) {
    limiter_update(&limiter, advance(ns), CYCLE);
}

/* Of `share` of all processors over ns. */
static void assist(int64_t ns, double share) {
    limiter_add_assist(&limiter, (int64_t)(share * (double)ns * PROCS));
}

static void expect(int64_t fill_ns, bool limiting, uint64_t overflow_ns) {
    assert_int_equal(limiter.fill_ns, fill_ns);
    assert_int_equal(limiter_limiting(&limiter), limiting);
    assert_int_equal(limiter.overflow_ns, overflow_ns);
}

static void begin(void) {
    limiter = (struct limiter){0};
    limiter_resize(&limiter, PROCS, clock_ns, CYCLE);
    assert_int_equal(limiter.capacity_ns, PROCS * SECOND);
}

static const int64_t full_ns = PROCS * SECOND;

/* An idle collector earns nothing, however long. */
static void program_alone(uint64_t overflow_ns) {
    update_after(10 * MS);
    update_after(SECOND);
    update_after(3600 * SECOND);
    expect(0, false, overflow_ns);
    assert_false(limiter_is_due(&limiter, advance(limiter_period_ns / 2)));
    assert_true(limiter_is_due(&limiter, advance(limiter_period_ns)));
    update_after(0);
    assert_false(limiter_is_due(&limiter, advance(0)));
}

static void stop_and_share(uint64_t overflow_ns) {
    const int64_t stop_ns = 2 * MS + 1000;
    limiter_stop(&limiter, true, advance(109 * MS), CYCLE);
    limiter_start(&limiter, advance(stop_ns), CYCLE);
    expect(stop_ns * PROCS, false, overflow_ns);
    /* Half of all time is drained while the background share is taken: until one nanosecond per processor is left. */
    update_after((int64_t)(1 / (1 - 2 * pacer_background) * (double)(stop_ns - 1)));
    expect(PROCS, false, overflow_ns);
    update_after(2 * PROCS * SECOND);
    expect(0, false, overflow_ns);
}

static void fill_by_assists(uint64_t overflow_ns) {
    assist(10 * MS, 0.5 - pacer_background); /* half of it all: nothing moves */
    update_after(10 * MS);
    expect(0, false, overflow_ns);
    assist(MS, 1 - pacer_background);
    update_after(MS);
    expect(PROCS * MS, false, overflow_ns);
    assert_int_equal(limiter.limited_cycle, overflow_ns == 0 ? 0 : CYCLE);
    assist(SECOND - MS, 1 - pacer_background);
    update_after(SECOND - MS);
    expect(full_ns, true, overflow_ns); /* to the brim, and not a drop more */
    assert_int_equal(limiter.limited_cycle, CYCLE);
    assist(SECOND, 0.5 - pacer_background);
    update_after(SECOND);
    expect(full_ns, true, overflow_ns);
}

static uint64_t drain_and_overfill(uint64_t overflow_ns) {
    update_after(SECOND);
    expect(full_ns / 2, false, overflow_ns);
    assist(SECOND, 1 - pacer_background);
    update_after(SECOND);
    overflow_ns += (uint64_t)full_ns / 2;
    expect(full_ns, true, overflow_ns);
    /* The end of a cycle: the assists before it count, and so does the stop. */
    assist(MS, 1 - pacer_background);
    limiter_stop(&limiter, false, advance(MS), CYCLE);
    overflow_ns += PROCS * MS;
    expect(full_ns, true, overflow_ns);
    limiter_start(&limiter, advance(5 * MS), CYCLE);
    overflow_ns += 5 * PROCS * MS;
    expect(full_ns, true, overflow_ns);
    return overflow_ns;
}

static void other_processors(uint64_t overflow_ns) {
    limiter_resize(&limiter, PROCS + 10, advance(0), CYCLE);
    expect(full_ns, false, overflow_ns);
    limiter_resize(&limiter, PROCS - 10, advance(0), CYCLE);
    expect((PROCS - 10) * SECOND, true, overflow_ns);
    limiter_resize(&limiter, PROCS, advance(PROCS * SECOND), CYCLE);
    expect(0, false, overflow_ns);
}

static void test_as_go_does(void **state) {
    (void)state;
    begin();
    uint64_t overflow_ns = 0;
    for (int round = 0; round < 2; round++) {
        program_alone(overflow_ns);
        stop_and_share(overflow_ns);
        fill_by_assists(overflow_ns);
        overflow_ns = drain_and_overfill(overflow_ns);
        other_processors(overflow_ns);
    }
}

/* Where most processors have nothing to do, the rest is what the share is measured by (mgclimit.go:247). */
static void test_idle_processors_do_not_count(void **state) {
    (void)state;
    begin();
    limiter_stop(&limiter, true, advance(0), CYCLE);
    limiter_start(&limiter, advance(0), CYCLE);
    limiter_add_idle(&limiter, SECOND * PROCS / 2);
    update_after(SECOND);
    expect(0, false, 0);
    limiter_add_idle(&limiter, SECOND * PROCS * 5 / 8);
    update_after(SECOND);
    expect(PROCS * SECOND / 8, false, 0);
}

/* What comes late, by another processor's clock, is left out; an update beside another one loses nothing. */
static void test_updates_that_meet(void **state) {
    (void)state;
    begin();
    update_after(SECOND);
    assist(MS, 1);
    limiter_update(&limiter, clock_ns - 1, CYCLE);
    assert_int_equal(limiter.updated_ns, clock_ns);
    limiter_lock(&limiter);
    limiter_update(&limiter, advance(MS), CYCLE);
    expect(0, false, 0);
    limiter_unlock(&limiter);
    limiter_update(&limiter, clock_ns, CYCLE);
    expect(PROCS * MS, false, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_go_does),
        cmocka_unit_test(test_idle_processors_do_not_count),
        cmocka_unit_test(test_updates_that_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
