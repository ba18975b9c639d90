/* SPDX-License-Identifier: MIT */
#include "span/span.h"

static struct fixalloc span_bits[SPAN_MAX_WORDS + 1];

static uint64_t *span_bits_take(unsigned words) {
    /* Set by every caller to the same value; the allocator's own state starts as zeros. */
    __atomic_store_n(&span_bits[words].size_bytes, (size_t)words * 2 * sizeof(uint64_t), __ATOMIC_RELAXED);
    return fixalloc_take(&span_bits[words]);
}

static void span_bits_give(uint64_t *bits, unsigned words) {
    fixalloc_give(&span_bits[words], bits);
}
