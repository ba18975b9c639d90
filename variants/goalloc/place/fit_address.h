/* SPDX-License-Identifier: MIT
 *
 * fit_address: first and next fit. Runs know the largest free block that begins in each of their chunks; a tree of a
 * pool's runs, by address, knows the largest of what is below each. A search goes down the tree, along the chunks of
 * one run and through the blocks of one chunk, so it reads no link out of free memory. Part of place/fit.h.
 */
#ifndef GOALLOC_FIT_ADDRESS_H
#define GOALLOC_FIT_ADDRESS_H

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
    uint64_t starts = place_load(&run_starts(s)[chunk]), free = starts & ~place_load(&run_live(s)[chunk]);
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
    uint16_t *largest = &run->chunks[slot / LIST_CHUNK_GRANULES];
    if (units <= *largest)
        return;
    *largest = (uint16_t)units;
    address_raise(run, (uint16_t)units);
}

/* The block at slot, of so many units, is no longer to be found; its bits may still be there. */
static inline void address_remove(struct fit_run *run, unsigned slot, unsigned units) {
    unsigned chunk = slot / LIST_CHUNK_GRANULES, largest = 0;
    if (units < run->chunks[chunk])
        return;
    uint64_t starts = address_free_starts(run->span, chunk) & ~(UINT64_C(1) << slot % LIST_CHUNK_GRANULES);
    for (; starts != 0; starts &= starts - 1) {
        unsigned other =
            list_units(run_address(run->span, chunk * LIST_CHUNK_GRANULES + (unsigned)place_lowest(starts)));
        largest = other > largest ? other : largest;
    }
    run->chunks[chunk] = (uint16_t)largest;
}

/* The first chunk from this one on with a block of so many units; all chunks: none. Four at a time: what is at least
 * `units`, which is below 2^15, keeps the bit above it. */
static unsigned address_chunk(const struct fit_run *run, unsigned chunk, unsigned units) {
    const uint64_t high = UINT64_C(0x8000800080008000), need = units * UINT64_C(0x0001000100010001);
    unsigned chunks = address_chunks(run->span);
    for (; chunk % 4 != 0; chunk++)
        if (run->chunks[chunk] >= units)
            return chunk;
    for (; chunk < chunks; chunk += 4) {
        uint64_t four;
        memcpy(&four, &run->chunks[chunk], sizeof four);
        uint64_t fit = ((four | high) - need) & high;
        if (fit != 0)
            return chunk + (unsigned)place_lowest(fit) / 16;
    }
    return chunks;
}

/* A chunk lacks the block that it is said to have. */
_Noreturn static __attribute__((noinline)) void address_die(const struct span *s, unsigned chunk) {
    for (uint64_t starts = address_free_starts(s, chunk); starts != 0; starts &= starts - 1) {
        unsigned slot = chunk * LIST_CHUNK_GRANULES + (unsigned)place_lowest(starts);
        uintptr_t block = run_address(s, slot);
        if (list_node(block)->left_units != LIST_QUICK && !list_sized(s, slot, list_units(block)))
            list_die_size(s, slot);
    }
    list_die_absent(run_address(s, chunk * LIST_CHUNK_GRANULES));
}

/* The lowest block of the run that begins at slot or behind it and fits; 0: none. */
static uintptr_t address_find_in(const struct fit_run *run, unsigned slot, unsigned units) {
    const struct span *s = run->span;
    unsigned chunk = slot / LIST_CHUNK_GRANULES, chunks = address_chunks(s);
    uint64_t wanted = UINT64_MAX << slot % LIST_CHUNK_GRANULES;
    for (chunk = address_chunk(run, chunk, units); chunk < chunks; chunk = address_chunk(run, chunk + 1, units)) {
        unsigned first = chunk * LIST_CHUNK_GRANULES;
        uint64_t starts = address_free_starts(s, chunk) & (chunk == slot / LIST_CHUNK_GRANULES ? wanted : UINT64_MAX);
        for (; starts != 0; starts &= starts - 1) {
            uintptr_t block = run_address(s, first + (unsigned)place_lowest(starts));
            if (list_units(block) >= units)
                return block;
        }
        if (GOALLOC_UNLIKELY(first >= slot))
            address_die(s, chunk);
    }
    return 0;
}

/* The largest block that begins in any chunk. */
static uint16_t address_largest(const struct fit_run *run) {
    uint16_t largest = 0;
    for (unsigned i = 0; i < address_chunks(run->span); i++)
        largest = run->chunks[i] > largest ? run->chunks[i] : largest;
    return largest;
}

/* ---- the runs of a pool */

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

/* The lowest block at `from` or above it. */
static uintptr_t address_find_from(struct fit_pool *pool, uintptr_t from, unsigned units) {
    struct fit_run *run;
    while ((run = address_run(pool->runs, from, units)) != NULL) {
        bool whole = from <= run->span->base;
        uintptr_t block = address_find_in(run, whole ? 0 : run_granule(run->span, from), units);
        if (block != 0)
            return block;
        if (whole) /* nothing is added by a search, so it is not asked again for as much */
            address_lower(run, address_largest(run));
        from = run_address(run->span, run->span->nelems);
    }
    return 0;
}

static uintptr_t address_find(struct fit_pool *pool, unsigned units) {
    uintptr_t block = 0;
    if (list.fit == LIST_NEXT)
        block = address_find_from(pool, pool->rover, units);
    return block != 0 ? block : address_find_from(pool, 0, units);
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
