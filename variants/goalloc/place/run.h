/* SPDX-License-Identifier: MIT
 *
 * run: the runs of manual builds (place/tiles.h). Beside starts and live bits they have `remote` bits: other threads
 * have freed what begins here. The owner writes starts and live, anybody sets remote bits. A granule is 16 B, the
 * alignment of every object from 16 B on; with the tiny allocator 8 B, because two requests of up to 8 B then share a
 * 16 B block.
 */
#ifndef GOALLOC_RUN_H
#define GOALLOC_RUN_H

#include "place/tiles.h"

/* A record of bits holds starts, live bits and remote bits in this order. A span points at the live ones, which every
 * free reads and writes; the remote ones follow them, as span_remote_bits says. Between starts and live bits one word
 * and what fills its line take the start behind the run's end, so that a bump pointer need not ask whether it is there.
 */
enum { RUN_SPARE_WORDS = 8 };

static inline uint64_t *run_live(const struct span *s) {
    return span_free_bits(s);
}

static inline uint64_t *run_starts(const struct span *s) {
    return span_free_bits(s) - RUN_SPARE_WORDS - span_words(s);
}

/* One free piece from end to end. */
static void run_clear_all(struct span *s) {
    uint64_t *starts = run_starts(s), *live = run_live(s);
    for (unsigned i = 0; i < span_words(s); i++) {
        place_store(&starts[i], 0);
        place_store(&live[i], 0);
    }
    run_set(starts, 0);
    run_set(starts, s->nelems); /* in the spare words */
}

static bool place_span_init(struct span *s) {
    s->exact_shift = (uint8_t)__builtin_ctz(RUN_GRANULE_BYTES);
    s->exact_inverse = 1;
    s->exact_slots = s->nelems;
    uint64_t *bits = fixalloc_take(&runs.bits);
    if (bits == NULL)
        return false;
    span_set_free_bits(s, bits + span_words(s) + RUN_SPARE_WORDS);
    for (unsigned i = 0; i < span_words(s); i++)
        __atomic_store_n(&span_remote_bits(s)[i], 0, __ATOMIC_RELAXED);
    run_clear_all(s);
    return true;
}

/* The record keeps pointing at the bits: whoever was among the last to free may still look, and finds valid memory. */
static void place_span_fini(struct span *s) {
    fixalloc_give(&runs.bits, run_starts(s));
}

static inline uint32_t place_exact_slot(const struct span *s, uintptr_t address) {
    uint32_t offset = (uint32_t)(address - s->base);
    const unsigned shift = RUN_GRANULE_BYTES == 8 ? 3 : 4;
    return offset >> shift | offset << (32 - shift); /* a remainder makes it larger than any slot */
}

static inline int place_slot_at(const struct span *s, uintptr_t address) {
    uint32_t slot = place_exact_slot(s, address);
    return slot < s->nelems && run_bit(run_starts(s), slot) ? (int)slot : -1;
}

static inline int place_slot_covering(const struct span *s, uintptr_t address) {
    return run_last(run_starts(s), run_granule(s, address));
}

static inline bool place_slot_free(const struct span *s, unsigned slot) {
    uint64_t remote = __atomic_load_n(&span_remote_bits((struct span *)s)[slot / 64], __ATOMIC_ACQUIRE);
    return !run_bit(run_live(s), slot) || (remote >> slot % 64 & 1) != 0;
}

static inline uintptr_t place_slot_address(const struct span *s, unsigned slot) {
    return run_address(s, slot);
}

static inline size_t place_slot_bytes(const struct span *s, unsigned slot) {
    return (size_t)run_extent(s, slot) * RUN_GRANULE_BYTES;
}

static bool run_none_live(const struct span *s) {
    const uint64_t *live = run_live(s);
    for (unsigned i = 0; i < span_words(s); i++)
        if (place_load(&live[i]) != 0)
            return false;
    return true;
}

static unsigned place_used_slots(const struct span *s) {
    const uint64_t *live = run_live(s);
    unsigned used = 0;
    for (unsigned i = 0; i < span_words(s); i++)
        used += (unsigned)__builtin_popcountll(place_load(&live[i]));
    return used;
}

static uint64_t place_used_bytes(const struct span *s) {
    uint64_t used = 0;
    for (unsigned i = run_next(s, run_live(s), 0); i < s->nelems; i = run_next(s, run_live(s), i + 1))
        if (!place_slot_free(s, i))
            used += place_slot_bytes(s, i);
    return used;
}

static const char *place_broken(struct span *s) {
    if (!run_bit(run_starts(s), 0))
        return "run that does not begin with a start";
    for (unsigned i = 0; i < span_words(s); i++) {
        uint64_t starts = place_load(&run_starts(s)[i]), live = place_load(&run_live(s)[i]);
        if ((live & ~starts) != 0)
            return "live object of a run without a start";
        if ((place_load(&span_remote_bits(s)[i]) & ~live) != 0)
            return "object of a run freed by others that is not live";
    }
    return NULL;
}

/* True, or the end of the process: bitmaps that contradict each other would lead a walk beyond its objects. */
static bool run_expect_sound(struct span *s) {
    const char *broken = place_broken(s);
    if (GOALLOC_UNLIKELY(broken != NULL))
        os_die("corrupted run at %p: %s", (void *)s->base, broken);
    return true;
}

static bool place_all_free(struct span *s) {
    const uint64_t *live = run_live(s), *remote = span_remote_bits(s);
    for (unsigned i = 0; i < span_words(s); i++)
        /* Acquire: the caller may reuse what the owner and the others have freed. */
        if ((__atomic_load_n(&live[i], __ATOMIC_ACQUIRE) & ~__atomic_load_n(&remote[i], __ATOMIC_ACQUIRE)) != 0)
            return false;
    return true;
}

static bool place_give_remote(struct span *s, unsigned slot, bool *word_free) {
    uint64_t bit = UINT64_C(1) << slot % 64;
    /* The owner set this bit before it handed the object out, so whoever holds the object sees it set. */
    uint64_t live = place_load(&run_live(s)[slot / 64]);
    if ((live & bit) == 0)
        return false;
    /* From here on the span may go, and serve somebody else: nothing of it is read any more. */
    uint64_t before = __atomic_fetch_or(&span_remote_bits(s)[slot / 64], bit, __ATOMIC_SEQ_CST);
    *word_free = (live & ~(before | bit)) == 0;
    return (before & bit) == 0;
}

/* Clears the object's live bit. False: it is not live. Release: see place_publish. */
static inline bool run_retire(struct span *s, unsigned slot) {
    uint64_t *live = &run_live(s)[slot / 64], bits = place_load(live), bit = UINT64_C(1) << slot % 64;
    if (GOALLOC_UNLIKELY((bits & bit) == 0))
        return false;
    place_publish(live, bits & ~bit);
    return true;
}

_Noreturn static void object_die_double_free(const struct span *s, unsigned slot);

static unsigned place_merge_remote(struct span *s) {
    uint64_t *remote = span_remote_bits(s);
    unsigned merged = 0;
    for (unsigned i = 0; i < span_words(s); i++) {
        if (place_load(&remote[i]) == 0)
            continue;
        uint64_t bits = __atomic_exchange_n(&remote[i], 0, __ATOMIC_ACQUIRE);
        for (; bits != 0; bits &= bits - 1, merged++) {
            unsigned slot = i * 64 + (unsigned)__builtin_ctzll(bits);
            if (GOALLOC_UNLIKELY(!place_give(s, slot)))
                object_die_double_free(s, slot);
        }
    }
    return merged;
}

static void run_knobs_init(size_t default_bytes) {
    run_length_init(default_bytes, GOALLOC_MAX_SMALL_SIZE - 8);
    runs.bits.size_bytes = (runs.bytes / RUN_GRANULE_BYTES / 64 * 3 + RUN_SPARE_WORDS) * sizeof(uint64_t);
}

#endif
