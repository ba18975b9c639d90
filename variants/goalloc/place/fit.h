/* SPDX-License-Identifier: MIT
 *
 * fit: free blocks of any size in runs (Knuth, TAOCP 1, 2.5; Wilson, Johnstone, Neely and Boles, IWMM 1995). The lower
 * end of the block that fits is handed out; a remainder below the split threshold stays with the object. The fit is a
 * knob:
 *   first       the lowest address that fits
 *   next        first fit from where the last search ended, once around
 *   best        the smallest block that fits, the lowest address among equals
 *   segregated  the lists of a size, then of larger ones; last in, first out
 * First, next and best fit search a treap (Seidel and Aragon 1996) by address, or by size and address, whose nodes are
 * the free blocks themselves; each knows the largest block below it.
 */
#ifndef GOALLOC_FIT_H
#define GOALLOC_FIT_H

#include "place/tiles.h"

enum {
    LIST_EXACT_BINS = 64, /* one list a unit up to 1 KiB, then four to a doubling */
    LIST_BINS = 128,
    LIST_BIN_TRIES = 16, /* in a list whose blocks may be too small; all of a larger one's fit */
    LIST_UNIT_GRANULES = RUN_UNIT_BYTES / RUN_GRANULE_BYTES,
};

static const char *const list_fits[] = {"segregated", "first", "next", "best", NULL};
enum list_fit { LIST_SEGREGATED, LIST_FIRST, LIST_NEXT, LIST_BEST };

static struct {
    enum list_fit fit;
    size_t split_bytes; /* a remainder smaller than this is not split off */
} list;

/* The free blocks that a search goes through. Zero: none. */
struct fit_pool {
    uintptr_t root;  /* treap of free blocks */
    uintptr_t rover; /* next fit: where the last search ended */
    uint64_t bin_bits[LIST_BINS / 64];
    uintptr_t bins[LIST_BINS];
};

/* A free block's first 16 bytes: two addresses of 48 bits and two counts of 16. */
struct list_node {
    uint64_t left_units;  /* left child or previous block << 16 | this block's units */
    uint64_t right_units; /* right child or next block << 16 | units of the largest block of this subtree */
};
_Static_assert(sizeof(struct list_node) == RUN_UNIT_BYTES, "the smallest block holds a node");
_Static_assert(RUN_MAX_BYTES / RUN_UNIT_BYTES <= UINT16_MAX, "units fit 16 bits");

static struct span *place_span_of(uintptr_t address);

static void fit_knobs_init(void) {
    list.fit = (enum list_fit)knob_choice("GOALLOC_FIT", list_fits, 0);
    list.split_bytes = knob_bytes("GOALLOC_SPLIT", RUN_UNIT_BYTES, 4096, RUN_UNIT_BYTES, RUN_UNIT_BYTES);
}

/* False: none of its knobs. */
static bool fit_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "fit") == 0)
        snprintf(out, size, "%s", list_fits[list.fit]);
    else if (strcmp(name, "split") == 0)
        snprintf(out, size, "%zu", list.split_bytes);
    else
        return false;
    return true;
}

/* ---- nodes. They lie in memory that the program has freed and may have written to, so an address that comes out of
 * one is believed only when the bitmaps say that a free block begins there. */

static struct list_node *list_node(uintptr_t block) {
    return (struct list_node *)block;
}

static uintptr_t list_checked(uintptr_t block) {
    if (block == 0)
        return 0;
    const struct span *s = place_span_of(block);
    int slot = s != NULL && s->elem_bytes != 0 ? place_slot_at(s, block) : -1;
    if (GOALLOC_UNLIKELY(slot < 0 || run_bit(run_live(s), (unsigned)slot)))
        os_die("corrupted free list: it leads to %p, where no free block begins (was memory written to after free?)",
               (void *)block);
    return block;
}

static uintptr_t list_left(uintptr_t block) {
    return list_checked(list_node(block)->left_units >> 16);
}

static uintptr_t list_right(uintptr_t block) {
    return list_checked(list_node(block)->right_units >> 16);
}

static unsigned list_units(uintptr_t block) {
    return (uint16_t)list_node(block)->left_units;
}

static unsigned list_largest(uintptr_t block) {
    return block == 0 ? 0 : (uint16_t)list_node(block)->right_units;
}

static void list_set_left(uintptr_t block, uintptr_t left) {
    list_node(block)->left_units = (uint64_t)left << 16 | list_units(block);
}

static void list_set_right(uintptr_t block, uintptr_t right) {
    list_node(block)->right_units = (uint64_t)right << 16 | list_largest(block);
}

/* ---- treap */

static uint64_t list_priority(uintptr_t block) {
    uint64_t x = (uint64_t)block * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: addresses are not random */
    return x ^ x >> 32;
}

static bool list_before(uintptr_t a, unsigned a_units, uintptr_t b) {
    if (list.fit == LIST_BEST && a_units != list_units(b))
        return a_units < list_units(b);
    return a < b;
}

static void list_fix(uintptr_t block) {
    unsigned largest = list_units(block), left = list_largest(list_left(block)),
             right = list_largest(list_right(block));
    largest = left > largest ? left : largest;
    largest = right > largest ? right : largest;
    list_node(block)->right_units = (list_node(block)->right_units & ~(uint64_t)UINT16_MAX) | largest;
}

/* Parts the blocks below root by the key of `block`. */
static void list_part(uintptr_t root, uintptr_t block, uintptr_t *less, uintptr_t *more) {
    if (root == 0) {
        *less = *more = 0;
        return;
    }
    uintptr_t inner;
    if (list_before(block, list_units(block), root)) {
        list_part(list_left(root), block, less, &inner);
        list_set_left(root, inner);
        *more = root;
    } else {
        list_part(list_right(root), block, &inner, more);
        list_set_right(root, inner);
        *less = root;
    }
    list_fix(root);
}

static uintptr_t list_join(uintptr_t less, uintptr_t more) {
    if (less == 0 || more == 0)
        return less == 0 ? more : less;
    uintptr_t top = less;
    if (list_priority(less) > list_priority(more)) {
        list_set_right(less, list_join(list_right(less), more));
    } else {
        list_set_left(more, list_join(less, list_left(more)));
        top = more;
    }
    list_fix(top);
    return top;
}

static uintptr_t list_tree_add(uintptr_t root, uintptr_t block) {
    if (root == 0 || list_priority(block) > list_priority(root)) {
        uintptr_t less, more;
        list_part(root, block, &less, &more);
        list_set_left(block, less);
        list_set_right(block, more);
        list_fix(block);
        return block;
    }
    if (list_before(block, list_units(block), root))
        list_set_left(root, list_tree_add(list_left(root), block));
    else
        list_set_right(root, list_tree_add(list_right(root), block));
    list_fix(root);
    return root;
}

static uintptr_t list_tree_remove(uintptr_t root, uintptr_t block) {
    if (root == block)
        return list_join(list_left(root), list_right(root));
    if (root == 0)
        os_die("corrupted free list: the block at %p is not in it (was memory written to after free?)", (void *)block);
    if (list_before(block, list_units(block), root))
        list_set_left(root, list_tree_remove(list_left(root), block));
    else
        list_set_right(root, list_tree_remove(list_right(root), block));
    list_fix(root);
    return root;
}

static uintptr_t list_first_fit(uintptr_t root, unsigned units) {
    while (list_largest(root) >= units) {
        if (list_largest(list_left(root)) >= units)
            root = list_left(root);
        else if (list_units(root) >= units)
            return root;
        else
            root = list_right(root);
    }
    return 0;
}

static uintptr_t list_fit_from(uintptr_t root, unsigned units, uintptr_t from) {
    if (list_largest(root) < units)
        return 0;
    if (root < from)
        return list_fit_from(list_right(root), units, from);
    uintptr_t found = list_fit_from(list_left(root), units, from);
    if (found != 0)
        return found;
    return list_units(root) >= units ? root : list_first_fit(list_right(root), units);
}

static uintptr_t list_best_fit(uintptr_t root, unsigned units) {
    uintptr_t best = 0;
    while (root != 0) {
        if (list_units(root) >= units)
            best = root;
        root = list_units(root) >= units ? list_left(root) : list_right(root);
    }
    return best;
}

/* ---- segregated lists */

/* Bin of the blocks of this many units, by their lower bound. */
static unsigned list_bin(unsigned units) {
    if (units <= LIST_EXACT_BINS)
        return units - 1;
    unsigned log = 31 - (unsigned)__builtin_clz(units); /* at least 6 */
    unsigned bin = LIST_EXACT_BINS + (log - 6) * 4 + (units >> (log - 2) & 3);
    return bin < LIST_BINS ? bin : LIST_BINS - 1;
}

static void list_bin_add(struct fit_pool *pool, uintptr_t block) {
    unsigned bin = list_bin(list_units(block));
    uintptr_t next = list_checked(pool->bins[bin]);
    list_set_left(block, 0);
    list_set_right(block, next);
    if (next != 0)
        list_set_left(next, block);
    pool->bins[bin] = block;
    pool->bin_bits[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void list_bin_remove(struct fit_pool *pool, uintptr_t block) {
    unsigned bin = list_bin(list_units(block));
    uintptr_t before = list_left(block), next = list_right(block);
    if (before != 0)
        list_set_right(before, next);
    else if (pool->bins[bin] == block)
        pool->bins[bin] = next;
    else
        os_die("corrupted free list: the block at %p is not in it (was memory written to after free?)", (void *)block);
    if (next != 0)
        list_set_left(next, before);
    if (pool->bins[bin] == 0)
        pool->bin_bits[bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

static uintptr_t list_bin_fit(const struct fit_pool *pool, unsigned units) {
    unsigned bin = list_bin(units);
    /* Blocks of the request's own list may be smaller than it: the first that is not, of the latest few. */
    unsigned tries = LIST_BIN_TRIES;
    for (uintptr_t block = pool->bins[bin]; block != 0 && tries-- > 0; block = list_right(block))
        if (list_units(list_checked(block)) >= units)
            return block;
    for (bin++; bin < LIST_BINS; bin = (bin / 64 + 1) * 64) {
        uint64_t bits = pool->bin_bits[bin / 64] >> bin % 64;
        if (bits != 0)
            return list_checked(pool->bins[bin + (unsigned)__builtin_ctzll(bits)]);
    }
    return 0;
}

/* ---- a pool's free blocks, whatever the fit */

/* A block is listed when it is made of whole units; a free half of a tiny block is not. */
static bool list_listed(const struct span *s, unsigned slot, unsigned granules) {
    (void)s;
    return slot % LIST_UNIT_GRANULES == 0 && granules >= LIST_UNIT_GRANULES;
}

static void list_add(struct fit_pool *pool, uintptr_t block, unsigned granules) {
    unsigned units = granules / LIST_UNIT_GRANULES;
    *list_node(block) = (struct list_node){units, units};
    if (list.fit == LIST_SEGREGATED)
        list_bin_add(pool, block);
    else
        pool->root = list_tree_add(pool->root, block);
}

static void list_remove(struct fit_pool *pool, uintptr_t block, unsigned granules) {
    if (GOALLOC_UNLIKELY(list_units(block) != granules / LIST_UNIT_GRANULES))
        os_die("corrupted free block at %p: it says %u units and has %u (was it written to after free?)", (void *)block,
               list_units(block), granules / LIST_UNIT_GRANULES);
    if (list.fit == LIST_SEGREGATED)
        list_bin_remove(pool, block);
    else
        pool->root = list_tree_remove(pool->root, block);
}

static uintptr_t list_find(struct fit_pool *pool, unsigned units) {
    if (list.fit == LIST_SEGREGATED)
        return list_bin_fit(pool, units);
    if (list.fit == LIST_BEST)
        return list_best_fit(pool->root, units);
    if (list.fit == LIST_FIRST)
        return list_first_fit(pool->root, units);
    uintptr_t block = list_fit_from(pool->root, units, pool->rover);
    return block != 0 ? block : list_first_fit(pool->root, units);
}

/* Takes `granules` from the free block, behind `skip` granules of it that stay free. */
static uintptr_t list_carve(struct fit_pool *pool, struct span *s, uintptr_t block, unsigned skip, unsigned granules) {
    unsigned slot = run_granule(s, block), extent = run_extent(s, slot), rest = extent - skip - granules;
    list_remove(pool, block, extent);
    if (skip > 0)
        list_add(pool, block, skip);
    slot += skip;
    run_set(run_starts(s), slot);
    /* malloc_runs.c hands out halves of a unit. A rest that stayed with the unit would belong to its second half. */
    bool exact = LIST_UNIT_GRANULES > 1 && granules == LIST_UNIT_GRANULES && rest > 0;
    if (exact || rest * RUN_GRANULE_BYTES >= list.split_bytes) {
        run_set(run_starts(s), slot + granules);
        list_add(pool, run_address(s, slot + granules), rest);
    } else {
        granules += rest;
    }
    run_set(run_live(s), slot);
    pool->rover = run_address(s, slot + granules);
    return run_address(s, slot);
}

#endif
