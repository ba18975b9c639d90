/* SPDX-License-Identifier: MIT
 *
 * A hand-computed case of the malloc ABI under every placement. Include a unity header before this.
 */
#ifndef TESTS_MEMSTATS_MALLOC_H
#define TESTS_MEMSTATS_MALLOC_H

#include "memstats_parts.h"

/* Operations are not counted; what is live is seen on a walk. */
static void statistics_have_go_s_names(void **state) {
    (void)state;
    struct goalloc_mem_stats before = mem_stats_now();
    void *small[10], *large = goalloc_malloc(200 * 1024);
    for (int i = 0; i < 10; i++)
        small[i] = goalloc_malloc(256);
    struct goalloc_mem_stats now = mem_stats_now();
    assert_int_equal(now.heap_objects - before.heap_objects, 11);
    assert_int_equal(now.heap_alloc_bytes - before.heap_alloc_bytes, 10 * 256 + 25 * GOALLOC_PAGE_BYTES);
    assert_int_equal(now.mallocs, GOALLOC_NA);
    assert_false(goalloc_read_metric("/gc/heap/allocs:bytes", &now.mallocs, 1));
    expect_parts_to_add_up();
    goalloc_free(large);
    for (int i = 0; i < 10; i++)
        goalloc_free(small[i]);
    assert_int_equal(mem_stats_now().heap_alloc_bytes, before.heap_alloc_bytes);
    expect_parts_to_add_up();
}

static uint64_t dead_bytes_now(void) {
    uint64_t counters[GOALLOC_COUNTERS];
    goalloc_counters(counters);
    assert_int_equal(counters[0] + counters[1] + counters[2] + counters[3] + counters[4] + counters[8], counters[5]);
    return counters[8];
}

/* Two requests of 3 B share a block; a dead half serves nobody before the other dies. */
static void dead_halves_are_counted(void **state) {
    (void)state;
    void *keep[2] = {goalloc_malloc(3), NULL}, *pair[2];
    if (((uintptr_t)keep[0] & 8) == 0)
        keep[1] = goalloc_malloc(3); /* the pair begins a block */
    uint64_t before = dead_bytes_now();
    pair[0] = goalloc_malloc(3);
    pair[1] = goalloc_malloc(3);
    assert_int_equal((uintptr_t)pair[0] / 16, (uintptr_t)pair[1] / 16);
    assert_int_equal(dead_bytes_now() - before, 0);
    goalloc_free(pair[0]);
    assert_int_equal(dead_bytes_now() - before, 8);
    goalloc_free(pair[1]);
    assert_true(dead_bytes_now() <= before + 16); /* linear does not use it again yet */
    goalloc_free(keep[0]);
    goalloc_free(keep[1]);
}

enum { DEAD_OBJECTS = 100, DEAD_FREED = 10 };

static void *free_some(void *objects) {
    for (int i = 0; i < DEAD_FREED; i++)
        goalloc_free(((void **)objects)[i * 3 + 1]);
    return NULL;
}

/* What another thread frees is nobody's before the owner comes by. */
static void frees_from_elsewhere_are_dead_at_first(void **state) {
    (void)state;
    void *objects[DEAD_OBJECTS];
    pthread_t thread;
    for (int i = 0; i < DEAD_OBJECTS; i++)
        objects[i] = goalloc_malloc(256);
    uint64_t before = dead_bytes_now();
    assert_int_equal(pthread_create(&thread, NULL, free_some, objects), 0);
    pthread_join(thread, NULL);
    assert_int_equal(dead_bytes_now() - before, DEAD_FREED * 256);
    for (int i = 0; i < DEAD_OBJECTS; i++)
        if (i % 3 != 1 || i / 3 >= DEAD_FREED)
            goalloc_free(objects[i]);
    dead_bytes_now();
}

#endif
