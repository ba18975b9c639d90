/* SPDX-License-Identifier: MIT
 *
 * fit_bins: free blocks by size. One bin a unit up to 1 KiB, then four to a doubling; a bit says which are not empty.
 * A bin of segregated fit is a list, last in, first out, or with GOALLOC_BIN_ORDER=address a treap (Seidel and Aragon
 * 1996) by address; of best fit a treap by size and address. Part of place/fit.h.
 */
#ifndef GOALLOC_FIT_BINS_H
#define GOALLOC_FIT_BINS_H

/* Bin of the blocks of this many units, by their lower bound. */
static inline unsigned list_bin(unsigned units) {
    if (GOALLOC_UNLIKELY(list.powers))
        return 31 - (unsigned)__builtin_clz(units);
    if (GOALLOC_LIKELY(units <= LIST_EXACT_BINS))
        return units - 1;
    unsigned log = 31 - (unsigned)__builtin_clz(units); /* at least 6 */
    unsigned bin = LIST_EXACT_BINS + (log - 6) * 4 + (units >> (log - 2) & 3);
    return bin < LIST_BINS ? bin : LIST_BINS - 1;
}

/* Are all blocks of its bin of this size? */
static inline bool list_bin_is_exact(unsigned units) {
    return units <= LIST_EXACT_BINS && !list.powers;
}

static inline void bin_note(struct fit_pool *pool, unsigned bin, bool filled) {
    uint64_t bit = UINT64_C(1) << bin % 64;
    if (filled)
        pool->bin_bits[bin / 64] |= bit;
    else
        pool->bin_bits[bin / 64] &= ~bit;
}

/* The first bin from this one on that is not empty; LIST_BINS: none. */
static inline unsigned bin_filled(const struct fit_pool *pool, unsigned bin) {
    for (; bin < LIST_BINS; bin = (bin / 64 + 1) * 64) {
        uint64_t bits = pool->bin_bits[bin / 64] >> bin % 64;
        if (bits != 0)
            return bin + (unsigned)__builtin_ctzll(bits);
    }
    return LIST_BINS;
}

static inline uintptr_t list_left(uintptr_t block) {
    return list_node(block)->left_units >> 16;
}

static inline uintptr_t list_right(uintptr_t block) {
    return list_node(block)->right_units >> 16;
}

static inline void list_set_left(uintptr_t block, uintptr_t left) {
    list_node(block)->left_units = (uint64_t)left << 16 | (uint16_t)list_node(block)->left_units;
}

static inline void list_set_right(uintptr_t block, uintptr_t right) {
    list_node(block)->right_units = (uint64_t)right << 16 | (uint16_t)list_node(block)->right_units;
}

/* A search reads no more of a block than its node: both halves of that must say the same size. */
static inline void list_expect_node(uintptr_t block) {
    const struct list_node *node = list_node(block);
    if (GOALLOC_LIKELY((uint16_t)(node->left_units ^ node->right_units) == 0))
        return;
    const struct span *s = place_span_of(block);
    list_die_size(s, run_granule(s, block));
}

/* ---- lists. The address of a head is never read from free memory before its block has led back. */

static inline void bin_link(struct fit_pool *pool, uintptr_t block, unsigned units) {
    unsigned bin = list_bin(units);
    uintptr_t next = pool->bins[bin];
    *list_node(block) = (struct list_node){units, (uint64_t)next << 16 | units};
    if (next != 0)
        list_node(next)->left_units |= (uint64_t)block << 16;
    pool->bins[bin] = block;
    bin_note(pool, bin, true);
}

static inline void bin_add(struct fit_pool *pool, const struct span *s, unsigned slot, unsigned units) {
    uintptr_t block = run_address(s, slot), next = pool->bins[list_bin(units)];
    if (next != 0 && GOALLOC_UNLIKELY(list_left(next) != 0))
        list_die_link(block, next);
    if (GOALLOC_LIKELY(list_has_foot(s, slot, units)))
        *list_foot(block, units) = units;
    bin_link(pool, block, units);
}

/* The block behind `block`, which leads back to it. */
static inline uintptr_t bin_next(uintptr_t block) {
    uintptr_t next = list_right(block);
    if (next != 0 && (GOALLOC_UNLIKELY(!list_readable(next)) || GOALLOC_UNLIKELY(list_left(next) != block)))
        list_die_link(block, next);
    return next;
}

static inline void bin_remove(struct fit_pool *pool, uintptr_t block, unsigned units) {
    uintptr_t before = list_left(block), next = bin_next(block);
    if (next != 0)
        list_set_left(next, before);
    if (before != 0) {
        if (GOALLOC_UNLIKELY(!list_readable(before)) || GOALLOC_UNLIKELY(list_right(before) != block))
            list_die_link(block, before);
        list_set_right(before, next);
        return;
    }
    unsigned bin = list_bin(units);
    if (GOALLOC_UNLIKELY(pool->bins[bin] != block))
        list_die_absent(block);
    pool->bins[bin] = next;
    if (next == 0)
        bin_note(pool, bin, false);
}

static uintptr_t bin_find(const struct fit_pool *pool, unsigned units) {
    unsigned bin = list_bin(units);
    if (list_bin_is_exact(units) && pool->bins[bin] != 0)
        return pool->bins[bin];
    /* Blocks of the request's own list may be smaller than it: the first that is not, of the latest few. */
    unsigned tries = LIST_BIN_TRIES;
    for (uintptr_t block = pool->bins[bin]; block != 0 && tries-- > 0; block = bin_next(block)) {
        list_expect_node(block);
        if (list_units(block) >= units)
            return block;
    }
    bin = bin_filled(pool, bin + 1);
    return bin < LIST_BINS ? pool->bins[bin] : 0;
}

/* ---- trees */

/* Addresses are not random: the finaliser of splitmix64 (Steele, Lea and Flood 2014), shortened. */
static inline uint64_t tree_priority(uintptr_t block) {
    uint64_t x = (uint64_t)block * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 31) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 32;
}

static inline bool tree_before(uintptr_t a, unsigned a_units, uintptr_t b) {
    if (list.fit == LIST_BEST && a_units != list_units(b))
        return a_units < list_units(b);
    return a < b;
}

/* Where a subtree hangs: the root of a bin, or one side of a block. */
struct tree_link {
    uintptr_t *root; /* NULL: of above */
    uintptr_t above;
    bool right;
};

static inline uintptr_t tree_child(uintptr_t block, bool right) {
    list_expect_node(block);
    uintptr_t child = right ? list_right(block) : list_left(block);
    if (child != 0 && GOALLOC_UNLIKELY(!list_readable(child)))
        list_die_link(block, child);
    return child;
}

static inline void tree_hang(struct tree_link link, uintptr_t block) {
    if (link.root != NULL)
        *link.root = block;
    else if (link.right)
        list_set_right(link.above, block);
    else
        list_set_left(link.above, block);
}

/* Parts the blocks below `at` by the key of `block`, which becomes their root. */
static void tree_part(uintptr_t at, uintptr_t block, unsigned units) {
    struct tree_link less = {NULL, block, false}, more = {NULL, block, true};
    while (at != 0) {
        bool below = tree_before(block, units, at);
        tree_hang(below ? more : less, at);
        *(below ? &more : &less) = (struct tree_link){NULL, at, !below};
        at = tree_child(at, !below);
    }
    tree_hang(less, 0);
    tree_hang(more, 0);
}

static __attribute__((noinline)) void tree_add_below(struct fit_pool *pool, unsigned bin, uintptr_t block, unsigned units) {
    uint64_t priority = tree_priority(block);
    struct tree_link link = {&pool->bins[bin], 0, false};
    uintptr_t at = pool->bins[bin];
    while (at != 0 && tree_priority(at) > priority) {
        bool right = !tree_before(block, units, at);
        link = (struct tree_link){NULL, at, right};
        at = tree_child(at, right);
    }
    tree_part(at, block, units);
    tree_hang(link, block);
}

/* The block says its size, and leads nowhere. */
static inline void tree_add(struct fit_pool *pool, uintptr_t block, unsigned units) {
    unsigned bin = list_bin(units);
    if (pool->bins[bin] != 0) {
        tree_add_below(pool, bin, block, units);
        return;
    }
    pool->bins[bin] = block;
    bin_note(pool, bin, true);
}

/* Hangs the two subtrees of a block where it was. */
static void tree_join(struct tree_link link, uintptr_t less, uintptr_t more) {
    while (less != 0 && more != 0) {
        bool right = tree_priority(less) > tree_priority(more);
        uintptr_t top = right ? less : more;
        tree_hang(link, top);
        link = (struct tree_link){NULL, top, right};
        *(right ? &less : &more) = tree_child(top, right);
    }
    tree_hang(link, less != 0 ? less : more);
}

static __attribute__((noinline)) void tree_remove_below(struct fit_pool *pool, unsigned bin, uintptr_t block, unsigned units) {
    struct tree_link link = {&pool->bins[bin], 0, false};
    uintptr_t at = pool->bins[bin];
    while (at != block) {
        if (GOALLOC_UNLIKELY(at == 0))
            list_die_absent(block);
        bool right = !tree_before(block, units, at);
        link = (struct tree_link){NULL, at, right};
        at = tree_child(at, right);
    }
    tree_join(link, tree_child(block, false), tree_child(block, true));
}

static inline void tree_remove(struct fit_pool *pool, uintptr_t block, unsigned units) {
    unsigned bin = list_bin(units);
    if (pool->bins[bin] == block && (list_left(block) | list_right(block)) == 0)
        pool->bins[bin] = 0;
    else
        tree_remove_below(pool, bin, block, units);
    if (pool->bins[bin] == 0)
        bin_note(pool, bin, false);
}

/* Best fit: of a bin, the smallest block that is large enough, the lowest of equals. */
static inline uintptr_t tree_smallest(uintptr_t at, unsigned units) {
    uintptr_t best = 0;
    while (at != 0) {
        bool fits = list_units(at) >= units;
        best = fits ? at : best;
        at = tree_child(at, !fits);
    }
    return best;
}

/* The lowest block of a bin above an address. */
static uintptr_t tree_above(uintptr_t at, uintptr_t address) {
    uintptr_t lowest = 0;
    while (at != 0) {
        bool above = at > address;
        lowest = above ? at : lowest;
        at = tree_child(at, !above);
    }
    return lowest;
}

static inline uintptr_t tree_find_best(const struct fit_pool *pool, unsigned units) {
    unsigned bin = list_bin(units);
    uintptr_t block = tree_smallest(pool->bins[bin], units);
    if (block != 0 || (bin = bin_filled(pool, bin + 1)) == LIST_BINS)
        return block;
    return tree_smallest(pool->bins[bin], units);
}

/* Segregated fit in address order. As with lists, of those that may be too small the first few are looked at. */
static uintptr_t tree_find_lowest(const struct fit_pool *pool, unsigned units) {
    unsigned bin = list_bin(units);
    uintptr_t block = 0;
    for (unsigned tries = LIST_BIN_TRIES; tries > 0 && (block = tree_above(pool->bins[bin], block)) != 0; tries--)
        if (list_units(block) >= units)
            return block;
    bin = bin_filled(pool, bin + 1);
    return bin == LIST_BINS ? 0 : tree_above(pool->bins[bin], 0);
}

#endif
