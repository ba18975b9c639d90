/* SPDX-License-Identifier: MIT
 *
 * lines: holes of linear placement in both flavours. A run is divided into lines, as in Immix (Blackburn and McKinley,
 * PLDI 2008), but exactly: a line is dead when no live object reaches into it, and a hole is a row of dead lines. A
 * search takes a few instructions for each 64 granules, whatever lies in them.
 */
#ifndef GOALLOC_LINES_H
#define GOALLOC_LINES_H

#include "place/tiles.h"

#include <stdio.h>
#include <string.h>

static struct {
    bool holes;        /* do dead lines serve before the whole run is dead? */
    unsigned granules; /* of a line: a power of two, 64 at most */
    uint64_t firsts;   /* the first granule of each line in a word of bits */
} lines;

static const char *const lines_sizes[] = {"16", "32", "64", "128", "256", "512", NULL};

enum { LINES_OF_16, LINES_OF_32, LINES_OF_64, LINES_OF_128, LINES_OF_256, LINES_OF_512 }; /* indices of lines_sizes */

static void lines_set(bool holes, unsigned size_index) {
    lines.holes = holes;
    lines.granules = (16u << size_index) / RUN_GRANULE_BYTES;
    lines.firsts = lines.granules == 64 ? 1 : ~UINT64_C(0) / ((UINT64_C(1) << lines.granules) - 1);
}

static void lines_knobs_init(bool default_holes, unsigned default_size_index) {
    bool holes = knob_switch("GOALLOC_HOLES", default_holes);
    lines_set(holes, knob_choice("GOALLOC_LINE", lines_sizes, default_size_index));
}

/* False: no knob of lines. */
static bool lines_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "holes") == 0)
        snprintf(out, size, "%s", knob_switch_name(lines.holes));
    else if (strcmp(name, "line") == 0)
        snprintf(out, size, "%u", lines.granules * RUN_GRANULE_BYTES);
    else
        return false;
    return true;
}

/* The lines that contain one of these granules. The bit of a line is that of its first granule. */
static inline uint64_t lines_of(uint64_t granules) {
    for (unsigned shift = 1; shift < lines.granules; shift *= 2)
        granules |= granules >> shift;
    return granules & lines.firsts;
}

/* The first hole in [from, limit). No object that begins before `from` reaches beyond it, and a line that `limit` cuts
 * is no part of a hole. False: there is none. */
static bool lines_find_hole(const struct span *s, unsigned from, unsigned limit, unsigned *first, unsigned *end) {
    const uint64_t *starts = run_starts(s), *live = run_live(s);
    uint64_t before = (UINT64_C(1) << from % 64) - 1, reaches = 0;
    bool found = false;
    for (unsigned i = from / 64; i * 64 < limit; i++, before = 0) {
        uint64_t covered = run_covered(place_load(&starts[i]) | before, place_load(&live[i]) & ~before, &reaches);
        if (limit - i * 64 < 64)
            covered |= ~UINT64_C(0) << limit % 64;
        uint64_t taken = lines_of(covered | before), dead = lines.firsts & ~taken;
        if (!found) {
            if (dead == 0)
                continue;
            found = true;
            *first = i * 64 + (unsigned)place_lowest(dead);
            taken &= ~UINT64_C(0) << *first % 64;
        }
        if (taken != 0) {
            *end = i * 64 + (unsigned)place_lowest(taken);
            return true;
        }
    }
    *end = limit;
    return found;
}

/* Makes [first, end) one gap; what lay there dead keeps its bounds outside it. The start at first stays set throughout:
 * an object that ends there is live, and other threads may ask for its size. */
static void lines_open_hole(const struct span *s, unsigned first, unsigned end) {
    uint64_t *starts = run_starts(s);
    if (end < s->nelems)
        run_set(starts, end);
    uint64_t keep = (UINT64_C(1) << first % 64) - 1, begin = UINT64_C(1) << first % 64;
    for (unsigned i = first / 64; i * 64 < end; i++, keep = begin = 0) {
        if (end - i * 64 < 64)
            keep |= ~UINT64_C(0) << end % 64;
        place_store(&starts[i], (place_load(&starts[i]) & keep) | begin);
    }
}

#endif
