/* SPDX-License-Identifier: MIT
 *
 * robson.c: Robson's adversary. It looks at the addresses it is given and keeps those blocks that are most in the way.
 *
 * Memory counts in words of `granule` bytes; a block covers the words from its address, rounded down. Stage i asks for
 * blocks of 2^i words. Of every 2^i words one is a slot: those congruent to the offset f. A stage first moves from the
 * slots of stage i-1 to every second one of them, f or f + 2^(i-1), frees all blocks that cover no slot, then fills the
 * limit M up with blocks of 2^i words, each of which covers one slot, as any 2^i words do. So at its end every live
 * block holds a slot of its own, 2^i words from the next.
 *
 * Why that costs M(1 + log2(n)/2) - n + 1 words, whoever places the blocks: let P be the sum of 2^i - size over the
 * kept blocks. Each block of stage i-1 covers one slot of either candidate, so over both of them the sum is twice the
 * former P plus the live words, and the better one has at least P + M/2. After log2(n) stages P >= M log2(n)/2; live
 * words and P together are n words per live block, and slots n words apart span n words each but for the last's n-1.
 * (M is a multiple of 2n, so that filling up leaves nothing over where P is least; with a larger P, live words and P
 * come to M + P rounded down to a multiple of 2^i, hence to no less.)
 */
#include "workload.h"

#include <unistd.h>

enum {
    POINT_MASK = 4095,        /* a sampling point every 4096 blocks */
    TOUCH_BYTES = 4096,       /* a block is written this often, so that all of its pages are there */
    CHUNK_PAGES_LOG2 = 10,    /* pages are noted in bitmaps of a kibipage */
    CHUNKS_LOG2 = 14,         /* that many of them */
    ALLOCATIONS_PER_WORD = 2, /* M + M/2 + M/4 ... at most, however much a stage frees */
};

static const struct workload_param params[] = {
    {"limit", 1 << 20, 1 << 12, "M: words live at most; a multiple of twice the largest"},
    {"largest", 1 << 13, 1 << 7, "n: words of the largest block, a power of two"},
    {"granule", 16, 16, "bytes of a word, a power of two"},
    {NULL, 0, 0, NULL},
};

/* Pages of which a block has covered a byte. */
struct page_chunk {
    uint64_t key; /* number + 1; 0: unused */
    uint64_t pages[(1 << CHUNK_PAGES_LOG2) / 64];
};

struct page_set {
    struct page_chunk *chunks; /* hashed by number */
    struct page_chunk *last;   /* that was looked up */
    uint64_t pages;
};

struct robson {
    uint64_t limit_words, largest_words;
    unsigned granule_log2, page_log2;
    void **blocks; /* live, oldest first; registered as roots */
    uint8_t *size_log2;
    size_t count;
    uint64_t live_words;
    uint64_t offset; /* f, below the size of the stage */
    uint64_t lowest_word, end_word;
    struct page_set ever;
};

static unsigned log2_of(uint64_t power) {
    return (unsigned)__builtin_ctzll(power);
}

static bool is_power_of_two(uint64_t x) {
    return x != 0 && (x & (x - 1)) == 0;
}

static void *robson_setup(struct bench *b) {
    struct robson *s = bench_scratch(b, sizeof *s);
    const uint64_t granule_bytes = bench_param(b, "granule");
    s->limit_words = bench_param(b, "limit");
    s->largest_words = bench_param(b, "largest");
    if (!is_power_of_two(s->largest_words) || s->largest_words > 1 << 20 || !is_power_of_two(granule_bytes) ||
        granule_bytes < sizeof(uint64_t) || granule_bytes > TOUCH_BYTES)
        bench_fail(b, "robson takes powers of two: largest up to %d, granule from 8 to %d", 1 << 20, TOUCH_BYTES);
    if (s->limit_words == 0 || s->limit_words > 1 << 28 || s->limit_words % (2 * s->largest_words) != 0)
        bench_fail(b, "robson takes a limit up to %d that is a multiple of twice the largest", 1 << 28);
    s->granule_log2 = log2_of(granule_bytes);
    s->page_log2 = log2_of((uint64_t)sysconf(_SC_PAGESIZE));
    s->blocks = bench_scratch(b, s->limit_words * sizeof *s->blocks);
    s->size_log2 = bench_scratch(b, s->limit_words * sizeof *s->size_log2);
    s->lowest_word = UINT64_MAX;
    s->ever.chunks = bench_scratch(b, sizeof *s->ever.chunks << CHUNKS_LOG2);
    s->ever.last = s->ever.chunks;
    if (heap_root_add(s->blocks, s->limit_words) != 0)
        bench_fail(b, "cannot register %llu roots", (unsigned long long)s->limit_words);
    return s;
}

/* ---- where blocks have been */

static struct page_chunk *page_chunk_of(struct bench *b, struct page_set *set, uint64_t number) {
    const uint64_t key = number + 1;
    if (set->last->key == key)
        return set->last;
    const uint64_t mask = (UINT64_C(1) << CHUNKS_LOG2) - 1;
    uint64_t i = bench_mix(0, key) & mask;
    for (uint64_t probes = 0; set->chunks[i].key != 0 && set->chunks[i].key != key; i = (i + 1) & mask)
        if (++probes == mask)
            bench_fail(b, "blocks lie in more than %d groups of %d pages", 1 << CHUNKS_LOG2, 1 << CHUNK_PAGES_LOG2);
    set->chunks[i].key = key;
    return set->last = &set->chunks[i];
}

static void page_set_add(struct bench *b, struct page_set *set, uint64_t first_page, uint64_t last_page) {
    for (uint64_t page = first_page; page <= last_page; page++) {
        struct page_chunk *chunk = page_chunk_of(b, set, page >> CHUNK_PAGES_LOG2);
        const uint64_t bit = page & ((1 << CHUNK_PAGES_LOG2) - 1), mask = UINT64_C(1) << (bit & 63);
        set->pages += (chunk->pages[bit / 64] & mask) == 0;
        chunk->pages[bit / 64] |= mask;
    }
}

static inline uint64_t word_of(const struct robson *s, size_t i) {
    return (uintptr_t)s->blocks[i] >> s->granule_log2;
}

static inline uint64_t words_of(const struct robson *s, size_t i) {
    return UINT64_C(1) << s->size_log2[i];
}

static void note_pages(struct bench *b, const struct robson *s, struct page_set *set, size_t i) {
    const uintptr_t first_byte = (uintptr_t)s->blocks[i];
    const uintptr_t last_byte = first_byte + (words_of(s, i) << s->granule_log2) - 1;
    page_set_add(b, set, first_byte >> s->page_log2, last_byte >> s->page_log2);
}

static void note_block(struct bench *b, struct robson *s, size_t i) {
    const uint64_t word = word_of(s, i), end = word + words_of(s, i);
    s->lowest_word = word < s->lowest_word ? word : s->lowest_word;
    s->end_word = end > s->end_word ? end : s->end_word;
    note_pages(b, s, &s->ever, i);
}

/* ---- blocks */

static inline void stamp(void *block, size_t size_bytes, uint64_t serial) {
    for (size_t at = 0; at < size_bytes; at += TOUCH_BYTES)
        *(uint64_t *)((char *)block + at) = serial;
    *(uint64_t *)((char *)block + size_bytes - sizeof serial) = serial;
}

/* Serial numbers are the same whatever the sizes were, and a sum does not know who was freed first. */
static inline uint64_t read_back(const void *block, size_t size_bytes) {
    const uint64_t first = *(const uint64_t *)block;
    const uint64_t last = *(const uint64_t *)((const char *)block + size_bytes - sizeof last);
    return bench_mix(bench_mix(1, first), last); /* not of each other: equal as they are, they would cancel */
}

static void allocate(struct bench_thread *t, struct robson *s, size_t i, unsigned size_log2) {
    const size_t size_bytes = (size_t)1 << (size_log2 + s->granule_log2);
    void *block = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
    stamp(block, size_bytes, t->ops);
    heap_store(&s->blocks[i], block);
    s->size_log2[i] = (uint8_t)size_log2;
    s->live_words += UINT64_C(1) << size_log2;
    t->live_bytes += size_bytes;
    if ((++t->ops & POINT_MASK) == 0)
        bench_point(t);
}

static void drop(struct bench_thread *t, struct robson *s, size_t i) {
    const size_t size_bytes = words_of(s, i) << s->granule_log2;
    t->checksum += read_back(s->blocks[i], size_bytes);
    heap_drop(s->blocks[i]);
    heap_store(&s->blocks[i], NULL);
    s->live_words -= words_of(s, i);
    t->live_bytes -= size_bytes;
}

/* ---- the adversary */

/* The first slot at or after a word. */
static inline uint64_t slot_from(uint64_t word, uint64_t offset, uint64_t stage_words) {
    return word + ((offset - word) & (stage_words - 1));
}

/* Of f and f + 2^(i-1) the one whose blocks block more words beyond their own; f if they are equal. */
static uint64_t most_blocking_offset(const struct robson *s, uint64_t stage_words) {
    const uint64_t half_words = stage_words / 2;
    uint64_t blocked_words[2] = {0, 0};
    for (size_t i = 0; i < s->count; i++) {
        const uint64_t slot = slot_from(word_of(s, i), s->offset, half_words);
        blocked_words[((slot - s->offset) & half_words) != 0] += stage_words - words_of(s, i);
    }
    return blocked_words[1] > blocked_words[0] ? s->offset + half_words : s->offset;
}

static void free_all_but_slots(struct bench_thread *t, struct robson *s, uint64_t stage_words) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        const uint64_t word = word_of(s, i);
        if ((i & POINT_MASK) == 0)
            bench_point(t);
        if (slot_from(word, s->offset, stage_words) >= word + words_of(s, i)) {
            drop(t, s, i);
            continue;
        }
        void *block = s->blocks[i];
        heap_store(&s->blocks[i], NULL);
        heap_store(&s->blocks[kept], block);
        s->size_log2[kept++] = s->size_log2[i];
    }
    s->count = kept;
    heap_collect(); /* the limit holds for what a collector has not found yet, too */
}

static void stage(struct bench_thread *t, struct robson *s, unsigned size_log2) {
    const uint64_t stage_words = UINT64_C(1) << size_log2;
    if (size_log2 > 0) {
        s->offset = most_blocking_offset(s, stage_words);
        free_all_but_slots(t, s, stage_words);
    }
    while (s->live_words + stage_words <= s->limit_words) {
        allocate(t, s, s->count, size_log2);
        note_block(t->bench, s, s->count++);
    }
    bench_point(t);
}

static void robson_body(struct bench_thread *t, void *arg) {
    struct robson *s = arg;
    const unsigned last = log2_of(s->largest_words);
    for (unsigned size_log2 = 0; size_log2 <= last; size_log2++)
        stage(t, s, size_log2);
    /* How many blocks that took depends on the subject. All make the same number: the rest are replacements in place.
     */
    const uint8_t size_log2 = s->size_log2[0];
    while (t->ops < ALLOCATIONS_PER_WORD * s->limit_words) {
        drop(t, s, 0);
        allocate(t, s, 0, size_log2);
    }
    bench_point(t);
    for (size_t i = 0; i < s->count; i++)
        t->checksum += read_back(s->blocks[i], words_of(s, i) << s->granule_log2);
    t->checksum = bench_mix(bench_mix(t->checksum, s->limit_words), s->largest_words);
}

/* ---- the run */

static uint64_t robson_bound_words(const struct robson *s) {
    return s->limit_words / 2 * log2_of(s->largest_words) + s->limit_words - s->largest_words + 1;
}

static void robson_run(struct bench *b, void *state) {
    struct robson *s = state;
    bench_parallel(b, 1, robson_body, s);
    struct page_set held = {.chunks = bench_scratch(b, sizeof *held.chunks << CHUNKS_LOG2)};
    held.last = held.chunks;
    for (size_t i = 0; i < s->count; i++)
        note_pages(b, s, &held, i);
    const double words_per_page = (double)(UINT64_C(1) << s->page_log2) / (double)(UINT64_C(1) << s->granule_log2);
    const double footprint_words = (double)s->ever.pages * words_per_page;
    const double range_words = (double)(s->end_word - s->lowest_word);
    const double bound_words = (double)robson_bound_words(s);
    bench_counter(b, "footprint_words", footprint_words);
    bench_counter(b, "held_words", (double)held.pages * words_per_page);
    bench_counter(b, "range_words", range_words);
    bench_counter(b, "robson_bound_words", bound_words);
    bench_counter(b, "robson_ratio", range_words / bound_words);
    bench_counter(b, "footprint_over_bound", footprint_words / bound_words);
}

static void robson_teardown(struct bench *b, void *state) {
    struct robson *s = state;
    (void)b;
    for (size_t i = 0; i < s->count; i++)
        heap_drop(s->blocks[i]);
    heap_root_remove(s->blocks);
}

WORKLOAD(robson) = {
    .name = "robson",
    .summary = "an adversary that keeps the blocks most in the way: the worst that fragmentation must come to",
    .op = "block allocated (and freed, unless it is live at the end)",
    .models =
        "The worst case, not a program. Blocks double from one word to the largest; before each doubling those are "
        "freed that do not lie across one word in 2^i, which it chooses by the addresses it was given. No allocator "
        "that cannot move blocks gets by with fewer than M(1 + log2(n)/2) - n + 1 words; first fit needs at most M H_n "
        "/ ln 2. Counters of the record, in words: footprint_words (pages that ever held a block), held_words (pages "
        "that hold one at the end), range_words (highest less lowest address), robson_bound_words; and over the bound, "
        "robson_ratio (range, which is what the bound is on) and footprint_over_bound.",
    .source =
        "J. M. Robson, Bounds for some functions concerning dynamic storage allocation, JACM 21 (1974), by way of "
        "Knuth's TAOCP 2.5, exercises 36 to 43 (N(16,2) = 23); the paper was not at hand: the stage rule is the usual "
        "one, its proof this file's own. 16 B "
        "to 128 KiB is the span of sizes in the Mesh paper's example. Raw memory; every page of a block is written, "
        "its "
        "first and last 8 bytes are read back. Sizes and order of the blocks depend on addresses, so that only their "
        "number (2M, the rest being replacements of one block by another of its size) and contents are the same for "
        "all. "
        "In traced flavour a collection follows the frees of each stage.",
    .bad_for =
        "Everybody, and much alike: what it asks for in all is hardly more than the bound, so that an allocator which "
        "reuses nothing comes out at it, too. The footprint shows what is lost beside that: headers, which widen every "
        "block, "
        "and rounding. The bound is on addresses: once the largest block exceeds a page (largest * granule above it), "
        "pages between blocks may be left untouched or given back, and footprint and held_words fall below it. The "
        "range says little of an allocator that maps large blocks elsewhere, which leaves everything between unused.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = robson_setup,
    .run = robson_run,
    .teardown = robson_teardown,
};
