/* SPDX-License-Identifier: MIT
 * The walk over a heap made by hand: its runs, their order, and that they add up to what the counters say. */
#include "unity_manual.h"

#include <pthread.h>

enum { KIB = 1024, MAX_RUNS = 1 << 16 };

static struct goalloc_run runs[MAX_RUNS];
static size_t run_count;

static void keep(void *context, const struct goalloc_run *run) {
    assert_ptr_equal(context, &run_count);
    assert_true(run_count < MAX_RUNS);
    runs[run_count++] = *run;
}

static void walk(void) {
    run_count = 0;
    assert_int_equal(goalloc_walk(keep, &run_count), 0);
}

static const struct goalloc_run *run_of(const void *address) {
    for (size_t i = 0; i < run_count; i++)
        if ((uintptr_t)address - runs[i].base < runs[i].size_bytes)
            return &runs[i];
    return NULL;
}

/* The runs come by address, do not overlap, and every figure of a run agrees with the others of it. */
static void check_runs(void) {
    for (size_t i = 0; i < run_count; i++) {
        const struct goalloc_run *r = &runs[i];
        assert_int_equal(r->base % GOALLOC_PAGE_BYTES, 0);
        assert_int_equal(r->size_bytes, r->npages * GOALLOC_PAGE_BYTES);
        assert_true(r->npages > 0 && r->used_bytes <= r->size_bytes && r->used_slots <= r->slots);
        assert_int_equal(r->used_bytes, r->used_slots * r->slot_bytes);
        assert_true(r->slots * r->slot_bytes <= r->size_bytes);
        if (i > 0)
            assert_true(r->base >= runs[i - 1].base + runs[i - 1].size_bytes);
    }
}

struct sums {
    uint64_t used, free_in_span, cached, released_pages;
};

static struct sums add_up(void) {
    struct sums s = {0};
    for (size_t i = 0; i < run_count; i++) {
        const struct goalloc_run *r = &runs[i];
        bool object_run = r->kind == GOALLOC_RUN_SPAN || r->kind == GOALLOC_RUN_LARGE;
        s.used += r->used_bytes;
        if (object_run && r->used_bytes > 0)
            s.free_in_span += r->size_bytes - r->used_bytes;
        else if (object_run || r->kind == GOALLOC_RUN_FREE || (r->kind == GOALLOC_RUN_CACHED && !r->released))
            s.cached += r->size_bytes;
        else
            s.released_pages += r->npages;
    }
    return s;
}

static void check_counters(void) {
    uint64_t counters[GOALLOC_COUNTERS];
    goalloc_counters(counters);
    walk();
    check_runs();
    struct sums s = add_up();
    assert_int_equal(s.used, counters[0]);
    assert_int_equal(s.free_in_span, counters[1] + counters[8]);
    assert_int_equal(s.cached, counters[2]);
    assert_int_equal(counters[0] + counters[1] + counters[2] + counters[3] + counters[4] + counters[8], counters[5]);
    /* By the heap's own running counts: every page that it ever grew into is in exactly one run. */
    size_t span_pages = 0, heap_pages = 0, cached_free = (size_t)__builtin_popcountll(cache_self->pages.free);
    for (size_t i = 0; i < run_count; i++) {
        heap_pages += runs[i].npages;
        if (runs[i].kind == GOALLOC_RUN_SPAN || runs[i].kind == GOALLOC_RUN_LARGE)
            span_pages += runs[i].npages;
    }
    assert_int_equal(span_pages, heap.pages_in_use);
    assert_int_equal(heap_pages, heap.pages_in_use + heap.pages.free_pages + cached_free);
    assert_int_equal(s.released_pages,
                     heap.pages.scavenged_free_pages +
                         (size_t)__builtin_popcountll(cache_self->pages.free & cache_self->pages.scavenged));
}

static void spans_know_their_class_and_slots(void **state) {
    (void)state;
    char *p[3], *large = goalloc_malloc(100000), *tiny = goalloc_malloc(3);
    for (int i = 0; i < 3; i++)
        p[i] = goalloc_malloc(100);
    goalloc_free(p[1]);
    check_counters();
    const struct goalloc_run *r = run_of(p[0]);
    assert_non_null(r);
    assert_int_equal(r->kind, GOALLOC_RUN_SPAN);
    assert_int_equal(r->span_class, span_class_make(gclass_of(112), true));
    assert_true(r->noscan);
    assert_int_equal(r->slot_bytes, 112);
    assert_int_equal(r->slots, r->size_bytes / 112);
    assert_int_equal(r->used_slots, 2);
    r = run_of(large + 99999);
    assert_non_null(r);
    assert_int_equal(r->kind, GOALLOC_RUN_LARGE);
    assert_ptr_equal((void *)r->base, large);
    assert_int_equal(r->npages, 13);
    assert_int_equal(r->used_bytes, 13 * GOALLOC_PAGE_BYTES);
    r = run_of(tiny);
    assert_non_null(r);
    assert_int_equal(r->slot_bytes, TINY_GRANULE_BYTES);
    assert_int_equal(r->used_bytes, 8);
    goalloc_free(p[0]);
    goalloc_free(p[2]);
    goalloc_free(large);
    goalloc_free(tiny);
}

static void free_pages_are_backed_until_given_back(void **state) {
    (void)state;
    char *below = goalloc_malloc(40 * KIB), *p = goalloc_malloc(800 * KIB), *above = goalloc_malloc(40 * KIB);
    memset(p, 1, 800 * KIB);
    check_counters();
    assert_int_equal(run_of(p)->kind, GOALLOC_RUN_LARGE);
    goalloc_free(p);
    check_counters();
    assert_int_equal(run_of(p + 400 * KIB)->kind, GOALLOC_RUN_FREE);
    assert_in_range(run_of(p + 400 * KIB)->npages, 100, SIZE_MAX);
    goalloc_purge();
    check_counters();
    assert_int_equal(run_of(p + 400 * KIB)->kind, GOALLOC_RUN_RELEASED);
    goalloc_free(below);
    goalloc_free(above);
}

static void cached_pages_are_the_thread_s(void **state) {
    (void)state;
    goalloc_purge();
    void *p = goalloc_malloc(5000); /* takes a span, hence 64 pages */
    check_counters();
    uint64_t free = cache_self->pages.free;
    assert_int_not_equal(free, 0);
    unsigned first = (unsigned)__builtin_ctzll(free);
    const struct goalloc_run *r = run_of((void *)(cache_self->pages.base + first * GOALLOC_PAGE_BYTES));
    assert_non_null(r);
    assert_int_equal(r->kind, GOALLOC_RUN_CACHED);
    assert_int_equal(r->released, cache_self->pages.scavenged >> first & 1);
    goalloc_free(p);
}

/* A large object over the border of two arenas is one run. */
static void runs_cross_arenas(void **state) {
    (void)state;
    char *p = goalloc_malloc(ARENA_BYTES + ARENA_BYTES / 2), *q = goalloc_malloc(ARENA_BYTES);
    assert_true(heap.arenas.count > 1);
    check_counters();
    assert_ptr_equal((void *)run_of(p)->base, p);
    assert_int_equal(run_of(p)->size_bytes, ARENA_BYTES + ARENA_BYTES / 2);
    assert_int_equal(run_of(q + ARENA_BYTES - 1)->size_bytes, ARENA_BYTES);
    goalloc_free(p);
    goalloc_free(q);
    check_counters();
    goalloc_purge();
    check_counters();
}

/* Arenas that were made out of order are walked in order. */
static void arenas_are_kept_by_address(void **state) {
    (void)state;
    struct arena_space *a = meta_alloc(sizeof *a, 64);
    static struct arena arenas[5];
    static const uintptr_t order[] = {3, 1, 4, 0, 2};
    for (int i = 0; i < 5; i++) {
        arenas[i].base = order[i] * ARENA_BYTES;
        assert_true(arena_list_room(a));
        arena_list_insert(a, &arenas[i]);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(a->all[i]->base, i * ARENA_BYTES);
}

static void many_sizes_add_up(void **state) {
    (void)state;
    enum { N = 3000 };
    static void *p[N];
    for (size_t i = 0; i < N; i++)
        p[i] = goalloc_malloc(i * i % 50000);
    check_counters();
    for (size_t i = 0; i < N; i++)
        if (i % 3 != 0)
            goalloc_free(p[i]);
    check_counters();
    goalloc_purge();
    check_counters();
    for (size_t i = 0; i < N; i += 3)
        goalloc_free(p[i]);
    check_counters();
}

static void *churn(void *stop) {
    enum { N = 500 };
    void *p[N] = {0};
    for (size_t i = 0; !__atomic_load_n((bool *)stop, __ATOMIC_RELAXED); i++) {
        goalloc_free(p[i % N]);
        p[i % N] = goalloc_malloc(i * 7919 % 40000);
    }
    for (size_t i = 0; i < N; i++)
        goalloc_free(p[i]);
    return NULL;
}

/* Beside threads that allocate, figures may be old, but runs stay in order and within themselves. */
static void a_walk_beside_other_threads_stays_sound(void **state) {
    (void)state;
    bool stop = false;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &stop), 0);
    for (int i = 0; i < 300; i++) {
        walk();
        check_runs();
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    check_counters();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_know_their_class_and_slots),
        cmocka_unit_test(free_pages_are_backed_until_given_back),
        cmocka_unit_test(cached_pages_are_the_thread_s),
        cmocka_unit_test(runs_cross_arenas),
        cmocka_unit_test(arenas_are_kept_by_address),
        cmocka_unit_test(many_sizes_add_up),
        cmocka_unit_test(a_walk_beside_other_threads_stays_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
