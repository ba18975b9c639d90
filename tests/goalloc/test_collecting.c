/* SPDX-License-Identifier: MIT
 *
 * The collector's own figures while it works: what assists owe, and what the limiter makes of it; when cycles begin and
 * to what goal, against the pacer driven by hand.
 */
#include "unity_collecting.h"

#include <sys/wait.h>

static const struct goalloc_type node_type = {64, 1, NULL};
static void *kept[4096];

static void keep_a_heap(void) {
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        for (unsigned k = 0; k < 16; k++) {
            void *node = goalloc_new(&node_type, 1);
            assert_non_null(node);
            goalloc_store(node, kept[i]);
            goalloc_store(&kept[i], node);
        }
}

/* ---- the limiter and assists */

static void fill_bucket(bool full) {
    limiter_lock(&gc.limiter);
    gc.limiter.fill_ns = 0;
    limiter_pour(&gc.limiter, full ? 0 : 1, full ? (int64_t)gc.limiter.capacity_ns : 0, gc_cycle_number());
    limiter_unlock(&gc.limiter);
    assert_int_equal(limiter_limiting(&gc.limiter), full);
}

/* A cycle in which nothing has been marked yet but roots. */
static void begin_alone(void) {
    goalloc_collect();
    world_stop(gc_self);
    gc_self->stop_sp = (uintptr_t)__builtin_frame_address(0);
    gc_begin_marking(gc_self, false, os_now_ns());
    world_start();
    gc.limiter.updated_ns = INT64_MAX; /* the clock is the test's */
}

static void end_alone(void) {
    gc.limiter.updated_ns = gc_limit_now();
    while (gc_is_marking()) {
        gc_mark_slice(gc_self, UINT64_MAX);
        gc_end(gc_self);
    }
}

static void test_assists_pay_unless_limited(void **state) {
    (void)state;
    enum { DEBT_BYTES = 100000 };
    keep_a_heap();
    begin_alone();
    fill_bucket(true);
    gc_self->assist_bytes = -DEBT_BYTES;
    uint64_t work = gc_work();
    gc_assist(gc_self);
    assert_int_equal(gc_self->assist_bytes, -DEBT_BYTES);
    assert_int_equal(gc_work(), work);
    assert_true(gc_is_marking());
    fill_bucket(false);
    gc_assist(gc_self);
    assert_true(gc_self->assist_bytes >= 0);
    assert_true(gc_work() >= work + (64 << 10));
    end_alone();
}

/* What a byte costs rises as the heap nears its goal, and falls as marking gets on (Go mgcpacer.go:492). */
static void test_the_price_is_revised(void **state) {
    (void)state;
    begin_alone();
    gc_revise();
    double first = pacer_assist_ratio(&gc.pacer);
    mcache_live_add(1 << 20);
    gc_charge(cache_self, 0);
    double nearer = pacer_assist_ratio(&gc.pacer);
    assert_true(nearer > first);
    assert_true(gc_mark_slice(gc_self, UINT64_MAX) > 0);
    gc_charge(cache_self, 0);
    assert_true(pacer_assist_ratio(&gc.pacer) < nearer);
    mcache_live_add(-(1 << 20));
    end_alone();
}

/* At the moment of a fork one of the collector's threads may have come to look for work, and found no cycle: the count
 * of those that mark must not reach the child, where nobody would take it back. */
static void test_a_child_counts_anew(void **state) {
    (void)state;
    gc_settings.stop_the_world = 0;
    __atomic_store_n(&gc.marking, 1, __ATOMIC_SEQ_CST);
    pid_t child = fork();
    if (child == 0) {
        alarm(600); /* ends a child that hangs, before ctest ends the test and leaves the child */
        goalloc_collect();
        _exit(0);
    }
    __atomic_store_n(&gc.marking, 0, __ATOMIC_SEQ_CST);
    gc_settings.stop_the_world = 1;
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Where no threads are to be had for the collector (RLIMIT_NPROC), whoever forks has to end the cycle. */
static void test_fork_while_nobody_marks(void **state) {
    (void)state;
    begin_alone();
    pid_t child = fork();
    if (child == 0)
        _exit(gc_is_marking());
    assert_false(gc_is_marking());
    gc.limiter.updated_ns = gc_limit_now();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- whose work it is */

/* Of four objects or fewer Go's threads give nothing away, so that no idle processor would find them. */
static void test_few_objects_are_one_processors_work(void **state) {
    (void)state;
    struct gc_work w = {0};
    assert_int_equal(mark_work_abounds(), OS_THREAD_SANITIZER);
    for (uintptr_t items = 1; items <= 6; items++) {
        for (uintptr_t item = 1; item <= items; item++)
            work_push(&w, item);
        work_give_up(&w.first);
        assert_true(mark_work_left());
        assert_int_equal(mark_work_abounds(), items > 4 || OS_THREAD_SANITIZER);
        assert_true(work_fetch(&w));
        while (work_pop(&w) != 0)
            continue;
        work_give_up(&w.first);
    }
    for (uintptr_t buffer = 1; buffer <= 2; buffer++) { /* one each */
        work_push(&w, buffer);
        work_give_up(&w.first);
    }
    assert_true(mark_work_abounds());
    while (work_fetch(&w))
        w.first->count = 0;
    work_give_up(&w.first);
}

/* ---- stopping */

static void *wait_for_the_collector(void *begun_and_ended) {
    uint32_t *progress = begun_and_ended;
    if (!goalloc_thread_attach())
        return NULL;
    world_begin_wait(gc_self, (uintptr_t)__builtin_frame_address(0));
    __atomic_store_n(progress, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(progress, __ATOMIC_ACQUIRE) == 1)
        sched_yield();
    world_end_wait(gc_self);
    __atomic_store_n(progress, 3, __ATOMIC_RELEASE);
    goalloc_thread_detach();
    return NULL;
}

/* It stands still without having been asked, and cannot go on before the world does. */
static void test_who_waits_has_stopped(void **state) {
    (void)state;
    pthread_t thread;
    uint32_t progress = 0;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_the_collector, &progress), 0);
    while (__atomic_load_n(&progress, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    world_stop(gc_self);
    assert_int_equal(world.arrived, 0);
    assert_int_equal(world.spin, 1);
    __atomic_store_n(&progress, 2, __ATOMIC_RELEASE);
    while (__atomic_load_n(&world.sleepers, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
    assert_int_equal(__atomic_load_n(&progress, __ATOMIC_ACQUIRE), 2);
    world_start();
    pthread_join(thread, NULL);
    assert_int_equal(progress, 3);
    assert_int_equal(world.sleepers, 0);
}

int main(void) {
    if (!goalloc_thread_attach() || goalloc_root_add(kept, sizeof kept / sizeof kept[0]) != 0)
        return 1;
    gc_settings.stop_the_world =
        1; /* so that no cycle makes threads, which would mark when a test does not expect it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assists_pay_unless_limited),
        cmocka_unit_test(test_the_price_is_revised),
        cmocka_unit_test(test_a_child_counts_anew),
        cmocka_unit_test(test_fork_while_nobody_marks),
        cmocka_unit_test(test_few_objects_are_one_processors_work),
        cmocka_unit_test(test_who_waits_has_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
