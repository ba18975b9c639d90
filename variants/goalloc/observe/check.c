/* SPDX-License-Identifier: MIT
 *
 * check: walks the whole heap and says which invariants are broken. What it finds is exact while other threads are at
 * rest. Nothing is repaired.
 */
#include "alloc/cache.h"
#include "goalloc.h"
#include "observe/check.h"

/* ---- pages */

static void check_upper_levels(struct check *check, size_t chunk) {
    const struct page_heap *ph = &heap.pages;
    size_t entry = chunk;
    for (unsigned l = PAGE_LEVELS - 1; l-- > 0;) {
        entry >>= PAGE_LEVEL_BITS;
        uint64_t merged = summary_merge(ph->levels[l + 1] + (entry << PAGE_LEVEL_BITS), page_level_log(l + 1));
        check_equal(check, "page summary of an upper level", page_address(ph, entry << page_level_log(l)), merged,
                    ph->levels[l][entry]);
    }
}

/* Chunks of the arenas that have free pages; of the others the tables need not be there. */
static void check_chunk(struct check *check, size_t chunk, size_t *free_pages, size_t *released) {
    const struct page_heap *ph = &heap.pages;
    uint64_t leaf = page_chunk_summary(ph, chunk);
    if (leaf == 0)
        return;
    const struct page_chunk *bits = &ph->chunks[chunk];
    uintptr_t base = page_address(ph, chunk * PAGE_CHUNK_PAGES);
    check_equal(check, "page summary of a chunk", base, summary_of_chunk(bits), leaf);
    check_upper_levels(check, chunk);
    for (unsigned w = 0; w < PAGE_CHUNK_WORDS; w++) {
        *free_pages += (unsigned)__builtin_popcountll(~bits->in_use[w]);
        *released += (unsigned)__builtin_popcountll(~bits->in_use[w] & bits->released[w]);
        for (uint64_t left = ~bits->in_use[w]; left != 0; left &= left - 1) {
            size_t page = chunk * PAGE_CHUNK_PAGES + w * 64 + (unsigned)__builtin_ctzll(left);
            if (page < ph->search_page)
                check_found(check, "free page below the search address", page_address(ph, page), ph->search_page, page);
            if (arena_span_of(&heap.arenas, page_address(ph, page)) != NULL)
                check_found(check, "free page that has a span", page_address(ph, page), 0, 1);
        }
    }
}

static void check_pages(struct check *check) {
    const struct page_heap *ph = &heap.pages;
    size_t free_pages = 0, released = 0;
    for (size_t i = 0; i < heap.arenas.count; i++) {
        size_t first = page_index(ph, heap.arenas.all[i]->base) / PAGE_CHUNK_PAGES;
        for (size_t c = first; c < first + ARENA_PAGES / PAGE_CHUNK_PAGES && c < ph->chunk_count; c++)
            check_chunk(check, c, &free_pages, &released);
    }
    check_equal(check, "number of free pages", 0, free_pages, ph->free_pages);
    check_equal(check, "number of released free pages", 0, released, ph->scavenged_free_pages);
}

/* ---- spans */

static bool check_page_is_free(uintptr_t address) {
    const struct page_heap *ph = &heap.pages;
    size_t page = page_index(ph, address), chunk = page / PAGE_CHUNK_PAGES;
    if (page_chunk_summary(ph, chunk) == 0)
        return false;
    return (ph->chunks[chunk].in_use[page % PAGE_CHUNK_PAGES / 64] >> page % 64 & 1) == 0;
}

static void check_span(struct check *check, struct span *s, uintptr_t address) {
    check_equal(check, "base of a span", address, address, s->base);
    check_equal(check, "state of a span", address, SPAN_IN_USE, span_state_of(s));
    if (s->npages < ARENA_HUGE_PAGES)
        for (size_t i = 0; i < s->npages; i++) {
            uintptr_t page = address + (i << GOALLOC_PAGE_SHIFT);
            check_equal(check, "page table entry of a span", page, (uintptr_t)s,
                        (uintptr_t)arena_span_of(&heap.arenas, page));
            if (check_page_is_free(page))
                check_found(check, "page of a span that is free", page, 1, 0);
        }
    if (s->elem_bytes == 0)
        return;
    check_equal(check, "slots of a span", address, heap_slots(s, (size_t)s->npages << GOALLOC_PAGE_SHIFT), s->nelems);
    const char *broken = place_broken(s);
    if (broken != NULL)
        check_found(check, broken, address, 0, 1);
}

/* A thread that a forked child lacks was about to take these pages, or to give them back: no lock is held from the
 * page heap to the page table. They stay as they are. */
static bool check_is_cut_off(const struct span *s) {
    return heap.cut_off && (s == NULL || span_state_of(s) == SPAN_DEAD);
}

static void check_spans(struct check *check) {
    size_t in_use = 0;
    for (size_t i = 0; i < heap.arenas.count; i++) {
        const struct arena *arena = heap.arenas.all[i];
        for (size_t page = 0; page < ARENA_PAGES; page++) {
            if ((arena->page_in_use[page / 8] >> page % 8 & 1) == 0)
                continue;
            uintptr_t address = arena->base + (page << GOALLOC_PAGE_SHIFT);
            struct span *s = arena_span_of(&heap.arenas, address);
            if (check_is_cut_off(s))
                continue;
            if (s == NULL) {
                check_found(check, "page in use without a span", address, 1, 0);
                continue;
            }
            in_use += s->npages;
            check_span(check, s, address);
        }
    }
    if (!heap.cut_off)
        check_equal(check, "number of pages in use", 0, in_use, heap.pages_in_use);
}

int goalloc_check(char *message, size_t size) {
    struct check check = {message, size, 0};
    if (size > 0)
        message[0] = '\0';
    if (!heap_init())
        return 0; /* no heap, nothing broken */
    struct cache *c = front_rest_begin();
    lock_acquire(&heap.lock);
    check_pages(&check);
    check_spans(&check);
    check_lists(&check);
    lock_release(&heap.lock);
    front_rest_end(c);
    return check.broken;
}
