/* SPDX-License-Identifier: MIT */
#include "alloc/tiny.h"
#include "alloc/cache.h"

static bool tiny_window_advance(struct place_window *w) {
    unsigned words = span_words(w->span);
    for (unsigned i = 0; i < words; i++) {
        if (tiny_free_blocks(place_load(w->word)) != 0)
            return true;
        if (!place_window_advance(w))
            return false;
    }
    return false;
}

/* The upper granule of a block that was begun stays free in the bitmap until it is handed out. Nothing else takes it: a
 * new block is begun only when none is pending, and the span in use is never given back. */
static uintptr_t tiny_alloc_pending(struct cache *c) {
    struct span *s = c->current[TINY_SPAN].span;
    unsigned slot = (unsigned)((c->tiny - s->base) / TINY_GRANULE_BYTES);
    uintptr_t address = c->tiny;
    c->tiny = 0;
    uint64_t *word = &span_free_bits(s)[slot / 64];
    place_store(word, place_load(word) & ~(UINT64_C(1) << slot % 64));
    return address;
}

static uintptr_t tiny_alloc(struct cache *c) {
    if (c->tiny != 0)
        return tiny_alloc_pending(c);
    struct place_window *w = &c->current[TINY_SPAN];
    uint64_t blocks = tiny_free_blocks(place_load(w->word));
    if (blocks == 0) {
        if (!cache_refill(c, TINY_SPAN))
            return 0;
        blocks = tiny_free_blocks(place_load(w->word));
    }
    uint64_t lower = place_lowest(blocks);
    place_store(w->word, place_load(w->word) & ~(UINT64_C(1) << lower));
    uintptr_t address = w->base + lower * TINY_GRANULE_BYTES;
    c->tiny = address + TINY_GRANULE_BYTES;
    return address;
}
