/* SPDX-License-Identifier: MIT
 *
 * others: what a cycle has to do with those that come across it: threads that leave, observers, fork. Included by
 * cycle.c.
 */
#include "gc/gc.h"

static void gc_thread_ends(struct cache *c) {
    (void)c;
    struct gc_thread *t = gc_self;
    world_lock_between();
    if (gc_is_marking())
        mark_barrier_flush(&t->work);
    mark_flush(&t->work);
    if (gc_is_marking())
        meter_scanned(&t->work);
    gc.departed_bytes += t->work.bytes_marked;
    gc.departed_work += t->work.scan_work;
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

static void gc_before_fork(void) {
    for (;;) {
        world_lock(&gc.lock);
        if (!gc_is_marking())
            break;
        lock_release(&gc.lock);
        if (gc_self != NULL)
            gc_help(gc_self);
        else
            sched_yield();
    }
    world_lock(&gc.sweep_lock);
    lock_acquire(&roots.lock);
    world_stop(gc_self);
}

static void gc_after_fork_parent(void) {
    world_start();
    lock_release(&roots.lock);
    lock_release(&gc.sweep_lock);
    lock_release(&gc.lock);
}

/* The other threads are not there any more; they had stopped outside the allocator, so what they held is in order. */
static void gc_after_fork_child(void) {
    gc_close_windows();
    struct gc_thread *next;
    for (struct gc_thread *t = world.threads; t != NULL; t = next) {
        next = t->next;
        t->tid = (int)syscall(SYS_gettid);
        if (t == gc_self)
            continue;
        world_unlist(t);
        stacks_forget_thread(t);
        cache_flush(t->cache);
        lock_acquire(&caches.lock);
        t->cache->next_free = caches.free;
        caches.free = t->cache;
        lock_release(&caches.lock);
        __atomic_fetch_sub(&caches.attached, 1, __ATOMIC_RELAXED);
    }
    gc.workers_made = 0;
    scavenger.made = false;
    /* A thread of the collector's that had found nothing to mark may just have been about to say so. */
    gc.marking = mark_hungry = world.waiting = world.sleepers = 0;
    gc.limiter.lock = ahead_busy = 0;
    world_start();
    lock_release(&roots.lock);
    lock_release(&gc.sweep_lock);
    lock_release(&gc.lock);
}
