/* SPDX-License-Identifier: MIT
 *
 * linear_marked: linear placement in traced builds: a bump pointer in runs; nothing in a run is used again before the
 * sweep has found all of it dead. With holes=on the pointer also goes through lines into which no marked object
 * reaches (place/lines.h). A run's freeindex is where its unused part begins, and nelems once a request has found no
 * room there.
 */
#include "place/lines.h"
#include "place/marked_run.h"

/* Where a thread allocates next in its run of each kind: from bump to end. Both 0: not opened yet. */
struct place_pool {
    struct {
        uintptr_t bump, end;
    } gaps[RUN_KINDS];
};

static void place_knobs_init(bool tuned) {
    /* Objects of different sizes then do not lie in the order of their allocation. They do in the faithful preset. */
    run_windows = tuned;
    run_knobs_init((size_t)32 << 10);
    lines_knobs_init(false, LINES_OF_128);
}

static bool place_knob(const char *name, char *out, size_t size) {
    return lines_knob(name, out, size) || run_knob(name, out, size);
}

static void run_emptied(struct span *s) {
    place_set_freeindex(s, 0);
}

/* Without holes what was not reached yet is still there, and nothing else. */
static void run_swept(struct span *s) {
    if (lines.holes)
        place_set_freeindex(s, 0);
}

/* The next gap at or behind granule `from`; false: there is none. */
static bool linear_next_gap(const struct span *s, unsigned from, unsigned *first, unsigned *end) {
    for (; from < s->nelems; from = run_next_stretch(s, from)) {
        *first = from;
        *end = run_stretch_end(s, from);
        if (lines.holes ? lines_find_hole(s, from, *end, first, end) : from < *end)
            return true;
    }
    return false;
}

static inline bool place_has_room(const struct span *s) {
    unsigned first, end;
    return linear_next_gap(s, s->freeindex, &first, &end);
}

static void place_resume(struct span *s) {
    (void)s;
}

/* Room for objects of so many granules, most of them at most, one behind the other, in s, the run in use. 0: not for one. */
static inline uintptr_t run_reserve(struct place_pool *pool, struct span *s, unsigned granules, unsigned most,
                                    unsigned *count) {
    uintptr_t *bump = &pool->gaps[run_kind(s->span_class)].bump, *gap_end = &pool->gaps[run_kind(s->span_class)].end;
    size_t size_bytes = (size_t)granules * PLACE_GRANULE_BYTES;
    while (GOALLOC_UNLIKELY(*gap_end - *bump < size_bytes)) {
        unsigned first, end;
        if (!linear_next_gap(s, *gap_end != 0 ? run_granule(s, *gap_end) : s->freeindex, &first, &end))
            return 0;
        lines_open_hole(s, first, end);
        *bump = run_address(s, first);
        *gap_end = run_address(s, end);
    }
    uintptr_t address = *bump;
    *count = most == 1 ? 1 : (unsigned)((*gap_end - *bump) / size_bytes);
    *count = *count < most ? *count : most;
    *bump += *count * size_bytes;
    if (*bump != *gap_end)
        run_set(run_starts(s), run_granule(s, *bump));
    run_count(s, *count * granules);
    return address;
}

/* An object of so many granules; 0: s has no room for it. */
static inline uintptr_t run_take(struct place_pool *pool, struct span *s, unsigned granules) {
    unsigned count;
    uintptr_t address = run_reserve(pool, s, granules, 1, &count);
    if (GOALLOC_LIKELY(address != 0))
        run_set(run_live(s), run_granule(s, address));
    return address;
}

/* The last objects of a window, from address on, were not handed out. What has been bumped over since stays behind. */
static void run_return(struct place_pool *pool, struct span *s, uintptr_t address, unsigned granules, unsigned count) {
    uintptr_t *bump = &pool->gaps[run_kind(s->span_class)].bump, gap_end = pool->gaps[run_kind(s->span_class)].end;
    uintptr_t end = address + (uintptr_t)count * granules * PLACE_GRANULE_BYTES;
    run_unpublish(s, run_granule(s, address), granules, count);
    if (end != *bump)
        return;
    if (end != gap_end)
        run_clear(run_starts(s), run_granule(s, end));
    *bump = address;
}

/* s stands for itself from now on, until it is taken from again. */
static void run_settle(struct place_pool *pool, struct span *s) {
    uintptr_t *bump = &pool->gaps[run_kind(s->span_class)].bump, *gap_end = &pool->gaps[run_kind(s->span_class)].end;
    if (*gap_end != 0)
        place_set_freeindex(s, run_granule(s, *bump));
    *bump = *gap_end = 0;
}

/* Must an object be zeroed from end to end, or from its start to here? */
static inline size_t run_dirty_bytes(const struct span *s, size_t size_bytes) {
    return s->needzero ? size_bytes : 0;
}

/* What was passed by and is not live waits for the rest of the run to die; with holes=on what is in no whole line, and
 * what the owner has passed since the sweep. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    (void)w, (void)pending;
    unsigned first, end, room = 0;
    for (unsigned from = s->freeindex; linear_next_gap(s, from, &first, &end); from = end)
        room += end - first;
    return (uint64_t)(run_usable(s) - s->alloc_count - room) * PLACE_GRANULE_BYTES;
}
