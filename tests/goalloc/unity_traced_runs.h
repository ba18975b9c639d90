/* SPDX-License-Identifier: MIT
 * A traced build with runs inside the test program; the test includes a place header before. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-nogc.h"
#include "tiny-off.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "cycle.h"

static const struct goalloc_type pair_type = {16, 3, NULL}, node_type = {64, 1, NULL}, big_type = {1024, 1, NULL};

/* Everything from earlier tests dies, and fresh runs serve. */
static inline void start_anew(void) {
    char message[200];
    cycle_begin();
    cycle_clear_pages();
    cycle_end();
    cycle_sweep_all();
    goalloc_purge();
    if (goalloc_check(message, sizeof message) != 0)
        fail_msg("%s", message);
}

/* One cycle after which only these live. */
static inline void keep_only(void *const *objects, size_t count) {
    cycle_begin();
    cycle_clear_pages();
    for (size_t i = 0; i < count; i++)
        cycle_mark(objects[i]);
    cycle_end();
    cycle_sweep_all();
    char message[200];
    if (goalloc_check(message, sizeof message) != 0)
        fail_msg("%s", message);
}

static inline uintptr_t run_of(const void *p) {
    return heap_span_of((uintptr_t)p)->base;
}

static inline size_t offset_of(const void *p) {
    return (uintptr_t)p - run_of(p);
}

static void a_page_ends_before_its_tail(void **state) {
    (void)state;
    start_anew();
    enum { USABLE = GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES, NODES = USABLE / 64 };
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(offset_of(goalloc_new(&node_type, 1)), i * 64);
    assert_int_equal(offset_of(goalloc_new(&node_type, 1)), GOALLOC_PAGE_BYTES);
    uintptr_t tail = run_of(goalloc_new(&node_type, 1)) + USABLE;
    assert_false(goalloc_object_of((void *)tail, &(struct goalloc_object){0}));
}

/* A size is taken twice as many at a time as before; other sizes lie between. What was not handed out when the windows close
 * is no object, and is free again. */
static void windows_take_several_at_once(void **state) {
    (void)state;
    start_anew();
    run_windows = true;
    memset(cache_self->window_states, 0, sizeof cache_self->window_states);
    char *pair = NULL, *nodes[7], *first; /* of windows of one, two and four nodes */
    for (unsigned i = 0; i < 7; i++) {
        nodes[i] = goalloc_new(&node_type, 1);
        if (i == 2)
            pair = goalloc_new(&pair_type, 1);
    }
    struct goalloc_object o;
    first = nodes[0];
    assert_ptr_equal(nodes[2], first + 2 * 64);
    assert_ptr_equal(pair, nodes[2] + 64); /* the window of two was used up when the pair came */
    assert_ptr_equal(nodes[3], pair + 16);
    assert_ptr_equal(nodes[6], nodes[3] + 3 * 64);
    char *last = goalloc_new(&node_type, 1); /* of eight */
    assert_ptr_equal(last, nodes[6] + 64);
    for (unsigned i = 0; i < 8 * 64; i++)
        assert_int_equal(last[i], 0);
    assert_true(goalloc_object_of(last + 63, &o));
    assert_int_equal(o.size_bytes, 64);
    assert_false(goalloc_object_of(last + 64, &o)); /* not handed out yet */
    struct goalloc_mem_stats stats;
    assert_true(goalloc_read_mem_stats(&stats)); /* closes them */
    assert_false(goalloc_object_of(last + 64, &o));
    char *wide = goalloc_new(&node_type, 8); /* reaches into what was free behind the window */
    assert_ptr_equal(wide, last + 64);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(wide[i], 0);
    assert_int_equal(cache_self->window_states[mcache_window_of(64, false)].objects, 1);
    void *kept[] = {first, pair, last};
    keep_only(kept, 3);
    assert_true(goalloc_object_of(last, &o));
    assert_false(goalloc_object_of(wide, &o));
}

static void kinds_have_runs_of_their_own(void **state) {
    (void)state;
    start_anew();
    char *node = goalloc_new(&node_type, 1), *bytes = goalloc_bytes(64, true), *big = goalloc_new(&big_type, 1);
    char *overflow = goalloc_bytes(runs.bytes / 2 - 100, true), *next = goalloc_new(&big_type, 1);
    void *const all[] = {node, bytes, big, overflow};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            assert_int_not_equal(run_of(all[i]), run_of(all[k]));
    assert_int_equal(offset_of(big), 8); /* behind its type */
    assert_int_equal(offset_of(next), 1040 + 8);
    struct goalloc_object o;
    assert_true(goalloc_object_of(big + 1000, &o));
    assert_int_equal(o.size_bytes, 1040);
    assert_false(o.noscan);
    assert_true(goalloc_object_of(bytes + 63, &o));
    assert_ptr_equal(o.base, bytes);
    assert_true(o.noscan);
}

static void statistics_count_objects_of_any_size(void **state) {
    (void)state;
    start_anew();
    struct goalloc_mem_stats before, after;
    assert_true(goalloc_read_mem_stats(&before));
    void *kept[2] = {goalloc_new(&node_type, 1), goalloc_bytes(1000, true)};
    goalloc_new(&pair_type, 1);
    goalloc_bytes(100, false);
    assert_true(goalloc_read_mem_stats(&after));
    assert_int_equal(after.mallocs - before.mallocs, 4);
    assert_int_equal(after.heap_alloc_bytes - before.heap_alloc_bytes, 64 + 1008 + 16 + 112);
    assert_int_equal(after.by_size[5].mallocs, GOALLOC_NA);
    keep_only(kept, 2);
    assert_true(goalloc_read_mem_stats(&after));
    assert_int_equal(after.frees - before.frees, 2);
    assert_int_equal(after.heap_objects - before.heap_objects, 2);
    assert_int_equal(after.heap_alloc_bytes - before.heap_alloc_bytes, 64 + 1008);
}
