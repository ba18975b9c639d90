/* SPDX-License-Identifier: MIT */
#include "page/page.h"
#include "page/summary.c"

#include <string.h>

/* log2 of the pages that an entry of a level covers: 21, 18, 15, 12, 9. */
static inline unsigned page_level_log(unsigned level) {
    return PAGE_MAX_LOG - level * PAGE_LEVEL_BITS;
}

static inline size_t page_index(const struct page_heap *ph, uintptr_t address) {
    return (address - ph->range_base) >> GOALLOC_PAGE_SHIFT;
}

static inline uintptr_t page_address(const struct page_heap *ph, size_t page) {
    return ph->range_base + (page << GOALLOC_PAGE_SHIFT);
}

static size_t page_round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* So many pages more are backed, of those that the heap has grown into. Others read it without the heap lock. */
static inline void page_retain(struct page_heap *ph, ptrdiff_t npages) {
    __atomic_store_n(&ph->retained_pages, ph->retained_pages + (size_t)npages, __ATOMIC_RELAXED);
}

#include "page/huge.c"

static size_t page_chunks_bytes(const struct page_heap *ph) {
    return page_round_up(ph->chunk_count * sizeof *ph->chunks, OS_PAGE_BYTES);
}

static size_t page_density_bytes(const struct page_heap *ph) {
    return page_round_up(ph->chunk_count * sizeof *ph->density, OS_PAGE_BYTES);
}

static void page_fini(struct page_heap *ph) {
    for (unsigned l = 0; l < PAGE_LEVELS; l++)
        if (ph->levels[l] != NULL)
            os_unmap(ph->levels[l], ph->level_entries[l] * sizeof(uint64_t));
    if (ph->chunks != NULL)
        os_unmap(ph->chunks, page_chunks_bytes(ph));
    if (ph->density != NULL)
        os_unmap(ph->density, page_density_bytes(ph));
    *ph = (struct page_heap){0};
}

static bool page_init(struct page_heap *ph, uintptr_t range_base, size_t range_bytes) {
    *ph = (struct page_heap){.range_base = range_base};
    ph->chunk_count = range_bytes >> PAGE_CHUNK_SHIFT;
    for (unsigned l = 0; l < PAGE_LEVELS; l++) {
        size_t covered_bytes = (size_t)1 << (page_level_log(l) + GOALLOC_PAGE_SHIFT);
        /* Whole groups of 8 below the root, whole OS pages for the mapping. */
        ph->level_entries[l] = page_round_up((range_bytes + covered_bytes - 1) / covered_bytes, OS_PAGE_BYTES / 8);
        ph->levels[l] = os_reserve(0, ph->level_entries[l] * sizeof(uint64_t));
        if (ph->levels[l] == NULL) {
            page_fini(ph);
            return false;
        }
    }
    ph->chunks = os_reserve(0, page_chunks_bytes(ph));
    ph->density = os_reserve(0, page_density_bytes(ph));
    /* The search walks the root from one arena to the next across whatever gap lies between, so all of it must be
     * readable (Go maps it whole too: mpagealloc_64bit.go:84). */
    size_t root_bytes = ph->level_entries[0] * sizeof(uint64_t);
    if (ph->chunks == NULL || ph->density == NULL || !os_commit(ph->levels[0], root_bytes)) {
        page_fini(ph);
        return false;
    }
    ph->metadata_bytes = root_bytes;
    ph->search_page = SIZE_MAX;
    ph->first_chunk = SIZE_MAX;
    return true;
}

/* Commits the OS pages that entries [first, end) of a table lie in. The heap grows in steps much smaller than an OS
 * page of any table, so most of the time nothing is left to do. Only the range around the latest growth is remembered:
 * the heap does not come back to an arena that it has left, and committing twice is harmless. */
static bool page_commit(struct page_heap *ph, unsigned which, void *table, size_t entry_bytes, size_t first,
                        size_t end) {
    uintptr_t from = ((uintptr_t)table + first * entry_bytes) & ~(uintptr_t)(OS_PAGE_BYTES - 1);
    uintptr_t to = page_round_up((uintptr_t)table + end * entry_bytes, OS_PAGE_BYTES);
    uintptr_t *ready_from = &ph->ready_from[which], *ready_to = &ph->ready_to[which];
    bool touches = from <= *ready_to && to >= *ready_from;
    uintptr_t fresh_from = touches && from >= *ready_from ? *ready_to : from;
    uintptr_t fresh_to = touches && to <= *ready_to ? *ready_from : to;
    if (fresh_from >= fresh_to)
        return true;
    if (!os_commit((void *)fresh_from, fresh_to - fresh_from))
        return false;
    ph->metadata_bytes += fresh_to - fresh_from;
    *ready_from = touches && *ready_from < from ? *ready_from : from;
    *ready_to = touches && *ready_to > to ? *ready_to : to;
    return true;
}

/* A chunk's summary; 0 where the heap has never grown, whose part of the table need not be readable: below an entry of
 * 0 nothing is free, and above a committed group all is committed. */
static uint64_t page_chunk_summary(const struct page_heap *ph, size_t chunk) {
    for (unsigned l = 0; l < PAGE_LEVELS - 1; l++)
        if (ph->levels[l][chunk >> (PAGE_LEVELS - 1 - l) * PAGE_LEVEL_BITS] == 0)
            return 0;
    return ph->levels[PAGE_LEVELS - 1][chunk];
}

/* Brings the upper levels up to date after summaries of chunks [first, end) have changed; stops where nothing does. */
static void page_update_above(struct page_heap *ph, size_t first, size_t end) {
    bool changed = true;
    for (unsigned l = PAGE_LEVELS - 1; l-- > 0 && changed;) {
        changed = false;
        first >>= PAGE_LEVEL_BITS;
        end = ((end - 1) >> PAGE_LEVEL_BITS) + 1;
        for (size_t e = first; e < end; e++) {
            uint64_t merged = summary_merge(ph->levels[l + 1] + (e << PAGE_LEVEL_BITS), page_level_log(l + 1));
            changed |= ph->levels[l][e] != merged;
            ph->levels[l][e] = merged;
        }
    }
}

static void page_update_chunk(struct page_heap *ph, size_t c, uint64_t summary) {
    uint64_t *leaf = &ph->levels[PAGE_LEVELS - 1][c];
    if (*leaf == summary)
        return;
    *leaf = summary;
    page_update_above(ph, c, c + 1);
}

/* Brings all summaries up to date after a run has been freed or taken. */
static void page_update(struct page_heap *ph, size_t page, size_t npages, bool freed) {
    size_t first = page / PAGE_CHUNK_PAGES, last = (page + npages - 1) / PAGE_CHUNK_PAGES;
    uint64_t *leaf = ph->levels[PAGE_LEVELS - 1];
    if (first == last) {
        unsigned at = page % PAGE_CHUNK_PAGES, count = (unsigned)npages;
        const struct page_chunk *chunk = &ph->chunks[first];
        page_update_chunk(ph, first,
                          freed ? summary_after_free(leaf[first], chunk, at, count)
                                : summary_after_take(leaf[first], chunk, at, count));
        return;
    }
    leaf[first] = summary_of_chunk(&ph->chunks[first]);
    for (size_t c = first + 1; c < last; c++)
        leaf[c] = freed ? SUMMARY_FREE_CHUNK : 0;
    leaf[last] = summary_of_chunk(&ph->chunks[last]);
    page_update_above(ph, first, last + 1);
}

static bool page_grow(struct page_heap *ph, uintptr_t base, size_t size_bytes) {
    size_t first = (base - ph->range_base) >> PAGE_CHUNK_SHIFT, count = size_bytes >> PAGE_CHUNK_SHIFT;
    if (base < ph->range_base || first >= ph->chunk_count || count > ph->chunk_count - first)
        return false;
    size_t end = first + count, from = first, to = end;
    if (!page_commit(ph, PAGE_LEVELS, ph->chunks, sizeof *ph->chunks, first, end) ||
        !page_commit(ph, PAGE_LEVELS + 1, ph->density, sizeof *ph->density, first, end))
        return false;
    for (unsigned l = PAGE_LEVELS - 1; l > 0; l--) {
        /* A merge reads all 8 neighbours, so whole groups must be there. */
        size_t group_from = from & ~(size_t)7, group_to = page_round_up(to, 8);
        if (!page_commit(ph, l, ph->levels[l], sizeof(uint64_t), group_from, group_to))
            return false;
        from >>= PAGE_LEVEL_BITS;
        to = ((to - 1) >> PAGE_LEVEL_BITS) + 1;
    }
    for (size_t c = first; c < end; c++) {
        memset(ph->chunks[c].in_use, 0, sizeof ph->chunks[c].in_use);
        memset(ph->chunks[c].released, 0xff, sizeof ph->chunks[c].released);
        density_set(ph, c, (struct density){.flags = DENSITY_GROWN});
    }
    ph->grown_pages += count * PAGE_CHUNK_PAGES;
    ph->free_pages += count * PAGE_CHUNK_PAGES;
    ph->scavenged_free_pages += count * PAGE_CHUNK_PAGES;
    if (ph->first_chunk > first)
        ph->first_chunk = first;
    if (ph->end_chunk < end)
        ph->end_chunk = end;
    if (ph->search_page > first * PAGE_CHUNK_PAGES)
        ph->search_page = first * PAGE_CHUNK_PAGES;
    page_update(ph, first * PAGE_CHUNK_PAGES, count * PAGE_CHUNK_PAGES, true);
    return true;
}

/* One step of a walk over the chunks of [page, page + npages). */
struct page_piece {
    size_t chunk;
    unsigned first, count;
};

static struct page_piece page_next_piece(size_t *page, size_t *npages) {
    unsigned first = *page % PAGE_CHUNK_PAGES;
    size_t room = PAGE_CHUNK_PAGES - first;
    struct page_piece piece = {*page / PAGE_CHUNK_PAGES, first, (unsigned)(room < *npages ? room : *npages)};
    *page += piece.count;
    *npages -= piece.count;
    return piece;
}

/* Chunks beyond need not be readable. */
static void page_expect_range(const struct page_heap *ph, size_t page, size_t npages) {
    size_t end = ph->end_chunk * PAGE_CHUNK_PAGES;
    if (GOALLOC_UNLIKELY(page / PAGE_CHUNK_PAGES < ph->first_chunk || page >= end || npages > end - page))
        os_die("corrupted page heap: the summaries lead to %zu pages at %p, where the heap has never grown", npages,
               (void *)page_address(ph, page));
}

/* A whole chunk costs a few instructions; a large block is made of them. */
static inline bool page_piece_is_chunk(struct page_piece p) {
    return p.count == PAGE_CHUNK_PAGES;
}

static bool page_words_all(const uint64_t *map, uint64_t value) {
    uint64_t differs = 0;
    for (unsigned w = 0; w < PAGE_CHUNK_WORDS; w++)
        differs |= map[w] ^ value;
    return differs == 0;
}

static bool page_piece_all_free(const struct page_chunk *chunk, struct page_piece p) {
    return page_piece_is_chunk(p) ? page_words_all(chunk->in_use, 0) : bits_all_clear(chunk->in_use, p.first, p.count);
}

static bool page_piece_all_in_use(const struct page_chunk *chunk, struct page_piece p) {
    return page_piece_is_chunk(p) ? page_words_all(chunk->in_use, ~UINT64_C(0))
                                  : bits_all_set(chunk->in_use, p.first, p.count);
}

static unsigned page_piece_released(const struct page_chunk *chunk, struct page_piece p) {
    if (page_piece_is_chunk(p) && page_words_all(chunk->released, chunk->released[0]) &&
        (chunk->released[0] == 0 || chunk->released[0] == ~UINT64_C(0)))
        return chunk->released[0] == 0 ? 0 : PAGE_CHUNK_PAGES;
    return bits_count(chunk->released, p.first, p.count);
}

/* The bits of a piece in a map, all at once. */
static void page_piece_set(uint64_t *map, struct page_piece p) {
    if (page_piece_is_chunk(p))
        memset(map, 0xff, PAGE_CHUNK_WORDS * sizeof *map);
    else
        bits_set(map, p.first, p.count);
}

static void page_piece_clear(uint64_t *map, struct page_piece p) {
    if (page_piece_is_chunk(p))
        memset(map, 0, PAGE_CHUNK_WORDS * sizeof *map);
    else
        bits_clear(map, p.first, p.count);
}

/* Takes a run that is known to be free. */
static void page_take(struct page_heap *ph, size_t page, size_t npages, size_t *scavenged_bytes) {
    size_t at = page, left = npages, released = 0;
    page_expect_range(ph, page, npages);
    if (GOALLOC_UNLIKELY(npages > ph->free_pages))
        os_die("corrupted page heap: it counts %zu free pages and finds %zu", ph->free_pages, npages);
    while (left > 0) {
        struct page_piece p = page_next_piece(&at, &left);
        struct page_chunk *chunk = &ph->chunks[p.chunk];
        if (GOALLOC_UNLIKELY(!page_piece_all_free(chunk, p)))
            os_die("corrupted page heap: the summaries call %zu pages at %p free, and some are in use", npages,
                   (void *)page_address(ph, page));
        unsigned untouched = huge_untouched(ph, p.chunk, p.first, p.count);
        unsigned back = page_piece_released(chunk, p);
        released += back;
        ph->scavenged_free_pages -= back;
        page_piece_set(chunk->in_use, p);
        /* In use it is backed again as soon as it is touched. */
        page_piece_clear(chunk->released, p);
        density_take(ph, p.chunk, p.count);
        huge_settle(ph, p.chunk, p.first, p.count, untouched);
    }
    ph->free_pages -= npages;
    page_retain(ph, (ptrdiff_t)released);
    *scavenged_bytes += released << GOALLOC_PAGE_SHIFT;
    page_update(ph, page, npages, false);
}

/* First free run of npages within one chunk, from page `from` of it; PAGE_CHUNK_PAGES when there is none. */
static unsigned page_find_in_chunk(const struct page_chunk *chunk, unsigned from, size_t npages) {
    unsigned run = 0, run_start = from;
    for (unsigned w = from / 64; w < PAGE_CHUNK_WORDS; w++) {
        uint64_t used = chunk->in_use[w];
        if (w == from / 64 && from % 64 != 0)
            used |= bits_mask(0, from % 64);
        if (used == 0) {
            if (run == 0)
                run_start = w * 64;
            run += 64;
            if (run >= npages)
                return run_start;
            continue;
        }
        unsigned head = (unsigned)__builtin_ctzll(used);
        if (run + head >= npages)
            return run > 0 ? run_start : w * 64;
        unsigned inside = npages <= 64 ? bits_find_run(~used, (unsigned)npages) : 64;
        if (inside < 64)
            return w * 64 + inside;
        run = (unsigned)__builtin_clzll(used);
        run_start = w * 64 + 64 - run;
    }
    return PAGE_CHUNK_PAGES;
}

/* Descends from the root. In each entry of a level: the run that ends in its predecessor may go on at its start; when
 * its max is enough the search enters it; otherwise the run that reaches its end is remembered (Go
 * mpagealloc.go:650-860). Returns the first page of the run, SIZE_MAX when there is none. */
static size_t page_find(struct page_heap *ph, size_t npages) {
    size_t group = 0, group_entries = ph->level_entries[0];
    for (unsigned l = 0; l < PAGE_LEVELS; l++) {
        unsigned log = page_level_log(l);
        uint32_t all = 1u << log;
        size_t run = 0, run_start = 0, end = group + group_entries;
        size_t e = group, entry_of_search = ph->search_page >> log;
        /* Nothing is free below the search page: entries before it hold no run. */
        if (e < entry_of_search && entry_of_search < end)
            e = entry_of_search;
        bool entered = false;
        size_t last = l == 0 ? ((ph->end_chunk * PAGE_CHUNK_PAGES - 1) >> log) + 1 : end;
        for (; e < last && e < end; e++) {
            uint64_t s = ph->levels[l][e];
            if (s == 0) {
                run = 0;
                continue;
            }
            uint32_t start = summary_start(s);
            if (run > 0 && run + start >= npages)
                return run_start;
            if (run == 0 && start >= npages)
                return e << log;
            if (summary_max(s) >= npages) {
                entered = true;
                break;
            }
            uint32_t tail = summary_end(s);
            if (run == 0 || start != all) {
                run = tail;
                run_start = (e << log) + all - tail;
            } else {
                run += all;
            }
        }
        if (!entered && l == 0)
            return SIZE_MAX;
        if (!entered)
            os_die("corrupted page heap: a summary at level %u promises %zu free pages and those below it do not",
                   l - 1, npages);
        if (l == PAGE_LEVELS - 1) {
            unsigned from = e == ph->search_page / PAGE_CHUNK_PAGES ? ph->search_page % PAGE_CHUNK_PAGES : 0;
            unsigned page = page_find_in_chunk(&ph->chunks[e], from, npages);
            if (page == PAGE_CHUNK_PAGES)
                os_die("corrupted page heap: chunk %zu promises %zu free pages and has none", e, npages);
            return e * PAGE_CHUNK_PAGES + page;
        }
        group = e << PAGE_LEVEL_BITS;
        group_entries = 1u << PAGE_LEVEL_BITS;
    }
    return SIZE_MAX;
}

static uintptr_t page_alloc(struct page_heap *ph, size_t npages, size_t *scavenged_bytes) {
    if (ph->search_page == SIZE_MAX)
        return 0;
    size_t page = SIZE_MAX;
    /* The common case: the chunk that the search page lies in (Go mpagealloc.go:895). */
    size_t chunk = ph->search_page / PAGE_CHUNK_PAGES, within = ph->search_page % PAGE_CHUNK_PAGES;
    if (PAGE_CHUNK_PAGES - within >= npages && summary_max(ph->levels[PAGE_LEVELS - 1][chunk]) >= npages) {
        unsigned found = page_find_in_chunk(&ph->chunks[chunk], (unsigned)within, npages);
        if (found != PAGE_CHUNK_PAGES)
            page = chunk * PAGE_CHUNK_PAGES + found;
    }
    if (page == SIZE_MAX)
        page = page_find(ph, npages);
    if (page == SIZE_MAX) {
        /* Not even one page is free: the next free will say where to look again. */
        if (npages == 1)
            ph->search_page = SIZE_MAX;
        return 0;
    }
    page_take(ph, page, npages, scavenged_bytes);
    /* Everything below the first run of one page is in use. The search starts at the run's last page, not behind it,
     * because the heap may end there (Go mpagecache.go:178 has the same rule). */
    if (npages == 1 || page == ph->search_page)
        ph->search_page = page + npages - 1;
    return page_address(ph, page);
}

static void page_free(struct page_heap *ph, uintptr_t base, size_t npages) {
    size_t page = page_index(ph, base), at = page, left = npages, end = ph->end_chunk * PAGE_CHUNK_PAGES;
    if (page / PAGE_CHUNK_PAGES < ph->first_chunk || page >= end || npages > end - page)
        os_die("corrupted page heap: %zu pages at %p are freed that it never had", npages, (void *)base);
    while (left > 0) {
        struct page_piece p = page_next_piece(&at, &left);
        struct page_chunk *chunk = &ph->chunks[p.chunk];
        if (!page_piece_all_in_use(chunk, p))
            os_die("corrupted page heap: pages freed twice in the %zu pages at %p", npages, (void *)base);
        page_piece_clear(chunk->in_use, p);
        density_free(ph, p.chunk, p.first + p.count - 1, p.count);
    }
    ph->free_pages += npages;
    if (ph->search_page > page)
        ph->search_page = page;
    page_update(ph, page, npages, true);
}

static void page_free_released(struct page_heap *ph, uintptr_t base, size_t npages) {
    huge_before_release(ph, page_index(ph, base), npages);
    page_free(ph, base, npages);
    size_t at = page_index(ph, base), left = npages;
    while (left > 0) {
        struct page_piece p = page_next_piece(&at, &left);
        page_piece_set(ph->chunks[p.chunk].released, p);
    }
    ph->scavenged_free_pages += npages;
    page_retain(ph, -(ptrdiff_t)npages);
}

static uintptr_t page_alloc_aligned(struct page_heap *ph, size_t npages, size_t align_bytes, size_t *scavenged_bytes) {
    size_t extra = (align_bytes >> GOALLOC_PAGE_SHIFT) - 1, released = 0, page;
    if (ph->search_page == SIZE_MAX || (page = page_find(ph, npages + extra)) == SIZE_MAX)
        return 0;
    uintptr_t base = page_address(ph, page);
    uintptr_t aligned = (base + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1);
    page_take(ph, page_index(ph, aligned), npages, &released);
    *scavenged_bytes += released;
    return aligned;
}

static bool page_try_extend(struct page_heap *ph, uintptr_t base, size_t npages_now, size_t npages_want,
                            size_t *scavenged_bytes) {
    size_t page = page_index(ph, base) + npages_now, more = npages_want - npages_now, at = page, left = more;
    if (npages_want <= npages_now)
        return true;
    if (page + more > ph->end_chunk * PAGE_CHUNK_PAGES)
        return false;
    while (left > 0) {
        struct page_piece p = page_next_piece(&at, &left);
        /* A chunk that was never grown into has no bitmap to read. */
        if (summary_max(page_chunk_summary(ph, p.chunk)) < p.count)
            return false;
        if (!page_piece_all_free(&ph->chunks[p.chunk], p))
            return false;
    }
    page_take(ph, page, more, scavenged_bytes);
    return true;
}

/* ---- per-thread caches of 64 pages */

static struct page_cache page_cache_take(struct page_heap *ph) {
    struct page_cache c = {0, 0, 0};
    if (ph->search_page == SIZE_MAX)
        return c;
    size_t page = page_find(ph, 1);
    if (page == SIZE_MAX) {
        ph->search_page = SIZE_MAX;
        return c;
    }
    page_expect_range(ph, page, 1);
    size_t chunk = page / PAGE_CHUNK_PAGES, block = page & ~(size_t)(PAGE_CACHE_PAGES - 1);
    unsigned word = (unsigned)(block % PAGE_CHUNK_PAGES / 64);
    c.base = page_address(ph, block);
    c.free = ~ph->chunks[chunk].in_use[word];
    c.scavenged = ph->chunks[chunk].released[word] & c.free;
    if (GOALLOC_UNLIKELY((c.free >> page % 64 & 1) == 0))
        os_die("corrupted page heap: the summaries call the page at %p free, and it is in use",
               (void *)page_address(ph, page));
    unsigned count = (unsigned)__builtin_popcountll(c.free), back = (unsigned)__builtin_popcountll(c.scavenged);
    unsigned untouched = huge_untouched(ph, chunk, word * 64, 64);
    ph->chunks[chunk].in_use[word] = ~UINT64_C(0);
    ph->chunks[chunk].released[word] &= ~c.free;
    ph->free_pages -= count;
    ph->scavenged_free_pages -= back;
    page_retain(ph, (ptrdiff_t)back);
    density_take(ph, chunk, count);
    huge_settle(ph, chunk, word * 64, 64, untouched);
    if (huge_is(ph, page / HUGE_PAGES, DENSITY_IS_HUGE))
        c.scavenged = 0; /* the first touch of any page backs all */
    page_update_chunk(ph, chunk, summary_of_chunk(&ph->chunks[chunk]));
    ph->search_page = block + PAGE_CACHE_PAGES - 1;
    return c;
}

static uintptr_t page_cache_alloc_run(struct page_cache *c, unsigned npages, size_t *scavenged_bytes) {
    unsigned i = bits_find_run(c->free, npages);
    if (i == 64)
        return 0;
    uint64_t mask = bits_mask(i, npages);
    if ((c->scavenged & mask) != 0)
        *scavenged_bytes += (size_t)__builtin_popcountll(c->scavenged & mask) << GOALLOC_PAGE_SHIFT;
    c->free &= ~mask;
    c->scavenged &= ~mask;
    return c->base + ((uintptr_t)i << GOALLOC_PAGE_SHIFT);
}

static inline uintptr_t page_cache_alloc(struct page_cache *c, size_t npages, size_t *scavenged_bytes) {
    if (c->free == 0)
        return 0;
    if (npages != 1)
        return page_cache_alloc_run(c, (unsigned)npages, scavenged_bytes);
    unsigned i = (unsigned)__builtin_ctzll(c->free);
    *scavenged_bytes += (c->scavenged >> i & 1) << GOALLOC_PAGE_SHIFT;
    c->free &= c->free - 1;
    c->scavenged &= ~(UINT64_C(1) << i);
    return c->base + ((uintptr_t)i << GOALLOC_PAGE_SHIFT);
}

static void page_cache_flush(struct page_heap *ph, struct page_cache *c) {
    if (c->free != 0) {
        size_t page = page_index(ph, c->base), chunk = page / PAGE_CHUNK_PAGES;
        unsigned word = (unsigned)(page % PAGE_CHUNK_PAGES / 64);
        if (c->base % (PAGE_CACHE_PAGES << GOALLOC_PAGE_SHIFT) != 0 || chunk < ph->first_chunk ||
            chunk >= ph->end_chunk || (c->free & ~ph->chunks[chunk].in_use[word]) != 0)
            os_die("corrupted page cache: what a thread keeps of the 64 pages at %p is not its own", (void *)c->base);
        ph->chunks[chunk].in_use[word] &= ~c->free;
        ph->chunks[chunk].released[word] |= c->scavenged;
        unsigned count = (unsigned)__builtin_popcountll(c->free), back = (unsigned)__builtin_popcountll(c->scavenged);
        ph->free_pages += count;
        ph->scavenged_free_pages += back;
        page_retain(ph, -(ptrdiff_t)back);
        density_free(ph, chunk, word * 64 + 63 - (unsigned)__builtin_clzll(c->free), count);
        if (ph->search_page > page)
            ph->search_page = page;
        page_update_chunk(ph, chunk, summary_of_chunk(&ph->chunks[chunk]));
    }
    *c = (struct page_cache){0, 0, 0};
}

#include "page/scavenge.c"
