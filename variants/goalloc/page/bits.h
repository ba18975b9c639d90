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

static inline unsigned bits_count(const uint64_t *map, unsigned first, unsigned count) {
    unsigned n = 0;
    BITS_EACH(first, count, word, mask)
    n += (unsigned)__builtin_popcountll(map[word] & mask);
    return n;
}

/* Index of the first of n consecutive ones in a word, 64 when there are none: ones shrink to the starts of long runs by
 * doubling shifts. */
static inline unsigned bits_find_run(uint64_t ones, unsigned n) {
    unsigned have = 1;
    while (have < n && ones != 0) {
        unsigned step = n - have < have ? n - have : have;
        ones &= ones >> step;
        have += step;
    }
    return ones == 0 ? 64 : (unsigned)__builtin_ctzll(ones);
}

#endif
