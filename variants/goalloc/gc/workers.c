/* SPDX-License-Identifier: MIT
 *
 * workers: the collector's own threads, which mark and sweep beside the program, and what they leave to it. Included by
 * cycle.c.
 */
#include "gc/gc.h"

#include <sched.h>

/* Lets others get on who have all the work in hand; they hear that it is wanted, and say when there is some. What they
 * say a moment too early is found after the longest wait. */
static void gc_wait_for_news(void *unused) {
    (void)unused;
    enum { LONGEST_NS = 1000000 };
    uint32_t seen = __atomic_load_n(&mark_news, __ATOMIC_RELAXED);
    __atomic_fetch_add(&mark_hungry, 1, __ATOMIC_RELAXED);
    if (gc_is_marking() && !mark_work_left())
        os_wait_while(&mark_news, seen, LONGEST_NS);
    __atomic_fetch_sub(&mark_hungry, 1, __ATOMIC_RELAXED);
}

/* For threads that take part. */
static void gc_wait_for_work(struct gc_thread *self) {
    world_wait_by(self, gc_wait_for_news, NULL);
}

/* CPU that the collector's threads have taken beyond their share of what the process got. */
static int64_t gc_beyond_share_ns(void) {
    uint64_t got_ns = os_process_cpu_ns() - __atomic_load_n(&gc.mark_begun_cpu_ns, __ATOMIC_RELAXED);
    return (int64_t)__atomic_load_n(&gc.worker_ns, __ATOMIC_RELAXED) - (int64_t)((double)got_ns * pacer_background);
}

/* The collector's threads have used cpu_ns more. How long to rest: where no processor is idle and Go would have but a
 * fractional worker, the one that marks is to take its share and no more (Go mgcmark.go:1195 pollFractionalWorkerExit);
 * the kernel would give it what it gives any thread. So it is, too, where an idle processor would find nothing to mark:
 * a list is the work of one. Tuned builds leave it to the kernel unless the limiter is on. */
static uint64_t gc_account_worker(uint64_t cpu_ns) {
    __atomic_fetch_add(&gc.worker_ns, cpu_ns, __ATOMIC_RELAXED);
    int64_t beyond_ns = gc_beyond_share_ns();
    if (beyond_ns <= 0)
        return 0;
    double fractional;
    if (__atomic_load_n(&caches.attached, __ATOMIC_RELAXED) < gc_settings.procs &&
        (heap.tuned || mark_work_abounds())) {
        int64_t idle_ns = beyond_ns < (int64_t)cpu_ns ? beyond_ns : (int64_t)cpu_ns;
        limiter_add_idle(&gc.limiter, idle_ns);
        return 0;
    }
    if ((heap.tuned && !limiter_limiting(&gc.limiter)) || pacer_dedicated(gc_settings.procs, &fractional) != 0)
        return 0;
    return (uint64_t)((double)beyond_ns / pacer_background);
}

/* The collector's threads come back to the lock that a fork waits for sooner than the fork does. */
static void gc_wait_for_fork(void) {
    enum { LONGEST_NS = 1000000 };
    for (uint32_t n; (n = __atomic_load_n(&gc.forking, __ATOMIC_RELAXED)) != 0;)
        os_wait_while(&gc.forking, n, LONGEST_NS);
}

static void gc_work_in_background(struct gc_thread *self) {
    while (gc_is_marking()) {
        uint64_t cpu_ns = os_thread_cpu_ns(), done = gc_mark_slice(self, CYCLE_SLICE * 16);
        uint64_t rest_ns = gc_account_worker(meter_spent(&meter.sums.mark_cpu_ns, cpu_ns));
        __atomic_fetch_add(&gc.credit, (int64_t)done, __ATOMIC_RELAXED);
        if (rest_ns != 0)
            os_wait_while(&gc.phase, GC_MARK, rest_ns);
        gc_wait_for_fork();
        if (done != 0 || mark_work_left())
            continue;
        gc_try_end(self);
        if (!gc_is_marking())
            return;
        gc_wait_for_news(NULL);
    }
}

static void gc_sweep_in_background(struct gc_thread *self) {
    uint64_t begun_cpu_ns = os_thread_cpu_ns();
    self->cache->sweep_clocked = true; /* for good: this thread sweeps for nobody else */
    for (;;) {
        gc_wait_for_fork();
        lock_acquire(&gc.sweep_lock);
        size_t swept = 0;
        for (unsigned i = 0; i < 10 && swept != SWEEP_NONE; i++) /* Go mgcsweep.go:298 */
            swept = sweep_one(self->cache);
        lock_release(&gc.sweep_lock);
        if (swept == SWEEP_NONE)
            break;
        sched_yield();
    }
    meter_spent(&meter.sums.sweep_cpu_ns, begun_cpu_ns);
    gc_settle_trigger();
}

static uint64_t gc_overdue_in_ns(void);
static uint32_t gc_cycles(void);
static void gc_begin(struct gc_thread *self, bool forced, uint32_t ended);

/* Sleeps until there is something to do; the first of the collector's threads also begins a cycle when none has ended
 * for long. */
static void gc_wait_for_cycle(struct gc_thread *self, uint32_t index, uint32_t seen) {
    uint64_t wait_ns = index == 0 ? gc_overdue_in_ns() : UINT64_MAX;
    if (wait_ns != 0) {
        os_wait_while(&gc.wake, seen, wait_ns == UINT64_MAX ? 0 : wait_ns);
        return;
    }
    if (gc_settings.trace && write(STDERR_FILENO, "GC forced\n", 10) < 0)
        return; /* nobody reads it */
    gc_begin(self, false, gc_cycles());
}

static void *gc_worker(void *arg) {
    struct gc_thread *self = arg;
    uint32_t index = 0;
    while (gc.workers[index] != self)
        index++;
    for (;;) {
        uint32_t seen = __atomic_load_n(&gc.wake, __ATOMIC_ACQUIRE);
        if (gc_is_marking() && index < __atomic_load_n(&gc.active, __ATOMIC_RELAXED))
            gc_work_in_background(self);
        if (index == 0 && !gc_is_marking())
            gc_sweep_in_background(self);
        gc_wait_for_cycle(self, index, seen);
    }
    return NULL;
}

/* Threads are made at the first cycle that wants them. Without them assists do all. */
static void gc_make_workers(uint32_t wanted) {
    while (gc.workers_made < wanted) {
        struct cache *c = cache_record_take();
        if (c == NULL)
            return;
        gc.workers[gc.workers_made] = world_thread_make(c);
        if (!world_thread_start(gc_worker, gc.workers[gc.workers_made]))
            return;
        gc.workers_made++;
    }
}
