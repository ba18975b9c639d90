/* SPDX-License-Identifier: MIT
 *
 * linear: a bump pointer in runs; nothing in a run is used again before the whole run is dead. With holes=on the
 * pointer also goes through dead 128 B lines, as in Immix (Blackburn and McKinley, PLDI 2008), but exactly: a line is
 * dead when no live object reaches into it. Requests above a quarter of a run that do not fit bump in a run of their
 * own kind, so that they do not end the small ones' (Immix: overflow allocation).
 */
#include "place/run.h"

enum {
    LINEAR_LINE_BYTES = 128,
    LINEAR_LINE_GRANULES = LINEAR_LINE_BYTES / RUN_GRANULE_BYTES,
    RUN_CLASS = 1, /* the size class whose span class stands for all runs but those of large requests */
    LINEAR_OVERFLOW_CLASS = 2
};

static bool linear_holes;

struct place_pool {
    uintptr_t pending; /* the second half of a tiny block, not yet handed out; 0: none */
};

#define PLACE_NO_WINDOW                                                                                                \
    { .bump = 0, .end = 0 }

static void place_knobs_init(void) {
    run_knobs_init((size_t)32 << 10);
    linear_holes = knob_switch("GOALLOC_HOLES", false);
}

static bool place_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "run") == 0)
        snprintf(out, size, "%zu", runs.bytes);
    else if (strcmp(name, "holes") == 0)
        snprintf(out, size, "%s", knob_switch_name(linear_holes));
    else
        return false;
    return true;
}

static size_t place_class_pages(unsigned size_class) {
    return size_class == RUN_CLASS || size_class == LINEAR_OVERFLOW_CLASS ? runs.bytes >> GOALLOC_PAGE_SHIFT : 0;
}

/* Finds the next hole behind granule `from`; false: there is none. */
static bool linear_find_hole(const struct span *s, unsigned from, unsigned *first, unsigned *end) {
    const uint64_t *live = run_live(s);
    /* What begins before `from` may reach beyond it. */
    int before = from > 0 ? run_last(live, from - 1) : -1;
    if (before >= 0 && (unsigned)before + run_extent(s, (unsigned)before) > from)
        from = (unsigned)before + run_extent(s, (unsigned)before);
    while (from < s->nelems) {
        unsigned next = run_next(s, live, from);
        *first = (from + LINEAR_LINE_GRANULES - 1) / LINEAR_LINE_GRANULES * LINEAR_LINE_GRANULES;
        *end = next / LINEAR_LINE_GRANULES * LINEAR_LINE_GRANULES;
        if (*first < *end)
            return true;
        if (next == s->nelems)
            return false;
        from = next + run_extent(s, next);
    }
    return false;
}

/* Makes [first, end) one gap; what lay there dead keeps its bounds outside it. The start at first stays set throughout:
 * an object that ends there is live, and other threads may ask for its size. */
static void linear_open_hole(struct place_window *w, unsigned first, unsigned end) {
    struct span *s = w->span;
    uint64_t *starts = run_starts(s);
    run_set(starts, first);
    if (end < s->nelems)
        run_set(starts, end);
    for (unsigned i = run_next(s, starts, first + 1); i < end; i = run_next(s, starts, i + 1))
        run_clear(starts, i);
    w->bump = run_address(s, first);
    w->end = run_address(s, end);
}

static bool place_window_advance(struct place_window *w) {
    unsigned first, end;
    struct span *s = w->span;
    if (s == NULL || !linear_holes || w->end == run_address(s, s->nelems))
        return false;
    if (!linear_find_hole(s, run_granule(s, w->end), &first, &end))
        return false;
    linear_open_hole(w, first, end);
    return true;
}

static bool place_window_usable(struct place_window *w) {
    return w->bump != w->end;
}

static void place_window_open(struct place_window *w, struct span *s) {
    unsigned first, end;
    place_expect_layout(s, &runs.bits);
    w->span = s;
    if (run_none_live(s)) {
        run_clear_all(s);
        w->bump = s->base;
        w->end = run_address(s, s->nelems);
    } else if (linear_holes && run_expect_sound(s) && linear_find_hole(s, 0, &first, &end)) {
        linear_open_hole(w, first, end);
    } else {
        w->bump = w->end = run_address(s, s->nelems);
    }
}

static void place_window_close(struct place_window *w) {
    w->span = NULL;
    w->bump = w->end = 0;
}

static bool place_give(struct span *s, unsigned slot) {
    return run_retire(s, slot);
}

/* Lists locked or central lock. */
static enum place_room place_room(const struct span *s) {
    unsigned first, end;
    if (run_none_live(s))
        return PLACE_ALL_ROOM;
    return linear_holes && linear_find_hole(s, 0, &first, &end) ? PLACE_SOME_ROOM : PLACE_NO_ROOM;
}

static uintptr_t place_pending(const struct place_pool *pool) {
    return pool->pending;
}

/* Where it was bumped through, all that is not live; with holes=on, but for whole dead lines. What lies ahead of the
 * owner's window is free: nothing has been placed there, or only in lines that are dead now. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    unsigned first, end, ahead = w != NULL ? run_granule(s, w->end) : 0;
    uint64_t free_bytes = w != NULL ? w->end - w->bump : 0;
    for (; linear_holes && ahead < s->nelems && linear_find_hole(s, ahead, &first, &end); ahead = end)
        free_bytes += (uint64_t)(end - first) * RUN_GRANULE_BYTES;
    if (pending - s->base < (uint64_t)s->npages << GOALLOC_PAGE_SHIFT)
        free_bytes += RUN_GRANULE_BYTES;
    return ((uint64_t)s->npages << GOALLOC_PAGE_SHIFT) - place_used_bytes(s) - free_bytes;
}

/* Without holes only the last free of a run matters; with them, a quarter of its objects make looking for lines worth
 * it. */
static int32_t place_full_wait(const struct span *s) {
    return linear_holes ? s->alloc_count / 4 + 1 : s->alloc_count;
}

/* Takes size bytes, a multiple of RUN_UNIT_BYTES, at the next multiple of align; 0: the window is too small. */
static inline uintptr_t linear_take(struct place_window *w, size_t size_bytes, size_t align_bytes) {
    uintptr_t address = (w->bump + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1);
    if (GOALLOC_UNLIKELY(address > w->end || w->end - address < size_bytes))
        return 0;
    struct span *s = w->span;
    if (s == NULL)
        return 0;
    uint64_t *starts = run_starts(s);
    unsigned i = run_granule(s, address), end = i + (unsigned)(size_bytes / RUN_GRANULE_BYTES);
    if (address != w->bump)
        run_set(starts, i); /* before it a gap stays */
    if (end < s->nelems)
        run_set(starts, end);
    run_set(run_live(s), i);
    w->bump = address + size_bytes;
    return address;
}
