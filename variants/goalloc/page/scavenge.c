/* SPDX-License-Identifier: MIT
 *
 * scavenge: gives free pages back to the OS, from the highest address down (Go mgcscavenge.go:640-990).
 */
#include "page/bits.h"

enum {
    SCAVENGE_MIN_PAGES = (64 << 10) >> GOALLOC_PAGE_SHIFT, /* Go's quantum: a system call should be worth it */
    SCAVENGE_HUGE_PAGES = (2 << 20) >> GOALLOC_PAGE_SHIFT,
};

/* How many of a word's highest bits are ones. */
static inline unsigned scavenge_leading_ones(uint64_t word) {
    return word == ~UINT64_C(0) ? 64 : (unsigned)__builtin_clzll(~word);
}

/* The last run below page `end` of the chunk that is free and that the OS still backs. Length 0: there is none. */
static struct page_piece scavenge_last_run(const struct page_chunk *chunk, unsigned end) {
    struct page_piece run = {0, 0, 0};
    for (unsigned w = (end + 63) / 64; w-- > 0;) {
        uint64_t backed = ~(chunk->in_use[w] | chunk->released[w]);
        if (w == end / 64)
            backed &= (UINT64_C(1) << end % 64) - 1;
        if (run.count == 0) {
            if (backed == 0)
                continue;
            unsigned above = (unsigned)__builtin_clzll(backed);
            run.first = w * 64 + 64 - above;
            backed <<= above;
        }
        unsigned more = scavenge_leading_ones(backed);
        run.first -= more;
        run.count += more;
        if (run.first != w * 64)
            break;
    }
    return run;
}

/* Keeps of a run its highest pages, as many as are wanted; a huge page that the cut would break goes whole, if all of
 * it is in the run (Go mgcscavenge.go:951). */
static struct page_piece scavenge_cut(struct page_piece run, size_t want_pages) {
    if (run.count <= want_pages)
        return run;
    unsigned end = run.first + run.count, start = end - (unsigned)want_pages;
    unsigned huge_below = start / SCAVENGE_HUGE_PAGES * SCAVENGE_HUGE_PAGES;
    unsigned huge_above = (start + SCAVENGE_HUGE_PAGES - 1) / SCAVENGE_HUGE_PAGES * SCAVENGE_HUGE_PAGES;
    if (huge_above <= end && huge_below >= run.first)
        start = huge_below;
    return (struct page_piece){run.chunk, start, end - start};
}

static size_t scavenge_chunk(struct page_heap *ph, size_t c, size_t want_pages) {
    struct page_chunk *chunk = &ph->chunks[c];
    size_t done_pages = 0;
    unsigned end = PAGE_CHUNK_PAGES;
    while (done_pages < want_pages) {
        struct page_piece run = scavenge_last_run(chunk, end);
        if (run.count == 0)
            break;
        run = scavenge_cut(run, want_pages - done_pages);
        end = run.first;
        /* What the program has locked stays backed; what lies below it may not be. */
        if (!os_release((void *)page_address(ph, c * PAGE_CHUNK_PAGES + run.first),
                        (size_t)run.count << GOALLOC_PAGE_SHIFT))
            continue;
        bits_set(chunk->released, run.first, run.count);
        ph->scavenged_free_pages += run.count;
        done_pages += run.count;
    }
    return done_pages;
}

/* log2 of the chunks that the highest entry of 0 above a chunk covers; -1: its own summary is not 0. */
static int scavenge_empty_log(const struct page_heap *ph, size_t chunk) {
    for (int l = 0, log = (PAGE_LEVELS - 1) * PAGE_LEVEL_BITS; l < PAGE_LEVELS; l++, log -= PAGE_LEVEL_BITS)
        if (ph->levels[l][chunk >> log] == 0)
            return log;
    return -1;
}

static size_t page_scavenge(struct page_heap *ph, size_t want_bytes) {
    size_t done_pages = 0, want_pages = want_bytes >> GOALLOC_PAGE_SHIFT;
    want_pages += (want_bytes & (GOALLOC_PAGE_BYTES - 1)) != 0;
    if (want_pages != 0 && want_pages < SCAVENGE_MIN_PAGES)
        want_pages = SCAVENGE_MIN_PAGES;
    for (size_t c = ph->end_chunk; c > ph->first_chunk && done_pages < want_pages;) {
        int log = scavenge_empty_log(ph, --c);
        if (log < 0)
            done_pages += scavenge_chunk(ph, c, want_pages - done_pages);
        else
            c = c >> log << log; /* nothing is free in all that the entry covers: the gap between arenas, say */
    }
    return done_pages << GOALLOC_PAGE_SHIFT;
}
