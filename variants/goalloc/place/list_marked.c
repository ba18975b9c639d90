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
}

static bool place_knob(const char *name, char *out, size_t size) {
    return fit_knob(name, out, size) || run_knob(name, out, size);
}

static void run_emptied(struct span *s) {
    place_set_freeindex(s, 0);
}

/* A dead piece joins the dead one before it, within its stretch. */
static void run_swept(struct span *s) {
    uint64_t *starts = run_starts(s), *live = run_live(s);
    place_set_freeindex(s, 0);
    for (unsigned i = 0; i < s->nelems; i = run_next_stretch(s, i)) {
        bool dead_before = false;
        for (unsigned at = i, end = run_stretch_end(s, i); at < end; at = run_next(s, starts, at + 1)) {
            bool dead = !run_bit(live, at);
            if (dead && dead_before)
                run_clear(starts, at);
            dead_before = dead;
        }
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

/* An object of so many granules in s, the run in use; 0: s has no room for it. */
static inline uintptr_t run_take(struct place_pool *pool, struct span *s, unsigned granules) {
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
    uintptr_t address = list_carve(fit, s, run_granule(s, block), 0, granules);
    run_count(s, run_extent(s, run_granule(s, address)));
    return address;
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
