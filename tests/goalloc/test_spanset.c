/* SPDX-License-Identifier: MIT
 * spanset: first in, first out for one thread; for several, every span that was pushed is popped exactly once. */
#include "unity_traced.h"

#include "dies.h"

enum { THREADS = 4, EACH = 6000 };

static struct span *new_span(void) {
    struct span *s = fixalloc_take(&span_records);
    assert_non_null(s);
    return s;
}

static void push(struct spanset *set, struct span *s, struct spanset_block **spare) {
    assert_true(spanset_prepare(set, spare));
    spanset_push(set, s, spare);
}

static void empty_gives_nothing(void **state) {
    (void)state;
    struct spanset set = {0};
    assert_null(spanset_pop(&set));
    assert_int_equal(spanset_count(&set), 0);
    spanset_reset(&set);
}

/* Across blocks, and across a spine that had to grow. */
static void first_in_first_out(void **state) {
    (void)state;
    struct spanset set = {0};
    struct spanset_block *spare = NULL;
    const size_t n = (size_t)SPANSET_BLOCK_SPANS * SPANSET_FIRST_SPINE + 1000;
    static struct span *spans[SPANSET_BLOCK_SPANS * SPANSET_FIRST_SPINE + 1000];
    for (size_t i = 0; i < n; i++) {
        spans[i] = i < 3000 ? new_span() : spans[i % 3000];
        push(&set, spans[i], &spare);
    }
    assert_int_equal(spanset_count(&set), n);
    assert_true(set.spine_capacity > SPANSET_FIRST_SPINE);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(spanset_pop(&set), spans[i]);
    assert_null(spanset_pop(&set));
    spanset_reset(&set);
}

/* Cycle after cycle the same blocks serve. */
static void blocks_are_recycled(void **state) {
    (void)state;
    struct spanset set = {0};
    struct spanset_block *spare = NULL;
    struct span *s = new_span();
    size_t in_use_bytes = 0;
    for (unsigned cycle = 0; cycle < 20; cycle++) {
        for (unsigned i = 0; i < SPANSET_BLOCK_SPANS * 2 + 17 * cycle; i++)
            push(&set, s, &spare);
        while (spanset_pop(&set) != NULL)
            continue;
        spanset_reset(&set);
        if (cycle > 0)
            assert_int_equal(spanset_blocks.in_use_bytes, in_use_bytes);
        in_use_bytes = spanset_blocks.in_use_bytes;
    }
}

static void reset_early(void) {
    static struct spanset set;
    struct spanset_block *spare = NULL;
    push(&set, new_span(), &spare);
    spanset_reset(&set);
}
static void pop_of_no_span(void) {
    static struct spanset set;
    struct spanset_block *spare = NULL;
    push(&set, (struct span *)0x1230, &spare);
    spanset_pop(&set);
}

static void misuse_dies(void **state) {
    (void)state;
    static const struct dying dyings[] = {
        {reset_early, "a set of 1 spans that the collector believes empty"},
        {pop_of_no_span, "corrupted set of spans: it leads to 0x1230"},
    };
    expect_deaths(dyings, sizeof dyings / sizeof dyings[0]);
}

/* ---- threads: each pushes its own spans and pops anybody's */

static struct spanset shared;
static uint32_t popped_in_all;

static void count_pop(struct span *s) {
    assert_int_equal(s->npages, 7); /* what the pusher wrote is there */
    s->npages = 8;
    __atomic_fetch_add(&popped_in_all, 1, __ATOMIC_RELAXED);
}

static void *push_and_pop(void *arg) {
    struct span **mine = arg;
    struct spanset_block *spare = NULL;
    for (unsigned i = 0; i < EACH; i++) {
        mine[i]->npages = 7;
        push(&shared, mine[i], &spare);
        struct span *s = i % 3 != 0 ? spanset_pop(&shared) : NULL;
        if (s != NULL)
            count_pop(s);
    }
    return NULL;
}

static void each_span_is_popped_once(void **state) {
    (void)state;
    static struct span *spans[THREADS][EACH];
    pthread_t threads[THREADS];
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < EACH; i++)
            spans[t][i] = new_span();
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, push_and_pop, spans[t]), 0);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (struct span *s; (s = spanset_pop(&shared)) != NULL;)
        count_pop(s);
    assert_int_equal(popped_in_all, THREADS * EACH);
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < EACH; i++)
            assert_int_equal(spans[t][i]->npages, 8);
    spanset_reset(&shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_gives_nothing),      cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(blocks_are_recycled),      cmocka_unit_test(misuse_dies),
        cmocka_unit_test(each_span_is_popped_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
