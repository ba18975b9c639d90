/* SPDX-License-Identifier: MIT
 * page: against a model with one byte per page and address-ordered first fit by linear search; both geometries. */
#include "unity_manual.h"

#include "rng.h"

enum { CHUNK = PAGE_CHUNK_PAGES, MODEL_PAGES = CHUNK * 64, MAX_RUNS = 20000, STEPS = 20000 };

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

static void step_cache(void) {
    size_t first = model_find(1), scavenged = 0;
    struct page_cache c = page_cache_take(&m.ph);
    if (first == SIZE_MAX) {
        assert_int_equal(c.free, 0);
        return;
    }
    size_t block = first & ~(size_t)(PAGE_CACHE_PAGES - 1);
    assert_int_equal(c.base, at(block));
    for (unsigned i = 0; i < PAGE_CACHE_PAGES; i++)
        assert_int_equal(c.free >> i & 1, !m.used[block + i]);
    for (int i = 0; i < 10; i++) {
        size_t npages = 1 + below(6), page;
        scavenged = 0;
        uintptr_t got = page_cache_alloc(&c, npages, &scavenged);
        if (got == 0)
            continue;
        page = (got - m.base) >> GOALLOC_PAGE_SHIFT;
        assert_int_equal(scavenged, model_take(page, npages));
    }
    page_cache_flush(&m.ph, &c);
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
    /* Highest addresses first. A run is given back whole. */
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

static void run_model(uint64_t seed, bool small_range) {
    memset(&m, 0, sizeof m);
    memset(m.used, 1, sizeof m.used);
    rng_seed(&m.rng, seed, 0);
    size_t size_bytes = (size_t)MODEL_PAGES << GOALLOC_PAGE_SHIFT;
    m.base = (uintptr_t)os_reserve_aligned(size_bytes, PAGE_CHUNK_BYTES);
    assert_int_not_equal(m.base, 0);
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
        if (step % 1000 == 0)
            check_totals();
    }
    check_totals();
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_equal_the_model),
        cmocka_unit_test(a_small_range_decides_the_same),
        cmocka_unit_test(outside_the_range_is_refused),
        cmocka_unit_test(runs_cross_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
