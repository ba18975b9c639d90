/* SPDX-License-Identifier: MIT
 * List placement in traced builds, with marks set by hand: what a sweep leaves is coalesced, and each fit takes the
 * block that its definition names. */
#include "place-list.h"
#include "unity_traced_runs.h"

/* Blocks of 64, 256 and 128 B between four nodes that stay, and what follows them. */
static void make_gaps(enum list_fit fit, void **kept) {
    start_anew(); /* reads the knobs at first */
    run_windows = false;
    list.fit = fit;
    kept[0] = goalloc_new(&node_type, 1);
    goalloc_new(&node_type, 1);
    kept[1] = goalloc_new(&node_type, 1);
    for (int i = 0; i < 4; i++) /* coalesce into one block */
        goalloc_new(&node_type, 1);
    kept[2] = goalloc_new(&node_type, 1);
    goalloc_new(&node_type, 2);
    kept[3] = goalloc_new(&node_type, 1);
    keep_only(kept, 4);
}

static void first_fit_takes_the_lowest(void **state) {
    (void)state;
    void *kept[4];
    make_gaps(LIST_FIRST, kept);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 192);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 192 + 128);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 64);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), 512);
}

static void best_fit_takes_the_smallest(void **state) {
    (void)state;
    void *kept[4];
    make_gaps(LIST_BEST, kept);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 512);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 64);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), 192);
}

static void next_fit_goes_on(void **state) {
    (void)state;
    void *kept[4];
    make_gaps(LIST_NEXT, kept);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 192);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 320);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 512);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), 704); /* behind the last that stays */
}

static void segregated_fit_takes_its_own_list(void **state) {
    (void)state;
    void *kept[4];
    make_gaps(LIST_SEGREGATED, kept);
    size_t page = offset_of(kept[0]); /* of the pages of a fresh run the one entered last */
    assert_int_equal(offset_of(goalloc_new(&node_type, 4)) - page, 192);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)) - page, 512);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)) - page, 64);
}

static void a_small_remainder_stays_with_the_object(void **state) {
    (void)state;
    void *kept[4];
    start_anew();
    list.split_bytes = 64;
    make_gaps(LIST_FIRST, kept);
    char *object = goalloc_new(&pair_type, 2); /* of the 64 B block 32 would be left */
    struct goalloc_object o;
    assert_true(goalloc_object_of(object, &o));
    assert_int_equal(o.size_bytes, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(object[i], 0);
    list.split_bytes = RUN_UNIT_BYTES;
}

static void a_run_that_cannot_serve_waits_for_the_sweep(void **state) {
    (void)state;
    void *kept[2];
    start_anew();
    run_windows = false;
    list.fit = LIST_FIRST;
    enum { NODES = (GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES) / 512 };
    size_t in_run = runs.bytes / GOALLOC_PAGE_BYTES * NODES;
    for (size_t i = 0; i < in_run; i++)
        kept[0] = goalloc_new(&node_type, 8);
    kept[1] = goalloc_new(&node_type, 8);
    assert_int_not_equal(run_of(kept[1]), run_of(kept[0]));
    /* The rests of its pages are not looked at before it has been swept. */
    assert_int_equal(run_of(goalloc_new(&pair_type, 1)), run_of(kept[1]));
    uintptr_t first = run_of(kept[0]);
    keep_only(kept, 2);
    bool seen = false;
    for (size_t i = 0; i < 2 * in_run; i++)
        seen |= run_of(goalloc_new(&node_type, 8)) == first;
    assert_true(seen);
}

/* A live object ends where a word of the bitmaps ends, and what follows it is dead. */
static void a_dead_piece_may_begin_with_a_word(void **state) {
    (void)state;
    enum { NODES = 40, LAST_OF_WORD = 64 * PLACE_GRANULE_BYTES / 64 - 1 };
    void *nodes[NODES];
    start_anew();
    for (int i = 0; i < NODES; i++)
        nodes[i] = goalloc_new(&node_type, 1);
    assert_int_equal(offset_of(nodes[LAST_OF_WORD]) % (64 * PLACE_GRANULE_BYTES), 63 * PLACE_GRANULE_BYTES - 48);
    keep_only(&nodes[LAST_OF_WORD], 1); /* and checks the heap */
    struct goalloc_object o;
    assert_true(goalloc_object_of(nodes[LAST_OF_WORD], &o));
    assert_int_equal(o.size_bytes, 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_fit_takes_the_lowest),
        cmocka_unit_test(best_fit_takes_the_smallest),
        cmocka_unit_test(next_fit_goes_on),
        cmocka_unit_test(segregated_fit_takes_its_own_list),
        cmocka_unit_test(a_small_remainder_stays_with_the_object),
        cmocka_unit_test(a_run_that_cannot_serve_waits_for_the_sweep),
        cmocka_unit_test(a_dead_piece_may_begin_with_a_word),
        cmocka_unit_test(a_page_ends_before_its_tail),
        cmocka_unit_test(windows_take_several_at_once),
        cmocka_unit_test(kinds_have_runs_of_their_own),
        cmocka_unit_test(statistics_count_objects_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
