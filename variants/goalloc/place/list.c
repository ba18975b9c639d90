/* SPDX-License-Identifier: MIT
 *
 * list: free blocks of any size in runs (place/fit.h), split on allocation, coalesced at once on free. Each thread has
 * a pool of its own.
 */
#include "place/fit.h"
#include "place/run.h"

enum { RUN_CLASS = 1 }; /* the size class whose span class stands for all runs */

struct place_pool {
    uintptr_t pending; /* the second half of a tiny block, not yet handed out; 0: none */
    struct fit_pool fit;
};

/* windows belong to the other placements */
#define PLACE_NO_WINDOW                                                                                                \
    { .bump = 0, .end = 0 }

static struct place_pool *place_pool_of(const struct span *s);

static void place_knobs_init(bool tuned) {
    (void)tuned;
    run_knobs_init((size_t)64 << 10);
    fit_knobs_init();
}

static bool place_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "run") != 0)
        return fit_knob(name, out, size);
    snprintf(out, size, "%zu", runs.bytes);
    return true;
}

static size_t place_class_pages(unsigned size_class) {
    return size_class == RUN_CLASS ? runs.bytes >> GOALLOC_PAGE_SHIFT : 0;
}

/* A dead half joins its other half when that is dead too and not waiting to be handed out. False: it stays alone. */
static bool list_join_halves(const struct place_pool *pool, struct span *s, unsigned *slot, unsigned *granules) {
    unsigned other = *slot ^ 1, lower = *slot & ~1u;
    if (run_bit(run_live(s), other) || !run_bit(run_starts(s), other))
        return false;
    if (pool != NULL && pool->pending == run_address(s, other))
        return false;
    run_clear(run_starts(s), lower + 1);
    *slot = lower;
    *granules = 2;
    return true;
}

/* What begins at slot is dead from now on: coalesces it with its neighbours. pool is NULL when nobody owns the run. */
static void list_release(struct place_pool *pool, struct span *s, unsigned slot) {
    uint64_t *starts = run_starts(s), *live = run_live(s);
    unsigned granules = run_extent(s, slot);
    if (granules < LIST_UNIT_GRANULES && !list_join_halves(pool, s, &slot, &granules))
        return;
    unsigned next = slot + granules;
    if (next < s->nelems && !run_bit(live, next) && list_listed(s, next, run_extent(s, next))) {
        unsigned more = run_extent(s, next);
        if (pool != NULL)
            list_remove(&pool->fit, run_address(s, next), more);
        run_clear(starts, next);
        granules += more;
    }
    int before = slot > 0 ? run_last(starts, slot - 1) : -1;
    if (before >= 0 && !run_bit(live, (unsigned)before) && list_listed(s, (unsigned)before, slot - (unsigned)before)) {
        if (pool != NULL)
            list_remove(&pool->fit, run_address(s, (unsigned)before), slot - (unsigned)before);
        run_clear(starts, slot);
        granules += slot - (unsigned)before;
        slot = (unsigned)before;
    }
    if (pool != NULL) {
        /* Knuth 2.5, exercise 6: a rover inside the block goes to its start. */
        if (pool->fit.rover > run_address(s, slot) && pool->fit.rover < run_address(s, slot + granules))
            pool->fit.rover = run_address(s, slot);
        list_add(&pool->fit, run_address(s, slot), granules);
    }
    if (granules == s->nelems)
        s->frees_until_event = 1; /* the free that is being counted settles the run */
}

static bool place_give(struct span *s, unsigned slot) {
    if (!run_retire(s, slot))
        return false;
    list_release(place_pool_of(s), s, slot);
    return true;
}

/* Enters the free blocks of a run into a pool, or takes them out. */
static void list_each_block(struct fit_pool *pool, struct span *s,
                            void (*action)(struct fit_pool *, uintptr_t, unsigned)) {
    for (unsigned i = 0; i < s->nelems;) {
        unsigned granules = run_extent(s, i);
        if (!run_bit(run_live(s), i) && list_listed(s, i, granules))
            action(pool, run_address(s, i), granules);
        i += granules;
    }
}

static uintptr_t place_pending(const struct place_pool *pool) {
    return pool->pending;
}

/* Dead halves of tiny blocks whose other half lives, and what was freed elsewhere and not yet taken over. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    (void)w;
    uint64_t dead_bytes = 0;
    for (unsigned i = 0, granules; i < s->nelems; i += granules) {
        granules = run_extent(s, i);
        bool live = run_bit(run_live(s), i);
        if (live ? place_slot_free(s, i) : !list_listed(s, i, granules) && run_address(s, i) != pending)
            dead_bytes += (uint64_t)granules * RUN_GRANULE_BYTES;
    }
    return dead_bytes;
}

/* Central lock. */
static enum place_room place_room(const struct span *s) {
    for (unsigned i = 0; i < s->nelems;) {
        unsigned granules = run_extent(s, i);
        if (granules == s->nelems && !run_bit(run_live(s), i))
            return PLACE_ALL_ROOM;
        if (!run_bit(run_live(s), i) && list_listed(s, i, granules))
            return PLACE_SOME_ROOM;
        i += granules;
    }
    return PLACE_NO_ROOM;
}
