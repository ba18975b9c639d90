/* SPDX-License-Identifier: MIT
 * List placement from inside: where each fit places hand-worked sequences, what coalesces, and that bitmaps and free
 * lists tell the same story after random operations. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-manual.h"
#include "place-list.h"
#include "tiny-on.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "memstats_malloc.h"

static const enum list_fit all_fits[] = {LIST_SEGREGATED, LIST_FIRST, LIST_NEXT, LIST_BEST};

/* Everything has been freed: the next request begins a fresh run. */
static void begin(enum list_fit fit) {
    goalloc_free(goalloc_malloc(16)); /* reads the knobs */
    goalloc_purge();
    assert_null(cache_self->partial[span_class_make(RUN_CLASS, true)]);
    list.fit = fit;
    list.split_bytes = RUN_UNIT_BYTES;
}

static uintptr_t run_base(const void *p) {
    return heap_span_of((uintptr_t)p)->base;
}

static size_t offset(const void *p) {
    return (uintptr_t)p - run_base(p);
}

/* a 64 at 0, a hole of 256 at 64, c 64 at 320, a hole of 128 at 384, e 64 at 512, the rest of the run from 576 on. */
static void two_holes(void *kept[3]) {
    kept[0] = goalloc_malloc(64);
    void *b = goalloc_malloc(256);
    kept[1] = goalloc_malloc(64);
    void *d = goalloc_malloc(128);
    kept[2] = goalloc_malloc(64);
    assert_int_equal(offset(kept[0]), 0);
    assert_int_equal(offset(b), 64);
    assert_int_equal(offset(kept[1]), 320);
    assert_int_equal(offset(d), 384);
    assert_int_equal(offset(kept[2]), 512);
    goalloc_free(b);
    goalloc_free(d);
}

static void each_fit_places_by_its_definition(void **state) {
    (void)state;
    static const struct {
        enum list_fit fit;
        size_t first, second, third; /* of 112, 64 and 256 bytes */
    } expected[] = {
        /* The 256 hole; its rest; behind it no hole of 256 is left. */
        {LIST_FIRST, 64, 176, 576},
        /* From the end of the last request on: never the holes. */
        {LIST_NEXT, 576, 688, 752},
        /* The 128 hole; of the 256 one and the rest of the run the smaller; then the rest of the run. */
        {LIST_BEST, 384, 64, 576},
        {LIST_SEGREGATED, 384, 64, 576},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        void *kept[3];
        begin(expected[i].fit);
        two_holes(kept);
        void *p = goalloc_malloc(112), *q = goalloc_malloc(64), *r = goalloc_malloc(256);
        assert_int_equal(offset(p), expected[i].first);
        assert_int_equal(offset(q), expected[i].second);
        assert_int_equal(offset(r), expected[i].third);
        void *all[] = {p, q, r, kept[0], kept[1], kept[2]};
        for (size_t j = 0; j < 6; j++)
            goalloc_free(all[j]);
    }
}

/* The rover of next fit goes once around, and to the start of a block that swallows it (Knuth 2.5, exercise 6). */
static void next_fit_goes_around(void **state) {
    (void)state;
    begin(LIST_NEXT);
    void *kept[3];
    two_holes(kept);
    void *rest = goalloc_malloc(runs.bytes / 4), *more = goalloc_malloc(runs.bytes / 4);
    void *last = goalloc_malloc(runs.bytes / 2 - 576);
    assert_int_equal(offset(rest), 576);
    assert_int_equal(offset(last), 576 + runs.bytes / 2);
    void *around = goalloc_malloc(64);
    assert_int_equal(offset(around), 64);
    goalloc_free(around); /* the rover stood at 128, inside the hole that is whole again */
    void *again = goalloc_malloc(256);
    assert_int_equal(offset(again), 64);
    void *all[] = {rest, more, last, again, kept[0], kept[1], kept[2]};
    for (size_t j = 0; j < 7; j++)
        goalloc_free(all[j]);
}

static void small_remainders_stay_with_the_object(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        begin(all_fits[i]);
        list.split_bytes = 64;
        void *a = goalloc_malloc(256), *b = goalloc_malloc(64);
        goalloc_free(a);
        a = goalloc_malloc(208);
        void *c = list.fit == LIST_NEXT ? NULL : a;
        if (c != NULL) { /* next fit has moved on */
            assert_int_equal(offset(c), 0);
            assert_int_equal(goalloc_usable_size(c), 256);
        }
        goalloc_free(a);
        list.split_bytes = 48;
        a = goalloc_malloc(208);
        assert_int_equal(goalloc_usable_size(a), 208);
        goalloc_free(a);
        goalloc_free(b);
    }
}

/* Of three neighbours, in every order of freeing, one block is left. */
static void neighbours_coalesce_at_once(void **state) {
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t f = 0; f < 4; f++)
        for (size_t i = 0; i < 6; i++) {
            begin(all_fits[f]);
            void *before = goalloc_malloc(32), *p[3];
            for (int k = 0; k < 3; k++)
                p[k] = goalloc_malloc(48);
            void *after = goalloc_malloc(32);
            struct span *s = heap_span_of((uintptr_t)before);
            for (int k = 0; k < 3; k++)
                goalloc_free(p[orders[i][k]]);
            assert_int_equal(run_extent(s, run_granule(s, (uintptr_t)p[0])) * RUN_GRANULE_BYTES, 3 * 48);
            goalloc_free(before);
            assert_int_equal(run_extent(s, 0) * RUN_GRANULE_BYTES, 32 + 3 * 48);
            goalloc_free(after);
            assert_int_equal(run_extent(s, 0), s->nelems);
        }
}

static void tiny_halves_join_before_they_coalesce(void **state) {
    (void)state;
    begin(LIST_FIRST);
    void *wall = goalloc_malloc(16);
    void *lower = goalloc_malloc(3), *upper = goalloc_malloc(8);
    assert_int_equal((char *)upper - (char *)lower, 8);
    assert_int_equal(goalloc_usable_size(lower), 8);
    struct span *s = heap_span_of((uintptr_t)lower);
    unsigned slot = run_granule(s, (uintptr_t)lower);
    goalloc_free(lower);
    assert_int_equal(run_extent(s, slot), 1); /* the other half lives */
    goalloc_free(upper);
    assert_int_equal(run_extent(s, slot), s->nelems - slot);
    /* A half that waits to be handed out keeps its block. */
    lower = goalloc_malloc(1);
    goalloc_free(lower);
    assert_int_equal(run_extent(s, slot), 1);
    upper = goalloc_malloc(1);
    assert_int_equal((uintptr_t)upper, (uintptr_t)lower + 8);
    goalloc_free(upper);
    assert_int_equal(run_extent(s, slot), s->nelems - slot);
    goalloc_free(wall);
}

/* ---- invariants */

static size_t tree_blocks(uintptr_t root, uintptr_t *last, unsigned *last_units) {
    if (root == 0)
        return 0;
    size_t n = tree_blocks(list_left(root), last, last_units);
    if (list.fit == LIST_BEST)
        assert_true(list_units(root) > *last_units || (list_units(root) == *last_units && root > *last));
    else
        assert_true(root > *last);
    *last = root;
    *last_units = list_units(root);
    uintptr_t left = list_left(root), right = list_right(root);
    assert_true(left == 0 || list_priority(left) <= list_priority(root));
    assert_true(right == 0 || list_priority(right) <= list_priority(root));
    unsigned largest = list_units(root);
    largest = list_largest(left) > largest ? list_largest(left) : largest;
    largest = list_largest(right) > largest ? list_largest(right) : largest;
    assert_int_equal(list_largest(root), largest);
    return n + 1 + tree_blocks(right, last, last_units);
}

static size_t bin_blocks(const struct place_pool *pool) {
    size_t n = 0;
    for (unsigned bin = 0; bin < LIST_BINS; bin++) {
        assert_int_equal(pool->fit.bin_bits[bin / 64] >> bin % 64 & 1, pool->fit.bins[bin] != 0);
        uintptr_t before = 0;
        for (uintptr_t block = pool->fit.bins[bin]; block != 0; before = block, block = list_right(block), n++) {
            assert_int_equal(list_bin(list_units(block)), bin);
            assert_int_equal(list_left(block), before);
        }
    }
    return n;
}

static void check_pool(void) {
    size_t blocks = 0;
    for (struct span *s = cache_self->partial[span_class_make(RUN_CLASS, true)]; s != NULL; s = s->next) {
        bool after_free = false;
        for (unsigned i = 0; i < s->nelems; i += run_extent(s, i)) {
            bool listed = !run_bit(run_live(s), i) && list_listed(s, i, run_extent(s, i));
            assert_false(listed && after_free); /* would have coalesced */
            after_free = listed;
            if (!listed)
                continue;
            blocks++;
            assert_int_equal(list_units(run_address(s, i)), run_extent(s, i) / LIST_UNIT_GRANULES);
        }
    }
    uintptr_t last = 0;
    unsigned last_units = 0;
    const struct place_pool *pool = &cache_self->pool;
    assert_int_equal(list.fit == LIST_SEGREGATED ? bin_blocks(pool) : tree_blocks(pool->fit.root, &last, &last_units),
                     blocks);
}

static void lists_and_bitmaps_agree(void **state) {
    (void)state;
    enum { N = 500, STEPS = 20000 };
    static void *p[N];
    uint64_t x = 88172645463325252u;
    for (size_t f = 0; f < 4; f++) {
        begin(all_fits[f]);
        for (int i = 0; i < STEPS; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            size_t at = x % N, size = x >> 20 & ((x >> 40 & 7) == 0 ? 0x7fff : (x >> 40 & 7) < 3 ? 15 : 0x3ff);
            if (p[at] != NULL) {
                goalloc_free(p[at]);
                p[at] = NULL;
            } else {
                p[at] =
                    (x >> 50 & 15) == 0 ? goalloc_memalign((size_t)32 << (x >> 54 & 7), size) : goalloc_malloc(size);
                assert_non_null(p[at]);
                memset(p[at], (int)at, size);
            }
            if (i % 250 == 0)
                check_pool();
        }
        for (size_t i = 0; i < N; i++) {
            goalloc_free(p[i]);
            p[i] = NULL;
        }
        check_pool();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fit_places_by_its_definition),
        cmocka_unit_test(next_fit_goes_around),
        cmocka_unit_test(small_remainders_stay_with_the_object),
        cmocka_unit_test(neighbours_coalesce_at_once),
        cmocka_unit_test(tiny_halves_join_before_they_coalesce),
        cmocka_unit_test(lists_and_bitmaps_agree),
        cmocka_unit_test(statistics_have_go_s_names),
        cmocka_unit_test(dead_halves_are_counted),
        cmocka_unit_test(frees_from_elsewhere_are_dead_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
