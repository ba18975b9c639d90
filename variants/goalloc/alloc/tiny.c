/* SPDX-License-Identifier: MIT */
#include "alloc/tiny.h"

static struct fixalloc tiny_records = {.size_bytes = sizeof(struct granules)};

static bool tiny_span_init(struct span *s) {
    s->granules = fixalloc_take(&tiny_records);
    if (s->granules == NULL)
        return false;
    for (unsigned i = 0; i < TINY_WORDS; i++) {
        place_store(&s->granules->live[i], 0);
        __atomic_store_n(&s->granules->remote[i], 0, __ATOMIC_RELAXED);
    }
    /* The ordinary fast free knows nothing of granules and must refuse every address here. */
    s->exact_slots = 0;
    return true;
}

static void tiny_span_fini(struct span *s) {
    fixalloc_give(&tiny_records, s->granules);
    s->granules = NULL;
}

static inline bool tiny_bit(const uint64_t *bits, unsigned granule) {
    return (place_load(&bits[granule / 64]) >> granule % 64 & 1) != 0;
}

static inline void tiny_set(uint64_t *bits, unsigned granule) {
    place_store(&bits[granule / 64], place_load(&bits[granule / 64]) | UINT64_C(1) << granule % 64);
}

static inline void tiny_clear(uint64_t *bits, unsigned granule) {
    place_store(&bits[granule / 64], place_load(&bits[granule / 64]) & ~(UINT64_C(1) << granule % 64));
}

static inline unsigned tiny_granule(const struct span *s, uintptr_t address) {
    return (unsigned)((address - span_base(s)) / TINY_GRANULE_BYTES);
}

_Noreturn static void tiny_die_double_free(const struct span *s, unsigned granule) {
    os_die("double free of %p, an object of up to %d bytes; it had been freed before",
           (void *)(span_base(s) + (uintptr_t)granule * TINY_GRANULE_BYTES), TINY_GRANULE_BYTES);
}

static uintptr_t tiny_alloc(struct cache *c) {
    uintptr_t address = c->tiny;
    if (address != 0) {
        c->tiny = 0;
        struct span *s = arena_span_of(&heap.arenas, address);
        tiny_set(s->granules->live, tiny_granule(s, address));
        return address;
    }
    address = place_take(&c->current[TINY_SPAN]);
    if (address == 0 && cache_refill(c, TINY_SPAN))
        address = place_take(&c->current[TINY_SPAN]);
    if (address == 0)
        return 0;
    struct span *s = c->current[TINY_SPAN].span;
    tiny_set(s->granules->live, tiny_granule(s, address));
    c->tiny = address + TINY_GRANULE_BYTES;
    return address;
}

/* Clears the granule's bit and gives the block back when its other granule is dead too. Owner or central lock. Returns
 * whether the block became free. `held` is the granule that the owner's cache will hand out next: its block stays. */
static bool tiny_release(struct span *s, unsigned granule, uintptr_t held) {
    struct granules *g = s->granules;
    if (!tiny_bit(g->live, granule))
        tiny_die_double_free(s, granule);
    tiny_clear(g->live, granule);
    if (tiny_bit(g->live, granule ^ 1))
        return false;
    unsigned block = granule / 2;
    if (held != 0 && held - TINY_GRANULE_BYTES == span_base(s) + (uintptr_t)block * TINY_BLOCK_BYTES)
        return false;
    place_give(s, block);
    return true;
}

static void tiny_free_remote(struct span *s, unsigned granule) {
    struct granules *g = s->granules;
    uint64_t bit = UINT64_C(1) << granule % 64;
    if (!tiny_bit(g->live, granule))
        tiny_die_double_free(s, granule);
    if ((__atomic_fetch_or(&g->remote[granule / 64], bit, __ATOMIC_SEQ_CST) & bit) != 0)
        tiny_die_double_free(s, granule);
    cache_notify_owner(s);
}

static void tiny_free(struct cache *self, struct span *s, uintptr_t address) {
    if (address % TINY_GRANULE_BYTES != 0)
        object_die_invalid("free", address);
    unsigned granule = tiny_granule(s, address);
    if (__atomic_load_n(&s->owner, __ATOMIC_RELAXED) != self || self == &cache_none) {
        tiny_free_remote(s, granule);
        return;
    }
    if (tiny_release(s, granule, self->tiny) && --s->frees_until_event == 0)
        cache_settle(self, s);
}

static unsigned tiny_merge_remote(struct span *s) {
    struct cache *owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    uintptr_t held = owner == NULL ? 0 : owner->tiny;
    unsigned merged = 0;
    for (unsigned i = 0; i < TINY_WORDS; i++) {
        if (place_load(&s->granules->remote[i]) == 0)
            continue;
        uint64_t bits = __atomic_exchange_n(&s->granules->remote[i], 0, __ATOMIC_ACQUIRE);
        for (; bits != 0; bits &= bits - 1, merged++)
            tiny_release(s, i * 64 + (unsigned)__builtin_ctzll(bits), held);
    }
    return merged;
}

static bool tiny_object_of(struct span *s, uintptr_t address, struct object *out) {
    unsigned granule = tiny_granule(s, address);
    struct granules *g = s->granules;
    if (!tiny_bit(g->live, granule))
        return false;
    if ((__atomic_load_n(&g->remote[granule / 64], __ATOMIC_ACQUIRE) >> granule % 64 & 1) != 0)
        return false;
    out->span = s;
    out->slot = granule;
    out->base = span_base(s) + (uintptr_t)granule * TINY_GRANULE_BYTES;
    out->size_bytes = TINY_GRANULE_BYTES;
    out->noscan = true;
    return true;
}

static void tiny_flush(struct cache *c) {
    if (!AXIS_TINY || AXIS_TRACED || c->tiny == 0)
        return;
    struct span *s = arena_span_of(&heap.arenas, c->tiny);
    unsigned block = tiny_granule(s, c->tiny) / 2;
    c->tiny = 0;
    if (!tiny_bit(s->granules->live, block * 2))
        place_give(s, block);
}
