/* SPDX-License-Identifier: MIT
 *
 * bits: ranges in a chunk's 512-bit maps, and runs of free pages in them.
 */
#ifndef GOALLOC_PAGE_BITS_H
#define GOALLOC_PAGE_BITS_H

#include "page/page.h"

/* n bits from bit i; i + n <= 64, n > 0. */
static inline uint64_t bits_mask(unsigned i, unsigned n) {
    return (n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1) << i;
}

/* Calls action(word index, mask) for every word of a range of bits. */
#define BITS_EACH(first, count, word, mask)                                                                            \
    for (unsigned at_ = (first), left_ = (count), word, n_;                                                            \
         left_ > 0 && (word = at_ / 64, n_ = 64 - at_ % 64 < left_ ? 64 - at_ % 64 : left_, 1);                        \
         at_ += n_, left_ -= n_)                                                                                       \
        for (uint64_t mask = bits_mask(at_ % 64, n_), once_ = 1; once_ != 0; once_ = 0)

static inline void bits_set(uint64_t *map, unsigned first, unsigned count) {
    BITS_EACH(first, count, word, mask)
    map[word] |= mask;
}

static inline void bits_clear(uint64_t *map, unsigned first, unsigned count) {
    BITS_EACH(first, count, word, mask)
    map[word] &= ~mask;
}

/* Without the popcnt instruction, which plain x86-64 lacks, counting is a call: words of nothing are skipped. */
static inline unsigned bits_count(const uint64_t *map, unsigned first, unsigned count) {
    unsigned n = 0;
    BITS_EACH(first, count, word, mask)
    if ((map[word] & mask) != 0)
        n += (unsigned)__builtin_popcountll(map[word] & mask);
    return n;
}

static inline bool bits_all_set(const uint64_t *map, unsigned first, unsigned count) {
    uint64_t missing = 0;
    BITS_EACH(first, count, word, mask)
    missing |= ~map[word] & mask;
    return missing == 0;
}

static inline bool bits_all_clear(const uint64_t *map, unsigned first, unsigned count) {
    uint64_t present = 0;
    BITS_EACH(first, count, word, mask)
    present |= map[word] & mask;
    return present == 0;
}

/* How many zeros of a chunk's map lie directly below bit i. */
static inline unsigned bits_zeros_below(const uint64_t *map, unsigned i) {
    unsigned end = i;
    while (i > 0) {
        unsigned word = (i - 1) / 64;
        uint64_t rest = map[word] << (word * 64 + 64 - i);
        if (rest != 0)
            return end - i + (unsigned)__builtin_clzll(rest);
        i = word * 64;
    }
    return end;
}

/* How many zeros of a chunk's map begin at bit i, which may be the map's end. */
static inline unsigned bits_zeros_from(const uint64_t *map, unsigned i) {
    unsigned start = i;
    while (i < PAGE_CHUNK_PAGES) {
        uint64_t rest = map[i / 64] >> i % 64;
        if (rest != 0)
            return i - start + (unsigned)__builtin_ctzll(rest);
        i = i / 64 * 64 + 64;
    }
    return PAGE_CHUNK_PAGES - start;
}

/* Leaves of the ones those that n - 1 more ones follow: runs shrink to their starts, by doubling shifts. */
static inline uint64_t bits_run_starts(uint64_t ones, unsigned n) {
    unsigned have = 1;
    while (have < n && ones != 0) {
        unsigned step = n - have < have ? n - have : have;
        ones &= ones >> step;
        have += step;
    }
    return ones;
}

/* Index of the first of n consecutive ones in a word, 64 when there are none. */
static inline unsigned bits_find_run(uint64_t ones, unsigned n) {
    ones = bits_run_starts(ones, n);
    return ones == 0 ? 64 : (unsigned)__builtin_ctzll(ones);
}

#endif
