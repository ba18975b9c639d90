/* SPDX-License-Identifier: MIT
 *
 * fit_address: first and next fit. Runs know upper bounds for the free blocks that begin in each of their chunks and in
 * each group of chunks; a tree of a pool's runs, by address, knows those of what is below each run. A search goes down the
 * tree, along the groups and chunks of one run and through the blocks of one chunk, so it reads no link out of free memory.
 * Part of place/fit.h.
 */
#ifndef GOALLOC_FIT_ADDRESS_H
#define GOALLOC_FIT_ADDRESS_H

#include <limits.h>

/* Bytes of a record for runs of so many chunks. */
static inline size_t address_record_bytes(unsigned chunks) {
    return offsetof(struct fit_run, chunks) + chunks * sizeof(uint16_t);
}

static inline unsigned address_chunks(const struct span *s) {
    return s->nelems / LIST_CHUNK_GRANULES;
}

/* ---- one run */

/* Starts of a chunk where free blocks begin. Blocks on quick lists are among them; they say that they have 0 units.
 */
static inline uint64_t address_free_starts(const struct span *s, unsigned chunk) {
    uint64_t starts = place_load(&list_starts(s)[chunk]), free = starts & ~place_load(&run_live(s)[chunk]);
    if (LIST_UNIT_GRANULES == 1)
        return free & list_usable(s, chunk);
    return free & ~(starts >> 1) & UINT64_C(0x5555555555555555); /* no halves of tiny blocks */
}

static void address_raise(struct fit_run *run, uint16_t units) {
    if (units <= run->largest)
        return;
    run->largest = units;
    for (; run != NULL && run->largest_below < units; run = run->parent)
        run->largest_below = units;
}

static inline uint16_t address_max(const struct fit_run *run) {
    return run == NULL ? 0 : run->largest_below;
}

/* The bound of a run has come down. */
static void address_lower(struct fit_run *run, uint16_t units) {
    run->largest = units;
    for (; run != NULL; run = run->parent) {
        uint16_t left = address_max(run->left), right = address_max(run->right), below = run->largest;
        below = left > below ? left : below;
        below = right > below ? right : below;
        if (run->largest_below == below)
            return;
        run->largest_below = below;
    }
}

static inline void address_add(struct fit_run *run, unsigned slot, unsigned units) {
    unsigned chunk = slot / LIST_CHUNK_GRANULES;
    uint16_t *group = &run->groups[chunk / LIST_GROUP_CHUNKS];
    if (units <= run->chunks[chunk])
        return;
    run->chunks[chunk] = (uint16_t)units;
    *group = units > *group ? (uint16_t)units : *group;
    address_raise(run, (uint16_t)units);
}

/* The block at slot is about to be taken. Where it is all that is free in its chunk, as in memory that nothing has been freed
 * in, the bound comes down without a search. */
static inline void address_take(struct fit_run *run, unsigned slot) {
    unsigned chunk = slot / LIST_CHUNK_GRANULES;
    if ((list_starts(run->span)[chunk] & ~run_live(run->span)[chunk]) == UINT64_C(1) << slot % LIST_CHUNK_GRANULES)
        run->chunks[chunk] = 0;
}

/* The first of bounds i to n that is at least `units`, which is below 2^15; n: none. Four at a time: what is at least as much
 * keeps the bit above it. Behind n, which is above i, nothing is as large, up to a multiple of 4. */
static inline __attribute__((always_inline)) unsigned address_bound(const uint16_t *bounds, unsigned i, unsigned n,
                                                                    unsigned units) {
    const uint64_t high = UINT64_C(0x8000800080008000), need = units * UINT64_C(0x0001000100010001);
    uint64_t wanted = high << i % 4 * 16;
    for (i -= i % 4; i < n; i += 4, wanted = high) {
        uint64_t four;
        memcpy(&four, &bounds[i], sizeof four);
        uint64_t fit = ((four | high) - need) & wanted;
        if (fit != 0)
            return i + (unsigned)place_lowest(fit) / 16;
    }
    return n;
}

/* The first chunk from this one on that may have a block of so many units; all chunks: none. */
static inline __attribute__((always_inline)) unsigned address_chunk(struct fit_run *run, unsigned chunk, unsigned units) {
    unsigned chunks = address_chunks(run->span), groups = chunks / LIST_GROUP_CHUNKS, group = chunk / LIST_GROUP_CHUNKS;
    for (; chunk < chunks; chunk = group * LIST_GROUP_CHUNKS) {
        if (chunk % LIST_GROUP_CHUNKS == 0 && (group = address_bound(run->groups, group, groups, units)) == groups)
            break;
        unsigned first = group * LIST_GROUP_CHUNKS, end = first + LIST_GROUP_CHUNKS;
        unsigned found = address_bound(run->chunks, chunk > first ? chunk : first, end, units);
        if (found < end)
            return found;
        if (chunk <= first)
            run->groups[group] = (uint16_t)(units - 1);
        group++;
    }
    return chunks;
}

/* Units of a free block that a search comes by; a block on a quick list has none for it. */
static inline unsigned address_units(const struct span *s, uintptr_t block) {
    const struct list_node *node = list_node(block);
    unsigned units = (uint16_t)node->left_units;
    if (GOALLOC_LIKELY(units == (uint16_t)node->right_units) && GOALLOC_LIKELY(units != 0))
        return units;
    if (node->left_units != LIST_QUICK)
        list_die_size(s, run_granule(s, block));
    return 0;
}

/* The lowest of these starts of a chunk whose block fits; 0: none, and *largest is the largest of them. */
static inline __attribute__((always_inline)) uintptr_t address_pick(const struct span *s, unsigned chunk, uint64_t starts,
                                                                    unsigned units, unsigned *largest) {
    *largest = 0;
    for (; starts != 0; starts &= starts - 1) {
        uintptr_t block = run_address(s, chunk * LIST_CHUNK_GRANULES + (unsigned)place_lowest(starts));
        unsigned has = address_units(s, block);
        if (has >= units)
            return block;
        *largest = has > *largest ? has : *largest;
    }
    return 0;
}

/* The lowest block of the run from this chunk on that fits; 0: none. */
static inline __attribute__((always_inline)) uintptr_t address_find_in(struct fit_run *run, unsigned chunk, unsigned units) {
    const struct span *s = run->span;
    unsigned chunks = address_chunks(s), largest;
    for (; (chunk = address_chunk(run, chunk, units)) < chunks; chunk++) {
        uintptr_t block = address_pick(s, chunk, address_free_starts(s, chunk), units, &largest);
        if (GOALLOC_LIKELY(block != 0))
            return block;
        run->chunks[chunk] = (uint16_t)largest;
    }
    return 0;
}

/* The same from a granule on. */
static uintptr_t address_find_behind(struct fit_run *run, unsigned slot, unsigned units) {
    unsigned chunk = slot / LIST_CHUNK_GRANULES, largest;
    uint64_t wanted = UINT64_MAX << slot % LIST_CHUNK_GRANULES;
    uintptr_t block = address_pick(run->span, chunk, address_free_starts(run->span, chunk) & wanted, units, &largest);
    return block != 0 ? block : address_find_in(run, chunk + 1, units);
}

/* ---- the runs of a pool */

/* The lowest run that may have a block of so many units. */
static inline struct fit_run *address_lowest_run(struct fit_run *run, unsigned units) {
    if (address_max(run) < units)
        return NULL;
    for (; run != NULL; run = run->right) {
        while (address_max(run->left) >= units)
            run = run->left;
        if (run->largest >= units)
            break;
    }
    return run;
}

/* The lowest run below `run` that ends behind `from` and may have a block of so many units. */
static struct fit_run *address_run(struct fit_run *run, uintptr_t from, unsigned units) {
    if (address_max(run) < units)
        return NULL;
    if (run_address(run->span, run->span->nelems) <= from)
        return address_run(run->right, from, units);
    struct fit_run *found = address_run(run->left, from, units);
    if (found != NULL)
        return found;
    return run->largest >= units ? run : address_run(run->right, from, units);
}

/* The lowest block that fits; 0: none. */
static inline __attribute__((always_inline)) uintptr_t address_find_first(struct fit_pool *pool, unsigned units) {
    struct fit_run *run;
    while ((run = address_lowest_run(pool->runs, units)) != NULL) {
        uintptr_t block = address_find_in(run, 0, units);
        if (GOALLOC_LIKELY(block != 0))
            return block;
        address_lower(run, (uint16_t)(units - 1));
    }
    return 0;
}

/* The lowest at the rover or above it; 0: none. */
static uintptr_t address_find_from(struct fit_pool *pool, unsigned units) {
    uintptr_t from = pool->rover;
    struct fit_run *run;
    while ((run = address_run(pool->runs, from, units)) != NULL) {
        uintptr_t block = from <= run->span->base ? address_find_in(run, 0, units)
                                                  : address_find_behind(run, run_granule(run->span, from), units);
        if (block != 0)
            return block;
        if (from <= run->span->base)
            address_lower(run, (uint16_t)(units - 1));
        from = run_address(run->span, run->span->nelems);
    }
    return 0;
}

/* The block that begins at the rover if it fits: most often what remained of the one taken last. 0: it does not. */
static inline uintptr_t address_find_at_rover(const struct fit_pool *pool, unsigned units) {
    const struct span *s = pool->rover_span;
    unsigned slot = s == NULL ? UINT_MAX : run_granule(s, pool->rover);
    if (s == NULL || slot >= s->nelems)
        return 0;
    uint64_t starts = address_free_starts(s, slot / LIST_CHUNK_GRANULES);
    bool fits = (starts >> slot % LIST_CHUNK_GRANULES & 1) != 0 && address_units(s, pool->rover) >= units;
    return fits ? pool->rover : 0;
}

static inline uintptr_t address_find_next(struct fit_pool *pool, unsigned units) {
    uintptr_t block = address_find_at_rover(pool, units);
    if (GOALLOC_UNLIKELY(block == 0))
        block = address_find_from(pool, units);
    return block != 0 ? block : address_find_first(pool, units);
}

/* ---- runs in and out. The tree is a treap, as those of fit_bins.h; runs come and go rarely. */

static inline uint64_t address_priority(const struct fit_run *run) {
    uint64_t x = (uint64_t)run->span->base * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 31) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 32;
}

static void address_hang(struct fit_pool *pool, struct fit_run *above, struct fit_run *was, struct fit_run *now) {
    if (above == NULL)
        pool->runs = now;
    else if (above->left == was)
        above->left = now;
    else
        above->right = now;
    if (now != NULL)
        now->parent = above;
}

/* Turns run and its parent, so that run is above. */
static void address_turn(struct fit_pool *pool, struct fit_run *run) {
    struct fit_run *parent = run->parent, *inner;
    address_hang(pool, parent->parent, parent, run);
    if (parent->left == run) {
        inner = run->right;
        parent->left = inner;
        run->right = parent;
    } else {
        inner = run->left;
        parent->right = inner;
        run->left = parent;
    }
    parent->parent = run;
    if (inner != NULL)
        inner->parent = parent;
    parent->largest_below = UINT16_MAX; /* no bound is so large: it is computed anew, and what is above with it */
    run->largest_below = UINT16_MAX;
    address_lower(parent, parent->largest);
}

/* A run without blocks so far. */
static void address_enter(struct fit_pool *pool, struct span *s) {
    struct fit_run *run = list_run_of(pool, s), *above = NULL, *at = pool->runs;
    memset(run, 0, address_record_bytes(address_chunks(s)));
    run->span = s;
    while (at != NULL) {
        above = at;
        at = s->base < at->span->base ? at->left : at->right;
    }
    run->parent = above;
    if (above == NULL)
        pool->runs = run;
    else if (s->base < above->span->base)
        above->left = run;
    else
        above->right = run;
    while (run->parent != NULL && address_priority(run->parent) < address_priority(run))
        address_turn(pool, run);
}

static void address_leave(struct fit_pool *pool, struct span *s) {
    struct fit_run *run = list_run_of(pool, s);
    while (run->left != NULL && run->right != NULL)
        address_turn(pool, address_priority(run->left) > address_priority(run->right) ? run->left : run->right);
    struct fit_run *above = run->parent;
    address_hang(pool, above, run, run->left != NULL ? run->left : run->right);
    if (above != NULL)
        address_lower(above, above->largest);
}

#endif
