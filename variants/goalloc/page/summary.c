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

/* The runs of one chunk. */
static uint64_t summary_of_chunk(const struct page_chunk *chunk) {
    struct runs r = {0, 0, 0};
    uint32_t run = 0;
    bool at_start = true;
    for (unsigned w = 0; w < PAGE_CHUNK_WORDS; w++) {
        uint64_t used = chunk->in_use[w];
        if (used == 0) {
            run += 64;
            continue;
        }
        /* Walk the free runs between pages in use. */
        unsigned at = 0;
        while (used != 0) {
            unsigned gap = (unsigned)__builtin_ctzll(used);
            run += gap;
            if (at_start) {
                r.start = run;
                at_start = false;
            }
            if (run > r.max)
                r.max = run;
            run = 0;
            used >>= gap;
            unsigned busy = ~used == 0 ? 64 - at - gap : (unsigned)__builtin_ctzll(~used);
            at += gap + busy;
            used = busy == 64 ? 0 : used >> busy;
        }
        run = 64 - at;
    }
    if (at_start)
        r.start = run;
    if (run > r.max)
        r.max = run;
    r.end = run;
    return summary_pack(r);
}

/* Merges 8 neighbours, each covering 2^log_pages pages: start grows only while everything before is free, end likewise.
 */
static uint64_t summary_merge(const uint64_t *entries, unsigned log_pages) {
    uint32_t all = 1u << log_pages;
    struct runs r = summary_unpack(entries[0]);
    for (unsigned i = 1; i < 1u << PAGE_LEVEL_BITS; i++) {
        struct runs n = summary_unpack(entries[i]);
        if (r.start == i * all)
            r.start += n.start;
        if (r.end + n.start > r.max)
            r.max = r.end + n.start;
        if (n.max > r.max)
            r.max = n.max;
        r.end = n.end == all ? r.end + all : n.end;
    }
    return summary_pack(r);
}
