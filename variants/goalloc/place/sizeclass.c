/* SPDX-License-Identifier: MIT
 *
 * sizeclass: equal slots and one bit each, lowest address first within a word of 64 slots, as Go's allocCache does
 * (mbitmap.go:1093). Explicit frees set the bit again, in the very word that allocation reads, so a double free is
 * always seen and freed memory is never touched.
 */
#include "place/place.h"

enum {
    PLACE_SLOTS = 1,
    PLACE_GRANULE_BYTES = 0,   /* of runs only */
    PLACE_FULL_WAIT_SHARE = 4, /* tuned: a full span serves again once this part of it is free */
};

static uint64_t place_no_slots[1]; /* what an empty window points at; never written */

#define PLACE_NO_WINDOW                                                                                                \
    { .word = place_no_slots }

struct place_pool {};

static void place_knobs_init(bool tuned) {
    (void)tuned;
}

static bool place_knob(const char *name, char *out, size_t size) {
    (void)name, (void)out, (void)size;
    return false;
}

static size_t place_class_pages(unsigned size_class) {
    return gclass_pages(size_class);
}

/* Inverse of an odd number modulo 2^32, by Newton's iteration: each step doubles the bits that are right, from 3. */
static uint32_t place_odd_inverse(uint32_t odd) {
    uint32_t inverse = odd;
    for (int i = 0; i < 4; i++)
        inverse *= 2 - odd * inverse;
    return inverse;
}

/* The slot that starts exactly at offset, or a number >= exact_slots. Multiplying by the inverse of the odd part and
 * rotating the even part away gives the quotient for multiples of the slot size, and for any other offset a number
 * above (2^32 - 1) / elem_bytes (Granlund and Montgomery, PLDI 1994, section 9): one comparison is the test for
 * divisibility and for the bound. */
static inline uint32_t place_exact_slot(const struct span *s, uintptr_t address) {
    uint32_t product = (uint32_t)(address - s->base) * s->exact_inverse;
    return product >> (s->exact_shift & 31) | product << (-s->exact_shift & 31);
}

static bool place_span_init(struct span *s) {
    s->exact_shift = (uint8_t)__builtin_ctz(s->elem_bytes);
    s->exact_inverse = place_odd_inverse(s->elem_bytes >> s->exact_shift);
    s->exact_slots = s->nelems;
    unsigned words = span_words(s);
    uint64_t *bits = s->inline_free;
    if (words > SPAN_INLINE_WORDS) {
        bits = span_bits_take(words);
        if (bits == NULL)
            return false;
    }
    span_set_free_bits(s, bits);
    uint64_t *remote = span_remote_bits(s);
    for (unsigned i = 0; i < words; i++) {
        unsigned left = s->nelems - i * 64u;
        place_store(&span_free_bits(s)[i], left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1);
        __atomic_store_n(&remote[i], 0, __ATOMIC_RELAXED);
    }
    return true;
}

static void place_span_fini(struct span *s) {
    unsigned words = span_words(s);
    if (words > SPAN_INLINE_WORDS)
        span_bits_give(span_free_bits(s), words);
    span_set_free_bits(s, s->inline_free);
}

static inline int place_slot_covering(const struct span *s, uintptr_t address) {
    uint32_t slot = (uint32_t)(address - s->base) / s->elem_bytes;
    return slot < s->nelems ? (int)slot : -1;
}

static inline int place_slot_at(const struct span *s, uintptr_t address) {
    uint32_t slot = place_exact_slot(s, address);
    return slot < s->exact_slots ? (int)slot : -1;
}

static inline bool place_slot_free(const struct span *s, unsigned slot) {
    uint64_t remote = __atomic_load_n(&span_remote_bits((struct span *)s)[slot / 64], __ATOMIC_ACQUIRE);
    return ((place_load(&span_free_bits(s)[slot / 64]) | remote) >> slot % 64 & 1) != 0;
}

static inline uintptr_t place_slot_address(const struct span *s, unsigned slot) {
    return span_base(s) + (uintptr_t)slot * s->elem_bytes;
}

static inline size_t place_slot_bytes(const struct span *s, unsigned slot) {
    (void)slot;
    return s->elem_bytes;
}

static unsigned place_free_slots(const struct span *s) {
    unsigned n = 0;
    for (unsigned i = 0; i < span_words(s); i++)
        n += (unsigned)__builtin_popcountll(place_load(&span_free_bits(s)[i]));
    return n;
}

static unsigned place_used_slots(const struct span *s) {
    return s->nelems - place_free_slots(s);
}

static uint64_t place_used_bytes(const struct span *s) {
    unsigned used = place_used_slots(s);
    for (unsigned i = 0; i < span_words(s); i++)
        used -= (unsigned)__builtin_popcountll(place_load(&span_remote_bits((struct span *)s)[i]));
    return (uint64_t)used * s->elem_bytes;
}

static uintptr_t place_pending(const struct place_pool *pool) {
    (void)pool;
    return 0;
}

static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    (void)w, (void)pending;
    return (uint64_t)place_used_slots(s) * s->elem_bytes -
           place_used_bytes(s); /* freed elsewhere, not yet taken over */
}

static enum place_room place_room(const struct span *s) {
    unsigned free_slots = place_free_slots(s);
    return free_slots == s->nelems ? PLACE_ALL_ROOM : free_slots > 0 ? PLACE_SOME_ROOM : PLACE_NO_ROOM;
}

/* All slots of a word, as far as the span has them. */
static inline uint64_t place_word_mask(const struct span *s, unsigned word) {
    unsigned left = s->nelems - word * 64u;
    return left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

static const char *place_broken(struct span *s) {
    for (unsigned i = 0; i < span_words(s); i++) {
        uint64_t free_bits = place_load(&span_free_bits(s)[i]), remote = place_load(&span_remote_bits(s)[i]);
        if (((free_bits | remote) & ~place_word_mask(s, i)) != 0)
            return "bits of slots that the span does not have";
        if ((free_bits & remote) != 0)
            return "slot freed by its owner and by others";
    }
    return NULL;
}

/* Under random frees a span that is taken at the first one yields one slot, and every request ends in a refill; waiting
 * for a share of it costs at most that share of the span. */
static int32_t place_full_wait(const struct span *s) {
    return (int32_t)(s->nelems / PLACE_FULL_WAIT_SHARE) + 1;
}

static inline uintptr_t place_take_from(struct place_window *w, uint64_t bits) {
    place_store(w->word, bits & (bits - 1));
    return w->base + place_lowest(bits) * w->elem_bytes;
}

static inline uintptr_t place_take(struct place_window *w) {
    uint64_t bits = place_load(w->word);
    return GOALLOC_LIKELY(bits != 0) ? place_take_from(w, bits) : 0;
}

/* A bit too many would hand out what lies behind the span. */
static void place_window_move(struct place_window *w, unsigned word) {
    if (GOALLOC_UNLIKELY((place_load(&span_free_bits(w->span)[word]) & ~place_word_mask(w->span, word)) != 0))
        os_die("corrupted free bits: the span at %p has %u slots, and more are said to be free",
               (void *)span_base(w->span), w->span->nelems);
    w->word = span_free_bits(w->span) + word;
    w->base = span_base(w->span) + (uintptr_t)word * 64 * w->elem_bytes;
}

static bool place_window_advance(struct place_window *w) {
    struct span *s = w->span;
    if (s == NULL)
        return false;
    unsigned words = span_words(s), now = (unsigned)(w->word - span_free_bits(s));
    for (unsigned i = 1; i <= words; i++) {
        unsigned word = now + i < words ? now + i : now + i - words;
        if (place_load(&span_free_bits(s)[word]) == 0)
            continue;
        place_window_move(w, word);
        return true;
    }
    return false;
}

static void place_window_open(struct place_window *w, struct span *s) {
    unsigned words = span_words(s) <= SPAN_MAX_WORDS ? span_words(s) : SPAN_MAX_WORDS;
    place_expect_layout(s, words <= SPAN_INLINE_WORDS ? NULL : &span_bits[words]);
    w->span = s;
    w->elem_bytes = s->elem_bytes;
    place_window_move(w, 0);
    if (place_load(w->word) == 0)
        place_window_advance(w);
}

static bool place_window_usable(struct place_window *w) {
    return place_load(w->word) != 0;
}

static void place_window_close(struct place_window *w) {
    w->span = NULL;
    w->word = place_no_slots;
}

/* Sets bit n % 64; false when it was set. One instruction where the compiler would need five. */
static inline bool place_set_bit(uint64_t *bits, unsigned n) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    bool was_set;
    __asm__("btsq %2, %0" : "+r"(*bits), "=@ccc"(was_set) : "r"((uint64_t)n));
    return !was_set;
#else
    uint64_t bit = UINT64_C(1) << n % 64;
    bool was_set = (*bits & bit) != 0;
    *bits |= bit;
    return !was_set;
#endif
}

static inline __attribute__((always_inline)) bool place_give(struct span *s, unsigned slot) {
    uint64_t *word = &span_free_bits(s)[slot / 64];
    uint64_t bits = place_load(word);
    if (GOALLOC_UNLIKELY(!place_set_bit(&bits, slot)))
        return false;
    place_publish(word, bits);
    return true;
}

static inline __attribute__((always_inline)) bool place_give_fast(struct span *s, unsigned slot) {
    return place_give(s, slot);
}

static bool place_all_free(struct span *s) {
    for (unsigned i = 0; i < span_words(s); i++)
        /* Acquire: the caller may reuse what the owner and the others have freed. */
        if ((__atomic_load_n(&span_free_bits(s)[i], __ATOMIC_ACQUIRE) |
             __atomic_load_n(&span_remote_bits(s)[i], __ATOMIC_ACQUIRE)) != place_word_mask(s, i))
            return false;
    return true;
}

static bool place_give_remote(struct span *s, unsigned slot, bool *word_free) {
    uint64_t bit = UINT64_C(1) << slot % 64;
    /* The owner cleared this bit before it handed the object out, so whoever holds the object sees it clear. */
    uint64_t have = place_load(&span_free_bits(s)[slot / 64]), all = place_word_mask(s, slot / 64);
    if ((have & bit) != 0)
        return false;
    /* Release: what this thread did with the object comes before its reuse by the owner, who exchanges with acquire.
     * From here on the span may go, and serve somebody else: nothing of it is read any more. */
    uint64_t before = __atomic_fetch_or(&span_remote_bits(s)[slot / 64], bit, __ATOMIC_SEQ_CST);
    *word_free = (before | bit | have) == all;
    return (before & bit) == 0;
}

_Noreturn static void object_die_double_free(const struct span *s, unsigned slot);

static unsigned place_merge_remote(struct span *s) {
    uint64_t *remote = span_remote_bits(s);
    unsigned merged = 0;
    for (unsigned i = 0; i < span_words(s); i++) {
        if (place_load(&remote[i]) == 0)
            continue;
        uint64_t bits = __atomic_exchange_n(&remote[i], 0, __ATOMIC_ACQUIRE);
        uint64_t have = place_load(&span_free_bits(s)[i]);
        if (GOALLOC_UNLIKELY((bits & have) != 0))
            object_die_double_free(s, i * 64 + (unsigned)__builtin_ctzll(bits & have));
        place_publish(&span_free_bits(s)[i], have | bits);
        merged += (unsigned)__builtin_popcountll(bits);
    }
    return merged;
}
