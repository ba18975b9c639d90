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
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "list_model.h"
#include "memstats_malloc.h"

static const enum list_fit all_fits[] = {LIST_SEGREGATED, LIST_FIRST, LIST_NEXT, LIST_BEST};

/* Everything has been freed: the next request begins a fresh run. */
static void begin_with(enum list_fit fit, struct list_choice beside, size_t split_bytes) {
    setenv("GOALLOC_FIT", "first", 1); /* whose runs have the largest records */
    goalloc_free(goalloc_malloc(16));  /* reads the knobs */
    goalloc_purge();
    assert_null(cache_self->partial[span_class_make(RUN_CLASS, true)]);
    list.split_bytes = split_bytes;
    list_choose(fit, beside);
}

static void begin(enum list_fit fit) {
    begin_with(fit, (struct list_choice){0}, RUN_UNIT_BYTES);
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
        begin_with(all_fits[i], (struct list_choice){0}, 64);
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

/* Contents of an object are its owner's alone: a program may close its pages while a neighbour is freed. */
static void a_free_reads_nothing_of_its_neighbours(void **state) {
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        begin(all_fits[f]);
        char *before = goalloc_memalign(4096, 4096), *p = goalloc_malloc(48), *after = goalloc_memalign(4096, 4096);
        assert_ptr_equal(p, before + 4096);
        assert_int_equal(mprotect(before, 4096, PROT_NONE), 0);
        assert_int_equal(mprotect(after, 4096, PROT_NONE), 0);
        goalloc_free(p);
        assert_int_equal(mprotect(before, 4096, PROT_READ | PROT_WRITE), 0);
        assert_int_equal(mprotect(after, 4096, PROT_READ | PROT_WRITE), 0);
        goalloc_free(before);
        goalloc_free(after);
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

static size_t tree_blocks(uintptr_t root, unsigned bin, uintptr_t *last, unsigned *last_units) {
    if (root == 0)
        return 0;
    size_t n = tree_blocks(list_left(root), bin, last, last_units);
    assert_int_equal(list_bin(list_units(root)), bin);
    if (list.fit == LIST_BEST)
        assert_true(list_units(root) > *last_units || (list_units(root) == *last_units && root > *last));
    else
        assert_true(root > *last);
    *last = root;
    *last_units = list_units(root);
    uintptr_t left = list_left(root), right = list_right(root);
    assert_true(left == 0 || tree_priority(left) <= tree_priority(root));
    assert_true(right == 0 || tree_priority(right) <= tree_priority(root));
    return n + 1 + tree_blocks(right, bin, last, last_units);
}

static size_t list_blocks(uintptr_t head, unsigned bin) {
    size_t n = 0;
    uintptr_t before = 0;
    for (uintptr_t block = head; block != 0; before = block, block = list_right(block), n++) {
        assert_int_equal(list_bin(list_units(block)), bin);
        assert_int_equal(list_left(block), before);
    }
    return n;
}

static size_t bin_blocks(const struct fit_pool *pool) {
    size_t n = 0;
    for (unsigned bin = 0; bin < LIST_BINS; bin++) {
        uintptr_t last = 0;
        unsigned last_units = 0;
        assert_int_equal(pool->bin_bits[bin / 64] >> bin % 64 & 1, pool->bins[bin] != 0);
        n += list_is_linked() ? list_blocks(pool->bins[bin], bin)
                              : tree_blocks(pool->bins[bin], bin, &last, &last_units);
    }
    return n;
}

/* No block is larger than the bounds of its chunk, its group and its run, and every node of the tree knows its subtree's. */
static size_t address_blocks(const struct fit_run *run, const struct fit_run *parent, uintptr_t *last) {
    if (run == NULL)
        return 0;
    const struct span *s = run->span;
    size_t n = address_blocks(run->left, run, last);
    assert_ptr_equal(run->parent, parent);
    assert_true(s->base > *last);
    *last = s->base;
    unsigned below = run->largest;
    below = address_max(run->left) > below ? address_max(run->left) : below;
    below = address_max(run->right) > below ? address_max(run->right) : below;
    assert_int_equal(run->largest_below, below);
    for (unsigned chunk = 0; chunk < address_chunks(s); chunk++) {
        unsigned largest = 0;
        for (unsigned i = chunk * LIST_CHUNK_GRANULES; i < (chunk + 1) * LIST_CHUNK_GRANULES; i++)
            if (run_bit(run_starts(s), i) && list_free_at(s, i)) {
                unsigned units = run_extent(s, i) / LIST_UNIT_GRANULES;
                largest = units > largest ? units : largest;
                n++;
            }
        assert_true(largest <= run->chunks[chunk]);
        assert_true(largest <= run->groups[chunk / LIST_GROUP_CHUNKS]);
        assert_true(largest <= run->largest);
    }
    return n + address_blocks(run->right, run, last);
}

static void check_pool(void) {
    size_t blocks = 0;
    struct fit_pool *pool = &cache_self->pool.fit;
    cache_lock_lists(cache_self);
    pool_coalesce_all(&cache_self->pool.fit);
    cache_unlock_lists(cache_self);
    for (struct span *s = cache_self->partial[span_class_make(RUN_CLASS, true)]; s != NULL; s = s->next) {
        bool after_free = false;
        for (unsigned i = 0; i < s->nelems; i += run_extent(s, i)) {
            bool free = list_free_at(s, i);
            assert_false(free && after_free); /* would have coalesced */
            after_free = free;
            if (!free)
                continue;
            unsigned units = run_extent(s, i) / LIST_UNIT_GRANULES;
            assert_int_equal(list_units_of(pool, s, i), units);
            blocks += run_address(s, i) != pool->wild;
        }
    }
    uintptr_t last = 0;
    assert_int_equal(list_by_address() ? address_blocks(pool->runs, NULL, &last) : bin_blocks(pool), blocks);
}

/* Each fit, and what can be chosen beside it. */
static const struct choice {
    enum list_fit fit;
    struct list_choice beside; /* deferred, address order, powers */
    size_t split_bytes;
} choices[] = {
    {LIST_SEGREGATED, {0, 0, 0}, 16}, {LIST_FIRST, {0, 0, 0}, 16},      {LIST_NEXT, {0, 0, 0}, 16},
    {LIST_BEST, {0, 0, 0}, 16},       {LIST_SEGREGATED, {0, 1, 0}, 16}, {LIST_SEGREGATED, {0, 0, 0}, 64},
    {LIST_FIRST, {0, 0, 0}, 64},      {LIST_NEXT, {0, 0, 0}, 256},      {LIST_BEST, {0, 0, 0}, 4096},
    {LIST_SEGREGATED, {1, 0, 0}, 16}, {LIST_SEGREGATED, {1, 1, 0}, 16}, {LIST_FIRST, {1, 0, 0}, 16},
    {LIST_NEXT, {1, 0, 0}, 64},       {LIST_BEST, {1, 0, 0}, 16},       {LIST_SEGREGATED, {0, 0, 1}, 16},
    {LIST_SEGREGATED, {1, 0, 1}, 16}, {LIST_SEGREGATED, {0, 1, 1}, 64},
};
enum { CHOICES = sizeof choices / sizeof choices[0], OBJECTS = 500 };

static void begin_choice(const struct choice *c) {
    begin_with(c->fit, c->beside, c->split_bytes);
}

static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

static void lists_and_bitmaps_agree(void **state) {
    (void)state;
    enum { STEPS = 20000 };
    static void *p[OBJECTS];
    uint64_t random = 88172645463325252u;
    for (size_t f = 0; f < CHOICES; f++) {
        begin_choice(&choices[f]);
        for (int i = 0; i < STEPS; i++) {
            uint64_t x = next_random(&random);
            size_t at = x % OBJECTS, size = x >> 20 & ((x >> 40 & 7) == 0 ? 0x7fff : (x >> 40 & 7) < 3 ? 15 : 0x3ff);
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
        for (size_t i = 0; i < OBJECTS; i++) {
            goalloc_free(p[i]);
            p[i] = NULL;
        }
        check_pool();
    }
}

/* The environment's LIST_MODEL_STEPS sets the number of steps of all choices together. */
static void the_model_takes_the_same_blocks(void **state) {
    (void)state;
    const char *wanted = getenv("LIST_MODEL_STEPS");
    size_t steps = (wanted != NULL ? strtoull(wanted, NULL, 10) : 90000) / 9;
    static uint64_t *p[OBJECTS];
    uint64_t random = 2463534242u;
    for (size_t f = 0; f < CHOICES; f++) {
        if (choices[f].beside.deferred) /* what waits is not where a definition looks */
            continue;
        begin_choice(&choices[f]);
        memset(&model, 0, sizeof model);
        for (size_t i = 0; i < steps; i++) {
            uint64_t x = next_random(&random);
            /* The heap grows and shrinks, so that runs come and go. */
            size_t objects = i / 1000 % 2 == 0 ? OBJECTS : OBJECTS / 20, at = x % OBJECTS;
            if (p[at] != NULL || at < objects)
                model_step(&p[at], x);
            if (i % 500 == 0)
                model_expect_bitmaps();
        }
        for (size_t i = 0; i < OBJECTS; i++)
            if (p[i] != NULL)
                model_step(&p[i], 0);
        model_expect_bitmaps();
    }
}

/* Objects of all sizes die in no order: where the last of a run dies, what waits there for its size coalesces. */
static void what_waits_keeps_no_run(void **state) {
    (void)state;
    enum { OBJECTS_OF_ALL_SIZES = 20000 };
    static void *p[OBJECTS_OF_ALL_SIZES];
    uint64_t random = 88172645463325252u;
    begin_with(LIST_SEGREGATED, (struct list_choice){.deferred = true}, RUN_UNIT_BYTES);
    for (size_t i = 0; i < OBJECTS_OF_ALL_SIZES; i++)
        assert_non_null(p[i] = goalloc_malloc(1 + next_random(&random) % 1000));
    for (size_t left = OBJECTS_OF_ALL_SIZES; left > 0; left--) {
        size_t at = next_random(&random) % left;
        goalloc_free(p[at]);
        p[at] = p[left - 1];
    }
    unsigned runs_left = 0;
    for (struct span *s = cache_self->partial[span_class_make(RUN_CLASS, true)]; s != NULL; s = s->next)
        runs_left++;
    assert_in_range(runs_left, 1, CACHE_EMPTY_PAGES * GOALLOC_PAGE_BYTES / runs.bytes);
}

/* Deferred: a dead half is handed out next, and is free with the other half when the run goes. */
static void a_dead_half_waits_for_the_next_request(void **state) {
    (void)state;
    begin_with(LIST_SEGREGATED, (struct list_choice){.deferred = true}, RUN_UNIT_BYTES);
    void *lower = goalloc_malloc(3), *upper = goalloc_malloc(3);
    assert_int_equal((uintptr_t)lower + 8, (uintptr_t)upper);
    goalloc_free(lower);
    assert_ptr_equal(goalloc_malloc(8), lower);
    goalloc_free(upper);
    goalloc_free(lower); /* joins nothing: the upper half waits */
    assert_int_equal(cache_self->pool.pending, (uintptr_t)upper);
    begin(LIST_SEGREGATED); /* no run is left */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fit_places_by_its_definition),
        cmocka_unit_test(next_fit_goes_around),
        cmocka_unit_test(small_remainders_stay_with_the_object),
        cmocka_unit_test(neighbours_coalesce_at_once),
        cmocka_unit_test(a_free_reads_nothing_of_its_neighbours),
        cmocka_unit_test(tiny_halves_join_before_they_coalesce),
        cmocka_unit_test(lists_and_bitmaps_agree),
        cmocka_unit_test(the_model_takes_the_same_blocks),
        cmocka_unit_test(what_waits_keeps_no_run),
        cmocka_unit_test(a_dead_half_waits_for_the_next_request),
        cmocka_unit_test(statistics_have_go_s_names),
        cmocka_unit_test(dead_halves_are_counted),
        cmocka_unit_test(frees_from_elsewhere_are_dead_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
