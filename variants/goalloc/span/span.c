/* SPDX-License-Identifier: MIT */
#include "span/span.h"

static struct fixalloc span_bits[SPAN_MAX_WORDS + 1];

static void span_bits_init(void) {
    for (unsigned words = 1; words <= SPAN_MAX_WORDS; words++)
        span_bits[words].size_bytes = words * 2 * sizeof(uint64_t);
}

static uint64_t *span_bits_take(unsigned words) {
    return fixalloc_take(&span_bits[words]);
}

static void span_bits_give(uint64_t *bits, unsigned words) {
    fixalloc_give(&span_bits[words], bits);
}
