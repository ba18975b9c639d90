/* SPDX-License-Identifier: MIT
 *
 * tiles: what list and linear placement share in both flavours: a run of pages cut into objects of any size, without
 * headers. Two bitmaps beside the heap have one bit per granule: `starts` (an object, a free block or a gap begins
 * here; a run is always tiled) and `live` (what begins here is an object handed out). An object ends where the next
 * start is.
 */
#ifndef GOALLOC_TILES_H
#define GOALLOC_TILES_H

#include "os/knob.h"
#include "place/place.h"

enum {
    PLACE_SLOTS = 0,
    PLACE_GRANULE_BYTES = AXIS_TINY && !AXIS_TRACED ? 8 : 16,
    RUN_UNIT_BYTES = 16, /* objects are multiples of it, but for the halves of a tiny block */
    RUN_GRANULE_BYTES = PLACE_GRANULE_BYTES,
    RUN_MIN_BYTES = GOALLOC_PAGE_BYTES,
    RUN_MAX_BYTES = 256 << 10, /* a free block's length in units fits 16 bits */
};

static struct {
    size_t bytes;         /* length of every run */
    size_t largest_bytes; /* of a request that runs serve */
    struct fixalloc bits;
} runs;

static inline uint64_t *run_starts(const struct span *s);
static inline uint64_t *run_live(const struct span *s);

static inline bool run_bit(const uint64_t *bits, unsigned i) {
    return (place_load(&bits[i / 64]) >> i % 64 & 1) != 0;
}

static inline void run_set(uint64_t *bits, unsigned i) {
    place_store(&bits[i / 64], place_load(&bits[i / 64]) | UINT64_C(1) << i % 64);
}

static inline void run_clear(uint64_t *bits, unsigned i) {
    place_store(&bits[i / 64], place_load(&bits[i / 64]) & ~(UINT64_C(1) << i % 64));
}

static inline uintptr_t run_address(const struct span *s, unsigned granule) {
    return s->base + (uintptr_t)granule * RUN_GRANULE_BYTES;
}

static inline unsigned run_granule(const struct span *s, uintptr_t address) {
    return (unsigned)((address - s->base) / RUN_GRANULE_BYTES);
}

/* What an object of this size takes up. 0 stays 0. */
static inline size_t run_round_up(size_t size_bytes) {
    return (size_bytes + RUN_UNIT_BYTES - 1) & ~(size_t)(RUN_UNIT_BYTES - 1);
}

/* The first bit set at or behind i; nelems when there is none. */
static unsigned run_next(const struct span *s, const uint64_t *bits, unsigned i) {
    unsigned words = span_words(s);
    if (i >= s->nelems)
        return s->nelems;
    uint64_t word = place_load(&bits[i / 64]) >> i % 64;
    if (word != 0)
        return i + (unsigned)__builtin_ctzll(word);
    for (unsigned w = i / 64 + 1; w < words; w++)
        if ((word = place_load(&bits[w])) != 0)
            return w * 64 + (unsigned)__builtin_ctzll(word);
    return s->nelems;
}

/* The last bit set at or before i; -1 when there is none. */
static int run_last(const uint64_t *bits, unsigned i) {
    uint64_t word = place_load(&bits[i / 64]) << (63 - i % 64);
    if (word != 0)
        return (int)(i - (unsigned)__builtin_clzll(word));
    for (unsigned w = i / 64; w-- > 0;)
        if ((word = place_load(&bits[w])) != 0)
            return (int)(w * 64 + 63 - (unsigned)__builtin_clzll(word));
    return -1;
}

/* Granules of the object, block or gap that begins at i. */
static inline unsigned run_extent(const struct span *s, unsigned i) {
    return run_next(s, run_starts(s), i + 1) - i;
}

/* The granules of a word that live objects cover. *reaches: does one from the word before reach into this one? Then,
 * does one of this word reach into the next? */
static inline uint64_t run_covered(uint64_t starts, uint64_t live, uint64_t *reaches) {
    uint64_t inside = ~starts;
    /* Inside each object the granules behind its first are a row of ones. Adding 1 at the lowest of them turns the row
     * into zeros, up to the start that ends it. */
    uint64_t sum = (live << 1 | *reaches) + inside;
    uint64_t covered = live | (inside & ~sum);
    *reaches = covered >> 63;
    return covered;
}

static void run_length_init(size_t default_bytes, size_t largest_bytes) {
    runs.bytes = knob_bytes("GOALLOC_RUN", RUN_MIN_BYTES, RUN_MAX_BYTES, GOALLOC_PAGE_BYTES, default_bytes);
    runs.largest_bytes = largest_bytes < runs.bytes ? largest_bytes : runs.bytes;
}

#endif
