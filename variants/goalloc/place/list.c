/* SPDX-License-Identifier: MIT
 *
 * list: free blocks of any size in runs (place/fit.h), split on allocation, coalesced on free. Each thread has a pool
 * of its own.
 */
#include "place/fit.h"
#include "place/run.h"

enum { RUN_CLASS = 1 }; /* the size class whose span class stands for all runs */

struct place_pool {
    uintptr_t pending; /* a dead half of a tiny block, which is handed out next; 0: none */
    struct fit_pool fit;
};

/* windows belong to the other placements */
#define PLACE_NO_WINDOW                                                                                                \
    { .bump = 0, .end = 0 }

static inline struct place_pool *place_pool_of(const struct span *s);
static inline struct place_pool *list_pool_of(struct cache *c);

static inline struct fit_run *list_run_of(struct fit_pool *pool, const struct span *s) {
    (void)pool;
    return (struct fit_run *)(run_live(s) + 2 * (size_t)span_words(s));
}

static inline uint64_t *list_starts(const struct span *s) {
    return run_live(s) - list.words_between;
}

/* Starts of a chunk that are of blocks: all. */
static inline uint64_t list_usable(const struct span *s, unsigned chunk) {
    (void)s, (void)chunk;
    return UINT64_MAX;
}

static void place_knobs_init(bool tuned) {
    run_knobs_init((size_t)64 << 10);
    fit_knobs_init(tuned);
    list.words_between = runs.bytes / RUN_GRANULE_BYTES / 64 + RUN_SPARE_WORDS;
    /* Behind the bitmaps. Whole lines, as records begin at (fixalloc_may_hold). */
    size_t chunks = runs.bytes / RUN_GRANULE_BYTES / LIST_CHUNK_GRANULES;
    if (list_by_address())
        runs.bits.size_bytes = (runs.bits.size_bytes + address_record_bytes((unsigned)chunks) + 63) & ~(size_t)63;
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

/* The start before slot, which is not the first. The bits tell it. Only a free block has a foot before slot. The
 * allocator must not read an object's last word: another thread may write it, or its page may be protected. */
static inline unsigned list_before(const struct span *s, unsigned slot) {
    unsigned last = slot - 1;
    uint64_t bits = place_load(&list_starts(s)[last / 64]) << (63 - last % 64);
    return GOALLOC_LIKELY(bits != 0) ? last - (unsigned)__builtin_clzll(bits) : (unsigned)run_last(list_starts(s), last);
}

/* Where the block that begins at slot ends. A word behind the last has the start behind the run's end (run_clear_all). */
static inline unsigned list_end(const struct span *s, unsigned slot) {
    const uint64_t *starts = &list_starts(s)[slot / 64];
    uint64_t bits = place_load(starts) >> slot % 64 & ~UINT64_C(1);
    if (bits != 0)
        return slot + (unsigned)place_lowest(bits);
    unsigned next = (slot | 63) + 1;
    if ((bits = place_load(starts + 1)) != 0)
        return next + (unsigned)place_lowest(bits);
    return run_next(s, list_starts(s), next);
}

/* The blocks from slot to end are free: they become one with their free neighbours. ordered: list.ordered, so that the compiler
 * leaves out what is for the others. */
static inline __attribute__((always_inline)) void list_coalesce_as(bool ordered, struct fit_pool *pool, struct span *s,
                                                                   unsigned slot, unsigned end) {
    uint64_t *starts = list_starts(s);
    if (end < s->nelems && list_free_at(s, end) && (ordered || !list_on_quick(pool, s, end))) {
        unsigned units = ordered ? list_sized_units(s, end) : list_units_of(pool, s, end);
        list_remove_as(ordered, pool, s, end, units);
        run_clear(starts, end);
        end += units * LIST_UNIT_GRANULES;
    }
    unsigned before = slot == 0 ? 0 : list_before(s, slot);
    /* Before a whole block, the lower half of another cannot end. */
    if (before != slot && before % LIST_UNIT_GRANULES == 0 && !run_bit(run_live(s), before) &&
        (ordered || !list_on_quick(pool, s, before))) {
        unsigned units = ordered ? list_sized_units(s, before) : list_units_of(pool, s, before);
        if (GOALLOC_UNLIKELY(before + units * LIST_UNIT_GRANULES != slot))
            list_die_size(s, before);
        list_remove_as(ordered, pool, s, before, units);
        run_clear(starts, slot);
        slot = before;
    }
    unsigned units = (end - slot) / LIST_UNIT_GRANULES;
    list_rove_back(pool, s, slot, units);
    list_add_as(ordered, pool, s, slot, units);
}

static void list_coalesce(struct fit_pool *pool, struct span *s, unsigned slot, unsigned end) {
    list_coalesce_as(false, pool, s, slot, end);
}

/* The same for a run without an owner. No list holds its blocks, and the sizes in them are out of date. */
static void list_coalesce_unowned(struct span *s, unsigned slot, unsigned end) {
    uint64_t *starts = run_starts(s);
    if (end < s->nelems && list_free_at(s, end))
        run_clear(starts, end);
    if (slot > 0 && list_free_at(s, (unsigned)run_last(starts, slot - 1)))
        run_clear(starts, slot);
}

/* The object or half at slot has died. Coalesces it with its neighbours, or defers that. pool: the owner's; NULL: the run
 * has no owner. */
static __attribute__((noinline)) void list_release(struct place_pool *pool, struct span *s, unsigned slot) {
    unsigned end = list_end(s, slot), granules = end - slot;
    if (granules < LIST_UNIT_GRANULES) {
        if (!list_join_halves(pool, s, &slot, &granules))
            return;
        end = slot + granules;
    }
    if (GOALLOC_UNLIKELY(pool == NULL))
        list_coalesce_unowned(s, slot, end);
    else if (list.deferred && quick_has_room(&pool->fit, granules / LIST_UNIT_GRANULES))
        quick_push(&pool->fit, run_address(s, slot), granules / LIST_UNIT_GRANULES);
    else
        list_coalesce(&pool->fit, s, slot, end);
}

/* Marks the object at slot as live. A run counts its live objects, so that the free of the last one is an event. */
static inline void place_born(struct span *s, unsigned slot) {
    run_set(run_live(s), slot);
    span_count(s, 1);
}

/* ---- the shortest ways, of segregated fit. No calls, for the frame that they would need. */

/* A block of exactly so many units from the list of that size, or, where no list has a block that fits, from the
 * wilderness. 0: pool_take decides. */
static inline __attribute__((always_inline)) uintptr_t list_take_near(struct fit_pool *pool, size_t units) {
    if (GOALLOC_UNLIKELY(units > LIST_EXACT_BINS))
        return 0;
    uintptr_t block = pool->bins[units - 1];
    if (block == 0) {
        if ((pool->bin_bits[0] >> (units - 1) | pool->bin_bits[1]) != 0 || pool->wild_units <= units)
            return 0;
        struct span *s = pool->newest;
        block = pool->wild;
        unsigned slot = run_granule(s, block), end = slot + (unsigned)units * LIST_UNIT_GRANULES;
        uint64_t *live = run_live(s);
        run_set(live - list.words_between, end);
        place_born(s, slot);
        pool->wild_units -= (uint32_t)units;
        pool->wild = block + units * RUN_UNIT_BYTES;
        return block;
    }
    /* A block that ends its run has no foot: pool_take takes it. */
    if (GOALLOC_UNLIKELY(list_node(block)->left_units != units) ||
        GOALLOC_UNLIKELY((uint16_t)list_node(block)->right_units != units) ||
        GOALLOC_UNLIKELY((uint16_t)*list_foot(block, (unsigned)units) != units))
        return 0;
    uintptr_t next = list_right(block);
    if (next != 0 && (GOALLOC_UNLIKELY(!list_readable(next)) || GOALLOC_UNLIKELY(list_left(next) != block)))
        return 0;
    struct span *s = place_span_of(block);
    unsigned slot = run_granule(s, block);
    uint64_t *live = run_live(s) + slot / 64, lives = place_load(live), bit = UINT64_C(1) << slot % 64;
    if (GOALLOC_UNLIKELY((place_load(live - list.words_between) & ~lives & bit) == 0))
        return 0; /* no free block begins there */
    place_store(live, lives | bit);
    span_count(s, 1);
    pool->bins[units - 1] = next;
    if (next == 0)
        pool->bin_bits[0] &= ~(UINT64_C(1) << (units - 1));
    else
        list_node(next)->left_units = (uint16_t)list_node(next)->left_units;
    return block;
}

/* Frees the object that begins at slot if one word of the bitmap shows both its neighbours, and neither is free or only
 * the wilderness is. False: place_give decides. */
static inline __attribute__((always_inline)) bool list_give_near(struct fit_pool *pool, struct span *s, unsigned slot) {
    uint64_t *live = run_live(s) + slot / 64, *starts = live - list.words_between, bit = UINT64_C(1) << slot % 64;
    uint64_t begins = place_load(starts), lives = place_load(live);
    uint64_t below = begins & (bit - 1), above = begins - below - bit;
    if (GOALLOC_UNLIKELY((lives & bit) == 0) || above == 0)
        return false;
    unsigned granules = (unsigned)place_lowest(above) - slot % 64, units = granules / LIST_UNIT_GRANULES;
    if (LIST_UNIT_GRANULES > 1 && GOALLOC_UNLIKELY(units == 0))
        return false;
    if (below != 0) {
        unsigned before = 63 - (unsigned)__builtin_clzll(below);
        if ((lives >> before & 1) == 0 && before % LIST_UNIT_GRANULES == 0)
            return false;
    } else if (slot != 0) {
        return false;
    }
    uintptr_t block = run_address(s, slot);
    uint64_t end = above & -above;
    if ((lives & end) != 0 || (LIST_UNIT_GRANULES > 1 && (begins & end << 1) != 0)) {
        uintptr_t next = pool->bins[units - 1]; /* at most 63: they are in one word */
        if (next != 0) {
            if (GOALLOC_UNLIKELY(list_left(next) != 0))
                return false; /* corrupted */
            list_node(next)->left_units |= (uint64_t)block << 16;
        }
        place_publish(live, lives & ~bit); /* see run_retire */
        *list_foot(block, units) = units;  /* before the node, which a block of one unit shares it with */
        *list_node(block) = (struct list_node){units, (uint64_t)next << 16 | units};
        pool->bins[units - 1] = block;
        pool->bin_bits[0] |= UINT64_C(1) << (units - 1);
        return true;
    }
    if (block + granules * RUN_GRANULE_BYTES != pool->wild)
        return false;
    place_publish(live, lives & ~bit);
    place_store(starts, begins & ~end);
    pool->wild = block;
    pool->wild_units += units;
    return true;
}

/* Deferred coalescing: the block of exactly so many units that was freed last. 0: pool_take decides. */
static inline __attribute__((always_inline)) uintptr_t quick_take_near(struct fit_pool *pool, size_t units) {
    uintptr_t block = units <= LIST_EXACT_BINS ? pool->quick[units - 1] : 0;
    struct span *s = block % RUN_UNIT_BYTES == 0 ? place_span_of(block) : NULL;
    if (GOALLOC_UNLIKELY(block == 0) || GOALLOC_UNLIKELY(s == NULL))
        return 0;
    unsigned slot = run_granule(s, block);
    uint64_t *live = run_live(s) + slot / 64, lives = place_load(live), bit = UINT64_C(1) << slot % 64;
    if (GOALLOC_UNLIKELY(slot >= s->nelems) || (place_load(live - list.words_between) & ~lives & bit) == 0)
        return 0;
    const struct list_node *node = list_node(block);
    if (GOALLOC_UNLIKELY(node->left_units != LIST_QUICK) || GOALLOC_UNLIKELY((uint16_t)node->right_units != units))
        return 0;
    place_store(live, lives | bit);
    span_count(s, 1);
    quick_pop(pool, block, units);
    return block;
}

/* Granules of what begins at slot, at most those of the largest unit that a list is for; 0: more. A word behind the last
 * has the start behind the run's end (run_clear_all). */
static inline __attribute__((always_inline)) unsigned list_extent_near(const uint64_t *starts, unsigned slot) {
    uint64_t above = place_load(starts) >> slot % 64 & ~UINT64_C(1);
    if (above != 0)
        return (unsigned)place_lowest(above);
    unsigned granules = 64 - slot % 64;
    if ((above = place_load(starts + 1)) == 0) {
        if (LIST_UNIT_GRANULES == 1 || (above = place_load(starts + 2)) == 0)
            return 0;
        granules += 64;
    }
    return granules + (unsigned)place_lowest(above);
}

/* Frees the object that begins at slot if the quick list of its size has room; half of a tiny block waits to be handed
 * out, if no other does. False: place_give decides. */
static inline __attribute__((always_inline)) bool quick_give_near(struct place_pool *place, struct span *s,
                                                                  unsigned slot) {
    struct fit_pool *pool = &place->fit;
    uint64_t *live = run_live(s) + slot / 64, lives = place_load(live), bit = UINT64_C(1) << slot % 64;
    unsigned granules = list_extent_near(live - list.words_between, slot), units = granules / LIST_UNIT_GRANULES;
    if (GOALLOC_UNLIKELY((lives & bit) == 0))
        return false;
    uintptr_t block = run_address(s, slot);
    if (LIST_UNIT_GRANULES > 1 && granules == 1) {
        if (place->pending != 0)
            return false;
        place_publish(live, lives & ~bit);
        place->pending = block;
        return true;
    }
    if (!quick_has_room(pool, units))
        return false;
    place_publish(live, lives & ~bit); /* see run_retire */
    quick_push(pool, block, units);
    return true;
}

/* First, next and best fit: the block that the fit chooses, cut to so many units. 0: there is none. */
static __attribute__((noinline)) uintptr_t order_take_near(struct fit_pool *pool, unsigned units) {
    uintptr_t block = order_find(pool, units);
    if (GOALLOC_UNLIKELY(block == 0))
        return 0;
    struct span *s = place_span_of(block);
    unsigned slot = run_granule(s, block), has = list_sized_units(s, slot), end = slot + units * LIST_UNIT_GRANULES;
    if (list_by_address())
        address_take(list_run_of(pool, s), slot);
    else
        tree_remove(pool, block, has);
    if (has > units) {
        run_set(list_starts(s), end);
        list_add_as(true, pool, s, end, has - units);
    }
    place_born(s, slot);
    list_rove(pool, s, end);
    return block;
}

/* Frees the object that begins at slot. False: place_give decides. */
static __attribute__((noinline)) bool order_give_near(struct fit_pool *pool, struct span *s, unsigned slot) {
    unsigned end = list_end(s, slot);
    if (LIST_UNIT_GRANULES > 1 && GOALLOC_UNLIKELY(end - slot < LIST_UNIT_GRANULES))
        return false;
    if (!run_retire(s, slot))
        return false;
    list_coalesce_as(true, pool, s, slot, end);
    return true;
}

static inline __attribute__((always_inline)) bool place_give_fast(struct span *s, unsigned slot) {
    struct cache *owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    if (GOALLOC_LIKELY(list.deferred))
        return quick_give_near(list_pool_of(owner), s, slot);
    if (list.plain)
        return list_give_near(&list_pool_of(owner)->fit, s, slot);
    return list.ordered && order_give_near(&list_pool_of(owner)->fit, s, slot);
}

static bool place_give(struct span *s, unsigned slot) {
    if (!run_retire(s, slot))
        return false;
    list_release(place_pool_of(s), s, slot);
    return true;
}

/* Enters the free blocks of a run into a pool, or takes them out. */
static void list_each_block(struct fit_pool *pool, struct span *s,
                            void (*action)(struct fit_pool *, struct span *, unsigned, unsigned)) {
    for (unsigned i = 0, granules; i < s->nelems; i += granules) {
        granules = run_extent(s, i);
        if (list_free_at(s, i))
            action(pool, s, i, granules / LIST_UNIT_GRANULES);
    }
}

static void list_remove_block(struct fit_pool *pool, struct span *s, unsigned slot, unsigned units) {
    if (GOALLOC_UNLIKELY(list_units_of(pool, s, slot) != units))
        list_die_size(s, slot);
    list_remove(pool, s, slot, units);
}

/* The run is the pool's from now on, and where it looks last. */
static void list_enter_run(struct fit_pool *pool, struct span *s) {
    s->frees_until_event = (int32_t)place_used_slots(s); /* the event: nothing in it lives any more */
    bool ends_free = s->nelems != 0 && list_free_at(s, (unsigned)run_last(run_starts(s), s->nelems - 1));
    if (list.fit == LIST_SEGREGATED && ends_free) {
        struct span *before = pool->newest;
        uintptr_t wild = pool->wild;
        unsigned units = pool->wild_units;
        pool->newest = s;
        pool->wild = pool->wild_units = 0;
        if (wild != 0)
            list_add(pool, before, run_granule(before, wild), units);
    }
    pool->run_count++;
    if (list_by_address())
        address_enter(pool, s);
    list_each_block(pool, s, list_add);
}

/* Nothing of the run is to be found any more. Nothing of it waits on a quick list. */
static void list_leave_run(struct fit_pool *pool, struct span *s) {
    pool->run_count--;
    if (list_by_address())
        address_leave(pool, s);
    else
        list_each_block(pool, s, list_remove_block);
    if (pool->newest == s)
        pool->newest = NULL;
    if (pool->rover_span == s)
        pool->rover_span = NULL;
    if (pool->kept == s)
        pool->kept = NULL;
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
        if (live ? place_slot_free(s, i) : !list_free_at(s, i) && run_address(s, i) != pending)
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
        if (list_free_at(s, i))
            return PLACE_SOME_ROOM;
        i += granules;
    }
    return PLACE_NO_ROOM;
}
