/* SPDX-License-Identifier: MIT
 *
 * page: which 8 KiB pages of the address space are free, address-ordered first fit (Go mpagealloc.go, mpagecache.go).
 * Memory is managed in chunks of 512 pages, each with a bitmap of pages in use and one of pages given back to the OS.
 * Five levels of summaries, each entry the longest free runs at the start, at the end and anywhere of what it covers,
 * lead to the first run that is long enough without looking at bitmaps that cannot hold it.
 *
 * The caller holds the heap lock, except for page_cache_alloc, which only touches the caller's cache.
 */
#ifndef GOALLOC_PAGE_H
#define GOALLOC_PAGE_H

#include "arena/arena.h"

enum {
    PAGE_CHUNK_PAGES = 512,
    PAGE_CHUNK_WORDS = PAGE_CHUNK_PAGES / 64,
    PAGE_CHUNK_SHIFT = GOALLOC_PAGE_SHIFT + 9,
    PAGE_LEVELS = 5,
    PAGE_LEVEL_BITS = 3, /* every level but the root splits an entry in 8 */
    PAGE_MAX_LOG = 21,   /* a root entry covers 2^21 pages: 16 GiB */
    PAGE_CACHE_PAGES = 64,
};
#define PAGE_CHUNK_BYTES ((size_t)1 << PAGE_CHUNK_SHIFT)

/* 1 = in use; 1 = given back. Go's pallocData. */
struct page_chunk {
    uint64_t in_use[PAGE_CHUNK_WORDS];
    uint64_t released[PAGE_CHUNK_WORDS];
};
_Static_assert(sizeof(struct page_chunk) == 128, "Go's pallocData is 128 bytes");

struct page_heap {
    uintptr_t range_base; /* what index 0 of every level stands for; Go: 0 */
    size_t chunk_count;
    size_t level_entries[PAGE_LEVELS];
    uint64_t *levels[PAGE_LEVELS];                                    /* reserved; committed where the heap is */
    struct page_chunk *chunks;                                        /* reserved likewise */
    uintptr_t ready_from[PAGE_LEVELS + 1], ready_to[PAGE_LEVELS + 1]; /* what is committed of each; the chunks last */
    size_t search_page;                                               /* nothing is free below it (Go's searchAddr) */
    size_t first_chunk, end_chunk;                                    /* chunks that have ever been grown into */
    size_t free_pages, scavenged_free_pages, metadata_bytes;
    size_t grown_pages; /* ever */
};

/* 64 aligned pages whose free ones belong to one thread: 1 = free, 1 = given back (Go mpagecache.go:12). */
struct page_cache {
    uintptr_t base;
    uint64_t free;
    uint64_t scavenged;
};

/* Covers [range_base, range_base + range_bytes), both multiples of 4 MiB. False when the tables cannot be reserved. */
static bool page_init(struct page_heap *ph, uintptr_t range_base, size_t range_bytes);

/* Adds fresh memory: whole chunks, free and given back. False when it lies outside the range or the tables cannot grow.
 */
static bool page_grow(struct page_heap *ph, uintptr_t base, size_t size_bytes);

/* First run of npages, taken; adds to *scavenged_bytes what of it the OS has back. 0: no run is long enough. */
static uintptr_t page_alloc(struct page_heap *ph, size_t npages, size_t *scavenged_bytes);

/* The same, aligned to a power of two of pages. */
static uintptr_t page_alloc_aligned(struct page_heap *ph, size_t npages, size_t align_bytes, size_t *scavenged_bytes);

/* Makes a run in use longer where it stands. False: what follows is not free. */
static bool page_try_extend(struct page_heap *ph, uintptr_t base, size_t npages_now, size_t npages_want,
                            size_t *scavenged_bytes);

/* Dies when a page is free already. */
static void page_free(struct page_heap *ph, uintptr_t base, size_t npages);

/* The same for pages whose contents the OS has back: they are given back when they become free. */
static void page_free_released(struct page_heap *ph, uintptr_t base, size_t npages);

/* Takes all free pages of the first 64-page block that has any; .free is 0 when there is none. */
static struct page_cache page_cache_take(struct page_heap *ph);
/* First fit inside the cache; 0: no run is long enough. npages is 1 to 64. */
static inline uintptr_t page_cache_alloc(struct page_cache *c, size_t npages, size_t *scavenged_bytes);
static void page_cache_flush(struct page_heap *ph, struct page_cache *c);

/* Gives want bytes of free memory back to the OS, highest addresses first, or all there is. Returns how much: it may be
 * more, since less than 64 KiB is not asked for and no huge page is cut. */
static size_t page_scavenge(struct page_heap *ph, size_t want_bytes);

#endif
