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

enum { MANY = 1000, WINDOW_PAGES = 4096 };

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
    span_queues.free = NULL;
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

/* Where the sets of pages lie; nothing in it is ever read or written. */
static void open_window(void) {
    static uint8_t classes[WINDOW_PAGES];
    assert_true(heap_init());
    heap.arenas.page_classes = classes;
    heap.arenas.window_pages = WINDOW_PAGES;
    span_queues.free = NULL;
}

static void by_address(void **state) {
    (void)state;
    open_window();
    push_all(GC_QUEUE_ADDRESS, true, MANY);
    for (unsigned i = 0; i < SPANS_LINE; i++)
        assert_int_equal(work_pop_span(&work), page_of(i)); /* nothing else waited when they came */
    uintptr_t last = 0;
    for (unsigned i = SPANS_LINE; i < MANY; i++) {
        uintptr_t page = work_pop_span(&work);
        assert_true(page > last);
        last = page;
    }
    assert_int_equal(work_pop_span(&work), 0);
}

static void what_lies_lower_is_next(void **state) {
    (void)state;
    open_window();
    push_all(GC_QUEUE_ADDRESS, true, MANY);
    for (unsigned i = 0; i < MANY / 2; i++)
        work_pop_span(&work);
    work_push_span(&work, 7); /* page 0, for its slot 7 */
    unsigned behind = 0;
    while (work_pop_span(&work) != 7)
        behind++;
    assert_int_equal(behind, SPANS_LINE);
}

/* From page `at` on, these pages are found; in which order do they come? */
static void lap(size_t at, bool down, const unsigned *pages, const unsigned *order, unsigned count) {
    push_all(GC_QUEUE_LAPS, true, 0);
    struct span_queue *q = spans_own(&work);
    q->at = at;
    q->down = down;
    for (unsigned i = 0; i < count; i++)
        spans_to_set(q, (uintptr_t)pages[i] * GOALLOC_PAGE_BYTES);
    q->count = count;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(work_pop_span(&work) / GOALLOC_PAGE_BYTES, order[i]);
    assert_int_equal(work_pop_span(&work), 0);
    work_give_up_spans(&work);
}

static void a_lap_goes_on_and_around(void **state) {
    (void)state;
    open_window();
    lap(400, false, (unsigned[]){900, 20, 500, 120, 505}, (unsigned[]){500, 505, 900, 20, 120}, 5);
    lap(503, true, (unsigned[]){20, 900, 500, 120, 120 + 1}, (unsigned[]){500, 121, 120, 20, 900}, 5);
}

static void a_lap_turns_back_a_little(void **state) {
    (void)state;
    open_window();
    lap(400, false, (unsigned[]){410, 400 - SPANS_BACK, 399 - SPANS_BACK},
        (unsigned[]){400 - SPANS_BACK, 410, 399 - SPANS_BACK}, 3);
    lap(400, true, (unsigned[]){390, 400 + SPANS_BACK, 401 + SPANS_BACK},
        (unsigned[]){400 + SPANS_BACK, 390, 401 + SPANS_BACK}, 3);
}

static void the_next_lap_goes_where_most_pointers_led(void **state) {
    (void)state;
    open_window();
    /* All lie below: nothing ahead, and the way down is the better one. */
    lap(900, false, (unsigned[]){10, 300, 20}, (unsigned[]){300, 20, 10}, 3);
    lap(5, true, (unsigned[]){500, 300, 400}, (unsigned[]){300, 400, 500}, 3);
}

static void a_set_of_pages_is_one(void **state) {
    (void)state;
    enum { PAGES = 70000, ROUNDS = 200000 };
    static uint16_t slots[PAGES]; /* 0: not in the set */
    struct pageset set;
    uint64_t random = 1;
    assert_true(heap_init());
    assert_true(pageset_init(&set, PAGES));
    assert_int_equal(pageset_above(&set, 0), SIZE_MAX);
    assert_int_equal(pageset_below(&set, PAGES - 1), SIZE_MAX);
    size_t count = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        /* Clusters, so that whole words and levels fill and empty. */
        size_t page = (random >> 33) % (i / 1000 % 2 == 0 ? PAGES : 300), above = page, below = page;
        if (slots[page] == 0) {
            slots[page] = (uint16_t)(i % 511 + 1);
            pageset_add(&set, page, slots[page]);
            count++;
        } else {
            assert_int_equal(set.slots[page], slots[page]);
            pageset_remove(&set, page);
            slots[page] = 0;
            count--;
        }
        assert_int_equal(set.count, count);
        if (i % 50 != 0)
            continue;
        while (above < PAGES && slots[above] == 0)
            above++;
        while (below != SIZE_MAX && slots[below] == 0)
            below--;
        assert_int_equal(pageset_above(&set, page), above == PAGES ? SIZE_MAX : above);
        assert_int_equal(pageset_below(&set, page), below);
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
    assert_int_equal(work_spans_count(&work), GC_SPAN_RING / 2 + 1);
    assert_int_equal(work_pop_span(&work), page_of(GC_SPAN_RING / 2));
    while (work_pop_span(&work) != 0)
        continue;
    assert_true(work_fetch_spans(&work));
    for (unsigned i = 0; i < GC_SPAN_RING / 2; i++)
        assert_int_equal(work_pop_span(&work), page_of(i));
    assert_false(work_fetch_spans(&work));
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
    assert_int_equal(work_spans_count(&work), MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(by_address),
        cmocka_unit_test(what_lies_lower_is_next),
        cmocka_unit_test(a_lap_goes_on_and_around),
        cmocka_unit_test(a_lap_turns_back_a_little),
        cmocka_unit_test(the_next_lap_goes_where_most_pointers_led),
        cmocka_unit_test(a_set_of_pages_is_one),
        cmocka_unit_test(at_random_each_once),
        cmocka_unit_test(a_full_queue_gives_its_older_half_away),
        cmocka_unit_test(buffers_change_hands_and_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
