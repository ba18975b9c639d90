/* SPDX-License-Identifier: MIT
 *
 * kernels: the inner loops of scanning a page of objects, for any x86-64 and for those with AVX2 and BMI2. Bits of
 * objects become bits of their words, and the words that hold pointers are gathered, without those that point nowhere.
 * Go 1.26 has the same two steps for AVX-512 with GFNI (internal/runtime/gc/scan/expandAsm_amd64.s); there the other
 * pages are scanned object by object.
 *
 * Both kernels find the same pointers in the same order. The portable one is what is counted by callgrind wherever the
 * same instructions are wanted from each machine (GOALLOC_KERNEL).
 */
#include "gc/gc.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define KERNEL_VECTOR __attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt")))
/* Its loads look like races to the thread sanitizer: four words, of which some count. */
enum { KERNEL_HAS_VECTOR = !OS_THREAD_SANITIZER };
#else
#define KERNEL_VECTOR
enum { KERNEL_HAS_VECTOR = 0 };
#endif
#define KERNEL_INLINE static inline __attribute__((always_inline))

enum {
    KERNEL_PAGE_WORDS = GOALLOC_PAGE_BYTES / 8,
    KERNEL_WORDS = KERNEL_PAGE_WORDS / 64, /* of a bitmap with a bit for each word of a page */
    KERNEL_FOUND = KERNEL_PAGE_WORDS + 4,  /* room for what a page can hold, and for a whole vector behind it */
    /* From here on objects are expanded together, which costs the same however many they are. */
    KERNEL_DENSE_OBJECTS = 32,
};

static bool kernel_vector_runs(void) {
#if defined(__x86_64__)
    return KERNEL_HAS_VECTOR && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

KERNEL_INLINE bool kernel_is_pointer(uintptr_t value) {
    return (intptr_t)value >= GC_LEAST_ADDRESS; /* no address of a process has its highest bit set */
}

/* Zero, by vectors: a compiler would call for help, or use an instruction that takes long to begin. */
KERNEL_INLINE void kernel_clear(uint64_t *words, unsigned count) {
    typedef uint64_t pair __attribute__((vector_size(16), aligned(8)));
    for (unsigned i = 0; i < count; i += 2)
        *(pair *)&words[i] = (pair){0, 0};
}

/* ---- bits of objects to bits of words; words has room for KERNEL_WORDS + 1 and is zero, objects for one word behind
 * its last, which is zero. */

KERNEL_INLINE void kernel_set_words(uint64_t *words, unsigned word, unsigned count) {
    uint64_t ones = UINT64_MAX >> (64 - count);
    words[word / 64] |= ones << word % 64;
    words[word / 64 + 1] |= ones >> 1 >> (63 - word % 64);
}

/* The words of equal objects of up to 64 words each, one by one; first is the object of bit 0. */
KERNEL_INLINE void kernel_expand_each(uint64_t *words, uint64_t objects, unsigned first, unsigned object_words) {
    for (; objects != 0; objects &= objects - 1)
        kernel_set_words(words, (first + (unsigned)place_lowest(objects)) * object_words, object_words);
}

#if defined(__x86_64__)

/* The same for all objects of a page: those that begin in a word of the result are dealt out to the places where they
 * begin, and smeared over their length; what the last of them is too long for is the next word's. */
KERNEL_VECTOR static inline void kernel_expand_all(uint64_t *words, const uint64_t *objects, unsigned object_words) {
    uint64_t ones = UINT64_MAX >> (64 - object_words), every = 1;
    for (unsigned at = object_words; at < 64; at *= 2)
        every |= every << at;
    unsigned object = 0, begin = 0; /* the first that begins in this word, and where */
    for (unsigned i = 0; i < KERNEL_WORDS; i++) {
        uint64_t places = every << begin, these = objects[object / 64] >> object % 64;
        these |= objects[object / 64 + 1] << 1 << (63 - object % 64);
        uint64_t starts = _pdep_u64(these, places);
        unsigned last = 63 - (unsigned)__builtin_clzll(places), over = last + object_words - 64;
        words[i] |= starts * ones;
        words[i + 1] |= (starts >> last & 1) * ((UINT64_C(1) << over) - 1);
        object += (unsigned)__builtin_popcountll(places);
        begin = over;
    }
}

/* Byte lanes that bring the chosen ones of four words to the front. */
static const struct {
    _Alignas(32) uint32_t lanes[16][8];
} kernel_compress = {{
#define L(n) 2 * (n), 2 * (n) + 1
    {L(0), L(0), L(0), L(0)},
    {L(0), L(0), L(0), L(0)},
    {L(1), L(0), L(0), L(0)},
    {L(0), L(1), L(0), L(0)},
    {L(2), L(0), L(0), L(0)},
    {L(0), L(2), L(0), L(0)},
    {L(1), L(2), L(0), L(0)},
    {L(0), L(1), L(2), L(0)},
    {L(3), L(0), L(0), L(0)},
    {L(0), L(3), L(0), L(0)},
    {L(1), L(3), L(0), L(0)},
    {L(0), L(1), L(3), L(0)},
    {L(2), L(3), L(0), L(0)},
    {L(0), L(2), L(3), L(0)},
    {L(1), L(2), L(3), L(0)},
    {L(0), L(1), L(2), L(3)},
#undef L
}};

/* Pointers among the 64 words from at on that mask chooses, four words at a time: each vector is stored whole, and the
 * next one over what was too much. A word is loaded whole or not at all, as by any aligned load of a vector. */
KERNEL_VECTOR static inline unsigned kernel_gather_dense(uintptr_t at, uint64_t mask, uintptr_t *found) {
    const __m256i least = _mm256_set1_epi64x(GC_LEAST_ADDRESS - 1);
    unsigned count = 0;
    for (; mask != 0; mask >>= 4, at += 32) {
        __m256i values = _mm256_load_si256((const __m256i *)at);
        __m256i wanted = _mm256_cmpgt_epi64(values, least);
        unsigned chosen = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(wanted)) & (unsigned)mask & 15;
        __m256i order = _mm256_load_si256((const __m256i *)kernel_compress.lanes[chosen]);
        _mm256_storeu_si256((__m256i *)&found[count], _mm256_permutevar8x32_epi32(values, order));
        count += (unsigned)__builtin_popcount(chosen);
    }
    return count;
}

/* Bits to bytes of all ones and back, 32 at a time. */
KERNEL_VECTOR static inline void kernel_spread_bits_vector(uint8_t *bytes, uint64_t bits) {
    const __m256i own_byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i own_bit = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    for (unsigned half = 0; half < 2; half++) {
        __m256i all = _mm256_set1_epi32((int)(uint32_t)(bits >> half * 32));
        __m256i mine = _mm256_and_si256(_mm256_shuffle_epi8(all, own_byte), own_bit);
        _mm256_storeu_si256((__m256i *)(bytes + half * 32), _mm256_cmpeq_epi8(mine, own_bit));
    }
}

KERNEL_VECTOR static inline uint64_t kernel_gather_bits_vector(const uint8_t *bytes) {
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)bytes));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)(bytes + 32)));
    return low | (uint64_t)high << 32;
}

#else

static inline void kernel_spread_bits_vector(uint8_t *bytes, uint64_t bits) {
    (void)bytes, (void)bits;
}

static inline uint64_t kernel_gather_bits_vector(const uint8_t *bytes) {
    return (void)bytes, 0;
}

static inline void kernel_expand_all(uint64_t *words, const uint64_t *objects, unsigned object_words) {
    (void)words, (void)objects, (void)object_words;
}

static inline unsigned kernel_gather_dense(uintptr_t at, uint64_t mask, uintptr_t *found) {
    return (void)at, (void)mask, (void)found, 0;
}

#endif

/* ---- a byte for each of 64 bits, and back. A bit that is set gives KERNEL_BYTE or, by vectors, all ones. */

enum { KERNEL_BYTE = 0x80 };

KERNEL_INLINE void kernel_spread_bits(uint8_t *bytes, uint64_t bits, bool vector) {
    if (vector) {
        kernel_spread_bits_vector(bytes, bits);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t each = (bits >> i * 8 & 0xff) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
        each = (each + UINT64_C(0x7f7f7f7f7f7f7f7f)) & UINT64_C(0x8080808080808080);
        memcpy(bytes + i * 8, &each, sizeof each);
    }
}

/* By their highest bits; without vectors eight at a time, which a product brings together in its highest byte. */
KERNEL_INLINE uint64_t kernel_gather_bits(const uint8_t *bytes, bool vector) {
    if (vector)
        return kernel_gather_bits_vector(bytes);
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, bytes + i * 8, sizeof eight);
        eight = eight >> 7 & UINT64_C(0x0101010101010101);
        bits |= eight * UINT64_C(0x0102040810204080) >> 56 << i * 8;
    }
    return bits;
}

KERNEL_INLINE void kernel_expand(uint64_t *words, const uint64_t *objects, unsigned nelems, unsigned object_words,
                                 unsigned count, bool vector) {
    if (vector && count >= KERNEL_DENSE_OBJECTS)
        kernel_expand_all(words, objects, object_words);
    else
        for (unsigned i = 0; i * 64 < nelems; i++)
            kernel_expand_each(words, objects[i], i * 64, object_words);
}

/* ---- bits of words to the pointers in them */

/* Pointers of the page's words whose bits are set in words and in bits; how many. found has room for KERNEL_FOUND. */
KERNEL_INLINE unsigned kernel_gather(uintptr_t page, const uint64_t *words, const uint64_t *bits, uintptr_t *found,
                                     bool vector) {
    enum { FEW = 16 }; /* so few are gathered faster one by one */
    unsigned count = 0;
    for (unsigned i = 0; i < KERNEL_WORDS; i++) {
        uint64_t mask = words[i];
        if (mask == 0)
            continue;
        mask &= __atomic_load_n(&bits[i], __ATOMIC_RELAXED);
        uintptr_t at = page + (uintptr_t)i * 64 * 8;
        if (vector && __builtin_popcountll(mask) >= FEW) {
            count += kernel_gather_dense(at, mask, found + count);
            continue;
        }
        for (; mask != 0; mask &= mask - 1) {
            uintptr_t value = __atomic_load_n((uintptr_t *)at + place_lowest(mask), OS_LOAD_POINTER);
            found[count] = value;
            count += kernel_is_pointer(value);
        }
    }
    return count;
}
