/* SPDX-License-Identifier: MIT
 *
 * scavenge: gives free pages back to the OS, from the highest address down (Go mgcscavenge.go:640-990).
 * Included by page.c, behind huge.c.
 */
#include "page/bits.h"

enum {
    SCAVENGE_MIN_PAGES = (64 << 10) >> GOALLOC_PAGE_SHIFT, /* Go's quantum: a system call should be worth it */
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
    unsigned huge_below = start / HUGE_PAGES * HUGE_PAGES;
    unsigned huge_above = (start + HUGE_PAGES - 1) / HUGE_PAGES * HUGE_PAGES;
    if (huge_above <= end && huge_below >= run.first)
        start = huge_below;
    return (struct page_piece){run.chunk, start, end - start};
}

/* The run leaves the free pages, but for density: it has not been allocated (mgcscavenge.go:763). */
static struct page_release scavenge_take(struct page_heap *ph, size_t c, struct page_piece run, bool force) {
    struct page_release out = {c * PAGE_CHUNK_PAGES + run.first, run.count, force};
    bits_set(ph->chunks[c].in_use, run.first, run.count);
    ph->free_pages -= run.count;
    page_update(ph, out.page, run.count, false);
    huge_before_release(ph, out.page, run.count);
    return out;
}

static struct page_release page_release_begin(struct page_heap *ph, size_t want_bytes, bool force) {
    size_t want_pages = (want_bytes >> GOALLOC_PAGE_SHIFT) + ((want_bytes & (GOALLOC_PAGE_BYTES - 1)) != 0);
    for (size_t page; want_pages != 0 && (page = density_find(ph, force)) != SIZE_MAX;) {
        size_t c = page / PAGE_CHUNK_PAGES;
        struct page_piece run = scavenge_last_run(&ph->chunks[c], page % PAGE_CHUNK_PAGES + 1);
        if (run.count != 0)
            return scavenge_take(ph, c, scavenge_cut(run, want_pages), force);
        density_set_empty(ph, c);
    }
    return (struct page_release){0, 0, force};
}

static bool page_release_now(const struct page_heap *ph, struct page_release r) {
    return os_release((void *)page_address(ph, r.page), r.npages << GOALLOC_PAGE_SHIFT);
}

static void page_release_end(struct page_heap *ph, struct page_release r, bool released) {
    struct page_chunk *chunk = &ph->chunks[r.page / PAGE_CHUNK_PAGES];
    unsigned first = r.page % PAGE_CHUNK_PAGES, count = (unsigned)r.npages;
    bits_clear(chunk->in_use, first, count);
    ph->free_pages += count;
    if (ph->search_page > r.page)
        ph->search_page = r.page;
    page_update(ph, r.page, count, true);
    if (!released) {
        /* What the program has locked stays backed; what lies below it may not be. */
        if (ph->scavenge_end[r.force] > r.page)
            ph->scavenge_end[r.force] = r.page;
        if (ph->refused_end < r.page + r.npages)
            ph->refused_end = r.page + r.npages;
        return;
    }
    bits_set(chunk->released, first, count);
    ph->scavenged_free_pages += count;
    page_retain(ph, -(ptrdiff_t)count);
}

static void page_forget_refusals(struct page_heap *ph) {
    if (ph->refused_end == 0)
        return;
    for (size_t c = (ph->refused_end - 1) / PAGE_CHUNK_PAGES + 1; c-- > ph->first_chunk;) {
        int log = density_empty_log(ph, c);
        if (log < 0)
            density_set_free(ph, c);
        else
            c = c >> log << log;
    }
    density_raise(ph, true, ph->refused_end);
    ph->refused_end = 0;
}

static size_t page_scavenge(struct page_heap *ph, size_t want_bytes) {
    size_t done_bytes = 0;
    if (want_bytes == SIZE_MAX)
        page_forget_refusals(ph);
    if (want_bytes != 0 && want_bytes < (size_t)SCAVENGE_MIN_PAGES << GOALLOC_PAGE_SHIFT)
        want_bytes = (size_t)SCAVENGE_MIN_PAGES << GOALLOC_PAGE_SHIFT;
    while (done_bytes < want_bytes) {
        struct page_release r = page_release_begin(ph, want_bytes - done_bytes, true);
        if (r.npages == 0)
            break;
        bool released = page_release_now(ph, r);
        page_release_end(ph, r, released);
        done_bytes += released ? r.npages << GOALLOC_PAGE_SHIFT : 0;
    }
    if (want_bytes == SIZE_MAX)
        page_keep_released(ph);
    return done_bytes;
}
