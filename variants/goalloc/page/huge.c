/* SPDX-License-Identifier: MIT
 *
 * huge: where the heap asks for huge pages, and where it must not. The kernel backs a huge page whole, at the first
 * touch of any part of it, and its daemon (khugepaged) does so later on: what has been given back inside of one would
 * come back by itself. So a huge page that is given back in part is turned down (MADV_NOHUGEPAGE) before, and asked for
 * again once all of it is in use or backed. Each change may cut a mapping of the kernel's, of which a process may have
 * 65,530; so the number of stretches that are turned down is bounded, by joining a new one to the next below or above.
 */
#include "page/density.c"

enum {
    HUGE_PAGES = (2 << 20) >> GOALLOC_PAGE_SHIFT,
    HUGE_PER_CHUNK = PAGE_CHUNK_PAGES / HUGE_PAGES,
    HUGE_STRETCHES = 1024,
    /* Neighbours are looked for in one OS page of the table, which is committed whole: 2 GiB of addresses. */
    HUGE_WINDOW = OS_PAGE_BYTES / 8 * HUGE_PER_CHUNK,
};
_Static_assert(HUGE_PER_CHUNK == 2, "the flags have room for two");

/* Huge pages are numbered by address, h / 2 being the chunk. */
static bool huge_is(const struct page_heap *ph, size_t h, enum density_flag flag) {
    return (density_of(ph, h / HUGE_PER_CHUNK).flags & (unsigned)flag << h % HUGE_PER_CHUNK) != 0;
}

static bool huge_is_small(const struct page_heap *ph, size_t h) {
    return huge_is(ph, h, DENSITY_WANTS_HUGE) && !huge_is(ph, h, DENSITY_IS_HUGE);
}

/* Beyond the window: unknown, and taken for not small. */
static bool huge_small_below(const struct page_heap *ph, size_t h) {
    return h % HUGE_WINDOW != 0 && huge_is_small(ph, h - 1);
}

static bool huge_small_above(const struct page_heap *ph, size_t h) {
    return h % HUGE_WINDOW != HUGE_WINDOW - 1 && huge_is_small(ph, h + 1);
}

static void huge_flag(struct page_heap *ph, size_t h, bool huge) {
    int before = huge_small_below(ph, h), after = huge_small_above(ph, h), change = 1 - before - after;
    struct density d = density_of(ph, h / HUGE_PER_CHUNK);
    unsigned flag = (unsigned)DENSITY_IS_HUGE << h % HUGE_PER_CHUNK;
    d.flags = huge ? d.flags | flag : d.flags & ~flag;
    density_set(ph, h / HUGE_PER_CHUNK, d);
    ph->small_stretches += huge ? -change : change;
}

/* Pages of a huge page that are with the OS. */
static unsigned huge_released(const struct page_heap *ph, size_t h) {
    return bits_count(ph->chunks[h / HUGE_PER_CHUNK].released, h % HUGE_PER_CHUNK * HUGE_PAGES, HUGE_PAGES);
}

static bool huge_is_unused(const struct page_heap *ph, size_t h) {
    return bits_all_clear(ph->chunks[h / HUGE_PER_CHUNK].in_use, h % HUGE_PER_CHUNK * HUGE_PAGES, HUGE_PAGES);
}

static void *huge_address(const struct page_heap *ph, size_t h) {
    return (void *)page_address(ph, h * HUGE_PAGES);
}

/* Turns [first, end) down, of which some may be already. */
static void huge_turn_down(struct page_heap *ph, size_t first, size_t end) {
    for (size_t h = first; h < end; h++)
        if (huge_is(ph, h, DENSITY_IS_HUGE))
            huge_flag(ph, h, false);
    os_refuse_huge_pages(huge_address(ph, first), (end - first) * HUGE_PAGES << GOALLOC_PAGE_SHIFT);
}

/* Asks for h again, and for those beside it that were turned down for their neighbours' sake. */
static void huge_turn_up(struct page_heap *ph, size_t h) {
    size_t first = h, end = h + 1;
    while (huge_small_below(ph, first) && huge_released(ph, first - 1) == 0)
        first--;
    while (huge_small_above(ph, end - 1) && huge_released(ph, end) == 0)
        end++;
    bool cuts = huge_small_below(ph, first) && huge_small_above(ph, end - 1);
    if (cuts && ph->small_stretches >= HUGE_STRETCHES)
        return;
    for (size_t at = first; at < end; at++)
        huge_flag(ph, at, true);
    os_prefer_huge_pages(huge_address(ph, first), (end - first) * HUGE_PAGES << GOALLOC_PAGE_SHIFT);
}

/* The nearest huge page of the window that is small, reached over huge ones only; h when there is none. */
static size_t huge_nearest_small(const struct page_heap *ph, size_t h) {
    for (size_t at = h; at % HUGE_WINDOW != 0 && huge_is(ph, at - 1, DENSITY_WANTS_HUGE); at--)
        if (huge_is_small(ph, at - 1))
            return at - 1;
    for (size_t at = h; at % HUGE_WINDOW != HUGE_WINDOW - 1 && huge_is(ph, at + 1, DENSITY_WANTS_HUGE); at++)
        if (huge_is_small(ph, at + 1))
            return at + 1;
    return h;
}

/* Part of it goes back to the OS. */
static void huge_give_up(struct page_heap *ph, size_t h) {
    if (!huge_is(ph, h, DENSITY_IS_HUGE))
        return;
    size_t other = h;
    if (ph->small_stretches >= HUGE_STRETCHES && !huge_small_below(ph, h) && !huge_small_above(ph, h))
        other = huge_nearest_small(ph, h);
    huge_turn_down(ph, h < other ? h : other, (h < other ? other : h) + 1);
}

/* What of it was with the OS is backed at the first touch, and counts so from now on. */
static void huge_count_backed(struct page_heap *ph, size_t h) {
    unsigned released = huge_released(ph, h);
    if (released == 0)
        return;
    bits_clear(ph->chunks[h / HUGE_PER_CHUNK].released, h % HUGE_PER_CHUNK * HUGE_PAGES, HUGE_PAGES);
    ph->scavenged_free_pages -= released;
    page_retain(ph, (ptrdiff_t)released);
    density_more_free(ph, h / HUGE_PER_CHUNK, (h + 1) * HUGE_PAGES);
}

/* Pages of h have just been taken; whole: none was in use before, and all were with the OS. */
static void huge_taken(struct page_heap *ph, size_t h, bool whole) {
    if (!huge_is(ph, h, DENSITY_IS_HUGE) && (whole || huge_released(ph, h) == 0))
        huge_turn_up(ph, h);
    if (huge_is(ph, h, DENSITY_IS_HUGE))
        huge_count_backed(ph, h);
}

/* Before a run of a chunk is taken: bit i says that nothing of huge page i is in use or backed. */
static inline unsigned huge_untouched(const struct page_heap *ph, size_t chunk, unsigned first, unsigned count) {
    if (GOALLOC_LIKELY(!ph->wants_huge) || (density_of(ph, chunk).flags & DENSITY_WANTS_HUGE * 3) == 0)
        return 0;
    unsigned untouched = 0;
    for (unsigned i = first / HUGE_PAGES; i <= (first + count - 1) / HUGE_PAGES; i++) {
        size_t h = chunk * HUGE_PER_CHUNK + i;
        untouched |= (unsigned)(huge_is_unused(ph, h) && huge_released(ph, h) == HUGE_PAGES) << i;
    }
    return untouched;
}

/* Afterwards. */
static inline void huge_settle(struct page_heap *ph, size_t chunk, unsigned first, unsigned count, unsigned untouched) {
    if (GOALLOC_LIKELY(!ph->wants_huge))
        return;
    for (unsigned i = first / HUGE_PAGES; i <= (first + count - 1) / HUGE_PAGES; i++)
        if (huge_is(ph, chunk * HUGE_PER_CHUNK + i, DENSITY_WANTS_HUGE))
            huge_taken(ph, chunk * HUGE_PER_CHUNK + i, (untouched >> i & 1) != 0);
}

/* Before a run goes back to the OS. */
static void huge_before_release(struct page_heap *ph, size_t page, size_t npages) {
    for (size_t h = page / HUGE_PAGES; ph->wants_huge && h <= (page + npages - 1) / HUGE_PAGES; h++)
        huge_give_up(ph, h);
}

static void page_prefer_huge(struct page_heap *ph, uintptr_t base, size_t size_bytes) {
    size_t first = page_index(ph, base) / PAGE_CHUNK_PAGES, end = first + (size_bytes >> PAGE_CHUNK_SHIFT);
    for (size_t c = first; c < end; c++) {
        struct density d = density_of(ph, c);
        d.flags |= DENSITY_WANTS_HUGE * 3 | DENSITY_IS_HUGE * 3;
        density_set(ph, c, d);
    }
    ph->wants_huge = true;
    os_prefer_huge_pages((void *)base, size_bytes);
}

static bool page_will_back(struct page_heap *ph, uintptr_t base, size_t size_bytes) {
    size_t first = page_index(ph, base) / HUGE_PAGES, end = page_index(ph, base + size_bytes - 1) / HUGE_PAGES + 1;
    for (size_t h = first; h < end; h++)
        if (!huge_is(ph, h, DENSITY_IS_HUGE))
            return false;
    for (size_t h = first; h < end; h++)
        huge_count_backed(ph, h);
    return true;
}

/* Huge pages that are with the OS in part stay so, also those that the heap has yet to reach. */
static void page_keep_released(struct page_heap *ph) {
    for (size_t c = ph->first_chunk; ph->wants_huge && c < ph->end_chunk; c++) {
        int log = density_empty_log(ph, c);
        if (log > 0)
            c = (((c >> log) + 1) << log) - 1;
        if (log >= 0)
            continue;
        for (size_t h = c * HUGE_PER_CHUNK; h < (c + 1) * HUGE_PER_CHUNK; h++)
            if (huge_released(ph, h) != 0)
                huge_give_up(ph, h);
    }
}
