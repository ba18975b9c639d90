/* SPDX-License-Identifier: MIT
 *
 * thread: a thread's cache comes with its first request and goes with the thread (design: a P is an attached thread's
 * cache for its life). What a cache holds, and how it gives that back, is the placement's.
 */
#include "alloc/cache.h"
#include "alloc/decay.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Set once the thread's destructor has run: what it still allocates comes from cache_shared, under a lock. */
static __thread bool cache_past_exit;

static bool heap_init(void);
static void cache_on_thread_exit(void *cache);

/* What glibc offers C++ for destructors of a thread's objects: needs no key. Another libc may lack it. */
extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

/* A record lies on pages of its own where it may be given back without its thread. */
static struct cache *cache_record_make(void) {
    struct cache *c = meta_alloc(sizeof *c, AXIS_TRACED ? 64 : OS_PAGE_BYTES);
    if (c == NULL)
        return NULL;
    lock_acquire(&caches.lock);
    c->next_all = caches.all;
    __atomic_store_n(&caches.all, c, __ATOMIC_RELEASE);
    lock_release(&caches.lock);
    return c;
}

static struct cache *cache_record_take(void) {
    lock_acquire(&caches.lock);
    struct cache *c = caches.free;
    if (c != NULL) {
        caches.free = c->next_free;
        caches.free_count -= caches.free_count != 0;
    }
    lock_release(&caches.lock);
    if (c == NULL)
        c = cache_record_make();
    if (c == NULL)
        return NULL;
    cache_open(c);
    cache_admit_others(c);
    return c;
}

/* The main thread, whose end is the process's, has no destructors run for its keys; those of C++ objects are. */
static bool cache_is_main_threads(void) {
    return syscall(SYS_gettid) == getpid();
}

/* Only for the destructor; without it the thread's spans stay behind when it leaves, still in use for what lives in
 * them, and their free slots unused. */
static void cache_take_back_at_exit(struct cache *c) {
    if (caches.keyed)
        pthread_setspecific(caches.key, c);
    else if (__cxa_thread_atexit_impl != NULL && !cache_is_main_threads())
        __cxa_thread_atexit_impl(cache_on_thread_exit, c, &__dso_handle);
}

static struct cache *cache_attach(void) {
    if (cache_self != &cache_none)
        return cache_self;
    if (os_thread_dies || cache_past_exit || !heap_init())
        return NULL;
    struct cache *c = cache_record_take();
    if (c == NULL)
        return NULL;
    __atomic_fetch_add(&caches.attached, 1, __ATOMIC_RELAXED);
    cache_set_self(c);
    cache_take_back_at_exit(c);
    return c;
}

/* Gives back all that the cache owns; it stays usable. */
static void cache_flush(struct cache *c) {
    cache_give_spans(c);
    lock_acquire(&heap.lock);
    page_cache_flush(&heap.pages, &c->pages);
    (void)decay_look();
    lock_release(&heap.lock);
    while (c->records != NULL) {
        struct span *s = c->records;
        c->records = s->next;
        fixalloc_give(&span_records, s);
    }
    c->record_count = 0;
}

/* A record stays for ever, since other threads may still look at its end (next_free and all that follows). The rest is
 * zero or set up by cache_open, and need not be in memory. The last record to come is the first to be taken again: so
 * many stay in memory. */
enum { CACHE_WARM_RECORDS = 32 };

static void cache_record_give(struct cache *c) {
    lock_acquire(&caches.lock);
    bool cold = !AXIS_TRACED && caches.free_count >= CACHE_WARM_RECORDS;
    lock_release(&caches.lock);
    if (cold)
        os_release(c, offsetof(struct cache, next_free) & ~(size_t)(OS_PAGE_BYTES - 1));
    lock_acquire(&caches.lock);
    c->next_free = caches.free;
    caches.free = c;
    caches.free_count++;
    lock_release(&caches.lock);
}

static void cache_detach(void) {
    cache_handover_leaves();
    struct cache *c = cache_self;
    if (c == &cache_none)
        return;
    cache_hold(c);
    cache_flush(c);
    cache_unhold(c);
    cache_set_self(&cache_none);
    cache_refuse_others(c);
    cache_record_give(c);
    __atomic_fetch_sub(&caches.attached, 1, __ATOMIC_RELAXED);
}

static void cache_on_thread_exit(void *cache) {
    (void)cache;
    cache_detach();
    cache_past_exit = true;
}
