/* SPDX-License-Identifier: MIT
 *
 * list_marked: list placement in traced builds. What dies becomes free when its run is swept, and is coalesced with its
 * neighbours then. A thread searches the run that it has in use, of each kind (place/fit.h); one that cannot serve a
 * request is left alone until it is swept again, which its freeindex says: nelems.
 */
#include "place/fit.h"
#include "place/marked_run.h"

/* The free blocks of the run in use of each kind, once it has been opened. */
struct place_pool {
    struct marked_fit {
        struct fit_pool pool;
        struct fit_run run; /* first, next fit */
    } fits[RUN_KINDS];
    bool open[RUN_KINDS];
};

/* A pool has one run. */
static inline struct fit_run *list_run_of(struct fit_pool *pool, const struct span *s) {
    (void)s;
    return &((struct marked_fit *)pool)->run;
}

static inline uint64_t *list_starts(const struct span *s) {
    return run_starts(s);
}

/* The tail of a page begins with a start, and what is there is no node. */
static inline uint64_t list_usable(const struct span *s, unsigned chunk) {
    bool tail = run_is_small(s) && (chunk + 1) % (PLACE_PAGE_SLOTS / LIST_CHUNK_GRANULES) == 0;
    return UINT64_MAX >> (tail ? run_tail_granules : 0);
}

static void place_knobs_init(bool tuned) {
    run_knobs_init((size_t)64 << 10);
    fit_knobs_init(tuned);
    run_windows = tuned && list.plain; /* first, next and best fit stay exact */
}

static bool place_knob(const char *name, char *out, size_t size) {
    return fit_knob(name, out, size) || run_knob(name, out, size);
}

static void run_emptied(struct span *s) {
    place_set_freeindex(s, 0);
}

/* Dead pieces between two live objects become one: what begins in a word is what lives, what follows it, and a stretch. */
static void run_swept(struct span *s) {
    uint64_t *starts = run_starts(s), *live = run_live(s), reaches = 0, before = 1;
    const unsigned tail = run_is_small(s) ? run_tail_granules : 0;
    place_set_freeindex(s, 0);
    for (unsigned i = 0; i < span_words(s); i++) {
        bool begins = i == 0 || (run_is_small(s) && i % (PLACE_PAGE_SLOTS / 64) == 0);
        bool ends = tail != 0 && (i + 1) % (PLACE_PAGE_SLOTS / 64) == 0;
        uint64_t covered = run_covered(place_load(&starts[i]), place_load(&live[i]), &reaches);
        uint64_t follow = ~covered & (covered << 1 | before), kept = place_load(&live[i]) | follow | begins;
        place_store(&starts[i], ends ? (kept & UINT64_MAX >> tail) | UINT64_C(1) << (64 - tail) : kept);
        before = covered >> 63;
    }
}

static inline bool place_has_room(const struct span *s) {
    return s->freeindex != s->nelems && s->alloc_count < run_usable(s);
}

static void place_resume(struct span *s) {
    (void)s;
}

static void list_open(struct fit_pool *fit, struct span *s) {
    memset(fit, 0, sizeof *fit);
    if (list_by_address())
        address_enter(fit, s);
    for (unsigned i = 0; i < s->nelems; i = run_next_stretch(s, i))
        for (unsigned at = i, end = run_stretch_end(s, i), granules; at < end; at += granules) {
            granules = run_extent(s, at);
            if (!run_bit(run_live(s), at))
                list_add(fit, s, at, granules);
        }
}

/* Room for objects of so many granules, most of them at most, one behind the other, in the block that the fit chooses for
 * one, in s, the run in use. 0: not for one. */
static inline uintptr_t run_reserve(struct place_pool *pool, struct span *s, unsigned granules, unsigned most,
                                    unsigned *count) {
    unsigned kind = run_kind(s->span_class);
    struct fit_pool *fit = &pool->fits[kind].pool;
    if (GOALLOC_UNLIKELY(!pool->open[kind])) {
        if (s->freeindex == s->nelems)
            return 0;
        list_open(fit, s);
        pool->open[kind] = true;
    }
    uintptr_t block = list_find(fit, granules);
    if (GOALLOC_UNLIKELY(block == 0))
        return 0;
    *count = most == 1 ? 1 : list_units(block) / granules;
    *count = *count < most ? *count : most;
    uintptr_t address = list_carve(fit, s, run_granule(s, block), 0, *count * granules);
    run_count(s, run_extent(s, run_granule(s, address)));
    return address;
}

/* An object of so many granules; 0: s has no room for it. */
static inline uintptr_t run_take(struct place_pool *pool, struct span *s, unsigned granules) {
    unsigned count;
    return run_reserve(pool, s, granules, 1, &count);
}

/* The last objects of a window, from address on, were not handed out: they are one with a free block behind them. Its node
 * goes, since what is behind the first unit of a free block in a fresh run is zero. The pool is entered anew. */
static void run_return(struct place_pool *pool, struct span *s, uintptr_t address, unsigned granules, unsigned count) {
    (void)pool;
    unsigned slot = run_granule(s, address), end = slot + granules * count;
    run_unpublish(s, slot, granules, count);
    if (end >= run_stretch_end(s, slot) || run_bit(run_live(s), end))
        return;
    run_clear(run_starts(s), end);
    memset((void *)run_address(s, end), 0, sizeof(struct list_node));
}

static void run_settle(struct place_pool *pool, struct span *s) {
    pool->open[run_kind(s->span_class)] = false;
}

/* In a fresh run only a block's first unit has been written to: it was the block's node. */
static inline size_t run_dirty_bytes(const struct span *s, size_t size_bytes) {
    return s->needzero ? size_bytes : RUN_UNIT_BYTES;
}

/* What is left alone until the next sweep. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    (void)w, (void)pending;
    return s->freeindex != s->nelems ? 0 : (uint64_t)(run_usable(s) - s->alloc_count) * PLACE_GRANULE_BYTES;
}
