/* SPDX-License-Identifier: MIT
 *
 * others: what a cycle has to do with those that come across it: threads that leave, observers, fork. Included by
 * cycle.c.
 */
#include "gc/gc.h"

/* What a thread that leaves has found grey, or noted, is everybody's. World lock held, or no other thread is there. */
static void gc_inherit_work(struct gc_thread *t) {
    if (gc_is_marking())
        mark_barrier_flush(&t->work);
    mark_flush(&t->work);
    if (gc_is_marking())
        meter_scanned(&t->work);
    gc.departed_bytes += t->work.bytes_marked;
    gc.departed_work += t->work.scan_work;
}

static void gc_thread_ends(struct cache *c) {
    (void)c;
    struct gc_thread *t = gc_self;
    world_lock_between();
    gc_inherit_work(t);
    world_unlist(t);
    stacks_forget_thread(t);
    gc_self = NULL;
    lock_release(&world.lock);
    fixalloc_give(&world.records, t);
}

static void gc_rest_begin(struct cache *c) {
    __atomic_store_n(&c->front.busy, 0, __ATOMIC_RELAXED); /* waiting for one's turn is not being busy */
    world_lock(&gc.sweep_lock);                            /* the collector's threads are not stopped */
    world_stop(gc_self);
    __atomic_store_n(&c->front.busy, 1, __ATOMIC_RELAXED);
    if (!gc_settings.deterministic)
        lock_acquire(&heap.release_lock); /* nor is the scavenger; without it, sweeping gives back */
    gc_close_windows();
}

static void gc_rest_end(struct cache *c) {
    (void)c;
    if (!gc_settings.deterministic)
        lock_release(&heap.release_lock);
    world_start();
    lock_release(&gc.sweep_lock);
}

/* ---- fork. It comes between two steps of the collector: marking goes on behind it, in the parent; in the child, which
 * has none of the collector's threads, by whoever allocates. */

/* Of a thread that is about to fork and waits for others, who may want its processor. It counts as stopped. */
static void gc_fork_naps(void *unused) {
    (void)unused;
    enum { NAP_NS = 100000 };
    os_wait_while(&gc.forking, __atomic_load_n(&gc.forking, __ATOMIC_RELAXED), NAP_NS);
}

static void gc_fork_rest(unsigned turn) {
    enum { AWAKE = 20 };
    if (turn < AWAKE)
        sched_yield();
    else
        gc_wait_by(gc_fork_naps, NULL);
}

static void gc_fork_lock(struct lock *lock) {
    for (unsigned turn = 0; pthread_mutex_trylock(&lock->mutex) != 0; turn++) {
        if (gc_self != NULL)
            gc_park(gc_self->cache);
        gc_fork_rest(turn);
    }
    lock->interrupted = false;
}

/* Threads that are marking leave with all they have in hand given back. Cycle lock held: no cycle ends meanwhile. */
static void gc_suspend_marking(void) {
    __atomic_store_n(&gc.ending, 1, __ATOMIC_SEQ_CST);
    for (unsigned turn = 0; gc_is_marking() && __atomic_load_n(&gc.marking, __ATOMIC_SEQ_CST) != 0; turn++)
        gc_fork_rest(turn);
}

static void gc_resume_marking(void) {
    __atomic_store_n(&gc.ending, 0, __ATOMIC_SEQ_CST);
    mark_tell();
}

static void gc_before_fork(bool alone) {
    if (alone) { /* nobody has to be kept out; a handler may have interrupted its own thread anywhere */
        lock_before_fork(&gc.lock, alone);
        lock_before_fork(&gc.sweep_lock, alone);
        lock_before_fork(&roots.lock, alone);
        lock_before_fork(&caches.lock, alone);
        return;
    }
    if (gc_self != NULL && gc_self->cache->front.busy != 0)
        os_die("fork in a signal handler that has interrupted its thread inside the allocator: block the signal where "
               "the thread allocates, or let another thread fork");
    __atomic_fetch_add(&gc.forking, 1, __ATOMIC_SEQ_CST);
    gc_fork_lock(&gc.lock);
    gc_suspend_marking();
    gc_fork_lock(&gc.sweep_lock);
    world_close(gc_self);
    /* Now: a thread in the allocator may have waited for them. */
    lock_before_fork(&roots.lock, alone);
    lock_before_fork(&caches.lock, alone);
}

static void gc_fork_is_over(void) {
    lock_after_fork(&roots.lock);
    lock_after_fork(&gc.sweep_lock);
    lock_after_fork(&gc.lock);
}

static void gc_after_fork_parent(void) {
    lock_after_fork(&caches.lock);
    if (world_is_gate()) {
        gc_resume_marking();
        world_open();
        __atomic_fetch_sub(&gc.forking, 1, __ATOMIC_SEQ_CST);
        os_wake_all(&gc.forking);
    }
    gc_fork_is_over();
}

/* A cache that no thread has any more serves the next one. */
static void gc_inherit_cache(struct cache *c) {
    c->front.busy = c->front.stop = 0;
    c->sweep_clocked = false;
    cache_flush(c);
    cache_record_give(c);
}

/* The other threads are not there any more; they had been kept outside the allocator, so what they held is in order. */
static void gc_inherit(void) {
    gc_close_windows();
    struct gc_thread *next;
    for (struct gc_thread *t = world.threads; t != NULL; t = next) {
        next = t->next;
        if (t == gc_self)
            continue;
        gc_inherit_work(t);
        world_unlist(t);
        stacks_forget_thread(t);
        gc_inherit_cache(t->cache);
        fixalloc_give(&world.records, t);
    }
    for (uint32_t i = 0; i < gc.workers_made; i++) {
        gc_inherit_work(gc.workers[i]);
        gc_inherit_cache(gc.workers[i]->cache);
        fixalloc_give(&world.records, gc.workers[i]);
    }
    gc.workers_made = 0;
    scavenger.made = false;
}

/* A child's CPU clocks begin anew. */
static void gc_restart_clocks(void) {
    gc.limiter.lock = 0;
    gc.limiter.updated_ns = gc_limit_now();
    gc.mark_begun_cpu_ns = os_process_cpu_ns();
    gc.worker_ns = gc.assist_ns = 0;
}

static void gc_after_fork_child(void) {
    lock_after_fork(&caches.lock);
    if (gc_self != NULL)
        gc_self->tid = (int)syscall(SYS_gettid);
    if (heap.ready != 0)
        gc_restart_clocks();
    /* A thread of the collector's may just have been about to say that it has found nothing to mark. */
    if (gc_self == NULL || gc_self->cache->front.busy == 0)
        gc.marking = 0;
    if (world_is_gate()) {
        mark_hungry = world.waiting = world.sleepers = 0;
        ahead_busy = gc.forking = gc.ending = 0;
        gc_inherit();
        caches.attached = gc_self != NULL;
        world_open();
    }
    gc_fork_is_over();
}
