/* SPDX-License-Identifier: MIT
 * Statistics of traced builds: a hand-computed case, the sum of the parts, and that frees count once they are swept. */
#include "unity_traced.h"

#include "cycle.h"
#include "memstats_parts.h"

static const struct goalloc_type pointers_100 = {96, 1, NULL};

static void a_hand_computed_case(void **state) {
    (void)state;
    struct goalloc_mem_stats before = mem_stats_now();
    for (int i = 0; i < 3; i++)
        goalloc_bytes(60, true); /* class 6: 64 B */
    for (int i = 0; i < 5; i++)
        goalloc_bytes(1, true);    /* one 16 B block, four more requests in it */
    goalloc_new(&pointers_100, 1); /* class 8: 96 B */
    goalloc_bytes(40000, true);    /* five pages */
    struct goalloc_mem_stats after = mem_stats_now();
    assert_int_equal(after.heap_alloc_bytes - before.heap_alloc_bytes, 3 * 64 + 16 + 96 + 5 * GOALLOC_PAGE_BYTES);
    assert_int_equal(after.total_alloc_bytes - before.total_alloc_bytes, 3 * 64 + 16 + 96 + 5 * GOALLOC_PAGE_BYTES);
    assert_int_equal(after.heap_objects - before.heap_objects, 6);
    assert_int_equal(after.mallocs - before.mallocs, 6 + 4);
    assert_int_equal(after.frees - before.frees, 4);
    assert_int_equal(after.by_size[6].size, 64);
    assert_int_equal(after.by_size[6].mallocs - before.by_size[6].mallocs, 3);
    assert_int_equal(after.by_size[2].mallocs - before.by_size[2].mallocs, 1);
    assert_int_equal(after.by_size[8].mallocs - before.by_size[8].mallocs, 1);
    assert_int_equal(after.heap_inuse_bytes - before.heap_inuse_bytes, (5 + 3) * GOALLOC_PAGE_BYTES);
    expect_parts_to_add_up();
}

static void frees_count_when_they_are_swept(void **state) {
    (void)state;
    static uint64_t buckets[GOALLOC_SIZE_BUCKETS], later[GOALLOC_SIZE_BUCKETS];
    cycle_begin();
    cycle_end();
    cycle_sweep_all();
    assert_int_equal(mem_stats_now().heap_objects, 0);
    for (int i = 0; i < 100; i++)
        goalloc_bytes(64, true);
    assert_true(goalloc_read_metric("/gc/heap/frees-by-size:bytes", buckets, GOALLOC_SIZE_BUCKETS));
    assert_int_equal(mem_stats_now().heap_objects, 100);
    cycle_begin();
    cycle_end();
    assert_true(goalloc_read_metric("/gc/heap/frees-by-size:bytes", later, GOALLOC_SIZE_BUCKETS));
    assert_int_equal(later[5], buckets[5]);
    cycle_sweep_all();
    assert_true(goalloc_read_metric("/gc/heap/frees-by-size:bytes", later, GOALLOC_SIZE_BUCKETS));
    assert_int_equal(later[5] - buckets[5], 100);
    assert_int_equal(mem_stats_now().heap_objects, 0);
    expect_parts_to_add_up();
}

static void *use_and_leave(void *arg) {
    (void)arg;
    goalloc_thread_attach();
    for (int i = 0; i < 1000; i++)
        goalloc_bytes(128, false);
    goalloc_thread_detach();
    return NULL;
}

/* A thread's counts stay when it goes. */
static void threads_that_left_are_counted(void **state) {
    (void)state;
    struct goalloc_mem_stats before = mem_stats_now();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_and_leave, NULL), 0);
        pthread_join(thread, NULL);
    }
    struct goalloc_mem_stats after = mem_stats_now();
    assert_int_equal(after.mallocs - before.mallocs, 3000);
    assert_int_equal(after.mcache_inuse_bytes, before.mcache_inuse_bytes);
    expect_parts_to_add_up();
}

static void what_there_is_not_is_refused(void **state) {
    (void)state;
    uint64_t values[2];
    assert_false(goalloc_read_metric("/gc/heap/nothing:bytes", values, 1));
    assert_false(goalloc_read_metric("/gc/heap/allocs:bytes", values, 2));
    assert_false(goalloc_read_metric("/gc/heap/allocs-by-size:bytes", values, 1));
    assert_null(goalloc_metric_name(1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_computed_case),
        cmocka_unit_test(frees_count_when_they_are_swept),
        cmocka_unit_test(threads_that_left_are_counted),
        cmocka_unit_test(what_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
