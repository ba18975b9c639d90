/* SPDX-License-Identifier: MIT */
#include "extents.h"

enum {
    EXACT_BYTES = 512, /* below it a bin is for one size (of 16 B granules) */
    EXACT_STEP_BYTES = 16,
    EXACT_BINS = EXACT_BYTES / EXACT_STEP_BYTES,
    EXACT_LOG2 = 9,
    BIN_SEARCH = 16 /* blocks of a request's own bin that are looked at: their sizes differ */
};

/* ---- bins */

static unsigned bin_of(uint64_t size_bytes) {
    if (size_bytes < EXACT_BYTES)
        return (unsigned)(size_bytes / EXACT_STEP_BYTES);
    const unsigned log2 = 63 - (unsigned)__builtin_clzll(size_bytes);
    return EXACT_BINS + 4 * (log2 - EXACT_LOG2) + (unsigned)((size_bytes >> (log2 - 2)) & 3);
}

static void bin_push(struct extents *e, uint32_t i) {
    struct tree_node *n = tree_node(&e->by_address, i);
    const unsigned bin = bin_of(n->size);
    n->newer = 0;
    n->older = e->bins[bin];
    if (n->older != 0)
        tree_node(&e->by_address, n->older)->newer = i;
    e->bins[bin] = i;
    e->bins_used[bin / 64] |= UINT64_C(1) << (bin % 64);
}

static void bin_unlink(struct extents *e, uint32_t i) {
    const struct tree_node *n = tree_node(&e->by_address, i);
    const unsigned bin = bin_of(n->size);
    if (n->older != 0)
        tree_node(&e->by_address, n->older)->newer = n->newer;
    if (n->newer != 0)
        tree_node(&e->by_address, n->newer)->older = n->older;
    else
        e->bins[bin] = n->older;
    if (e->bins[bin] == 0)
        e->bins_used[bin / 64] &= ~(UINT64_C(1) << (bin % 64));
}

/* The first bin at or after this one that has a block; EXTENT_BINS: none. */
static unsigned bin_next(const struct extents *e, unsigned bin) {
    for (unsigned word = bin / 64; word < EXTENT_BINS / 64; word++) {
        const uint64_t first = word == bin / 64 ? bin % 64 : 0;
        const uint64_t used = e->bins_used[word] >> first << first;
        if (used != 0)
            return word * 64 + (unsigned)__builtin_ctzll(used);
    }
    return EXTENT_BINS;
}

static uint32_t find_segregated(const struct extents *e, uint64_t size_bytes) {
    const unsigned own = bin_of(size_bytes);
    uint32_t i = e->bins[own];
    for (unsigned seen = 0; i != 0 && seen < BIN_SEARCH; seen++, i = tree_node(&e->by_address, i)->older)
        if (tree_node(&e->by_address, i)->size >= size_bytes)
            return i;
    const unsigned larger = bin_next(e, own + 1);
    return larger < EXTENT_BINS ? e->bins[larger] : 0;
}

/* ---- free blocks */

static void hole_add(struct extents *e, uint64_t start_bytes, uint64_t size_bytes) {
    const uint32_t i = tree_insert(&e->by_address, start_bytes, 0, size_bytes);
    if (e->fit == POLICY_BEST)
        tree_insert(&e->by_size, size_bytes, start_bytes, size_bytes);
    if (e->fit == POLICY_SEGREGATED)
        bin_push(e, i);
}

static void hole_remove(struct extents *e, uint32_t i) {
    const struct tree_node n = *tree_node(&e->by_address, i);
    if (e->fit == POLICY_BEST)
        tree_remove(&e->by_size, n.size, n.major);
    if (e->fit == POLICY_SEGREGATED)
        bin_unlink(e, i);
    tree_remove(&e->by_address, n.major, 0);
}

static uint32_t hole_find(const struct extents *e, uint64_t size_bytes) {
    if (e->fit == POLICY_SEGREGATED)
        return find_segregated(e, size_bytes);
    if (e->fit == POLICY_BEST) {
        const uint32_t i = tree_from(&e->by_size, size_bytes, 0);
        return i == 0 ? 0 : tree_from(&e->by_address, tree_node(&e->by_size, i)->minor, 0);
    }
    const uint32_t i = tree_first_of(&e->by_address, e->fit == POLICY_NEXT ? e->rover_bytes : 0, size_bytes);
    return i != 0 || e->fit == POLICY_FIRST ? i : tree_first_of(&e->by_address, 0, size_bytes);
}

struct policy_block extents_allocate(struct extents *e, uint64_t size_bytes) {
    struct policy_block b = {.size_bytes = round_up(size_bytes == 0 ? 1 : size_bytes, e->round_bytes)};
    const uint32_t i = hole_find(e, b.size_bytes);
    if (i == 0) {
        b.start_bytes = e->end_bytes;
        e->end_bytes += b.size_bytes;
    } else {
        const struct tree_node hole = *tree_node(&e->by_address, i);
        const uint64_t rest_bytes = hole.size - b.size_bytes;
        hole_remove(e, i);
        b.start_bytes = hole.major;
        if (rest_bytes > 0 && rest_bytes >= e->split_bytes)
            hole_add(e, b.start_bytes + b.size_bytes, rest_bytes);
        else
            b.size_bytes = hole.size;
    }
    e->rover_bytes = b.start_bytes + b.size_bytes;
    return b;
}

void extents_free(struct extents *e, uint64_t start_bytes, uint64_t size_bytes) {
    const uint32_t below = tree_before(&e->by_address, start_bytes);
    if (below != 0) {
        const struct tree_node hole = *tree_node(&e->by_address, below);
        if (hole.major + hole.size == start_bytes) {
            hole_remove(e, below);
            start_bytes = hole.major;
            size_bytes += hole.size;
        }
    }
    const uint32_t above = tree_from(&e->by_address, start_bytes, 0);
    if (above != 0 && tree_node(&e->by_address, above)->major == start_bytes + size_bytes) {
        size_bytes += tree_node(&e->by_address, above)->size;
        hole_remove(e, above);
    }
    if (start_bytes + size_bytes == e->end_bytes)
        e->end_bytes = start_bytes; /* the end is never a hole */
    else
        hole_add(e, start_bytes, size_bytes);
}

static bool extents_grow(struct extents *e, struct policy_block *b, uint64_t more_bytes) {
    const uint64_t end_bytes = b->start_bytes + b->size_bytes;
    if (end_bytes == e->end_bytes) {
        e->end_bytes += more_bytes;
        b->size_bytes += more_bytes;
        return true;
    }
    const uint32_t above = tree_from(&e->by_address, end_bytes, 0);
    if (above == 0 || tree_node(&e->by_address, above)->major != end_bytes)
        return false;
    const uint64_t hole_bytes = tree_node(&e->by_address, above)->size;
    if (hole_bytes < more_bytes)
        return false;
    hole_remove(e, above);
    const uint64_t rest_bytes = hole_bytes - more_bytes;
    const bool cut = rest_bytes > 0 && rest_bytes >= e->split_bytes;
    if (cut)
        hole_add(e, end_bytes + more_bytes, rest_bytes);
    b->size_bytes += cut ? more_bytes : hole_bytes;
    return true;
}

bool extents_resize(struct extents *e, struct policy_block *b, uint64_t size_bytes) {
    const uint64_t rounded_bytes = round_up(size_bytes == 0 ? 1 : size_bytes, e->round_bytes);
    if (rounded_bytes > b->size_bytes)
        return extents_grow(e, b, rounded_bytes - b->size_bytes);
    const uint64_t spare_bytes = b->size_bytes - rounded_bytes;
    if (spare_bytes == 0 || spare_bytes < e->split_bytes)
        return true;
    b->size_bytes = rounded_bytes;
    extents_free(e, b->start_bytes + rounded_bytes, spare_bytes);
    return true;
}

void extents_release(struct extents *e) {
    tree_release(&e->by_address);
    tree_release(&e->by_size);
}
