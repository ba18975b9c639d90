/* SPDX-License-Identifier: MIT
 *
 * marked_run: the runs of traced builds (place/tiles.h). A run's slots are its granules; the bit of an object in live,
 * which is alloc_bits, and in mark_bits is that of its first granule. Starts lie beside the heap, and behind them,
 * where objects of up to 512 B hold pointers, a bit for each word.
 *
 * Objects of up to 512 B have runs of their own, in which no object crosses a page and the end of each page is kept
 * free: Green Tea has its marks there, and classic leaves the same room, so that the marker does not change the
 * placement (GOALLOC_TAIL=off, classic only, shows what that costs). Larger objects have runs, too, and those above a
 * quarter of a run again others, so that a large request does not end a run in which small ones would fit.
 */
#ifndef GOALLOC_MARKED_RUN_H
#define GOALLOC_MARKED_RUN_H

#include "place/marked.h"
#include "place/tiles.h"

enum {
    PLACE_PAGE_SLOTS = GOALLOC_PAGE_BYTES / PLACE_GRANULE_BYTES,
    RUN_SMALL_CLASS = GOALLOC_CLASS_OF_16,
    RUN_LARGER_CLASS = GOALLOC_CLASS_OF_512 + 1,
    RUN_OVERFLOW_CLASS = RUN_LARGER_CLASS + 1,
    RUN_KINDS = 6, /* these, with pointers and without */
    RUN_SMALL_MAX_BYTES = HEAP_BITS_MAX_OBJECT_BYTES,
};
_Static_assert((int)RUN_SMALL_CLASS << 1 == SPAN_TINY_CLASS - 1, "tiny blocks come from runs of small objects");
_Static_assert(RUN_MAX_BYTES / PLACE_GRANULE_BYTES <= UINT16_MAX, "alloc_count counts granules");

#define PLACE_NO_WINDOW                                                                                                \
    { .bump = 0, .end = 0 }

static bool run_windows;                 /* are small objects taken several at once? */
static unsigned run_tail_granules;       /* at the end of each page of small objects */
static struct fixalloc run_pointer_bits; /* records of starts and pointer bits; runs.bits: of starts only */

/* What differs between list and linear: */

/* Nothing in the run is live, its starts are those of a fresh one. */
static void run_emptied(struct span *s);
/* Something in it is; its live bits are up to date. */
static void run_swept(struct span *s);

static inline uint64_t *run_starts(const struct span *s) {
    return __atomic_load_n(&s->starts, __ATOMIC_RELAXED);
}

static inline uint64_t *run_live(const struct span *s) {
    return place_alloc_bits(s);
}

static inline uint64_t *place_pointer_bits(const struct span *s) {
    return run_starts(s) + span_words(s);
}

static inline bool run_is_small(const struct span *s) {
    return span_class_size_class(s->span_class) == RUN_SMALL_CLASS;
}

/* What lies behind 512 B was not worth splitting off (GOALLOC_SPLIT). */
static inline unsigned place_bitmap_words(size_t size_bytes) {
    return (unsigned)((size_bytes < RUN_SMALL_MAX_BYTES ? size_bytes : RUN_SMALL_MAX_BYTES) / 8);
}

static uint8_t run_class_for(size_t size_bytes, bool noscan) {
    unsigned size_class = size_bytes <= RUN_SMALL_MAX_BYTES ? RUN_SMALL_CLASS
                          : size_bytes <= runs.bytes / 4    ? RUN_LARGER_CLASS
                                                            : RUN_OVERFLOW_CLASS;
    return span_class_make(size_class, noscan);
}

/* 0 to RUN_KINDS - 1. */
static inline unsigned run_kind(uint8_t span_class) {
    unsigned size_class = span_class_size_class(span_class);
    return (size_class == RUN_SMALL_CLASS ? 0 : size_class - RUN_LARGER_CLASS + 1) * 2 + span_class_noscan(span_class);
}

static size_t place_class_pages(unsigned size_class) {
    bool run = size_class == RUN_SMALL_CLASS || size_class == RUN_LARGER_CLASS || size_class == RUN_OVERFLOW_CLASS;
    return run ? runs.bytes >> GOALLOC_PAGE_SHIFT : 0;
}

static void run_knobs_init(size_t default_bytes) {
    run_length_init(default_bytes, GOALLOC_MAX_SMALL_SIZE);
    runs.bits.size_bytes = runs.bytes / PLACE_GRANULE_BYTES / 8;
    run_pointer_bits.size_bytes = runs.bits.size_bytes + runs.bytes / 8 / 8;
    bool tail = knob_switch("GOALLOC_TAIL", true);
    if (!tail && AXIS_INLINE_MARKS)
        os_die("GOALLOC_TAIL=off: Green Tea's marks lie there; a classic build can do without");
    run_tail_granules = tail ? INLINE_MARKS_BYTES / PLACE_GRANULE_BYTES : 0;
}

/* Of the knobs that both have; false: none of them. */
static bool run_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "run") == 0)
        snprintf(out, size, "%zu", runs.bytes);
    else if (strcmp(name, "tail") == 0)
        snprintf(out, size, "%s", knob_switch_name(run_tail_granules != 0));
    else
        return false;
    return true;
}

/* ---- where objects may lie */

/* The end of what can be used of the stretch that holds granule i and that no object crosses. */
static inline unsigned run_stretch_end(const struct span *s, unsigned i) {
    return run_is_small(s) ? (i / PLACE_PAGE_SLOTS + 1) * PLACE_PAGE_SLOTS - run_tail_granules : s->nelems;
}

/* The start of the next one. */
static inline unsigned run_next_stretch(const struct span *s, unsigned i) {
    return run_is_small(s) ? (i / PLACE_PAGE_SLOTS + 1) * PLACE_PAGE_SLOTS : s->nelems;
}

/* Granules that objects can have. */
static unsigned run_usable(const struct span *s) {
    return run_is_small(s) ? s->nelems - s->npages * run_tail_granules : s->nelems;
}

/* One free piece from end to end of each stretch. */
static void run_lay_out(struct span *s) {
    uint64_t *starts = run_starts(s);
    for (unsigned i = 0; i < span_words(s); i++)
        place_store(&starts[i], 0);
    for (unsigned i = 0; i < s->nelems; i = run_next_stretch(s, i)) {
        run_set(starts, i);
        if (run_stretch_end(s, i) < s->nelems)
            run_set(starts, run_stretch_end(s, i));
    }
}

/* ---- spans in and out */

static inline void place_set_freeindex(struct span *s, unsigned index) {
    __atomic_store_n(&s->freeindex, (uint16_t)index, __ATOMIC_RELAXED);
}

static struct fixalloc *run_records(const struct span *s) {
    bool pointers = run_is_small(s) && !span_class_noscan(s->span_class);
    return pointers ? &run_pointer_bits : &runs.bits;
}

static bool place_span_init(struct span *s) {
    s->alloc_count_before_cache = 0;
    if (s->elem_bytes == 0)
        return place_take_bits(s);
    uint64_t *starts = fixalloc_take(run_records(s));
    if (starts == NULL)
        return false;
    if (!place_take_bits(s)) {
        fixalloc_give(run_records(s), starts);
        return false;
    }
    __atomic_store_n(&s->starts, starts, __ATOMIC_RELAXED);
    run_lay_out(s);
    run_emptied(s);
    return true;
}

/* The two bitmaps go with their epochs. */
static void place_span_fini(struct span *s) {
    if (s->elem_bytes != 0)
        fixalloc_give(run_records(s), run_starts(s));
}

static void place_take_whole(struct span *s) {
    place_set_freeindex(s, 1);
    place_store(&place_alloc_bits(s)[0], 1);
    __atomic_store_n(&s->alloc_count, 1, __ATOMIC_RELAXED);
}

/* ---- several objects at once, for a thread's window: at most 64 granules together */

enum { RUN_WINDOW_GRANULES = 64 };

/* The bits of count objects, `granules` apart from each other. */
static inline uint64_t run_bits_of(unsigned granules, unsigned count) {
    uint64_t bits = 1;
    for (unsigned have = 1; have < count; have *= 2)
        bits |= bits << have * granules;
    unsigned all = granules * count;
    return all < 64 ? bits & ((UINT64_C(1) << all) - 1) : bits;
}

static inline void run_set_all(uint64_t *bits, unsigned slot, uint64_t objects) {
    uint64_t *word = &bits[slot / 64], carried = slot % 64 == 0 ? 0 : objects >> (64 - slot % 64);
    __atomic_store_n(&word[0], place_load(&word[0]) | objects << slot % 64, __ATOMIC_RELEASE);
    if (carried != 0)
        __atomic_store_n(&word[1], place_load(&word[1]) | carried, __ATOMIC_RELEASE);
}

static inline void run_clear_many(uint64_t *bits, unsigned slot, uint64_t objects) {
    uint64_t *word = &bits[slot / 64], carried = slot % 64 == 0 ? 0 : objects >> (64 - slot % 64);
    place_store(&word[0], place_load(&word[0]) & ~(objects << slot % 64));
    if (carried != 0)
        place_store(&word[1], place_load(&word[1]) & ~carried);
}

/* Sets the bits of objects that were reserved together. A thread that finds a bit finds what was written to the object before. */
static inline void run_publish(struct span *s, unsigned slot, unsigned granules, unsigned count) {
    uint64_t objects = run_bits_of(granules, count);
    run_set_all(run_starts(s), slot, objects);
    run_set_all(run_live(s), slot, objects);
}

/* Count of these were never handed out: from slot on there is one free piece. */
static inline void run_unpublish(struct span *s, unsigned slot, unsigned granules, unsigned count) {
    uint64_t objects = run_bits_of(granules, count);
    run_clear_many(run_live(s), slot, objects);
    run_clear_many(run_starts(s), slot, objects & ~UINT64_C(1));
    __atomic_store_n(&s->alloc_count, (uint16_t)(s->alloc_count - granules * count), __ATOMIC_RELAXED);
}

/* An object of s has been handed out. */
static inline void run_count(struct span *s, unsigned granules) {
    __atomic_store_n(&s->alloc_count, (uint16_t)(s->alloc_count + granules), __ATOMIC_RELAXED);
}

/* ---- sweeping */

/* Granules of the objects whose bits are set. */
static unsigned run_granules_of(const struct span *s, const uint64_t *objects) {
    const uint64_t *starts = run_starts(s);
    uint64_t reaches = 0;
    unsigned granules = 0;
    for (unsigned i = 0; i < span_words(s); i++)
        granules += (unsigned)__builtin_popcountll(run_covered(place_load(&starts[i]), place_load(&objects[i]), &reaches));
    return granules;
}

static unsigned place_zombie(const struct span *s) {
    const uint64_t *marks = place_mark_bits(s), *live = place_alloc_bits(s);
    for (unsigned i = 0; i < gcbits_words(s->nelems); i++) {
        uint64_t zombies = place_load(&marks[i]) & ~place_load(&live[i]);
        if (zombies != 0)
            return i * 64 + (unsigned)place_lowest(zombies);
    }
    return s->nelems;
}

static unsigned place_used_slots(const struct span *s) {
    return place_count_bits(place_alloc_bits(s), gcbits_words(s->nelems));
}

/* What a run has before and after a sweep. */
struct run_tallies {
    struct place_tally used, kept; /* objects */
    struct place_tally granules;   /* of those kept */
};

/* words of a run from word i on, PLACE_TALLY_WORDS at most. */
static inline void run_tally(const struct span *s, unsigned i, unsigned end, uint64_t *reaches, struct run_tallies *t) {
    const uint64_t *starts = run_starts(s), *marks = place_mark_bits(s), *live = run_live(s);
    for (; i < end; i++) {
        uint64_t marked = place_load(&marks[i]);
        place_tally_add(&t->used, place_load(&live[i]));
        place_tally_add(&t->kept, marked);
        place_tally_add(&t->granules, run_covered(place_load(&starts[i]), marked, reaches));
    }
    place_tally_sum(&t->used);
    place_tally_sum(&t->kept);
    place_tally_sum(&t->granules);
}

static unsigned run_sweep_whole(struct span *s, uint64_t *fresh, unsigned *dead_objects) {
    unsigned kept = place_count_marks(s);
    *dead_objects = place_used_slots(s) - kept;
    place_rotate_bits(s, fresh);
    __atomic_store_n(&s->alloc_count, (uint16_t)kept, __ATOMIC_RELAXED);
    return kept;
}

static unsigned place_sweep(struct span *s, uint64_t *fresh, unsigned *dead_objects) {
    if (s->elem_bytes == 0)
        return run_sweep_whole(s, fresh, dead_objects);
    struct run_tallies t = {.used = {0, 0}};
    uint64_t reaches = 0;
    for (unsigned i = 0, words = span_words(s); i < words; i += PLACE_TALLY_WORDS)
        run_tally(s, i, words - i < PLACE_TALLY_WORDS ? words : i + PLACE_TALLY_WORDS, &reaches, &t);
    *dead_objects = t.used.sum - t.kept.sum;
    place_rotate_bits(s, fresh);
    __atomic_store_n(&s->alloc_count, (uint16_t)t.granules.sum, __ATOMIC_RELAXED);
    if (t.kept.sum != 0) {
        run_swept(s);
        return t.granules.sum;
    }
    run_lay_out(s);
    run_emptied(s);
    return 0;
}

/* ---- what observers ask; other threads may be allocating */

static inline int place_slot_covering(const struct span *s, uintptr_t address) {
    unsigned i = run_granule(s, address);
    return i < run_stretch_end(s, i) ? run_last(run_starts(s), i) : -1;
}

static inline int place_slot_at(const struct span *s, uintptr_t address) {
    int slot = place_slot_covering(s, address);
    return slot >= 0 && run_address(s, (unsigned)slot) == address ? slot : -1;
}

/* Acquire: who finds an object finds its contents. */
static inline bool place_slot_free(const struct span *s, unsigned slot) {
    return (__atomic_load_n(&place_alloc_bits(s)[slot / 64], __ATOMIC_ACQUIRE) >> slot % 64 & 1) == 0;
}

static inline bool place_slot_unpublished(const struct span *s, unsigned slot) {
    return place_slot_free(s, slot);
}

static inline uintptr_t place_slot_address(const struct span *s, unsigned slot) {
    return run_address(s, slot);
}

static inline size_t place_slot_bytes(const struct span *s, unsigned slot) {
    return (size_t)run_extent(s, slot) * PLACE_GRANULE_BYTES;
}

static uint64_t place_used_bytes(const struct span *s) {
    return (uint64_t)__atomic_load_n(&s->alloc_count, __ATOMIC_RELAXED) * PLACE_GRANULE_BYTES;
}

static uintptr_t place_pending(const struct place_pool *pool) {
    (void)pool;
    return 0;
}

static const char *place_broken(struct span *s) {
    const uint64_t *starts = run_starts(s), *live = run_live(s);
    for (unsigned i = 0; i < span_words(s); i++)
        if ((place_load(&live[i]) & ~place_load(&starts[i])) != 0)
            return "live object of a run without a start";
    for (unsigned i = 0; i < s->nelems; i = run_next_stretch(s, i)) {
        unsigned end = run_stretch_end(s, i);
        if (!run_bit(starts, i) || (end < s->nelems && !run_bit(starts, end)))
            return "stretch of a run that does not begin and end with a start";
        if (end % PLACE_PAGE_SLOTS != 0 && run_next(s, live, end) < run_next_stretch(s, i))
            return "live object in the tail of a page";
    }
    if (run_granules_of(s, live) != s->alloc_count)
        return "number of allocated granules differs from the bits";
    return place_zombie(s) != s->nelems ? "marked slot that is free" : NULL;
}

#endif
