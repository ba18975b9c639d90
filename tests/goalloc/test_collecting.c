/* SPDX-License-Identifier: MIT
 *
 * The collector's own figures while it works: what assists owe, and what the limiter makes of it; when cycles begin and
 * to what goal, against the pacer driven by hand.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <string.h>
/* A thread that waits for a lock yields its processor. */
static int yield_and_note(void);
#define sched_yield() yield_and_note()

#include "unity_collecting.h"

#include "alone.h"

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

/* One least assist at a low price buys a gigabyte. Marking done is worth what marking costs when it is spent. */
static void test_credit_is_worth_what_it_was_earned_for(void **state) {
    (void)state;
    keep_a_heap();
    begin_alone();
    fill_bucket(false);
    double low = 1e-4;
    gc.pacer.assist_work_per_byte = low;
    gc_self->assist_bytes = -1;
    uint64_t work = gc_work();
    gc_assist(gc_self);
    double earned = (double)(gc_work() - work);
    assert_true(gc_self->assist_bytes >= (int64_t)1 << 30);
    gc_charge(cache_self, 0); /* revises the price */
    double price = pacer_assist_ratio(&gc.pacer);
    assert_true(price > low);
    if ((double)gc_self->assist_bytes * price > earned * 1.01 + 1 + price)
        fail_msg("marking of %.0f bytes buys %lld bytes at %.4f each", earned, (long long)gc_self->assist_bytes, price);
    int64_t left = gc_self->assist_bytes;
    gc.pacer.assist_work_per_byte = price / 2; /* cheaper again: nothing is given back */
    gc_reprice(gc_self);
    assert_int_equal(gc_self->assist_bytes, left);
    end_alone();
}

/* ---- bytes allocated while the thread that holds the collector's work has no processor */

static __thread bool overruns;
static uint32_t overrun_waits; /* atomic: how often the allocating thread has found that it must wait */
static uint32_t overrun_ended;
static uint64_t overrun_live_bytes; /* atomic: of the heap then */

static int yield_and_note(void) {
    if (overruns) {
        __atomic_store_n(&overrun_live_bytes, gc_live(), __ATOMIC_RELAXED);
        __atomic_fetch_add(&overrun_waits, 1, __ATOMIC_RELEASE);
    }
    return (sched_yield)();
}

enum { OVERRUN_MIB = 64 };

static void *allocate_much(void *unused) {
    (void)unused;
    if (!goalloc_thread_attach())
        return NULL;
    overruns = true;
    for (unsigned i = 0; i < OVERRUN_MIB * 16384; i++)
        goalloc_new(&node_type, 1);
    overruns = false;
    __atomic_store_n(&overrun_ended, 1, __ATOMIC_RELEASE);
    goalloc_thread_detach();
    return NULL;
}

/* Live when the thread had to wait, or when it had allocated everything without. */
static uint64_t live_when_it_waits(void) {
    while (__atomic_load_n(&overrun_waits, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&mark_hungry, __ATOMIC_RELAXED) == 0 && !__atomic_load_n(&overrun_ended, __ATOMIC_ACQUIRE))
        (sched_yield)();
    return __atomic_load_n(&overrun_waits, __ATOMIC_ACQUIRE) != 0
               ? __atomic_load_n(&overrun_live_bytes, __ATOMIC_RELAXED)
               : gc_live();
}

static void expect_overrun(const char *who, uint64_t live_bytes, uint64_t most_bytes) {
    if (live_bytes > most_bytes)
        fail_msg("%s has no processor: expected at most %llu bytes of heap, there were %llu", who,
                 (unsigned long long)most_bytes, (unsigned long long)live_bytes);
}

/* Who begins a cycle, or has just ended one, holds its lock. */
static void test_nobody_outruns_who_begins(void **state) {
    (void)state;
    pthread_t thread;
    overrun_waits = overrun_ended = 0;
    goalloc_collect();
    gc_settings.stop_the_world = 0;
    uint32_t workers = gc.workers_made;
    gc.workers_made = CYCLE_MAX_WORKERS; /* none are made */
    uint64_t goal_bytes = gc_statistics.next_gc_bytes;
    lock_acquire(&gc.lock);
    assert_int_equal(pthread_create(&thread, NULL, allocate_much, NULL), 0);
    uint64_t live_bytes = live_when_it_waits();
    gc_settings.stop_the_world = 1;
    gc.workers_made = workers;
    lock_release(&gc.lock);
    pthread_join(thread, NULL);
    expect_overrun("who begins the cycle", live_bytes, goal_bytes + (256 << 10)); /* a span of each class, at most */
}

/* Whoever marks has all the work that is left. */
static void test_nobody_outruns_the_marker(void **state) {
    (void)state;
    pthread_t thread;
    overrun_waits = overrun_ended = 0;
    keep_a_heap();
    begin_alone();
    static struct gc_work taken[64];
    size_t buffers = 0;
    __atomic_fetch_add(&gc.marking, 1, __ATOMIC_SEQ_CST);
    while (buffers < sizeof taken / sizeof taken[0] && work_fetch(&taken[buffers]))
        buffers++;
    assert_true(buffers > 0);
    assert_false(mark_work_left());
    uint64_t goal_bytes = gc.goal_bytes;
    __atomic_store_n(&gc.credit, 4096, __ATOMIC_RELAXED); /* done by the marker before */
    assert_int_equal(pthread_create(&thread, NULL, allocate_much, NULL), 0);
    uint64_t live_bytes = live_when_it_waits();
    while (buffers > 0)
        work_give_up(&taken[--buffers].first);
    __atomic_fetch_sub(&gc.marking, 1, __ATOMIC_SEQ_CST);
    end_alone();
    pthread_join(thread, NULL);
    expect_overrun("the marker", live_bytes, goal_bytes + goal_bytes / 10 + (256 << 10));
}

/* At the moment of a fork one of the collector's threads may have come to look for work, and found no cycle: the count
 * of those that mark must not reach the child, where nobody would take it back. */
static void test_a_child_counts_anew(void **state) {
    (void)state;
    if (OS_THREAD_SANITIZER)
        skip(); /* the child makes a scavenger, and may start no thread there */
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

/* A fork comes between two steps of a cycle, and waits for no end of it. Marking goes on in the parent; the child has no
 * thread of the collector's, and whoever wants memory ends the cycle. */
static void expect_marking_goes_on(void) {
    begin_alone();
    assert_true(gc_is_marking());
    uint64_t work = gc_work();
    pid_t child = fork();
    if (child == 0) {
        alarm(600);
        bool marking = gc_is_marking();
        goalloc_collect();
        char message[200];
        _exit(!marking + 2 * gc_is_marking() + 4 * (goalloc_check(message, sizeof message) != 0));
    }
    assert_true(gc_is_marking());
    assert_int_equal(gc_work(), work);
    assert_int_equal(gc.ending, 0);
    end_alone();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_fork_of_one_thread_while_marking(void **state) {
    (void)state;
    if (OS_THREAD_SANITIZER)
        skip(); /* the child makes a scavenger, and may start no thread there */
    expect_marking_goes_on();
}

/* ---- threads beside a fork: each holds what the fork must not wait for, or must */

struct beside {
    pthread_t thread;
    uint32_t stage; /* atomic: 1 the thread is there, 2 the fork is over, 3 the thread has gone on */
};

static void beside_reach(struct beside *b, uint32_t stage) {
    __atomic_store_n(&b->stage, stage, __ATOMIC_SEQ_CST);
}

static void beside_await(struct beside *b, uint32_t stage) {
    while (__atomic_load_n(&b->stage, __ATOMIC_SEQ_CST) < stage)
        sched_yield();
}

/* Outside the allocator, with every signal blocked and a lock of its own held: no fork may want it to stop. */
static void *stay_outside(void *beside) {
    struct beside *b = beside;
    sigset_t all;
    goalloc_bytes(64, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    beside_reach(b, 1);
    beside_await(b, 2);
    goalloc_bytes(64, false);
    goalloc_thread_detach();
    return NULL;
}

static void expect_child_collects(void) {
    pid_t child = fork();
    if (child == 0) {
        alarm(600);
        for (int i = 0; i < 1000; i++)
            if (goalloc_bytes(1 + (size_t)i * 7, true) == NULL)
                _exit(1);
        goalloc_collect();
        char message[200];
        _exit(world.threads != gc_self || gc_self->next != NULL || goalloc_check(message, sizeof message) != 0 ? 2 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_fork_lets_threads_run_outside(void **state) {
    (void)state;
    struct beside b = {0};
    if (OS_THREAD_SANITIZER)
        skip(); /* forks beside threads are not its matter */
    assert_int_equal(pthread_create(&b.thread, NULL, stay_outside, &b), 0);
    beside_await(&b, 1);
    expect_child_collects();
    beside_reach(&b, 2);
    pthread_join(b.thread, NULL);
}

/* In the allocator, and on its way out as soon as the fork has come to wait for it. */
static void *wait_outside(void *beside) {
    struct beside *b = beside;
    goalloc_bytes(64, false);
    beside_reach(b, 1);
    beside_await(b, 2);
    goalloc_thread_detach();
    return NULL;
}

static void test_fork_beside_a_thread_while_marking(void **state) {
    (void)state;
    struct beside b = {0};
    if (OS_THREAD_SANITIZER)
        skip();
    assert_int_equal(pthread_create(&b.thread, NULL, wait_outside, &b), 0);
    beside_await(&b, 1);
    expect_marking_goes_on();
    beside_reach(&b, 2);
    pthread_join(b.thread, NULL);
}

static void *stay_inside(void *beside) {
    struct beside *b = beside;
    goalloc_thread_attach();
    cache_hold(cache_self);
    beside_reach(b, 1);
    while (__atomic_load_n(&cache_self->front.stop, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
    lock_acquire(&roots.lock); /* as goalloc_root_add: to be had still */
    lock_release(&roots.lock);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    bool early = __atomic_load_n(&b->stage, __ATOMIC_SEQ_CST) != 1;
    cache_unhold(cache_self); /* waits here until the fork is over */
    bool late = __atomic_load_n(&b->stage, __ATOMIC_SEQ_CST) == 1;
    cache_hold(cache_self);
    cache_unhold(cache_self);
    goalloc_thread_detach();
    return (void *)(uintptr_t)(early + 2 * late);
}

static void test_fork_waits_for_threads_inside(void **state) {
    (void)state;
    struct beside b = {0};
    void *wrong;
    assert_int_equal(pthread_create(&b.thread, NULL, stay_inside, &b), 0);
    beside_await(&b, 1);
    gc_before_fork(false);
    beside_reach(&b, 2);
    gc_after_fork_parent();
    pthread_join(b.thread, &wrong);
    assert_null(wrong);
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

/* ---- what the program's rest and its surroundings ask for */

static void test_a_program_at_rest_is_collected(void **state) {
    (void)state;
    gc_settings.stop_the_world = 0; /* it is the collector's threads that look after it */
    goalloc_collect();
    uint32_t before = gc_cycles();
    uint64_t forced = gc_statistics.num_forced_gc, period_ns = gc_settings.period_ns;
    assert_int_equal(period_ns, UINT64_C(120000000000));
    assert_true(gc_overdue_in_ns() <= period_ns);
    __atomic_store_n(&gc_settings.period_ns, UINT64_C(1000000), __ATOMIC_RELAXED);
    __atomic_fetch_add(&gc.wake, 1, __ATOMIC_RELEASE);
    os_wake_all(&gc.wake);
    while (gc_cycles() == before) {
        usleep(1000);
        goalloc_safepoint();
    }
    __atomic_store_n(&gc_settings.period_ns, period_ns, __ATOMIC_RELAXED);
    assert_int_equal(gc_statistics.num_forced_gc, forced);
    int64_t percent = gc_settings.percent;
    __atomic_store_n(&gc_settings.percent, -1, __ATOMIC_RELAXED); /* off is off */
    assert_true(gc_overdue_in_ns() == UINT64_MAX);
    __atomic_store_n(&gc_settings.percent, percent, __ATOMIC_RELAXED);
    gc_settings.stop_the_world = 1;
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

/* Go 1.25: the quota over its period, rounded up, at least two, and never more than there are. */
static void test_a_quota_bounds_the_processors(void **state) {
    (void)state;
    static const char version_2[] = "31 23 0:28 / /elsewhere rw - tmpfs tmpfs rw\n41 31 0:38 / %s rw - cgroup2 cgroup2 rw\n";
    static const char version_1[] = "32 31 0:29 / %s rw,relatime shared:9 - cgroup cgroup rw,cpuacct,cpu\n";
    static const struct {
        const char *text;
        unsigned want;
    } limits[] = {{"max 100000\n", 16},   {"100000 100000\n", 2}, {"50000 100000\n", 2},   {"200000 100000\n", 2},
                  {"200001 100000\n", 3}, {"350000 100000\n", 4}, {"3200000 100000\n", 16}, {"nonsense\n", 16}};
    char folder[] = "/tmp/quota with space-XXXXXX", escaped[256], mounts[512];
    assert_non_null(mkdtemp(folder));
    snprintf(escaped, sizeof escaped, "/tmp/quota\\040with\\040space-%s", strrchr(folder, '-') + 1);
    assert_int_equal(quota_procs(folder, 16), 16); /* nothing is there */
    snprintf(mounts, sizeof mounts, version_2, escaped);
    write_file(folder, "mountinfo", mounts);
    write_file(folder, "cgroup", "1:name=systemd:/x\n0::/\n");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        write_file(folder, "cpu.max", limits[i].text);
        unsigned got = quota_procs(folder, 16);
        if (got != limits[i].want)
            fail_msg("%s: %u processors, expected %u", limits[i].text, got, limits[i].want);
    }
    assert_int_equal(quota_procs(folder, 1), 1);
    snprintf(mounts, sizeof mounts, version_1, escaped);
    write_file(folder, "mountinfo", mounts);
    write_file(folder, "cgroup", "3:cpuset:/y\n1:cpuacct,cpu:/\n0::/\n");
    write_file(folder, "cpu.cfs_period_us", "100000\n");
    write_file(folder, "cpu.cfs_quota_us", "-1\n");
    assert_int_equal(quota_procs(folder, 16), 16);
    write_file(folder, "cpu.cfs_quota_us", "250000\n");
    assert_int_equal(quota_procs(folder, 16), 3);
    static const char *const files[] = {"mountinfo", "cgroup", "cpu.max", "cpu.cfs_period_us", "cpu.cfs_quota_us"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(void) {
    if (!goalloc_thread_attach() || goalloc_root_add(kept, sizeof kept / sizeof kept[0]) != 0)
        return 1;
    gc_settings.stop_the_world =
        1; /* so that no cycle makes threads, which would mark when a test does not expect it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assists_pay_unless_limited),
        cmocka_unit_test(test_the_price_is_revised),
        cmocka_unit_test(test_credit_is_worth_what_it_was_earned_for),
        cmocka_unit_test(test_nobody_outruns_who_begins),
        cmocka_unit_test(test_nobody_outruns_the_marker),
        cmocka_unit_test(test_a_child_counts_anew),
        cmocka_unit_test(test_fork_of_one_thread_while_marking),
        cmocka_unit_test(test_fork_lets_threads_run_outside),
        cmocka_unit_test(test_fork_beside_a_thread_while_marking),
        cmocka_unit_test(test_fork_waits_for_threads_inside),
        cmocka_unit_test(test_few_objects_are_one_processors_work),
        cmocka_unit_test(test_a_program_at_rest_is_collected),
        cmocka_unit_test(test_a_quota_bounds_the_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
