/* SPDX-License-Identifier: MIT
 *
 * limiter: keeps the collector from taking more than half of the CPU for long (Go mgclimit.go). A bucket of one second
 * per processor fills with the CPU time of the collector and drains with that of the program; while it is full, threads
 * that allocate do not assist. A heap that does not fit its memory limit then grows beyond it instead of standing
 * still. No clock is read here, so that a test can drive it.
 */
#include "gc/pacer.c"

#include <sched.h>

static const int64_t limiter_period_ns = 10 * 1000000; /* mgclimit.go:165: no window is longer where work goes on */
static const uint64_t limiter_second_ns = UINT64_C(1000000000); /* mgclimit.go:340 capacityPerProc */

struct limiter {
    uint32_t lock;          /* atomic; whoever finds it taken leaves its update to the holder's next one */
    uint32_t limiting;      /* atomic: the bucket is full */
    uint32_t limited_cycle; /* atomic: the last cycle that it filled up in; 0: never */
    bool marking;           /* the collector's threads take their share now */
    bool stopped;           /* between limiter_stop and limiter_start */
    uint64_t fill_ns, capacity_ns;
    uint64_t overflow_ns;       /* ever: what the bucket had no room for */
    int64_t assist_ns, idle_ns; /* atomic: since the last update */
    int64_t updated_ns;         /* atomic */
    unsigned procs;
};

static bool limiter_try_lock(struct limiter *l) {
    return __atomic_exchange_n(&l->lock, 1, __ATOMIC_ACQUIRE) == 0;
}

static void limiter_lock(struct limiter *l) {
    while (!limiter_try_lock(l))
        sched_yield(); /* held for a few additions */
}

static void limiter_unlock(struct limiter *l) {
    __atomic_store_n(&l->lock, 0, __ATOMIC_RELEASE);
}

static inline bool limiter_limiting(const struct limiter *l) {
    return __atomic_load_n(&l->limiting, __ATOMIC_RELAXED) != 0;
}

static void limiter_set(struct limiter *l, bool limiting, uint32_t cycle) {
    if (limiting == limiter_limiting(l))
        return;
    __atomic_store_n(&l->limiting, limiting, __ATOMIC_RELAXED);
    if (limiting)
        __atomic_store_n(&l->limited_cycle, cycle, __ATOMIC_RELAXED);
}

/* mgclimit.go:275. Exactly half and half changes nothing, in either state. */
static void limiter_pour(struct limiter *l, int64_t program_ns, int64_t collector_ns, uint32_t cycle) {
    int64_t change_ns = collector_ns - program_ns;
    uint64_t room_ns = l->capacity_ns - l->fill_ns;
    if (change_ns > 0 && (uint64_t)change_ns >= room_ns) {
        l->overflow_ns += (uint64_t)change_ns - room_ns;
        l->fill_ns = l->capacity_ns;
        limiter_set(l, true, cycle);
        return;
    }
    if (change_ns < 0 && (uint64_t)-change_ns >= l->fill_ns)
        l->fill_ns = 0;
    else
        l->fill_ns += (uint64_t)change_ns;
    if (change_ns != 0)
        limiter_set(l, false, cycle);
}

/* mgclimit.go:196. The collector's own threads count with their share while marking, whatever they took; a processor
 * that nobody wants counts as neither. */
static void limiter_update_locked(struct limiter *l, int64_t now_ns, uint32_t cycle) {
    int64_t window_ns = now_ns - __atomic_load_n(&l->updated_ns, __ATOMIC_RELAXED);
    if (window_ns < 0)
        return; /* a later update was quicker */
    __atomic_store_n(&l->updated_ns, now_ns, __ATOMIC_RELAXED);
    int64_t total_ns = window_ns * (int64_t)l->procs;
    int64_t collector_ns = __atomic_exchange_n(&l->assist_ns, 0, __ATOMIC_RELAXED);
    if (l->marking)
        collector_ns += (int64_t)((double)total_ns * pacer_background);
    int64_t idle_ns = __atomic_exchange_n(&l->idle_ns, 0, __ATOMIC_RELAXED);
    limiter_pour(l, total_ns - idle_ns - collector_ns, collector_ns, cycle);
}

/* cycle: the number of the one that runs or comes next, here and below. */
static void limiter_update(struct limiter *l, int64_t now_ns, uint32_t cycle) {
    if (!limiter_try_lock(l))
        return;
    limiter_update_locked(l, now_ns, cycle);
    limiter_unlock(l);
}

static bool limiter_is_due(const struct limiter *l, int64_t now_ns) {
    return now_ns - __atomic_load_n(&l->updated_ns, __ATOMIC_RELAXED) > limiter_period_ns;
}

static void limiter_add_assist(struct limiter *l, int64_t cpu_ns) {
    __atomic_fetch_add(&l->assist_ns, cpu_ns, __ATOMIC_RELAXED);
}

static void limiter_add_idle(struct limiter *l, int64_t cpu_ns) {
    __atomic_fetch_add(&l->idle_ns, cpu_ns, __ATOMIC_RELAXED);
}

/* The world has stopped, and marking begins or ends. Until limiter_start nobody else updates. */
static void limiter_stop(struct limiter *l, bool marking, int64_t now_ns, uint32_t cycle) {
    limiter_lock(l);
    limiter_update_locked(l, now_ns, cycle);
    l->marking = marking;
    l->stopped = true;
}

/* The world runs again. What it stood still counts for the collector, on all processors (mgclimit.go:137). */
static void limiter_start(struct limiter *l, int64_t now_ns, uint32_t cycle) {
    if (!l->stopped)
        os_die("the collector's limiter is started and was not stopped");
    int64_t stop_ns = now_ns - __atomic_load_n(&l->updated_ns, __ATOMIC_RELAXED);
    if (stop_ns >= 0)
        limiter_pour(l, 0, stop_ns * (int64_t)l->procs, cycle);
    __atomic_store_n(&l->updated_ns, now_ns, __ATOMIC_RELAXED);
    l->stopped = false;
    limiter_unlock(l);
}

/* At first, and when the number of processors changes: not while marking. */
static void limiter_resize(struct limiter *l, unsigned procs, int64_t now_ns, uint32_t cycle) {
    limiter_lock(l);
    limiter_update_locked(l, now_ns, cycle);
    l->procs = procs;
    l->capacity_ns = procs * limiter_second_ns;
    if (l->fill_ns > l->capacity_ns) {
        l->fill_ns = l->capacity_ns;
        limiter_set(l, true, cycle);
    } else if (l->fill_ns < l->capacity_ns) {
        limiter_set(l, false, cycle);
    }
    limiter_unlock(l);
}
