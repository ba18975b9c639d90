/* SPDX-License-Identifier: MIT
 *
 * summary: start, max and end of the free runs of what an entry covers, packed in 3 x 21 bits; bit 63 alone says that
 * all 2^21 pages are free (Go mpagealloc.go:978-1041).
 */
#include "page/bits.h"

struct runs {
    uint32_t start, max, end;
};

#define SUMMARY_FULL_BIT (UINT64_C(1) << 63)
enum { SUMMARY_MASK = (1 << PAGE_MAX_LOG) - 1 };
_Static_assert(PAGE_MAX_LOG * 3 == 63, "three fields and the bit that says all is free fill a word");
#define SUMMARY_FREE_CHUNK                                                                                             \
    ((uint64_t)PAGE_CHUNK_PAGES | (uint64_t)PAGE_CHUNK_PAGES << PAGE_MAX_LOG |                                         \
     (uint64_t)PAGE_CHUNK_PAGES << 2 * PAGE_MAX_LOG)

static inline uint64_t summary_pack(struct runs r) {
    if (r.max == 1u << PAGE_MAX_LOG)
        return SUMMARY_FULL_BIT;
    return (uint64_t)r.start | (uint64_t)r.max << PAGE_MAX_LOG | (uint64_t)r.end << 2 * PAGE_MAX_LOG;
}

static inline struct runs summary_unpack(uint64_t s) {
    if ((s & SUMMARY_FULL_BIT) != 0)
        return (struct runs){1u << PAGE_MAX_LOG, 1u << PAGE_MAX_LOG, 1u << PAGE_MAX_LOG};
    return (struct runs){s & SUMMARY_MASK, s >> PAGE_MAX_LOG & SUMMARY_MASK, s >> 2 * PAGE_MAX_LOG & SUMMARY_MASK};
}

static inline uint32_t summary_start(uint64_t s) {
    return (s & SUMMARY_FULL_BIT) != 0 ? 1u << PAGE_MAX_LOG : (uint32_t)(s & SUMMARY_MASK);
}

static inline uint32_t summary_max(uint64_t s) {
    return (s & SUMMARY_FULL_BIT) != 0 ? 1u << PAGE_MAX_LOG : (uint32_t)(s >> PAGE_MAX_LOG & SUMMARY_MASK);
}

static inline uint32_t summary_end(uint64_t s) {
    return (s & SUMMARY_FULL_BIT) != 0 ? 1u << PAGE_MAX_LOG : (uint32_t)(s >> 2 * PAGE_MAX_LOG & SUMMARY_MASK);
}

enum { SUMMARY_EXPAND_AT = 62 }; /* the longest run that can lie inside a word, between two pages in use */

/* The longest run of free pages strictly inside a word, when it is longer than max; otherwise max. */
static inline uint32_t summary_max_inside(uint64_t used, uint32_t max) {
    unsigned first = (unsigned)__builtin_ctzll(used), last = 63 - (unsigned)__builtin_clzll(used);
    uint64_t free = ~used & ((UINT64_C(1) << last) - (UINT64_C(1) << first));
    for (free = bits_run_starts(free, max + 1); free != 0; free &= free >> 1)
        max++;
    return max;
}

/* The runs of one chunk: first those that touch the border of a word, which are most often the longest, then only what
 * could be longer inside the words (Go mpallocbits.go:136). */
static uint64_t summary_of_chunk(const struct page_chunk *chunk) {
    const uint32_t none = UINT32_MAX;
    struct runs r = {none, 0, 0};
    uint32_t run = 0;
    for (unsigned w = 0; w < PAGE_CHUNK_WORDS; w++) {
        uint64_t used = chunk->in_use[w];
        if (used == 0) {
            run += 64;
            continue;
        }
        run += (uint32_t)__builtin_ctzll(used);
        if (r.start == none)
            r.start = run;
        if (run > r.max)
            r.max = run;
        run = (uint32_t)__builtin_clzll(used);
    }
    if (r.start == none)
        return SUMMARY_FREE_CHUNK;
    r.end = run;
    if (run > r.max)
        r.max = run;
    for (unsigned w = 0; w < PAGE_CHUNK_WORDS && r.max < SUMMARY_EXPAND_AT; w++)
        if (chunk->in_use[w] != 0 && chunk->in_use[w] != ~UINT64_C(0))
            r.max = summary_max_inside(chunk->in_use[w], r.max);
    return summary_pack(r);
}

/* The summary of a chunk after count pages from first were freed, from the one before. */
static uint64_t summary_after_free(uint64_t before, const struct page_chunk *chunk, unsigned first, unsigned count) {
    unsigned left = bits_zeros_below(chunk->in_use, first), right = bits_zeros_from(chunk->in_use, first + count);
    uint32_t run = left + count + right;
    struct runs r = summary_unpack(before);
    if (left == first)
        r.start = run;
    if (first + count + right == PAGE_CHUNK_PAGES)
        r.end = run;
    if (run > r.max)
        r.max = run;
    return summary_pack(r);
}

/* The same after they were taken. Only when they were part of a longest run must the others be measured. */
static uint64_t summary_after_take(uint64_t before, const struct page_chunk *chunk, unsigned first, unsigned count) {
    unsigned left = bits_zeros_below(chunk->in_use, first), right = bits_zeros_from(chunk->in_use, first + count);
    struct runs r = summary_unpack(before);
    if (left + count + right == r.max)
        return summary_of_chunk(chunk);
    if (left == first)
        r.start = left;
    if (first + count + right == PAGE_CHUNK_PAGES)
        r.end = right;
    return summary_pack(r);
}

/* Merges 8 neighbours, each covering 2^log_pages pages, none of them a root entry, whose bit 63 would be needed (Go
 * mpagealloc.go:1041). Most are wholly in use or wholly free and take a comparison each. */
static uint64_t summary_merge(const uint64_t *entries, unsigned log_pages) {
    const uint32_t all = 1u << log_pages, count = 1u << PAGE_LEVEL_BITS;
    const uint64_t all_free = (uint64_t)all | (uint64_t)all << PAGE_MAX_LOG | (uint64_t)all << 2 * PAGE_MAX_LOG;
    uint32_t i = 0, run, max;
    while (i < count && entries[i] == all_free)
        i++;
    run = i << log_pages;
    if (i == count)
        return summary_pack((struct runs){run, run, run});
    uint32_t start = max = run + (uint32_t)(entries[i] & SUMMARY_MASK);
    for (; i < count; i++) {
        uint64_t s = entries[i];
        if (s == all_free) {
            run += all;
            continue;
        }
        if ((s | run) == 0)
            continue;
        run += s & SUMMARY_MASK;
        if (run > max)
            max = run;
        uint32_t inside = s >> PAGE_MAX_LOG & SUMMARY_MASK;
        if (inside > max)
            max = inside;
        run = (uint32_t)(s >> 2 * PAGE_MAX_LOG);
    }
    return summary_pack((struct runs){start, run > max ? run : max, run});
}
