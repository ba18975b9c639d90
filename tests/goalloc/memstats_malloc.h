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

#endif
