/* SPDX-License-Identifier: MIT
 * The order in which Green Tea's queued pages come out, under each policy, and what leaves a queue that is full. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-greentea.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MANY = 1000 };

static struct gc_work work;

/* Pages in an order without order: multiples of an odd number modulo a power of two. */
static uintptr_t page_of(unsigned i) {
    return ((uintptr_t)i * 397 % 1024 + 1) * GOALLOC_PAGE_BYTES;
}

static void push_all(enum gc_queue queue, bool long_queue, unsigned count) {
    assert_true(heap_init());
    gc_settings.queue = queue;
    gc_settings.long_queue = long_queue;
    memset(&work, 0, sizeof work);
    for (unsigned i = 0; i < count; i++)
        work_push_span(&work, page_of(i));
}

static void first_in_first_out(void **state) {
    (void)state;
    push_all(GC_QUEUE_FIFO, true, MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(work_pop_span(&work), page_of(i));
    assert_int_equal(work_pop_span(&work), 0);
    assert_false(spans_any());
}

static void last_in_first_out(void **state) {
    (void)state;
    push_all(GC_QUEUE_LIFO, true, MANY);
    for (unsigned i = MANY; i-- > 0;)
        assert_int_equal(work_pop_span(&work), page_of(i));
}

static void by_address(void **state) {
    (void)state;
    push_all(GC_QUEUE_ADDRESS, true, MANY);
    uintptr_t last = 0;
    for (unsigned i = 0; i < MANY; i++) {
        uintptr_t page = work_pop_span(&work);
        assert_true(page > last);
        last = page;
        if (i == MANY / 2) { /* what comes later and lies lower is next */
            work_push_span(&work, GOALLOC_PAGE_BYTES / 2);
            assert_int_equal(work_pop_span(&work), GOALLOC_PAGE_BYTES / 2);
        }
    }
}

static void at_random_each_once(void **state) {
    (void)state;
    push_all(GC_QUEUE_RANDOM, true, MANY);
    static bool seen[1026];
    unsigned in_order = 0;
    for (unsigned i = 0; i < MANY; i++) {
        uintptr_t page = work_pop_span(&work);
        assert_false(seen[page / GOALLOC_PAGE_BYTES]);
        seen[page / GOALLOC_PAGE_BYTES] = true;
        in_order += page == page_of(i);
    }
    assert_true(in_order < MANY / 10);
}

/* Go 1.25: the older half of 256 goes to everybody, and comes back in order. */
static void a_full_queue_gives_its_older_half_away(void **state) {
    (void)state;
    push_all(GC_QUEUE_FIFO, false, GC_SPAN_RING + 1);
    assert_true(spans_any());
    assert_int_equal(work.spans.count, GC_SPAN_RING / 2 + 1);
    assert_int_equal(work_pop_span(&work), page_of(GC_SPAN_RING / 2));
    while (work_pop_span(&work) != 0)
        continue;
    assert_true(work_fetch_spans(&work));
    for (unsigned i = 0; i < GC_SPAN_RING / 2; i++)
        assert_int_equal(work_pop_span(&work), page_of(i));
    assert_false(work_fetch_spans(&work));
}

static void a_full_heap_by_address_stays_one(void **state) {
    (void)state;
    push_all(GC_QUEUE_ADDRESS, false, GC_SPAN_RING + 40);
    uintptr_t last = 0;
    for (uintptr_t page; (page = work_pop_span(&work)) != 0; last = page)
        assert_true(page > last);
    while (work_fetch_spans(&work))
        continue;
}

/* A buffer that one thread is about to take may have become a list of pages in another's hands: what is read of it then
 * is thrown away, but it is read. Seen by the thread sanitizer. */
static void *churn_buffers(void *state) {
    (void)state;
    for (unsigned i = 0; i < 20 * MANY; i++) {
        struct workbuf *pair[2] = {workbuf_empty(), workbuf_empty()};
        workbuf_put(&work_lists.empty, pair[0]);
        workbuf_put(&work_lists.empty, pair[1]);
    }
    return NULL;
}

static void buffers_change_hands_and_use(void **state) {
    (void)state;
    push_all(GC_QUEUE_FIFO, true, MANY);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, churn_buffers, NULL), 0);
    for (unsigned i = 0; i < 10 * MANY; i++) {
        work_spill_spans(&work, 16);
        work_spill_spans(&work, 16);
        while (work_fetch_spans(&work))
            continue;
    }
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(work.spans.count, MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(by_address),
        cmocka_unit_test(at_random_each_once),
        cmocka_unit_test(a_full_queue_gives_its_older_half_away),
        cmocka_unit_test(a_full_heap_by_address_stays_one),
        cmocka_unit_test(buffers_change_hands_and_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
