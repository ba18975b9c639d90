/* SPDX-License-Identifier: MIT
 *
 * assist: what an allocating thread marks while a cycle runs, in return for what it has allocated. Included by cycle.c.
 */
#include "gc/gc.h"

/* One part of an assist, so that the limiter learns of it while it goes on; what was done. Looking for work in vain is
 * paid for, too. */
static uint64_t gc_assist_once(struct gc_thread *t, uint64_t work) {
    uint64_t begun_ns = os_thread_cpu_ns();
    cache_hold(t->cache);
    uint64_t done = gc_mark_slice(t, work < CYCLE_SLICE * 16 ? work : CYCLE_SLICE * 16);
    cache_unhold(t->cache);
    if (done == 0) {
        gc_end(t);
        if (!gc_is_marking())
            return 0;
        gc_wait_for_work(t);
    } else if (__atomic_load_n(&gc.marking, __ATOMIC_RELAXED) == 0 && !mark_work_left()) {
        gc_end(t); /* this was the last of it */
    }
    uint64_t cpu_ns = os_thread_cpu_ns() - begun_ns;
    __atomic_fetch_add(&gc.assist_ns, cpu_ns, __ATOMIC_RELAXED);
    meter_add(&meter.sums.assist_cpu_ns, cpu_ns);
    limiter_add_assist(&gc.limiter, (int64_t)cpu_ns);
    cache_hold(t->cache);
    limiter_update(&gc.limiter, gc_limit_now(), gc_cycle_number()); /* each time, as Go (mgcmark.go:728) */
    cache_unhold(t->cache);
    return done;
}

/* Marks in return for what was allocated (Go mgcmark.go:508): credit first, then work, at least 64 KiB of it. Tuned
 * builds do more at a time: marking 64 KiB takes some 50 us, and the clocks beside it 5. */
static void gc_assist(struct gc_thread *t) {
    int64_t least_bytes = heap.tuned ? 256 << 10 : 64 << 10;
    uint64_t begun = tsc_begin(&t->cache->assisting);
    bool clocked = false;
    /* While the limiter is on, the debt is left to the collector's threads. */
    while (gc_is_marking() && t->assist_bytes < 0 && !limiter_limiting(&gc.limiter)) {
        double ratio = pacer_assist_ratio(&gc.pacer);
        int64_t work = (int64_t)((double)-t->assist_bytes * ratio);
        if (work < least_bytes)
            work = least_bytes;
        int64_t credit = __atomic_load_n(&gc.credit, __ATOMIC_RELAXED);
        if (credit > 0) {
            int64_t take = credit < work ? credit : work;
            __atomic_fetch_sub(&gc.credit, take, __ATOMIC_RELAXED);
            gc_earn(t, (uint64_t)take, ratio);
            continue;
        }
        clocked = true; /* credit that pays for all of it takes less than asking a clock, and is sampled */
        gc_earn(t, gc_assist_once(t, (uint64_t)work), ratio);
    }
    if (!clocked)
        tsc_end(&t->cache->assisting, begun);
}
