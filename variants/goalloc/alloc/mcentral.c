/* SPDX-License-Identifier: MIT */
#include "alloc/mcentral.h"
#include "alloc/sweep.c"

/* Go mcentral.go:119: how many unswept spans a request looks through before it takes fresh pages. Of a heap that is
 * nearly full, none may have a slot. */
enum { MCENTRAL_SWEEP_BUDGET = 100 };

static inline bool mcentral_prepare(struct cache *c, uint8_t span_class) {
    uint32_t sweepgen = mcentral_sweepgen();
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return false; /* a handler of SIGABRT asks: locks may be held, and lists broken */
    return spanset_prepare(mcentral_partial_swept(span_class, sweepgen), &c->spare) &&
           spanset_prepare(mcentral_full_swept(span_class, sweepgen), &c->spare);
}

static void mcentral_file(struct cache *c, struct span *s, bool full) {
    uint32_t sweepgen = mcentral_sweepgen();
    struct spanset *set =
        full ? mcentral_full_swept(s->span_class, sweepgen) : mcentral_partial_swept(s->span_class, sweepgen);
    if (!spanset_prepare(set, &c->spare))
        os_die("out of memory for the collector's sets of spans");
    spanset_push(set, s, &c->spare);
}

/* Pops unswept spans that have free slots once they are swept; sweeping sets freeindex to the start, and fills the
 * cache from there. NULL: none within the budget. */
static struct span *mcentral_sweep_partial(struct cache *c, uint8_t span_class, int *budget) {
    for (; *budget >= 0; --*budget) {
        struct span *s = sweep_pop(mcentral_partial_unswept(span_class, mcentral_sweepgen()));
        if (s == NULL)
            return NULL;
        if (!sweep_try_acquire(s))
            continue; /* swept already by somebody who found it elsewhere, who has filed it too */
        sweep_span(c, s, true);
        return s;
    }
    return NULL;
}

/* The same among those that were full; what still is goes where the swept full ones are. */
static struct span *mcentral_sweep_full(struct cache *c, uint8_t span_class, int *budget) {
    for (; *budget >= 0; --*budget) {
        struct span *s = sweep_pop(mcentral_full_unswept(span_class, mcentral_sweepgen()));
        if (s == NULL)
            return NULL;
        if (!sweep_try_acquire(s))
            continue;
        sweep_span(c, s, true);
        if (place_has_room(s))
            return s;
        mcentral_file(c, s, true);
    }
    return NULL;
}

/* Go mcentral.go:262. Pages are wanted: spans that hold nothing give theirs back first. */
static struct span *mcentral_grow(struct cache *c, uint8_t span_class) {
    size_t npages = heap.class_pages[span_class_size_class(span_class)];
    if (!sweep_done())
        sweep_reclaim(c, npages);
    return heap_span_alloc(c, npages, span_class, GOALLOC_PAGE_BYTES);
}

static struct span *mcentral_find_span(struct cache *c, uint8_t span_class) {
    struct span *s = spanset_pop(mcentral_partial_swept(span_class, mcentral_sweepgen()));
    if (s != NULL)
        return s;
    int budget = MCENTRAL_SWEEP_BUDGET;
    if (sweep_enter()) {
        s = mcentral_sweep_partial(c, span_class, &budget);
        if (s == NULL)
            s = mcentral_sweep_full(c, span_class, &budget);
        sweep_leave();
    }
    return s != NULL ? s : mcentral_grow(c, span_class);
}

static struct span *mcentral_cache_span(struct cache *c, uint8_t span_class) {
    size_t npages = heap.class_pages[span_class_size_class(span_class)];
    sweep_deduct_credit(c, npages << GOALLOC_PAGE_SHIFT, 0);
    struct span *s = mcentral_find_span(c, span_class);
    if (s == NULL)
        return NULL;
    if (GOALLOC_UNLIKELY(span_state_of(s) != SPAN_IN_USE || s->span_class != span_class || !place_has_room(s)))
        os_die("corrupted set of spans: class %u leads to the span at %p, of class %u, state %u, with %u of %u slots",
               span_class, (void *)s->base, s->span_class, span_state_of(s), s->alloc_count, s->nelems);
    place_resume(s);
    __atomic_store_n(&s->owner, c, __ATOMIC_RELAXED);
    return s;
}

/* A span that was cached when the sweep began is swept by its cache, as soon as that comes here. */
static void mcentral_uncache_span(struct cache *c, struct span *s) {
    uint32_t sweepgen = mcentral_sweepgen();
    __atomic_store_n(&s->owner, NULL, __ATOMIC_RELAXED);
    if (GOALLOC_UNLIKELY(s->alloc_count == 0))
        os_die("the span at %p comes back from a thread's cache without an object", (void *)s->base);
    if (__atomic_load_n(&s->sweepgen, __ATOMIC_RELAXED) == sweepgen + 1) {
        /* Nobody else takes it: it is in no set. */
        __atomic_store_n(&s->sweepgen, sweepgen - 1, __ATOMIC_RELEASE);
        sweep_span(c, s, false);
        return;
    }
    __atomic_store_n(&s->sweepgen, sweepgen, __ATOMIC_RELEASE);
    mcentral_file(c, s, !place_has_room(s));
}

/* ---- the calling thread */

static struct goalloc_window mcache_no_window;
/* Stands for "no cache" on the inline paths: nothing is ever ready. */
static struct goalloc_thread mcache_nobody = {
    .scan = {[0 ... GOALLOC_WINDOWS - 1] = &mcache_no_window},
    .noscan = {[0 ... GOALLOC_WINDOWS - 1] = &mcache_no_window},
};
__thread struct goalloc_thread *goalloc_self = &mcache_nobody;

/* Hooks of the gc layer. A thread takes part from the one to the other: it is stopped, and its stack is scanned. */
static void gc_thread_begins(struct cache *c);
static void gc_thread_ends(struct cache *c);
/* Before the end: what the thread has said of itself is over. */
static void gc_thread_leaves(void);
/* Around what a thread that counts as stopped does for a fork. */
static void gc_come_back_to_fork(void);
static void gc_go_back_from_fork(void);
static void gc_park(struct cache *c);
/* cache_wait_by */
static void gc_wait_by(void (*wait)(void *), void *argument);
static void gc_init(void);
static bool gc_knob(const char *name, char *out, size_t size);
/* As cache_before_fork: all threads but the calling one are outside the allocator then, and caches.lock is held. */
static void gc_before_fork(bool alone);
static void gc_after_fork_parent(void);
static void gc_after_fork_child(void);

static void cache_set_self(struct cache *c) {
    if (c == &cache_none)
        gc_thread_ends(cache_self);
    cache_self = c;
    goalloc_self = c != &cache_none ? &c->front : &mcache_nobody;
    if (c != &cache_none)
        gc_thread_begins(c);
}

/* Another thread has asked this one to stop, perhaps for a fork. Until the stop is over this thread changes no word of the
 * allocator. A collection that it wants itself waits until it leaves. */
__attribute__((noinline)) static void cache_obey_first(struct cache *c) {
    while (cache_is_asked(c)) {
        __atomic_store_n(&c->front.busy, 0, __ATOMIC_RELEASE);
        gc_park(c);
        __atomic_store_n(&c->front.busy, 1, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
}

/* Being busy and being asked are looked at crosswise; who asks makes all threads pass a barrier (os_barrier_all), or
 * sends a signal. */
static inline void cache_hold(struct cache *c) {
    __atomic_store_n(&c->front.busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (GOALLOC_UNLIKELY(__atomic_load_n(&c->front.stop, __ATOMIC_RELAXED) != 0))
        cache_obey_first(c);
}

static void cache_unhold(struct cache *c) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&c->front.busy, 0, __ATOMIC_RELEASE);
    if (cache_is_asked(c))
        gc_park(c);
}

static void cache_handover_leaves(void) {
    gc_thread_leaves();
}

static void cache_handover_init(void) {
    gc_init();
}

static bool cache_handover_knob(const char *name, char *out, size_t size) {
    return gc_knob(name, out, size);
}

static void cache_wait_by(void (*wait)(void *), void *argument) {
    gc_wait_by(wait, argument);
}

static void cache_before_fork(bool alone) {
    gc_come_back_to_fork();
    gc_before_fork(alone);
}

static void cache_after_fork_parent(void) {
    gc_after_fork_parent();
    gc_go_back_from_fork();
}

static void cache_after_fork_child(void) {
    gc_after_fork_child();
    gc_go_back_from_fork();
}

/* ---- frees from other threads: traced programs do not free */

static void cache_give_spans(struct cache *c) {
    cache_release_spans(c);
}

static void cache_admit_others(struct cache *c) {
    (void)c;
}

static void cache_refuse_others(struct cache *c) {
    (void)c;
}
