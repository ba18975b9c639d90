/* SPDX-License-Identifier: MIT
 *
 * pageset: a set of pages of the arenas' window that gives them back in the order of their addresses. A bit for each
 * page; above it, level by level, a bit for each word that is not zero. What was queued with a page lies beside.
 */
#include "alloc/heap.h"

enum { PAGESET_LEVELS = 6 };

struct pageset {
    size_t count;
    unsigned levels;
    size_t length[PAGESET_LEVELS];  /* bits of a level: pages, then words of the level below */
    uint64_t *bits[PAGESET_LEVELS]; /* bits[0]: the pages; the last level is one word */
    uint16_t *slots;                /* by page: the slot that it was queued for */
};

/* For `pages` pages, empty. Nothing of it costs memory before it is used. False: no address space. */
static bool pageset_init(struct pageset *set, size_t pages) {
    size_t words = 0, n = pages;
    for (set->levels = 0; set->levels == 0 || n > 1; set->levels++) {
        if (set->levels == PAGESET_LEVELS)
            os_die("a set of %zu pages is more than the collector reckons with", pages);
        set->length[set->levels] = n;
        n = (n + 63) / 64;
        words += n;
    }
    uint64_t *memory = os_map_lazy(words * sizeof *memory + pages * sizeof *set->slots);
    if (memory == NULL)
        return false;
    for (unsigned level = 0; level < set->levels; level++) {
        set->bits[level] = memory;
        memory += (set->length[level] + 63) / 64;
    }
    set->slots = (uint16_t *)memory;
    set->count = 0;
    return true;
}

/* The page is not in the set. */
static inline void pageset_add(struct pageset *set, size_t page, uint16_t slot) {
    set->slots[page] = slot;
    set->count++;
    for (unsigned level = 0; level < set->levels; level++) {
        uint64_t *word = &set->bits[level][page / 64], before = *word;
        *word = before | UINT64_C(1) << page % 64;
        if (before != 0)
            return; /* the levels above know of the word */
        page /= 64;
    }
}

static inline void pageset_remove(struct pageset *set, size_t page) {
    set->count--;
    for (unsigned level = 0; level < set->levels; level++) {
        uint64_t *word = &set->bits[level][page / 64];
        *word &= ~(UINT64_C(1) << page % 64);
        if (*word != 0)
            return;
        page /= 64;
    }
}

/* From a bit of a level down to the lowest page below it, or to the highest. */
static inline size_t pageset_descend(const struct pageset *set, unsigned level, size_t at, bool highest) {
    while (level-- > 0) {
        uint64_t word = set->bits[level][at];
        at = at * 64 + (highest ? 63 - (unsigned)__builtin_clzll(word) : (unsigned)place_lowest(word));
    }
    return at;
}

/* The lowest page of the set from `from` on; SIZE_MAX: none. */
static inline size_t pageset_above(const struct pageset *set, size_t from) {
    for (unsigned level = 0; level < set->levels && from < set->length[level]; level++) {
        uint64_t word = set->bits[level][from / 64] >> from % 64;
        if (word != 0)
            return pageset_descend(set, level, from + place_lowest(word), false);
        from = from / 64 + 1;
    }
    return SIZE_MAX;
}

/* The highest page of the set up to `from`; SIZE_MAX: none. */
static inline size_t pageset_below(const struct pageset *set, size_t from) {
    for (unsigned level = 0; level < set->levels; level++) {
        uint64_t word = set->bits[level][from / 64] << (63 - from % 64);
        if (word != 0)
            return pageset_descend(set, level, from - (unsigned)__builtin_clzll(word), true);
        if (from < 64)
            return SIZE_MAX;
        from = from / 64 - 1;
    }
    return SIZE_MAX;
}
