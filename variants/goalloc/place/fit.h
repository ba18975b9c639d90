/* SPDX-License-Identifier: MIT
 *
 * fit: free blocks of any size in runs (Knuth, TAOCP 1, 2.5; Wilson, Johnstone, Neely and Boles, IWMM 1995). The lower
 * end of the block that fits is handed out; a remainder below the split threshold stays with the object. The fit is a
 * knob:
 *   first       the lowest address that fits
 *   next        first fit from where the last search ended, once around
 *   best        the smallest block that fits, the lowest address among equals
 *   segregated  the lists of a size, then of larger ones; last in, first out; the wilderness (Korn and Vo 1985), here
 *               the free block that ends the newest run, only when no other serves
 * A free block says its length at both ends (boundary tags, Knuth 2.5, algorithm C), so neither a free nor a search
 * walks the bitmaps to find where free memory ends, and what is written over is found. Nothing is added to what is
 * allocated: the bitmaps say whether a neighbour is free. First and next fit keep the largest block of each stretch of
 * a run beside the heap (place/fit_address.h); best fit and the segregated lists link the blocks themselves
 * (place/fit_bins.h).
 */
#ifndef GOALLOC_FIT_H
#define GOALLOC_FIT_H

#include "place/tiles.h"

enum {
    LIST_EXACT_BINS = 64, /* one list a unit up to 1 KiB, then four to a doubling */
    LIST_BINS = 128,
    LIST_BIN_TRIES = 16, /* in a list whose blocks may be too small; all of a larger one's fit */
    LIST_QUICK_UNITS = 256, /* 4 KiB on each quick list of a thread; what is freed then coalesces at once */
    LIST_QUICK_SHARE = 16,  /* of the pool's runs: no more waits there when the pool takes another run */
    LIST_UNIT_GRANULES = RUN_UNIT_BYTES / RUN_GRANULE_BYTES,
    LIST_CHUNK_GRANULES = 64, /* one word of a bitmap */
    LIST_FEET = !AXIS_TRACED, /* a sweep coalesces by the bits, and fresh memory must stay zero behind a node */
    LIST_MAX_CHUNKS = RUN_MAX_BYTES / RUN_GRANULE_BYTES / LIST_CHUNK_GRANULES,
    LIST_GROUP_CHUNKS = 8,
    LIST_MAX_GROUPS = LIST_MAX_CHUNKS / LIST_GROUP_CHUNKS,
};

static const char *const list_fits[] = {"segregated", "first", "next", "best", NULL};
enum list_fit { LIST_SEGREGATED, LIST_FIRST, LIST_NEXT, LIST_BEST };

static const char *const list_coalescings[] = {"now", "deferred", NULL};
static const char *const list_bin_orders[] = {"lifo", "address", NULL};
static const char *const list_boundaries[] = {"exact", "powers", NULL};

static struct {
    enum list_fit fit;
    bool deferred;      /* what is freed waits on the quick list of its size and coalesces when a search fails */
    bool address_order; /* segregated: the lowest address of a list, instead of the block freed last */
    bool powers;        /* segregated: a list for the sizes from a power of two to the next, instead of exact ones */
    bool plain;         /* segregated, and none of these, nor a split threshold */
    bool ordered;       /* first, next or best fit, and none of these */
    size_t split_bytes; /* a remainder smaller than this is not split off */
    size_t words_between; /* of a run, from its starts to its live bits */
} list;

/* What first and next fit know of a run: upper bounds for what begins in parts of it, in units. A block that is freed raises
 * them; a search that finds less than a bound promises lowers it. */
struct fit_run {
    struct fit_run *left, *right, *parent; /* tree of a pool's runs, by address */
    struct span *span;
    uint16_t largest;       /* of the whole run */
    uint16_t largest_below; /* of this run and those below it in the tree */
    uint16_t groups[LIST_MAX_GROUPS];
    uint16_t chunks[LIST_MAX_CHUNKS];
};

/* The free blocks that a search goes through. Zero: none. */
struct fit_pool {
    struct span *newest; /* segregated: the run whose end is the wilderness; else NULL */
    struct span *kept;   /* the run that stays when all of it is free */
    uintptr_t wild;      /* the wilderness: nothing is written into it; 0: none */
    uint32_t wild_units; /* 0: none */
    uint32_t run_count;
    struct fit_run *runs; /* first, next fit */
    uintptr_t rover;      /* next fit: where the last search ended */
    struct span *rover_span; /* the run that this was in; NULL: it has left */
    uint64_t bin_bits[LIST_BINS / 64];
    uintptr_t bins[LIST_BINS];         /* heads of lists, or roots of trees */
    uintptr_t quick[LIST_EXACT_BINS]; /* deferred coalescing */
    uint16_t quick_units[LIST_EXACT_BINS]; /* of what waits there */
};

/* A free block's first 16 bytes: two addresses of 48 bits, and this block's units, twice. The lower 16 bits of its last
 * word are its units, too: of a block of one unit they are the second of these. A block that ends its run lacks that
 * last word: nothing behind it asks. */
struct list_node {
    uint64_t left_units;  /* left child or previous block << 16 | units; LIST_QUICK: on a quick list */
    uint64_t right_units; /* right child or next block << 16 | units */
};
#define LIST_QUICK (UINT64_MAX << 16) /* 0 units, and an address that no block has */
_Static_assert(sizeof(struct list_node) == RUN_UNIT_BYTES, "the smallest block holds a node");
_Static_assert(RUN_MAX_BYTES / RUN_UNIT_BYTES <= INT16_MAX, "units fit 15 bits");
_Static_assert(RUN_MIN_BYTES / RUN_GRANULE_BYTES / LIST_CHUNK_GRANULES % LIST_GROUP_CHUNKS == 0, "groups are whole");

/* By the page table; any address. */
static inline struct span *place_span_of(uintptr_t address);
static inline uint64_t *list_starts(const struct span *s);
/* What first and next fit know of s, a run of the pool. */
static inline struct fit_run *list_run_of(struct fit_pool *pool, const struct span *s);
/* The granules of a chunk at which blocks may begin. */
static inline uint64_t list_usable(const struct span *s, unsigned chunk);

/* What may be chosen beside the fit. Order and boundaries of lists are segregated fit's. */
struct list_choice {
    bool deferred, address_order, powers;
};

static void list_choose(enum list_fit fit, struct list_choice beside) {
    list.fit = fit;
    list.deferred = beside.deferred;
    list.address_order = beside.address_order && fit == LIST_SEGREGATED;
    list.powers = beside.powers && fit == LIST_SEGREGATED;
    bool usual = !list.deferred && list.split_bytes == RUN_UNIT_BYTES;
    list.plain = usual && fit == LIST_SEGREGATED && !list.address_order && !list.powers;
    list.ordered = usual && fit != LIST_SEGREGATED;
}

static void fit_knobs_init(bool tuned) {
    enum list_fit fit = (enum list_fit)knob_choice("GOALLOC_FIT", list_fits, 0);
    /* Under a collector the sweep coalesces, and nothing is freed at any other time. */
    unsigned coalescing = tuned && fit == LIST_SEGREGATED; /* the others find what their definition says */
    struct list_choice beside = {
        .deferred = !AXIS_TRACED && knob_choice("GOALLOC_COALESCE", list_coalescings, coalescing) == 1,
        .address_order = knob_choice("GOALLOC_BIN_ORDER", list_bin_orders, 0) == 1,
        .powers = knob_choice("GOALLOC_BIN_BOUNDS", list_boundaries, 0) == 1,
    };
    list.split_bytes = knob_bytes("GOALLOC_SPLIT", RUN_UNIT_BYTES, 4096, RUN_UNIT_BYTES, RUN_UNIT_BYTES);
    list_choose(fit, beside);
}

/* False: none of its knobs. */
static bool fit_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "fit") == 0)
        snprintf(out, size, "%s", list_fits[list.fit]);
    else if (!AXIS_TRACED && strcmp(name, "coalesce") == 0)
        snprintf(out, size, "%s", list_coalescings[list.deferred]);
    else if (strcmp(name, "bin_order") == 0)
        snprintf(out, size, "%s", list_bin_orders[list.address_order]);
    else if (strcmp(name, "bin_bounds") == 0)
        snprintf(out, size, "%s", list_boundaries[list.powers]);
    else if (strcmp(name, "split") == 0)
        snprintf(out, size, "%zu", list.split_bytes);
    else
        return false;
    return true;
}

/* ---- free blocks. They lie in memory that the program has freed and may have written to, so what is read there is
 * believed only when something else agrees: the bits, the other end of the block, or the link back. */

static inline struct list_node *list_node(uintptr_t block) {
    return (struct list_node *)block;
}

static inline unsigned list_units(uintptr_t block) {
    return (uint16_t)list_node(block)->left_units;
}

static inline uint64_t *list_foot(uintptr_t block, unsigned units) {
    return (uint64_t *)(block + (size_t)units * RUN_UNIT_BYTES) - 1;
}

static inline bool list_has_foot(const struct span *s, unsigned slot, unsigned units) {
    return LIST_FEET && slot + units * LIST_UNIT_GRANULES < s->nelems;
}

/* Does a block begin at slot that is free and made of whole units? A free half of a tiny block is not. A start is
 * there. */
static inline bool list_free_at(const struct span *s, unsigned slot) {
    if (run_bit(run_live(s), slot))
        return false;
    if (LIST_UNIT_GRANULES == 1)
        return true;
    return slot % LIST_UNIT_GRANULES == 0 && !run_bit(list_starts(s), slot + 1);
}

_Noreturn static __attribute__((noinline)) void list_die_size(const struct span *s, unsigned slot) {
    uintptr_t block = run_address(s, slot);
    unsigned units = run_extent(s, slot) / LIST_UNIT_GRANULES;
    unsigned foot = list_has_foot(s, slot, units) ? (uint16_t)*list_foot(block, units) : units;
    os_die("corrupted free block at %p: it says %u, %u and %u units and has %u (was it written to after free?)",
           (void *)block, list_units(block), (unsigned)(uint16_t)list_node(block)->right_units, foot, units);
}

_Noreturn static __attribute__((noinline)) void list_die_link(uintptr_t from, uintptr_t to) {
    os_die("corrupted free list: it leads from %p to %p, which does not lead back (was memory written to after free?)",
           (void *)from, (void *)to);
}

_Noreturn static __attribute__((noinline)) void list_die_absent(uintptr_t block) {
    os_die("corrupted free list: the block at %p is not in it (was memory written to after free?)", (void *)block);
}

/* What begins at slot is free, and waits on a quick list (deferred coalescing). */
static inline bool list_on_quick(const struct fit_pool *pool, const struct span *s, unsigned slot) {
    uintptr_t block = run_address(s, slot);
    return list.deferred && block != pool->wild && list_node(block)->left_units == LIST_QUICK;
}

/* May memory at this address be read as a node? */
static inline bool list_readable(uintptr_t block) {
    return block % RUN_UNIT_BYTES == 0 && place_span_of(block) != NULL;
}

/* Do the two ends of the free block at slot, of so many units, and the bits agree? */
static inline bool list_sized(const struct span *s, unsigned slot, unsigned units) {
    uintptr_t block = run_address(s, slot);
    unsigned end = slot + units * LIST_UNIT_GRANULES;
    if (units == 0 || (uint16_t)list_node(block)->right_units != units || list_units(block) != units)
        return false;
    if (end >= s->nelems)
        return end == s->nelems;
    return (!LIST_FEET || (uint16_t)*list_foot(block, units) == units) && run_bit(list_starts(s), end);
}

/* Units of the free block at slot. */
static inline unsigned list_sized_units(const struct span *s, unsigned slot) {
    unsigned units = list_units(run_address(s, slot));
    if (GOALLOC_UNLIKELY(!list_sized(s, slot, units)))
        list_die_size(s, slot);
    return units;
}

/* Writes what a free block says of itself. It is linked to nothing. */
static inline void list_size(const struct span *s, unsigned slot, unsigned units) {
    uintptr_t block = run_address(s, slot);
    if (list_has_foot(s, slot, units))
        *list_foot(block, units) = units; /* before the node, which a block of one unit shares it with */
    *list_node(block) = (struct list_node){units, units};
}

#include "place/fit_address.h"
#include "place/fit_bins.h"

/* ---- a pool's free blocks, whatever the fit */

static inline bool list_by_address(void) {
    return list.fit == LIST_FIRST || list.fit == LIST_NEXT;
}

/* Of all but the linked lists: the block says its size, and leads nowhere. */
static inline void order_add(struct fit_pool *pool, const struct span *s, unsigned slot, unsigned units) {
    if (list_by_address())
        address_add(list_run_of(pool, s), slot, units);
    else
        tree_add(pool, run_address(s, slot), units);
}

/* The bounds of first and next fit stay as they are: upper ones. */
static inline void order_remove(struct fit_pool *pool, const struct span *s, unsigned slot, unsigned units) {
    if (!list_by_address())
        tree_remove(pool, run_address(s, slot), units);
}

static inline bool list_is_linked(void) {
    return list.fit == LIST_SEGREGATED && !list.address_order;
}

/* The bits of the block need not be up to date. ordered: list.ordered, known to the compiler. */
static inline __attribute__((always_inline)) void list_add_as(bool ordered, struct fit_pool *pool, struct span *s,
                                                              unsigned slot, unsigned units) {
    if (!ordered && s == pool->newest && slot + units * LIST_UNIT_GRANULES == s->nelems) {
        pool->wild = run_address(s, slot);
        pool->wild_units = units;
    } else if (!ordered && GOALLOC_LIKELY(list_is_linked())) {
        bin_add(pool, s, slot, units);
    } else {
        list_size(s, slot, units);
        order_add(pool, s, slot, units);
    }
}

static inline void list_add(struct fit_pool *pool, struct span *s, unsigned slot, unsigned units) {
    list_add_as(false, pool, s, slot, units);
}

static inline __attribute__((always_inline)) void list_remove_as(bool ordered, struct fit_pool *pool, struct span *s,
                                                                 unsigned slot, unsigned units) {
    if (!ordered && run_address(s, slot) == pool->wild)
        pool->wild = pool->wild_units = 0;
    else if (!ordered && GOALLOC_LIKELY(list_is_linked()))
        bin_remove(pool, run_address(s, slot), units);
    else
        order_remove(pool, s, slot, units);
}

static inline void list_remove(struct fit_pool *pool, struct span *s, unsigned slot, unsigned units) {
    list_remove_as(false, pool, s, slot, units);
}

/* Units of a free block of the pool. */
static inline unsigned list_units_of(const struct fit_pool *pool, const struct span *s, unsigned slot) {
    return run_address(s, slot) == pool->wild ? pool->wild_units : list_sized_units(s, slot);
}

/* First, next and best fit: the block that the fit chooses; 0: none. */
static inline __attribute__((always_inline)) uintptr_t order_find(struct fit_pool *pool, unsigned units) {
    if (list.fit == LIST_FIRST)
        return address_find_first(pool, units);
    return list.fit == LIST_NEXT ? address_find_next(pool, units) : tree_find_best(pool, units);
}

/* The same for every fit. */
static uintptr_t list_find(struct fit_pool *pool, unsigned units) {
    if (list.fit != LIST_SEGREGATED)
        return order_find(pool, units);
    uintptr_t block = list_is_linked() ? bin_find(pool, units) : tree_find_lowest(pool, units);
    return block == 0 && pool->wild_units >= units ? pool->wild : block;
}

/* The block before this granule has been taken. */
static inline void list_rove(struct fit_pool *pool, struct span *s, unsigned granule) {
    pool->rover = run_address(s, granule);
    pool->rover_span = s;
}

/* Knuth 2.5, exercise 6: a rover inside what has become one free block goes to its start. */
static inline void list_rove_back(struct fit_pool *pool, const struct span *s, unsigned slot, unsigned units) {
    if (pool->rover - run_address(s, slot) < (uintptr_t)units * RUN_UNIT_BYTES)
        pool->rover = run_address(s, slot);
}

/* Takes `granules` from the free block at slot of s, behind `skip` granules of it that stay free. */
static uintptr_t list_carve(struct fit_pool *pool, struct span *s, unsigned slot, unsigned skip, unsigned granules) {
    unsigned units = list_units_of(pool, s, slot), rest = units * LIST_UNIT_GRANULES - skip - granules;
    list_remove(pool, s, slot, units);
    if (skip > 0)
        list_add(pool, s, slot, skip / LIST_UNIT_GRANULES);
    slot += skip;
    run_set(list_starts(s), slot);
    /* malloc_runs.c hands out halves of a unit. A rest that stayed with the unit would belong to its second half. */
    bool exact = LIST_UNIT_GRANULES > 1 && granules == LIST_UNIT_GRANULES && rest > 0;
    if (exact || (rest > 0 && rest * RUN_GRANULE_BYTES >= list.split_bytes)) {
        run_set(list_starts(s), slot + granules);
        list_add(pool, s, slot + granules, rest / LIST_UNIT_GRANULES);
    } else {
        granules += rest;
    }
    run_set(run_live(s), slot);
    list_rove(pool, s, slot + granules);
    return run_address(s, slot);
}

/* ---- deferred coalescing: what is freed waits for a request of its size, as it is */

static inline bool quick_has_room(const struct fit_pool *pool, unsigned units) {
    return GOALLOC_LIKELY(units - 1 < LIST_EXACT_BINS) &&
           GOALLOC_LIKELY(pool->quick_units[units - 1] <= LIST_QUICK_UNITS - units);
}

static inline void quick_push(struct fit_pool *pool, uintptr_t block, unsigned units) {
    *list_node(block) = (struct list_node){LIST_QUICK, (uint64_t)pool->quick[units - 1] << 16 | units};
    pool->quick[units - 1] = block;
    pool->quick_units[units - 1] += (uint16_t)units;
}

/* block: the first of its list. */
static inline void quick_pop(struct fit_pool *pool, uintptr_t block, size_t units) {
    pool->quick[units - 1] = list_right(block);
    pool->quick_units[units - 1] -= (uint16_t)units;
}

/* Does more wait than what a heap of this size may waste? */
static bool quick_is_much(const struct fit_pool *pool) {
    size_t units = 0;
    for (unsigned i = 0; i < LIST_EXACT_BINS; i++)
        units += pool->quick_units[i];
    return units * RUN_UNIT_BYTES > pool->run_count * runs.bytes / LIST_QUICK_SHARE;
}

/* The block of so many units that was freed last; NULL: none. */
static struct span *quick_take(struct fit_pool *pool, unsigned units, unsigned *slot) {
    uintptr_t block = units <= LIST_EXACT_BINS ? pool->quick[units - 1] : 0;
    if (block == 0)
        return NULL;
    struct span *s = list_readable(block) ? place_span_of(block) : NULL;
    if (s == NULL || (*slot = run_granule(s, block)) >= s->nelems || !run_bit(list_starts(s), *slot) ||
        !list_free_at(s, *slot))
        list_die_absent(block);
    if (list_node(block)->left_units != LIST_QUICK || (uint16_t)list_node(block)->right_units != units ||
        run_extent(s, *slot) != units * LIST_UNIT_GRANULES)
        list_die_size(s, *slot);
    quick_pop(pool, block, units);
    return s;
}

#endif
