/* SPDX-License-Identifier: MIT
 *
 * sweep: what is not marked becomes free, span by span, beside the running program: by whoever needs a span, by whoever
 * allocates (in proportion), by whoever needs pages, and by the collector's own thread (Go mgcsweep.go, mheap.go:832).
 */
#include "alloc/mcentral.h"

#include <sched.h>
#include <string.h>

enum {
    SWEEP_CLASSES = SPAN_CLASSES * 2, /* per span class its full spans, then those with free slots */
    SWEEP_RECLAIM_PAGES = 512,        /* page bitmap examined at a time (Go pagesPerReclaimerChunk) */
};
static const uint32_t sweep_drained = UINT32_C(1) << 31;
/* Far from both ends: late comers go on adding to it. */
#define SWEEP_RECLAIMED (SIZE_MAX / 2 + 1)

static const uint64_t sweep_pace_margin_bytes = UINT64_C(1) << 20; /* Go mgcsweep.go:988 */

static struct {
    uint32_t state;           /* atomic: sweepers at work, and whether all work is handed out; Go's activeSweep */
    uint32_t next_class;      /* atomic, only rises: no class below it has an unswept span */
    size_t pages_swept;       /* atomic, this cycle */
    size_t pages_swept_basis; /* atomic: when the pace was set; stored last of the three */
    uint64_t live_basis_bytes;
    double pages_per_byte; /* atomic; 0: no debt is due */
    size_t reclaim_credit; /* atomic: pages freed by sweeping that nobody has claimed yet */
    size_t reclaim_next;   /* atomic: next page of the arenas below; from SWEEP_RECLAIMED on: all have been looked at */
    struct arena **arenas; /* those there were when the sweep began */
    size_t arena_count, arena_capacity;
} sweep = {.state = UINT32_C(1) << 31, .reclaim_next = SWEEP_RECLAIMED};

/* ---- who sweeps */

/* False: nothing is left to be handed out. Everybody who succeeds ends with sweep_leave; until then the sweep is not
 * done. */
static bool sweep_enter(void) {
    uint32_t state = __atomic_load_n(&sweep.state, __ATOMIC_ACQUIRE);
    do {
        if ((state & sweep_drained) != 0)
            return false;
    } while (!__atomic_compare_exchange_n(&sweep.state, &state, state + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return true;
}

static void sweep_leave(void) {
    uint32_t before = __atomic_fetch_sub(&sweep.state, 1, __ATOMIC_ACQ_REL);
    if ((before & ~sweep_drained) == 0)
        os_die("a sweeper leaves that never entered");
    if (before == sweep_drained + 1)
        gc_swept_all();
}

/* Go's isSweepDone: all handed out, nobody at work. */
static bool sweep_done(void) {
    return __atomic_load_n(&sweep.state, __ATOMIC_ACQUIRE) == sweep_drained;
}

/* Acquire and release on the span's sweepgen hand the whole record over, from whoever had it last to the sweeper. */
static bool sweep_try_acquire(struct span *s) {
    uint32_t unswept = mcentral_sweepgen() - 2;
    return __atomic_load_n(&s->sweepgen, __ATOMIC_RELAXED) == unswept &&
           __atomic_compare_exchange_n(&s->sweepgen, &unswept, unswept + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* What sweeping waits for most are records and marks. */
static struct span *sweep_pop(struct spanset *set) {
    struct span *soon, *s = spanset_pop_ahead(set, &soon);
    if (soon != NULL)
        gc_prefetch_marks(soon);
    return s;
}

/* ---- one span */

static void sweep_expect_owned(const struct span *s) {
    uint32_t sweepgen = __atomic_load_n(&s->sweepgen, __ATOMIC_RELAXED);
    if (span_state_of(s) != SPAN_IN_USE || sweepgen != mcentral_sweepgen() - 1)
        os_die("the span at %p is swept in state %u and generation %u, the heap's being %u", (void *)s->base,
               span_state_of(s), sweepgen, mcentral_sweepgen());
}

static void sweep_expect_sound(const struct span *s) {
    unsigned zombie = place_zombie(s);
    if (zombie != s->nelems)
        object_die_found_free(s, zombie);
}

/* Counts what s has lost: so many units of its slot size, which are so many objects. */
static void sweep_account(struct cache *c, struct span *s, unsigned freed, unsigned objects) {
    if (freed == 0)
        return;
    __atomic_fetch_add(&gc_account.total_free_bytes, (uint64_t)freed * span_object_bytes(s), __ATOMIC_RELAXED);
    if (s->elem_bytes == 0) {
        stats_add(&c->stats.large_frees, 1);
        stats_add(&c->stats.large_free_bytes, span_object_bytes(s));
        return;
    }
    /* Only then: free slots of a span that has lost nothing were never used. */
    s->needzero = 1;
    stats_add(&c->stats.small_frees[span_class_size_class(s->span_class)], objects);
}

static bool sweep_span_untimed(struct cache *c, struct span *s, bool preserve) {
    sweep_expect_owned(s);
    __atomic_fetch_add(&sweep.pages_swept, s->npages, __ATOMIC_RELAXED);
    gc_merge_marks(s);
    sweep_expect_sound(s);
    uint64_t *fresh = gcbits_take(s->nelems);
    if (fresh == NULL)
        os_die("out of memory for mark bits");
    unsigned objects, before = s->alloc_count, live = place_sweep(s, fresh, &objects);
    if (live > before)
        os_die("sweeping the span at %p found %u live slots where %u were allocated", (void *)s->base, live, before);
    sweep_account(c, s, before - live, objects);
    /* Whoever sees this finds the span ready to be allocated from. */
    __atomic_store_n(&s->sweepgen, mcentral_sweepgen(), __ATOMIC_RELEASE);
    if (preserve)
        return false;
    if (live == 0) {
        heap_span_free(c, s);
        return true;
    }
    mcentral_file(c, s, !place_has_room(s));
    return false;
}

/* preserve: the caller keeps the span. Otherwise it goes to the heap (true) or to the swept set that it belongs in; the
 * unswept set that still names it will find it swept. */
static bool sweep_span(struct cache *c, struct span *s, bool preserve) {
    if (c->sweep_clocked)
        return sweep_span_untimed(c, s, preserve);
    uint64_t begun = tsc_begin(&c->sweeping);
    bool freed = sweep_span_untimed(c, s, preserve);
    tsc_end(&c->sweeping, begun);
    return freed;
}

/* ---- any span */

static void sweep_raise_class(uint32_t to) {
    uint32_t now = __atomic_load_n(&sweep.next_class, __ATOMIC_RELAXED);
    while (now < to &&
           !__atomic_compare_exchange_n(&sweep.next_class, &now, to, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

/* Go mgcsweep.go:98 nextSpanForSweep: full ones first in each class, and no class twice. */
static struct span *sweep_next_span(void) {
    uint32_t sweepgen = mcentral_sweepgen();
    for (uint32_t i = __atomic_load_n(&sweep.next_class, __ATOMIC_RELAXED); i < SWEEP_CLASSES; i++) {
        uint8_t span_class = (uint8_t)(i / 2);
        struct span *s = sweep_pop(i % 2 == 0 ? mcentral_full_unswept(span_class, sweepgen)
                                              : mcentral_partial_unswept(span_class, sweepgen));
        if (s != NULL) {
            sweep_raise_class(i);
            return s;
        }
    }
    sweep_raise_class(SWEEP_CLASSES);
    return NULL;
}

static size_t sweep_one_entered(struct cache *c) {
    for (;;) {
        struct span *s = sweep_next_span();
        if (s == NULL) {
            __atomic_fetch_or(&sweep.state, sweep_drained, __ATOMIC_ACQ_REL);
            return SWEEP_NONE;
        }
        /* Somebody may have swept it out of the set; its record may serve another span by now. */
        if (!sweep_try_acquire(s))
            continue;
        size_t npages = s->npages;
        if (!sweep_span(c, s, false))
            return 0;
        __atomic_fetch_add(&sweep.reclaim_credit, npages, __ATOMIC_RELAXED);
        return npages;
    }
}

static size_t sweep_one(struct cache *c) {
    if (!sweep_enter())
        return SWEEP_NONE;
    size_t npages = sweep_one_entered(c);
    sweep_leave();
    return npages;
}

static void sweep_ensure(struct cache *c, struct span *s) {
    if (sweep_enter()) {
        if (sweep_try_acquire(s))
            sweep_span(c, s, false);
        sweep_leave();
    }
    /* Somebody else is at it; there is nothing to wait on, and not for long. */
    uint32_t swept = mcentral_sweepgen();
    for (;;) {
        uint32_t now = __atomic_load_n(&s->sweepgen, __ATOMIC_ACQUIRE);
        if (now == swept || now == swept + 3)
            return;
        sched_yield();
    }
}

/* ---- cycles */

/* The reclaimer looks at the arenas there are now; later ones hold nothing to sweep. */
static bool sweep_copy_arenas(void) {
    lock_acquire(&heap.lock);
    size_t count = heap.arenas.count;
    if (count > sweep.arena_capacity) {
        size_t capacity = count * 2;
        struct arena **arenas = meta_alloc(capacity * sizeof *arenas, 64);
        if (arenas == NULL) {
            lock_release(&heap.lock);
            return false;
        }
        sweep.arenas = arenas;
        sweep.arena_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        sweep.arenas[i] = heap.arenas.all[i];
    sweep.arena_count = count;
    lock_release(&heap.lock);
    return true;
}

static void sweep_begin(void) {
    /* Without the list the reclaimer rests for this cycle; sweeping does not need it. */
    bool listed = sweep_copy_arenas();
    __atomic_store_n(&heap.sweepgen, heap.sweepgen + 2, __ATOMIC_RELEASE);
    sweep.next_class = 0;
    sweep.pages_swept = sweep.pages_swept_basis = 0;
    sweep.pages_per_byte = 0;
    sweep.reclaim_credit = 0;
    sweep.reclaim_next = listed ? 0 : SWEEP_RECLAIMED;
    __atomic_store_n(&sweep.state, 0, __ATOMIC_RELEASE);
}

static void sweep_finish(struct cache *c) {
    while (sweep_one(c) != SWEEP_NONE)
        continue;
    if (!sweep_done())
        os_die("marking begins while a span is being swept");
    uint32_t sweepgen = mcentral_sweepgen();
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        spanset_reset(mcentral_partial_unswept((uint8_t)i, sweepgen));
        spanset_reset(mcentral_full_unswept((uint8_t)i, sweepgen));
    }
    gcbits_next_epoch();
}

/* Between two spans. A large request may have a heap of them to sweep, which takes as long as the heap is large; a stop
 * need not wait for more than one. The caller holds no span and no lock. */
static void sweep_let_stop(struct cache *c) {
    if (GOALLOC_LIKELY(!cache_is_asked(c)))
        return;
    cache_unhold(c);
    cache_hold(c);
}

/* ---- in proportion to allocation */

static void sweep_set_pace(double pages_per_byte) {
    __atomic_store(&sweep.pages_per_byte, &pages_per_byte, __ATOMIC_RELAXED);
}

static double sweep_pace_now(void) {
    double pages_per_byte;
    __atomic_load(&sweep.pages_per_byte, &pages_per_byte, __ATOMIC_RELAXED);
    return pages_per_byte;
}

static void sweep_pace(uint64_t trigger_bytes) {
    size_t swept = __atomic_load_n(&sweep.pages_swept, __ATOMIC_RELAXED);
    size_t in_use = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
    if (sweep_done() || in_use <= swept) {
        sweep_set_pace(0);
        return;
    }
    uint64_t live_bytes = __atomic_load_n(&gc_account.live_bytes, __ATOMIC_RELAXED);
    uint64_t least_bytes = live_bytes + sweep_pace_margin_bytes + GOALLOC_PAGE_BYTES;
    uint64_t distance_bytes =
        trigger_bytes > least_bytes ? trigger_bytes - live_bytes - sweep_pace_margin_bytes : GOALLOC_PAGE_BYTES;
    sweep_set_pace((double)(in_use - swept) / (double)distance_bytes);
    __atomic_store_n(&sweep.live_basis_bytes, live_bytes, __ATOMIC_RELAXED);
    /* Last: who finds it changed computes its debt anew. */
    __atomic_store_n(&sweep.pages_swept_basis, swept, __ATOMIC_RELEASE);
}

/* Pages that should have been swept by the time span_bytes more are allocated. */
static double sweep_pages_due(size_t span_bytes, size_t own_pages) {
    uint64_t live_bytes = __atomic_load_n(&gc_account.live_bytes, __ATOMIC_RELAXED);
    uint64_t basis_bytes = __atomic_load_n(&sweep.live_basis_bytes, __ATOMIC_RELAXED);
    uint64_t grown_bytes = span_bytes + (live_bytes > basis_bytes ? live_bytes - basis_bytes : 0);
    return sweep_pace_now() * (double)grown_bytes - (double)own_pages;
}

static void sweep_deduct_credit(struct cache *c, size_t span_bytes, size_t own_pages) {
    if (sweep_pace_now() == 0)
        return;
    size_t basis = __atomic_load_n(&sweep.pages_swept_basis, __ATOMIC_ACQUIRE);
    double due = sweep_pages_due(span_bytes, own_pages);
    while (due > (double)(__atomic_load_n(&sweep.pages_swept, __ATOMIC_RELAXED) - basis)) {
        if (sweep_one(c) == SWEEP_NONE) {
            sweep_set_pace(0);
            return;
        }
        sweep_let_stop(c);
        size_t basis_now = __atomic_load_n(&sweep.pages_swept_basis, __ATOMIC_ACQUIRE);
        if (basis_now != basis) {
            basis = basis_now;
            due = sweep_pages_due(span_bytes, own_pages);
        }
    }
}

/* ---- for pages */

/* Spans that begin in these eight pages, are in use and have nothing marked. */
static uint8_t sweep_unmarked(const struct arena *arena, size_t byte) {
    return (uint8_t)(__atomic_load_n(&arena->page_in_use[byte], __ATOMIC_RELAXED) &
                     ~__atomic_load_n(&arena->page_marks[byte], __ATOMIC_RELAXED));
}

/* Pages freed among the eight. Heap lock held and released for each sweep: a span found in the table must not be freed
 * before it is acquired. */
static size_t sweep_reclaim_byte(struct cache *c, const struct arena *arena, size_t byte) {
    size_t freed = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        /* Read again each time: neighbours may be freed while the lock is not held. */
        if ((sweep_unmarked(arena, byte) >> bit & 1) == 0)
            continue;
        struct span *s = __atomic_load_n(&arena->spans[byte * 8 + bit], __ATOMIC_ACQUIRE);
        if (s == NULL || !sweep_try_acquire(s))
            continue;
        size_t npages = s->npages;
        lock_release(&heap.lock);
        if (sweep_span(c, s, false))
            freed += npages;
        lock_acquire(&heap.lock);
    }
    return freed;
}

static size_t sweep_reclaim_chunk(struct cache *c, size_t first_page) {
    if (!sweep_enter())
        return 0;
    const struct arena *arena = sweep.arenas[first_page / ARENA_PAGES];
    size_t byte = first_page % ARENA_PAGES / 8, freed = 0;
    lock_acquire(&heap.lock);
    for (size_t i = 0; i < SWEEP_RECLAIM_PAGES / 8; i++)
        freed += sweep_unmarked(arena, byte + i) != 0 ? sweep_reclaim_byte(c, arena, byte + i) : 0;
    lock_release(&heap.lock);
    sweep_leave();
    return freed;
}

/* Takes up to npages from what sweeping has freed before. */
static size_t sweep_take_credit(size_t npages) {
    size_t credit = __atomic_load_n(&sweep.reclaim_credit, __ATOMIC_RELAXED), take;
    do {
        take = credit < npages ? credit : npages;
        if (take == 0)
            return 0;
    } while (!__atomic_compare_exchange_n(&sweep.reclaim_credit, &credit, credit - take, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return take;
}

static void sweep_reclaim(struct cache *c, size_t npages) {
    if (__atomic_load_n(&sweep.reclaim_next, __ATOMIC_RELAXED) >= SWEEP_RECLAIMED)
        return;
    while (npages > 0) {
        size_t credit = sweep_take_credit(npages);
        npages -= credit;
        if (credit != 0)
            continue;
        size_t page = __atomic_fetch_add(&sweep.reclaim_next, SWEEP_RECLAIM_PAGES, __ATOMIC_RELAXED);
        if (page / ARENA_PAGES >= sweep.arena_count) {
            __atomic_store_n(&sweep.reclaim_next, SWEEP_RECLAIMED, __ATOMIC_RELAXED);
            return;
        }
        size_t freed = sweep_reclaim_chunk(c, page);
        if (freed > npages)
            __atomic_fetch_add(&sweep.reclaim_credit, freed - npages, __ATOMIC_RELAXED);
        npages -= freed < npages ? freed : npages;
        sweep_let_stop(c);
    }
}
