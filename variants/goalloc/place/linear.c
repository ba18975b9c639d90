/* SPDX-License-Identifier: MIT
 *
 * linear: a bump pointer in runs. With holes=off nothing in a run is used again before the whole run is dead. With
 * holes=on the pointer also goes through dead lines (place/lines.h). Requests above a quarter of a run that do not fit
 * bump in a run of their own kind, so that they do not end the small ones' (Immix: overflow allocation).
 */
#include "place/lines.h"
#include "place/run.h"

enum {
    RUN_CLASS = 1, /* the size class whose span class stands for all runs but those of large requests */
    LINEAR_OVERFLOW_CLASS = 2
};

struct place_pool {
    uintptr_t pending; /* the second half of a tiny block, not yet handed out; 0: none */
};

#define PLACE_NO_WINDOW                                                                                                \
    { .bump = 0, .end = 0 }

static size_t linear_live_offset_bytes; /* from a word of starts to its word of live bits */

static void place_knobs_init(bool tuned) {
    run_knobs_init((size_t)32 << 10);
    /* Peaks of 17 workloads are 1.81 times the smallest of glibc's and our placements' without holes, 1.24 times with
     * lines of 128 B as in Immix, and 1.14 times with 16 B (docs/differences.md). */
    lines_knobs_init(tuned, tuned ? LINES_OF_16 : LINES_OF_128);
    linear_live_offset_bytes = runs.bytes / RUN_GRANULE_BYTES / 8 + RUN_SPARE_WORDS * sizeof(uint64_t);
}

static bool place_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "run") != 0)
        return lines_knob(name, out, size);
    snprintf(out, size, "%zu", runs.bytes);
    return true;
}

static size_t place_class_pages(unsigned size_class) {
    return size_class == RUN_CLASS || size_class == LINEAR_OVERFLOW_CLASS ? runs.bytes >> GOALLOC_PAGE_SHIFT : 0;
}

/* ---- windows */

/* Every page has whole words of starts, and a run begins at a page. So an address alone finds its word, without the
 * run's base. */
static uintptr_t linear_starts_of_0(const struct span *s) {
    return (uintptr_t)run_starts(s) - s->base / RUN_GRANULE_BYTES / 8;
}

static void linear_window_over(struct place_window *w, struct span *s, unsigned first, unsigned end) {
    w->span = s;
    w->starts_of_0 = linear_starts_of_0(s);
    w->bump = run_address(s, first);
    w->end = run_address(s, end);
}

static bool place_window_advance(struct place_window *w) {
    unsigned first, end;
    struct span *s = w->span;
    if (s == NULL || !lines.holes || w->end == run_address(s, s->nelems))
        return false;
    if (!lines_find_hole(s, run_granule(s, w->end), s->nelems, &first, &end))
        return false;
    lines_open_hole(s, first, end);
    linear_window_over(w, s, first, end);
    return true;
}

static bool place_window_usable(struct place_window *w) {
    return w->bump != w->end;
}

static void place_window_open(struct place_window *w, struct span *s) {
    unsigned first, end;
    place_expect_layout(s, &runs.bits);
    if (run_none_live(s)) {
        run_clear_all(s);
        linear_window_over(w, s, 0, s->nelems);
    } else if (lines.holes && run_expect_sound(s) && lines_find_hole(s, 0, s->nelems, &first, &end)) {
        lines_open_hole(s, first, end);
        linear_window_over(w, s, first, end);
    } else {
        linear_window_over(w, s, s->nelems, s->nelems);
    }
}

static void place_window_close(struct place_window *w) {
    w->span = NULL;
    w->bump = w->end = 0;
}

/* Lists locked or central lock. */
static enum place_room place_room(const struct span *s) {
    unsigned first, end;
    if (run_none_live(s))
        return PLACE_ALL_ROOM;
    return lines.holes && lines_find_hole(s, 0, s->nelems, &first, &end) ? PLACE_SOME_ROOM : PLACE_NO_ROOM;
}

static uintptr_t place_pending(const struct place_pool *pool) {
    return pool->pending;
}

/* Where it was bumped through, all that is not live; with holes=on, but for whole dead lines. What lies ahead of the
 * owner's window is free: nothing has been placed there, or only in lines that are dead now. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    unsigned first, end, ahead = w != NULL ? run_granule(s, w->end) : 0;
    uint64_t free_bytes = w != NULL ? w->end - w->bump : 0;
    for (; lines.holes && ahead < s->nelems && lines_find_hole(s, ahead, s->nelems, &first, &end); ahead = end)
        free_bytes += (uint64_t)(end - first) * RUN_GRANULE_BYTES;
    if (pending - s->base < (uint64_t)s->npages << GOALLOC_PAGE_SHIFT)
        free_bytes += RUN_GRANULE_BYTES;
    return ((uint64_t)s->npages << GOALLOC_PAGE_SHIFT) - place_used_bytes(s) - free_bytes;
}

/* Without holes only the last free of a run matters; with them, a quarter of its objects make looking for lines worth
 * it. */
static int32_t place_full_wait(const struct span *s) {
    return lines.holes ? s->alloc_count / 4 + 1 : s->alloc_count;
}

/* ---- objects in and out */

/* bits: the word of address 0. Sets the bit of an address in the run that they belong to. */
static inline void linear_set(uintptr_t bits, uintptr_t address) {
    uint64_t *word = (uint64_t *)(bits + address / RUN_GRANULE_BYTES / 64 * 8);
    place_store(word, place_load(word) | UINT64_C(1) << address / RUN_GRANULE_BYTES % 64);
}

/* Takes size bytes, a multiple of RUN_UNIT_BYTES; 0: the window is too small. In a closed window both ends are 0. */
static inline uintptr_t linear_bump(struct place_window *w, size_t size_bytes) {
    uintptr_t address = w->bump, next = address + size_bytes;
    if (GOALLOC_UNLIKELY(next > w->end))
        return 0;
    w->bump = next;
    linear_set(w->starts_of_0, next); /* at the run's end: the spare word */
    linear_set(w->starts_of_0 + linear_live_offset_bytes, address);
    return address;
}

/* The same at the next multiple of align_bytes; what lies before it stays a gap. */
static uintptr_t linear_bump_aligned(struct place_window *w, size_t size_bytes, size_t align_bytes) {
    uintptr_t address = (w->bump + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1);
    if (address > w->end || w->end - address < size_bytes)
        return 0;
    if (address != w->bump)
        linear_set(w->starts_of_0, address);
    w->bump = address;
    return linear_bump(w, size_bytes);
}

/* Clears bit n % 64; false when it was clear. One instruction where the compiler would need five. */
static inline bool linear_clear_bit(uint64_t *bits, unsigned n) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    bool was_set;
    __asm__("btrq %2, %0" : "+r"(*bits), "=@ccc"(was_set) : "r"((uint64_t)n));
    return was_set;
#else
    uint64_t bit = UINT64_C(1) << n % 64;
    bool was_set = (*bits & bit) != 0;
    *bits &= ~bit;
    return was_set;
#endif
}

static inline __attribute__((always_inline)) bool place_give(struct span *s, unsigned slot) {
    uint64_t *word = &run_live(s)[slot / 64];
    uint64_t bits = place_load(word);
    if (GOALLOC_UNLIKELY(!linear_clear_bit(&bits, slot)))
        return false;
    place_publish(word, bits); /* release: see there */
    return true;
}

static inline void place_born(struct span *s, unsigned slot) {
    run_set(run_live(s), slot);
}

static inline __attribute__((always_inline)) bool place_give_fast(struct span *s, unsigned slot) {
    return place_give(s, slot);
}
