/* SPDX-License-Identifier: MIT
 * page: against a model with one byte per page and address-ordered first fit by linear search; both geometries. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define _GNU_SOURCE
#include "gc-manual.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "axes.h"

#include "os/os.c"
#include "meta/meta.c"
#include "arena/arena.c"
#include "page/page.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "rng.h"
#include "smaps.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CHUNK = PAGE_CHUNK_PAGES, MODEL_PAGES = CHUNK * 64, MAX_RUNS = 20000, STEPS = 20000, CACHES = 3 };

struct run {
    size_t page, npages;
};

static struct model {
    struct page_heap ph;
    uintptr_t base;
    size_t grown;
    uint8_t used[MODEL_PAGES], released[MODEL_PAGES];
    struct run runs[MAX_RUNS];
    size_t run_count;
    struct page_cache caches[CACHES]; /* their pages count as used */
    struct rng rng;
} m;

static uint64_t below(uint64_t n) {
    return rng_below(&m.rng, n);
}

static uintptr_t at(size_t page) {
    return m.base + (page << GOALLOC_PAGE_SHIFT);
}

static size_t model_find(size_t npages) {
    size_t run = 0;
    for (size_t i = 0; i < m.grown; i++) {
        run = m.used[i] ? 0 : run + 1;
        if (run == npages)
            return i + 1 - npages;
    }
    return SIZE_MAX;
}

/* Marks a run used; returns the bytes of it that the OS had back. */
static size_t model_take(size_t page, size_t npages) {
    size_t released = 0;
    for (size_t i = page; i < page + npages; i++) {
        assert_false(m.used[i]);
        m.used[i] = 1;
        released += m.released[i];
        m.released[i] = 0;
    }
    assert_true(m.run_count < MAX_RUNS);
    m.runs[m.run_count++] = (struct run){page, npages};
    return released << GOALLOC_PAGE_SHIFT;
}

static void step_grow(void) {
    size_t more = (size_t)CHUNK * (1 + below(2));
    if (m.grown + more > MODEL_PAGES)
        return;
    assert_true(page_grow(&m.ph, at(m.grown), more << GOALLOC_PAGE_SHIFT));
    memset(m.used + m.grown, 0, more);
    memset(m.released + m.grown, 1, more);
    m.grown += more;
}

static void step_alloc(void) {
    size_t npages = 1 + below(below(10) < 7 ? 8 : below(20) == 0 ? 1500 : 100), scavenged = 0;
    uintptr_t got = page_alloc(&m.ph, npages, &scavenged);
    size_t want = model_find(npages);
    if (want == SIZE_MAX) {
        assert_int_equal(got, 0);
        step_grow();
        return;
    }
    assert_int_equal(got, at(want));
    assert_int_equal(scavenged, model_take(want, npages));
}

static void step_free(void) {
    if (m.run_count == 0)
        return;
    size_t k = below(m.run_count);
    page_free(&m.ph, at(m.runs[k].page), m.runs[k].npages);
    memset(m.used + m.runs[k].page, 0, m.runs[k].npages);
    m.runs[k] = m.runs[--m.run_count];
}

static void take_cache(struct page_cache *c) {
    size_t first = model_find(1);
    *c = page_cache_take(&m.ph);
    if (first == SIZE_MAX) {
        assert_int_equal(c->free, 0);
        return;
    }
    size_t block = first & ~(size_t)(PAGE_CACHE_PAGES - 1);
    assert_int_equal(c->base, at(block));
    for (unsigned i = 0; i < PAGE_CACHE_PAGES; i++) {
        assert_int_equal(c->free >> i & 1, !m.used[block + i]);
        assert_int_equal(c->scavenged >> i & 1, !m.used[block + i] && m.released[block + i]);
        if (c->scavenged >> i & 1)
            m.released[block + i] = 0; /* the cache carries the bit until it is flushed */
    }
    memset(m.used + block, 1, PAGE_CACHE_PAGES);
}

static void flush_cache(struct page_cache *c) {
    size_t block = (c->base - m.base) >> GOALLOC_PAGE_SHIFT;
    for (unsigned i = 0; i < PAGE_CACHE_PAGES; i++)
        if (c->free >> i & 1) {
            m.used[block + i] = 0;
            m.released[block + i] = c->scavenged >> i & 1;
        }
    page_cache_flush(&m.ph, c);
    assert_int_equal(c->free, 0);
}

/* Naive first fit among the free bits of a cache. */
static unsigned cache_find(uint64_t free, size_t npages) {
    unsigned run = 0;
    for (unsigned i = 0; i < PAGE_CACHE_PAGES; i++) {
        run = free >> i & 1 ? run + 1 : 0;
        if (run == npages)
            return i + 1 - (unsigned)npages;
    }
    return PAGE_CACHE_PAGES;
}

static void alloc_from_cache(struct page_cache *c) {
    struct page_cache before = *c;
    size_t npages = below(8) == 0 ? 1 + below(64) : 1 + below(6), scavenged = 0, want_scavenged = 0;
    unsigned want = cache_find(c->free, npages);
    uintptr_t got = page_cache_alloc(c, npages, &scavenged);
    if (want == PAGE_CACHE_PAGES) {
        assert_int_equal(got, 0);
        return;
    }
    assert_int_equal(got, before.base + ((uintptr_t)want << GOALLOC_PAGE_SHIFT));
    for (unsigned i = want; i < want + npages; i++) {
        want_scavenged += before.scavenged >> i & 1;
        before.free &= ~(UINT64_C(1) << i);
        before.scavenged &= ~(UINT64_C(1) << i);
    }
    assert_int_equal(scavenged, want_scavenged << GOALLOC_PAGE_SHIFT);
    assert_int_equal(c->free, before.free);
    assert_int_equal(c->scavenged, before.scavenged);
    assert_true(m.run_count < MAX_RUNS);
    m.runs[m.run_count++] = (struct run){(got - m.base) >> GOALLOC_PAGE_SHIFT, npages};
}

/* Caches stay filled over many steps, as a thread's does. */
static void step_cache(void) {
    struct page_cache *c = &m.caches[below(CACHES)];
    if (c->free == 0)
        take_cache(c);
    else if (below(4) == 0)
        flush_cache(c);
    for (int i = 0; i < 6 && c->free != 0; i++)
        alloc_from_cache(c);
}

static void step_aligned(void) {
    size_t align = (size_t)1 << below(6), npages = 1 + below(20), scavenged = 0;
    uintptr_t got = page_alloc_aligned(&m.ph, npages, align << GOALLOC_PAGE_SHIFT, &scavenged);
    if (got == 0) {
        assert_int_equal(model_find(npages + align - 1), SIZE_MAX);
        return;
    }
    assert_int_equal(got % (align << GOALLOC_PAGE_SHIFT), 0);
    assert_int_equal(scavenged, model_take((got - m.base) >> GOALLOC_PAGE_SHIFT, npages));
}

static void step_extend(void) {
    if (m.run_count == 0)
        return;
    struct run *r = &m.runs[below(m.run_count)];
    size_t more = 1 + below(10), end = r->page + r->npages, scavenged = 0;
    bool fits = end + more <= m.grown;
    for (size_t i = 0; fits && i < more; i++)
        fits = !m.used[end + i];
    assert_int_equal(page_try_extend(&m.ph, at(r->page), r->npages, r->npages + more, &scavenged), fits);
    if (!fits)
        return;
    assert_int_equal(scavenged, model_take(end, more));
    m.run_count--; /* model_take noted a run of its own */
    r->npages += more;
}

static void step_scavenge(void) {
    size_t backed = 0, want = below(40);
    for (size_t i = 0; i < m.grown; i++)
        backed += !m.used[i] && !m.released[i];
    size_t got = page_scavenge(&m.ph, want << GOALLOC_PAGE_SHIFT) >> GOALLOC_PAGE_SHIFT;
    assert_true(got >= (want < backed ? want : backed));
    assert_true(got <= backed);
    /* The request is raised to 64 KiB; the last cut may then be extended to a huge page's start, which is never a whole
     * one. */
    size_t asked = want > 0 && want < SCAVENGE_MIN_PAGES ? SCAVENGE_MIN_PAGES : want;
    assert_true(got < asked + HUGE_PAGES);
    assert_true(want > 0 || got == 0);
    assert_true(got >= (asked < backed ? asked : backed));
    /* Highest addresses first. */
    for (size_t i = m.grown; i-- > 0 && got > 0;)
        if (!m.used[i] && !m.released[i]) {
            m.released[i] = 1;
            got--;
        }
}

static void check_totals(void) {
    size_t free_pages = 0, released = 0;
    for (size_t i = 0; i < m.grown; i++) {
        free_pages += !m.used[i];
        released += m.released[i];
        size_t chunk = page_index(&m.ph, at(i)) / CHUNK;
        assert_int_equal(m.ph.chunks[chunk].released[i % CHUNK / 64] >> i % 64 & 1, m.released[i]);
    }
    assert_int_equal(free_pages, m.ph.free_pages);
    assert_int_equal(released, m.ph.scavenged_free_pages);
}

/* One entry of the model's own summaries: pages that were never grown into count as used. */
static struct runs model_runs(size_t first, size_t count) {
    struct runs r = {0, 0, 0};
    uint32_t run = 0;
    for (size_t i = first; i < first + count; i++) {
        run = i < MODEL_PAGES && !m.used[i] ? run + 1 : 0;
        if (run == i + 1 - first)
            r.start = run;
        if (run > r.max)
            r.max = run;
    }
    r.end = run;
    return r;
}

/* Every summary above the model, derived anew from its pages. Pages below the model are free in no summary either. */
static void check_summaries(void) {
    size_t model_first = page_index(&m.ph, m.base);
    for (unsigned l = 0; l < PAGE_LEVELS; l++) {
        unsigned log = page_level_log(l);
        for (size_t e = model_first >> log; m.grown > 0 && e <= (model_first + m.grown - 1) >> log; e++) {
            size_t first = e << log, below_pages = first < model_first ? model_first - first : 0;
            struct runs want = model_runs(first + below_pages - model_first, ((size_t)1 << log) - below_pages);
            if (below_pages > 0)
                want.start = 0;
            struct runs got = summary_unpack(m.ph.levels[l][e]);
            assert_int_equal(got.start, want.start);
            assert_int_equal(got.max, want.max);
            assert_int_equal(got.end, want.end);
        }
    }
}

static void run_model(uint64_t seed, bool small_range) {
    memset(&m, 0, sizeof m);
    memset(m.used, 1, sizeof m.used);
    rng_seed(&m.rng, seed, 0);
    size_t size_bytes = (size_t)MODEL_PAGES << GOALLOC_PAGE_SHIFT;
    m.base = (uintptr_t)os_reserve_aligned(size_bytes, PAGE_CHUNK_BYTES);
    assert_int_not_equal(m.base, 0);
    assert_int_equal(m.base % PAGE_CHUNK_BYTES, 0);
    assert_true(os_commit((void *)m.base, size_bytes));
    assert_true(small_range ? page_init(&m.ph, m.base, size_bytes) : page_init(&m.ph, 0, (size_t)1 << 48));
    for (int step = 0; step < STEPS; step++) {
        uint64_t dice = below(100);
        dice < 50   ? step_alloc()
        : dice < 92 ? step_free()
        : dice < 94 ? step_scavenge()
        : dice < 96 ? step_cache()
        : dice < 98 ? step_aligned()
                    : step_extend();
        if (step % 1000 == 0) {
            check_totals();
            check_summaries();
        }
    }
    for (int i = 0; i < CACHES; i++)
        if (m.caches[i].free != 0)
            flush_cache(&m.caches[i]);
    check_totals();
    check_summaries();
    os_unmap((void *)m.base, size_bytes);
    page_fini(&m.ph);
}

static void random_steps_equal_the_model(void **state) {
    (void)state;
    run_model(1, false);
    run_model(2, false);
}

static void a_small_range_decides_the_same(void **state) {
    (void)state;
    run_model(1, true);
}

static void outside_the_range_is_refused(void **state) {
    (void)state;
    struct page_heap ph;
    uintptr_t base = (uintptr_t)64 << 30;
    assert_true(page_init(&ph, base, 8 * PAGE_CHUNK_BYTES));
    assert_false(page_grow(&ph, base - PAGE_CHUNK_BYTES, PAGE_CHUNK_BYTES));
    assert_false(page_grow(&ph, base + 8 * PAGE_CHUNK_BYTES, PAGE_CHUNK_BYTES));
    assert_false(page_grow(&ph, base + 7 * PAGE_CHUNK_BYTES, 2 * PAGE_CHUNK_BYTES));
    size_t scavenged;
    assert_int_equal(page_alloc(&ph, 1, &scavenged), 0);
    assert_true(page_grow(&ph, base + 7 * PAGE_CHUNK_BYTES, PAGE_CHUNK_BYTES));
    assert_int_equal(page_alloc(&ph, CHUNK, &scavenged), base + 7 * PAGE_CHUNK_BYTES);
    page_fini(&ph);
}

/* The search meets every level: a run of more than 16 GiB, and one between two root entries. */
static void runs_cross_every_level(void **state) {
    (void)state;
    struct page_heap ph;
    assert_true(page_init(&ph, 0, (size_t)1 << 48));
    const size_t root_pages = (size_t)1 << PAGE_MAX_LOG;
    uintptr_t base = (uintptr_t)0xc000000000;
    assert_true(page_grow(&ph, base, 3 * root_pages << GOALLOC_PAGE_SHIFT));
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, root_pages - 3, &scavenged), base);
    assert_int_equal(page_alloc(&ph, 5, &scavenged), base + ((root_pages - 3) << GOALLOC_PAGE_SHIFT));
    page_free(&ph, base, root_pages - 3);
    assert_int_equal(page_alloc(&ph, root_pages, &scavenged), base + ((root_pages + 2) << GOALLOC_PAGE_SHIFT));
    page_fini(&ph);
}

/* ---- exact cases; the addresses are numbers only, nothing is mapped there */

static const uintptr_t LOW = 0xc000000000;

static struct page_heap heap_of(uintptr_t base, size_t chunks) {
    struct page_heap ph;
    assert_true(page_init(&ph, 0, (size_t)1 << 48));
    assert_true(page_grow(&ph, base, chunks * PAGE_CHUNK_BYTES));
    return ph;
}

static uintptr_t low(size_t page) {
    return LOW + (page << GOALLOC_PAGE_SHIFT);
}

static void runs_cross_chunk_borders(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 8);
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, CHUNK - 1, &scavenged), LOW);
    assert_int_equal(page_alloc(&ph, 2, &scavenged), low(CHUNK - 1));
    assert_int_equal(scavenged, (CHUNK + 1) * GOALLOC_PAGE_BYTES);
    /* More than a chunk, from the middle of one into the third. */
    assert_int_equal(page_alloc(&ph, 2 * CHUNK, &scavenged), low(CHUNK + 1));
    page_free(&ph, low(CHUNK - 1), 2);
    assert_int_equal(page_alloc(&ph, 3, &scavenged), low(3 * CHUNK + 1));
    assert_int_equal(page_alloc(&ph, 1, &scavenged), low(CHUNK - 1));
    scavenged = 0;
    assert_int_equal(page_alloc(&ph, 1, &scavenged), low(CHUNK));
    assert_int_equal(scavenged, 0); /* these two were backed when they were freed */
    page_fini(&ph);
}

/* Go's own limit cases: 64-page words, whole chunks, and no page left at all. */
static void space_runs_out_and_comes_back(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 2);
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, 2 * CHUNK + 1, &scavenged), 0);
    for (size_t i = 0; i < 2 * CHUNK / 64; i++)
        assert_int_equal(page_alloc(&ph, 64, &scavenged), low(64 * i));
    assert_int_equal(page_alloc(&ph, 1, &scavenged), 0);
    assert_int_equal(page_cache_take(&ph).free, 0);
    assert_int_equal(ph.free_pages, 0);
    page_free(&ph, low(70), 1);
    page_free(&ph, low(CHUNK), CHUNK);
    assert_int_equal(page_alloc(&ph, 2, &scavenged), low(CHUNK));
    struct page_cache c = page_cache_take(&ph);
    assert_int_equal(c.base, low(64));
    assert_int_equal(c.free, 1u << 6);
    page_cache_flush(&ph, &c);
    assert_int_equal(page_alloc(&ph, 1, &scavenged), low(70));
    page_fini(&ph);
}

/* 512 chunks fill exactly one OS page of the last level: the search must not look at the next. */
static void a_heap_may_end_where_its_tables_do(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 512);
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, 512 * CHUNK, &scavenged), LOW);
    assert_int_equal(page_alloc(&ph, 1, &scavenged), 0);
    assert_int_equal(page_alloc(&ph, 16, &scavenged), 0);
    page_free(&ph, low(512 * CHUNK - 1), 1);
    struct page_cache c = page_cache_take(&ph);
    assert_int_equal(c.free, UINT64_C(1) << 63);
    assert_int_equal(page_alloc(&ph, 3, &scavenged), 0);
    page_fini(&ph);
}

/* Two arenas with most of the address space between them: no table may be read where it is not committed. */
static void arenas_may_lie_far_apart(void **state) {
    (void)state;
    const uintptr_t high = (uintptr_t)0x7f0000000000;
    struct page_heap ph = heap_of(LOW, 512);
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, 512 * CHUNK, &scavenged), LOW);
    assert_true(page_grow(&ph, high, 2 * PAGE_CHUNK_BYTES));
    assert_false(page_try_extend(&ph, LOW, 512 * CHUNK, 512 * CHUNK + 1, &scavenged));
    assert_int_equal(page_scavenge(&ph, SIZE_MAX), 0);
    page_free(&ph, low(CHUNK), CHUNK);
    assert_int_equal(page_alloc(&ph, CHUNK + 1, &scavenged), high);
    assert_int_equal(page_alloc(&ph, 1, &scavenged), low(CHUNK));
    assert_int_equal(page_alloc(&ph, CHUNK - 1, &scavenged), low(CHUNK + 1));
    assert_int_equal(page_alloc(&ph, CHUNK - 1, &scavenged), high + PAGE_CHUNK_BYTES + GOALLOC_PAGE_BYTES);
    assert_int_equal(page_alloc(&ph, 1, &scavenged), 0);
    page_fini(&ph);
}

/* What is committed does not depend on the direction of growth, and is not counted twice. */
static void metadata_is_counted_once(void **state) {
    (void)state;
    const size_t step_bytes = (size_t)64 << 20, steps = 64;
    struct page_heap up, down, both;
    assert_true(page_init(&up, 0, (size_t)1 << 48));
    assert_true(page_init(&down, 0, (size_t)1 << 48));
    assert_true(page_init(&both, 0, (size_t)1 << 48));
    for (size_t i = 0; i < steps; i++) {
        assert_true(page_grow(&up, LOW + i * step_bytes, step_bytes));
        assert_true(page_grow(&down, LOW + (steps - 1 - i) * step_bytes, step_bytes));
        size_t outwards = i % 2 == 0 ? steps / 2 + i / 2 : steps / 2 - 1 - i / 2;
        assert_true(page_grow(&both, LOW + outwards * step_bytes, step_bytes));
    }
    assert_int_equal(up.metadata_bytes, down.metadata_bytes);
    assert_int_equal(up.metadata_bytes, both.metadata_bytes);
    /* 1024 chunks of 128 bytes and of 8 more for their density, the root, two OS pages of leaves, one of each level
     * between. */
    assert_int_equal(up.metadata_bytes, 1024 * (128 + 8) + (1 << 14) * 8 + (2 + 3) * OS_PAGE_BYTES);
    page_fini(&up);
    page_fini(&down);
    page_fini(&both);
}

/* The end of a chunk is seldom taken while a longer run lies before it: only an extension does that. */
static void extending_shortens_a_chunk_s_end(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 3);
    size_t scavenged = 0;
    assert_int_equal(page_alloc(&ph, 500, &scavenged), LOW);
    assert_int_equal(page_alloc(&ph, 2, &scavenged), low(500));
    page_free(&ph, LOW, 500);
    scavenged = 0;
    assert_true(page_try_extend(&ph, low(500), 2, 7, &scavenged));
    assert_int_equal(scavenged, 5 * GOALLOC_PAGE_BYTES);
    assert_int_equal(page_alloc(&ph, 2 * CHUNK + 6, &scavenged), 0);
    assert_int_equal(page_alloc(&ph, 2 * CHUNK + 5, &scavenged), low(507));
    /* Across the border, and not into what is in use. */
    page_free(&ph, low(507), 2 * CHUNK + 5);
    assert_true(page_try_extend(&ph, low(500), 7, CHUNK, &scavenged));
    assert_int_equal(page_alloc(&ph, 501, &scavenged), low(500 + CHUNK));
    assert_false(page_try_extend(&ph, low(500), CHUNK, CHUNK + 1, &scavenged));
    page_fini(&ph);
}

/* Go gives back 64 KiB at a time from the top, but a 2 MiB page that is free and backed goes whole. */
static void scavenging_keeps_its_quantum(void **state) {
    (void)state;
    const size_t quantum = (size_t)64 << 10, huge = (size_t)2 << 20;
    size_t scavenged = 0;
    uintptr_t base = (uintptr_t)os_reserve_aligned(PAGE_CHUNK_BYTES, PAGE_CHUNK_BYTES);
    assert_int_not_equal(base, 0);
    assert_true(os_commit((void *)base, PAGE_CHUNK_BYTES));
    struct page_heap ph = heap_of(base, 1);
    assert_int_equal(page_alloc(&ph, CHUNK, &scavenged), base);
    assert_int_equal(page_scavenge(&ph, SIZE_MAX), 0);
    memset((void *)base, 1, PAGE_CHUNK_BYTES);
    /* 100 pages below the middle of the chunk: no huge page is whole in them. */
    page_free(&ph, base + huge - 100 * GOALLOC_PAGE_BYTES, 100);
    assert_int_equal(page_scavenge(&ph, 1), quantum);
    const char *released = (const char *)(base + huge - quantum);
    assert_int_equal(released[0], 0);
    assert_int_equal(released[-1], 1);
    assert_int_equal(page_scavenge(&ph, quantum + 1), quantum + GOALLOC_PAGE_BYTES);
    assert_int_equal(ph.scavenged_free_pages, 17);
    /* The upper half is a huge page; what lies below it stays. */
    page_free(&ph, base + huge, CHUNK / 2);
    assert_int_equal(page_scavenge(&ph, quantum), huge);
    assert_int_equal(page_scavenge(&ph, SIZE_MAX), (100 - 17) * GOALLOC_PAGE_BYTES);
    assert_int_equal(page_scavenge(&ph, SIZE_MAX), 0);
    scavenged = 0;
    assert_int_equal(page_alloc(&ph, 300, &scavenged), base + huge - 100 * GOALLOC_PAGE_BYTES);
    assert_int_equal(scavenged, 300 * GOALLOC_PAGE_BYTES);
    /* Two runs for one request: the second gives only what the first has left over. */
    page_free(&ph, base, 10);
    page_free(&ph, base + 20 * GOALLOC_PAGE_BYTES, 10);
    assert_int_equal(page_scavenge(&ph, 13 * GOALLOC_PAGE_BYTES), 13 * GOALLOC_PAGE_BYTES);
    os_unmap((void *)base, PAGE_CHUNK_BYTES);
    page_fini(&ph);
}

/* ---- huge pages: what has been given back must not be backed again by the kernel */

/* Reserved, committed and grown into, with huge pages asked for; false where the kernel has none. */
static bool huge_heap(struct page_heap *ph, uintptr_t *base, size_t chunks) {
    *base = (uintptr_t)os_reserve_aligned(chunks * PAGE_CHUNK_BYTES, PAGE_CHUNK_BYTES);
    if (*base == 0 || !os_commit((void *)*base, chunks * PAGE_CHUNK_BYTES))
        return false;
    *ph = heap_of(*base, chunks);
    page_prefer_huge(ph, *base, chunks * PAGE_CHUNK_BYTES);
    size_t count = read_smaps(*base, *base + chunks * PAGE_CHUNK_BYTES);
    return count == 1 && smaps[0].huge;
}

/* No mapping with huge pages has a page that is with the OS, and all others have. */
static void expect_huge_where_backed(const struct page_heap *ph, uintptr_t base, size_t chunks) {
    uintptr_t end = base + chunks * PAGE_CHUNK_BYTES;
    size_t count = read_smaps(base, end);
    for (size_t i = 0; i < count; i++) {
        uintptr_t from = smaps[i].from < base ? base : smaps[i].from, to = smaps[i].to < end ? smaps[i].to : end;
        for (uintptr_t at = from & ~(uintptr_t)((2 << 20) - 1); at < to; at += 2 << 20) {
            size_t h = page_index(ph, at) / HUGE_PAGES;
            if (smaps[i].huge != (huge_released(ph, h) == 0))
                fail_msg("the mapping %lx-%lx %s huge pages, and %u pages of the one at %lx are with the OS", from, to,
                         smaps[i].huge ? "has" : "has no", huge_released(ph, h), at);
        }
    }
}

static void what_is_given_back_stays_so(void **state) {
    (void)state;
    enum { CHUNKS = 8, RUNS = 200 };
    struct page_heap ph;
    uintptr_t base, runs[RUNS] = {0};
    size_t lengths[RUNS], scavenged = 0;
    if (!huge_heap(&ph, &base, CHUNKS))
        skip();
    rng_seed(&m.rng, 7, 0);
    for (unsigned step = 0; step < 4000; step++) {
        size_t i = below(RUNS);
        if (runs[i] != 0) {
            page_free(&ph, runs[i], lengths[i]);
            runs[i] = 0;
        } else {
            lengths[i] = 1 + below(2) * below(300) + below(8);
            runs[i] = page_alloc(&ph, lengths[i], &scavenged);
        }
        if (step % 50 == 49)
            page_scavenge(&ph, below(64) << GOALLOC_PAGE_SHIFT);
        if (step % 400 != 399)
            continue;
        page_scavenge(&ph, SIZE_MAX);
        expect_huge_where_backed(&ph, base, CHUNKS);
    }
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i] != 0)
            page_free(&ph, runs[i], lengths[i]);
    page_scavenge(&ph, SIZE_MAX);
    assert_int_equal(ph.retained_pages, 0);
    expect_huge_where_backed(&ph, base, CHUNKS);
    /* In use again, all of it by small pieces. */
    for (size_t i = 0; i < CHUNKS * PAGE_CHUNK_PAGES; i++)
        assert_int_not_equal(page_alloc(&ph, 1, &scavenged), 0);
    expect_huge_where_backed(&ph, base, CHUNKS);
    assert_int_equal(ph.small_stretches, 0);
    assert_int_equal(read_smaps(base, base + CHUNKS * PAGE_CHUNK_BYTES), 1);
    os_unmap((void *)base, CHUNKS * PAGE_CHUNK_BYTES);
    page_fini(&ph);
}

/* Every other huge page goes back, which would take a mapping each. */
static void turning_down_takes_few_mappings(void **state) {
    (void)state;
    enum { CHUNKS = 2048, BLOCKS = CHUNKS * 2, WINDOWS = BLOCKS / HUGE_WINDOW + 1 };
    struct page_heap ph;
    uintptr_t base;
    size_t scavenged = 0, huge_bytes = (size_t)HUGE_PAGES << GOALLOC_PAGE_SHIFT;
    if (!huge_heap(&ph, &base, CHUNKS))
        skip();
    assert_int_equal(page_alloc(&ph, CHUNKS * PAGE_CHUNK_PAGES, &scavenged), base);
    for (size_t i = 0; i < BLOCKS; i += 2)
        page_free(&ph, base + i * huge_bytes, HUGE_PAGES);
    assert_int_equal(page_scavenge(&ph, SIZE_MAX), BLOCKS / 2 * huge_bytes);
    size_t count = read_smaps(base, base + CHUNKS * PAGE_CHUNK_BYTES);
    print_message("%zu mappings for %d holes\n", count, BLOCKS / 2);
    if (count > 2 * (HUGE_STRETCHES + WINDOWS) + 1)
        fail_msg("%zu mappings, expected at most %d", count, 2 * (HUGE_STRETCHES + WINDOWS) + 1);
    for (size_t i = 0; i < count; i++)
        for (size_t h = page_index(&ph, smaps[i].from < base ? base : smaps[i].from) / HUGE_PAGES;
             smaps[i].huge && page_address(&ph, h * HUGE_PAGES) < smaps[i].to; h++)
            assert_int_equal(huge_released(&ph, h), 0);
    for (size_t i = 0; i < BLOCKS / 2; i++)
        assert_int_not_equal(page_alloc(&ph, HUGE_PAGES, &scavenged), 0);
    count = read_smaps(base, base + CHUNKS * PAGE_CHUNK_BYTES);
    assert_int_equal(count, 1);
    assert_true(smaps[0].huge);
    os_unmap((void *)base, CHUNKS * PAGE_CHUNK_BYTES);
    page_fini(&ph);
}

static void nothing_to_extend_is_no_error(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 1);
    size_t scavenged = 0, free_pages;
    uintptr_t base = page_alloc(&ph, 4, &scavenged);
    free_pages = ph.free_pages;
    assert_true(page_try_extend(&ph, base, 4, 4, &scavenged));
    assert_int_equal(ph.free_pages, free_pages);
    page_fini(&ph);
}

/* Runs action in a child that must abort; what it says on stderr must contain the words. */
static void assert_dies(void (*action)(struct page_heap *), struct page_heap *ph, const char *words) {
    int pipe_ends[2], status;
    char said[256] = {0};
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        action(ph);
        _exit(0);
    }
    close(pipe_ends[1]);
    size_t used = 0;
    for (ssize_t n; used < sizeof said - 1 && (n = read(pipe_ends[0], said + used, sizeof said - 1 - used)) > 0;)
        used += (size_t)n;
    close(pipe_ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, words));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

static void free_twice(struct page_heap *ph) {
    page_free(ph, low(3), 1);
    page_free(ph, low(2), 3);
}

static void free_never_used(struct page_heap *ph) {
    page_free(ph, low(CHUNK), 1);
}

static void free_below(struct page_heap *ph) {
    page_free(ph, LOW - GOALLOC_PAGE_BYTES, 1);
}

static void free_past_the_end(struct page_heap *ph) {
    page_free(ph, low(2 * CHUNK - 1), 2);
}

static void wrong_frees_die(void **state) {
    (void)state;
    struct page_heap ph = heap_of(LOW, 2);
    size_t scavenged = 0;
    page_alloc(&ph, CHUNK - 2, &scavenged);
    assert_dies(free_twice, &ph, "freed twice");
    assert_dies(free_never_used, &ph, "freed twice");
    assert_dies(free_below, &ph, "never had");
    assert_dies(free_past_the_end, &ph, "never had");
    page_fini(&ph);
}

static size_t mapped_os_pages(void) {
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%zu", &pages), 1);
    fclose(statm);
    return pages;
}

/* Under an address-space limit Go's geometry does not fit; nothing stays mapped and the small one works. */
static void a_limit_leaves_nothing_mapped(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct page_heap ph;
        size_t before = mapped_os_pages(), scavenged = 0;
        struct rlimit limit = {before * OS_PAGE_BYTES + ((size_t)1 << 30), RLIM_INFINITY};
        limit.rlim_max = limit.rlim_cur;
        if (setrlimit(RLIMIT_AS, &limit) != 0 || page_init(&ph, 0, (size_t)1 << 48))
            _exit(1);
        if (mapped_os_pages() != before)
            _exit(2);
        if (!page_init(&ph, LOW, (size_t)1 << 30) || !page_grow(&ph, LOW, PAGE_CHUNK_BYTES))
            _exit(3);
        if (page_alloc(&ph, 7, &scavenged) != LOW)
            _exit(4);
        page_fini(&ph);
        _exit(mapped_os_pages() != before ? 5 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_equal_the_model),
        cmocka_unit_test(a_small_range_decides_the_same),
        cmocka_unit_test(outside_the_range_is_refused),
        cmocka_unit_test(runs_cross_every_level),
        cmocka_unit_test(runs_cross_chunk_borders),
        cmocka_unit_test(space_runs_out_and_comes_back),
        cmocka_unit_test(a_heap_may_end_where_its_tables_do),
        cmocka_unit_test(arenas_may_lie_far_apart),
        cmocka_unit_test(metadata_is_counted_once),
        cmocka_unit_test(extending_shortens_a_chunk_s_end),
        cmocka_unit_test(scavenging_keeps_its_quantum),
        cmocka_unit_test(what_is_given_back_stays_so),
        cmocka_unit_test(turning_down_takes_few_mappings),
        cmocka_unit_test(nothing_to_extend_is_no_error),
        cmocka_unit_test(wrong_frees_die),
        cmocka_unit_test(a_limit_leaves_nothing_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
