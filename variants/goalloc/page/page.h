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
    PAGE_TABLES = PAGE_LEVELS + 2, /* the summaries, the chunks, their densities */
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
    uint64_t *density;                                                /* reserved likewise; density.c */
    uintptr_t ready_from[PAGE_TABLES], ready_to[PAGE_TABLES];         /* what is committed of each */
    size_t search_page;                                               /* nothing is free below it (Go's searchAddr) */
    size_t first_chunk, end_chunk;                                    /* chunks that have ever been grown into */
    size_t free_pages, scavenged_free_pages, metadata_bytes;
    size_t grown_pages;       /* ever */
    size_t retained_pages;    /* atomic: backed, in use or free; what caches have counts as backed */
    uint32_t generation;      /* of density: collections that have ended */
    size_t scavenge_end[2];   /* where looking for pages to give back begins; by force: [true]. 0: there are none */
    bool scavenge_raised[2];  /* since looking has last led below */
    size_t refused_end;       /* behind the highest page that the OS has refused to take back */
    size_t freed_end;         /* behind the highest page freed in this generation */
    bool wants_huge;          /* somewhere: huge.c */
    size_t small_stretches;   /* of huge pages that are turned down */
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

/* Gives want bytes of free memory back to the OS, highest addresses first, or all there is (SIZE_MAX). Returns how
 * much: it may be more, since less than 64 KiB is not asked for and no huge page is cut. */
static size_t page_scavenge(struct page_heap *ph, size_t want_bytes);

/* The same in steps, with the heap lock held for begin and end only: the first takes a run of at most want bytes (or
 * one huge page) out of the free ones; npages 0: there is none. force: also of chunks that are nearly full. */
struct page_release {
    size_t page, npages;
    bool force;
};
static struct page_release page_release_begin(struct page_heap *ph, size_t want_bytes, bool force);
/* False: the OS refuses. */
static bool page_release_now(const struct page_heap *ph, struct page_release r);
static void page_release_end(struct page_heap *ph, struct page_release r, bool released);
/* What the OS has refused to take back may be asked for again: it may not be locked any more. */
static void page_forget_refusals(struct page_heap *ph);
/* A collection has marked all that lives: what is in use now decides which chunks are dense (Go mgc.go:1158). */
static void page_next_generation(struct page_heap *ph);

/* Asks for huge pages in chunks that the heap has just grown into, and wherever they are wholly in use again. */
static void page_prefer_huge(struct page_heap *ph, uintptr_t base, size_t size_bytes);
/* These are about to be backed before they are used, and count so. False: better not, they are no huge pages now. */
static bool page_will_back(struct page_heap *ph, uintptr_t base, size_t size_bytes);
/* The kernel is not to back what is with the OS now: huge pages of it are turned down. */
static void page_keep_released(struct page_heap *ph);

#endif
