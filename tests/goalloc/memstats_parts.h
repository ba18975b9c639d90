/* SPDX-License-Identifier: MIT
 *
 * The statistics under Go's names against one another. Include a unity header before this.
 */
#ifndef TESTS_MEMSTATS_PARTS_H
#define TESTS_MEMSTATS_PARTS_H

static uint64_t metric_of(const char *key) {
    uint64_t value;
    if (!goalloc_read_metric(key, &value, 1))
        fail_msg("there is no metric %s", key);
    return value;
}

static struct goalloc_mem_stats mem_stats_now(void) {
    struct goalloc_mem_stats stats;
    assert_true(goalloc_read_mem_stats(&stats));
    return stats;
}

/* What Go's documentation says is a sum is one, whichever side it is read from. */
static void expect_parts_to_add_up(void) {
    struct goalloc_mem_stats s = mem_stats_now();
    assert_int_equal(s.heap_sys_bytes, s.heap_inuse_bytes + s.heap_idle_bytes);
    assert_int_equal(s.heap_inuse_bytes, heap.pages_in_use * GOALLOC_PAGE_BYTES);
    assert_true(s.heap_alloc_bytes <= s.heap_inuse_bytes && s.heap_released_bytes <= s.heap_idle_bytes);
    assert_int_equal(s.sys_bytes,
                     s.heap_sys_bytes + s.mspan_sys_bytes + s.mcache_sys_bytes + s.gc_sys_bytes + s.other_sys_bytes);
    assert_true(s.mspan_inuse_bytes <= s.mspan_sys_bytes && s.mcache_inuse_bytes <= s.mcache_sys_bytes);
    uint64_t classes = 0;
    for (size_t i = 0; goalloc_metric_name(i) != NULL; i++) {
        const char *name = goalloc_metric_name(i);
        if (strncmp(name, "/memory/classes/", 16) == 0 && strcmp(name, "/memory/classes/total:bytes") != 0)
            classes += metric_of(name);
    }
    assert_int_equal(classes, metric_of("/memory/classes/total:bytes"));
    assert_int_equal(classes, s.sys_bytes);
    assert_int_equal(metric_of("/memory/classes/heap/objects:bytes") + metric_of("/memory/classes/heap/unused:bytes"),
                     s.heap_inuse_bytes);
    assert_int_equal(metric_of("/gc/heap/objects:objects"), s.heap_objects);
}

#endif
