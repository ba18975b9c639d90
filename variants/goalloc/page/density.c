/* SPDX-License-Identifier: MIT
 *
 * density: which chunks the scavenger looks at (Go mgcscavenge.go:995-1370 scavengeIndex). A chunk that was nearly full
 * in this generation or the last is left alone: it will probably fill up again, and holes would cost it its huge pages.
 * A generation is a collection; without a collector there is one generation, and who asks by force sees every chunk.
 */
#include "page/bits.h"

enum {
    DENSITY_HIGH_PAGES = 496, /* mgcscavenge.go:146: 31 of 32 */
    DENSITY_USED_BITS = 10,
    DENSITY_FLAGS_BITS = 6,
};

enum density_flag {
    DENSITY_HAS_FREE = 1, /* something may be left to be given back */
    DENSITY_GROWN = 2,    /* the heap has this chunk */
    /* huge.c: of each of its two huge pages, whether one is wanted, and whether the kernel has been asked for it. */
    DENSITY_WANTS_HUGE = 4,
    DENSITY_IS_HUGE = 16,
};

/* Go's scavChunkData, packed into 64 bits in the table. */
struct density {
    unsigned used, last_used; /* pages, now and when the generation began that it was last changed in */
    unsigned flags;
    uint32_t generation;
};

static inline struct density density_of(const struct page_heap *ph, size_t chunk) {
    uint64_t packed = ph->density[chunk];
    return (struct density){(unsigned)packed & 0xffff, (unsigned)(packed >> 16) & ((1u << DENSITY_USED_BITS) - 1),
                            (unsigned)(packed >> (16 + DENSITY_USED_BITS)) & ((1u << DENSITY_FLAGS_BITS) - 1),
                            (uint32_t)(packed >> 32)};
}

static inline void density_set(struct page_heap *ph, size_t chunk, struct density d) {
    ph->density[chunk] = d.used | (uint64_t)d.last_used << 16 | (uint64_t)d.flags << (16 + DENSITY_USED_BITS) |
                         (uint64_t)d.generation << 32;
}

static inline struct density density_now(const struct page_heap *ph, size_t chunk) {
    struct density d = density_of(ph, chunk);
    if (d.generation != ph->generation) {
        d.last_used = d.used;
        d.generation = ph->generation;
    }
    return d;
}

/* npages of the chunk have been taken. */
static inline void density_take(struct page_heap *ph, size_t chunk, unsigned npages) {
    struct density d = density_now(ph, chunk);
    d.used += npages;
    if (GOALLOC_UNLIKELY(d.used > PAGE_CHUNK_PAGES))
        os_die("corrupted page heap: %u of %u pages are in use in chunk %zu", d.used, (unsigned)PAGE_CHUNK_PAGES,
               chunk);
    if (d.used == PAGE_CHUNK_PAGES)
        d.flags &= ~(unsigned)DENSITY_HAS_FREE;
    density_set(ph, chunk, d);
}

/* There is more to be given back, up to here. */
static void density_raise(struct page_heap *ph, bool force, size_t end) {
    if (ph->scavenge_end[force] >= end)
        return;
    ph->scavenge_end[force] = end;
    ph->scavenge_raised[force] = true;
}

static void density_set_free(struct page_heap *ph, size_t chunk) {
    struct density d = density_of(ph, chunk);
    d.flags |= DENSITY_HAS_FREE;
    density_set(ph, chunk, d);
}

/* Pages of the chunk, the last of them before page `end`, are free and backed now. */
static inline void density_more_free(struct page_heap *ph, size_t chunk, size_t end) {
    density_set_free(ph, chunk);
    if (ph->freed_end < end)
        ph->freed_end = end;
    density_raise(ph, true, end);
}

/* npages of the chunk have become free, the last of them at page `last` of it. Those who ask by force see them at once,
 * the others in the next generation (mgcscavenge.go:1119). */
static inline void density_free(struct page_heap *ph, size_t chunk, unsigned last, unsigned npages) {
    struct density d = density_now(ph, chunk);
    if (GOALLOC_UNLIKELY(d.used < npages))
        os_die("corrupted page heap: %u pages are freed in chunk %zu, where %u are in use", npages, chunk, d.used);
    d.used -= npages;
    density_set(ph, chunk, d);
    density_more_free(ph, chunk, chunk * PAGE_CHUNK_PAGES + last + 1);
}

static void density_set_empty(struct page_heap *ph, size_t chunk) {
    struct density d = density_of(ph, chunk);
    d.flags &= ~(unsigned)DENSITY_HAS_FREE;
    density_set(ph, chunk, d);
}

static void page_next_generation(struct page_heap *ph) {
    ph->generation++;
    density_raise(ph, false, ph->freed_end);
    ph->freed_end = 0;
}

/* mgcscavenge.go:1295. */
static bool density_should_scavenge(const struct page_heap *ph, size_t chunk, bool force) {
    struct density d = density_of(ph, chunk);
    if ((d.flags & DENSITY_HAS_FREE) == 0)
        return false;
    if (force)
        return true;
    return d.used < DENSITY_HIGH_PAGES && (d.generation != ph->generation || d.last_used < DENSITY_HIGH_PAGES);
}

/* log2 of the chunks that the highest entry of 0 above a chunk covers; -1: its own summary is not 0. */
static int density_empty_log(const struct page_heap *ph, size_t chunk) {
    for (int l = 0, log = (PAGE_LEVELS - 1) * PAGE_LEVEL_BITS; l < PAGE_LEVELS; l++, log -= PAGE_LEVEL_BITS)
        if (ph->levels[l][chunk >> log] == 0)
            return log;
    return -1;
}

/* The highest page that may be free and backed, in a chunk that may be looked at; SIZE_MAX: there is none. What is
 * nowhere free, as the gap between two arenas, is passed over: its part of the table need not be there. Go keeps where
 * looking begins after a raise until looking has led below its chunk, even in vain (mranges.go:169). */
static size_t density_find(struct page_heap *ph, bool force) {
    size_t *end = &ph->scavenge_end[force];
    if (*end == 0)
        return SIZE_MAX;
    size_t start = (*end - 1) / PAGE_CHUNK_PAGES;
    for (size_t c = start + 1; c > ph->first_chunk;) {
        int log = density_empty_log(ph, --c);
        if (log >= 0) {
            c = c >> log << log;
            continue;
        }
        if (!density_should_scavenge(ph, c, force))
            continue;
        if (c == start)
            return *end - 1;
        *end = (c + 1) * PAGE_CHUNK_PAGES;
        ph->scavenge_raised[force] = false;
        return *end - 1;
    }
    if (!ph->scavenge_raised[force])
        *end = 0;
    return SIZE_MAX;
}
