/* SPDX-License-Identifier: MIT
 * Linear placement in traced builds, with marks set by hand: the pointer only goes up, a run comes back when all of it
 * is dead, and with holes line by line. */
#include "place-linear.h"
#include "unity_traced_runs.h"

enum { PAGE = GOALLOC_PAGE_BYTES, LINE = 128 };

static void requests_follow_each_other(void **state) {
    (void)state;
    start_anew();
    run_windows = false;
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 0);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 3)), 16); /* an array of three */
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), 64);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 128);
    assert_int_equal(offset_of(goalloc_new(&node_type, 8)), 144);
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 144 + 512);
}

static void what_a_page_cannot_hold_begins_the_next(void **state) {
    (void)state;
    start_anew();
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(offset_of(goalloc_new(&node_type, 8)), i * 512);
    assert_int_equal(offset_of(goalloc_new(&node_type, 7)), PAGE); /* 384 B are left, 448 asked for */
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), PAGE + 448);
}

static void a_run_goes_on_where_it_stopped_and_comes_back_when_dead(void **state) {
    (void)state;
    lines_set(false, LINES_OF_128);
    start_anew();
    void *kept[1] = {goalloc_new(&node_type, 1)};
    goalloc_new(&node_type, 1);
    uintptr_t run = run_of(kept[0]);
    keep_only(kept, 1);
    char *after = goalloc_new(&node_type, 1);
    assert_int_equal(run_of(after), run);
    assert_int_equal(offset_of(after), 128); /* not where the dead one was */
    size_t pages = heap.pages_in_use;
    keep_only(NULL, 0);
    assert_int_equal(heap.pages_in_use, pages - runs.bytes / PAGE);
}

static void dead_lines_serve_with_holes(void **state) {
    (void)state;
    lines_set(true, LINES_OF_128);
    start_anew();
    run_windows = false;
    enum { NODES = (PAGE - INLINE_MARKS_BYTES) / 64 };
    void *nodes[NODES], *kept[3];
    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = goalloc_new(&node_type, 1);
    /* Lines 0, 3 and 5 keep one node each; line 4 is whole between them. */
    kept[0] = nodes[1], kept[1] = nodes[6], kept[2] = nodes[11];
    keep_only(kept, 3);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), 1 * LINE);
    assert_int_equal(offset_of(goalloc_new(&node_type, 3)), 1 * LINE + 64); /* to the end of line 2 */
    assert_int_equal(offset_of(goalloc_new(&pair_type, 1)), 4 * LINE);
    assert_int_equal(offset_of(goalloc_new(&node_type, 2)), 6 * LINE); /* 112 B of line 4 are too few */
    struct goalloc_object o;
    assert_true(goalloc_object_of((char *)kept[2] + 8, &o));
    assert_ptr_equal(o.base, kept[2]);
    assert_int_equal(o.size_bytes, 64);
    assert_false(goalloc_object_of(nodes[0], &o));
    lines_set(false, LINES_OF_128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_follow_each_other),
        cmocka_unit_test(what_a_page_cannot_hold_begins_the_next),
        cmocka_unit_test(a_page_ends_before_its_tail),
        cmocka_unit_test(windows_take_several_at_once),
        cmocka_unit_test(kinds_have_runs_of_their_own),
        cmocka_unit_test(statistics_count_objects_of_any_size),
        cmocka_unit_test(a_run_goes_on_where_it_stopped_and_comes_back_when_dead),
        cmocka_unit_test(dead_lines_serve_with_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
