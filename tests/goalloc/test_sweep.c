/* SPDX-License-Identifier: MIT
 * Sweeping, with a test that marks by hand in place of a collector: what is not marked is free afterwards and handed
 * out again, what is marked stays; by whichever road a span is swept. */
#include "unity_traced.h"

#include "cycle.h"
#include "dies.h"

struct node {
    struct node *next;
    uint64_t value[7];
};
static const struct goalloc_type node_type = {sizeof(struct node), 1, NULL};
enum { NODES_PER_SPAN = (GOALLOC_PAGE_BYTES - HEAP_BITS_BYTES) / sizeof(struct node) };

static void expect_sound(void) {
    char message[200];
    int broken = goalloc_check(message, sizeof message);
    if (broken != 0)
        fail_msg("%d broken invariants: %s", broken, message);
}

/* Everything from earlier tests dies. */
static void start_anew(void) {
    cycle_begin();
    cycle_clear_pages();
    cycle_end();
    cycle_sweep_all();
    expect_sound();
}

static struct goalloc_mem_stats stats_now(void) {
    struct goalloc_mem_stats stats;
    assert_true(goalloc_read_mem_stats(&stats));
    return stats;
}

static void unmarked_spans_go_back(void **state) {
    (void)state;
    start_anew();
    size_t pages = heap.pages_in_use;
    for (int i = 0; i < 10 * NODES_PER_SPAN; i++)
        goalloc_new(&node_type, 1);
    assert_int_equal(heap.pages_in_use, pages + 10);
    cycle_begin();
    cycle_end();
    cycle_sweep_all();
    assert_int_equal(heap.pages_in_use, pages);
    assert_int_equal(stats_now().heap_objects, 0);
    expect_sound();
}

static void marked_objects_stay_and_the_others_are_reused(void **state) {
    (void)state;
    start_anew();
    static struct node *nodes[5 * NODES_PER_SPAN];
    for (int i = 0; i < 5 * NODES_PER_SPAN; i++) {
        nodes[i] = goalloc_new(&node_type, 1);
        nodes[i]->value[0] = (uint64_t)i;
    }
    cycle_begin();
    for (int i = 0; i < 5 * NODES_PER_SPAN; i += 3)
        cycle_mark(nodes[i]);
    cycle_end();
    cycle_sweep_all();
    expect_sound();
    size_t pages = heap.pages_in_use, reused = 0;
    for (struct node *n; n = goalloc_new(&node_type, 1), heap.pages_in_use == pages; reused++) {
        assert_int_equal(n->value[0], 0); /* zeroed: the slot was used before */
        n->value[0] = UINT64_MAX;
    }
    assert_int_equal(reused, 5 * NODES_PER_SPAN - (5 * NODES_PER_SPAN + 2) / 3);
    for (int i = 0; i < 5 * NODES_PER_SPAN; i += 3)
        assert_int_equal(nodes[i]->value[0], i);
}

static void large_objects_are_swept(void **state) {
    (void)state;
    start_anew();
    char *dead = goalloc_bytes(1 << 20, true), *live = goalloc_bytes(1 << 20, true);
    memset(live, 7, 1 << 20);
    struct goalloc_mem_stats before = stats_now();
    cycle_begin();
    cycle_mark(live);
    cycle_end();
    cycle_sweep_all();
    struct goalloc_mem_stats after = stats_now();
    assert_int_equal(before.heap_alloc_bytes - after.heap_alloc_bytes, 1 << 20);
    assert_int_equal(after.frees - before.frees, 1);
    assert_false(goalloc_object_of(dead, &(struct goalloc_object){0}));
    assert_int_equal(live[(1 << 20) - 1], 7);
    expect_sound();
}

/* Allocating sweeps spans of its own class first, before it takes pages. */
static void allocation_sweeps_what_it_needs(void **state) {
    (void)state;
    start_anew();
    for (int i = 0; i < 20 * NODES_PER_SPAN; i++)
        goalloc_new(&node_type, 1);
    cycle_begin();
    cycle_end();
    size_t pages = heap.pages_in_use, swept = sweep.pages_swept; /* the cached span is */
    for (int i = 0; i < 10 * NODES_PER_SPAN; i++)
        goalloc_new(&node_type, 1);
    assert_int_equal(heap.pages_in_use, pages);
    assert_false(sweep_done());
    assert_int_equal(sweep.pages_swept - swept, 10);
    cycle_sweep_all();
    assert_true(sweep_done());
}

/* Go mcentral.go:119: after the budget of spans without a free slot it takes pages. */
static void the_budget_ends_the_search(void **state) {
    (void)state;
    start_anew();
    static struct node *nodes[300 * NODES_PER_SPAN];
    for (int i = 0; i < 300 * NODES_PER_SPAN; i++)
        nodes[i] = goalloc_new(&node_type, 1);
    cycle_begin();
    for (int i = 0; i < 300 * NODES_PER_SPAN; i++)
        cycle_mark(nodes[i]);
    cycle_end();
    size_t pages = heap.pages_in_use, swept = sweep.pages_swept; /* the cached span is */
    goalloc_new(&node_type, 1);
    assert_int_equal(heap.pages_in_use, pages + 1);
    assert_int_equal(sweep.pages_swept - swept, MCENTRAL_SWEEP_BUDGET + 1);
    cycle_sweep_all();
}

/* Pages are wanted: spans of any class that hold nothing give theirs back first (Go mheap.go:832). */
static void the_reclaimer_finds_pages(void **state) {
    (void)state;
    start_anew();
    static struct node *nodes[64 * NODES_PER_SPAN];
    for (int i = 0; i < 64 * NODES_PER_SPAN; i++)
        nodes[i] = goalloc_new(&node_type, 1);
    cycle_begin();
    for (int i = 0; i < 32 * NODES_PER_SPAN; i++)
        cycle_mark(nodes[i]);
    cycle_end();
    size_t pages = heap.pages_in_use;
    assert_non_null(goalloc_bytes(20 * GOALLOC_PAGE_BYTES, true));
    assert_true(heap.pages_in_use <= pages);
    assert_true(heap.pages_in_use + 12 + 20 >= pages);
    expect_sound();
    cycle_sweep_all();
    assert_int_equal(heap.pages_in_use, 32 + 20);
}

/* All pages are swept by the time the heap has grown to the trigger. */
static void sweeping_keeps_pace_with_allocation(void **state) {
    (void)state;
    start_anew();
    static struct node *nodes[2000 * NODES_PER_SPAN];
    for (int i = 0; i < 2000 * NODES_PER_SPAN; i++)
        nodes[i] = goalloc_new(&node_type, 1);
    cycle_begin();
    for (int i = 0; i < 2000 * NODES_PER_SPAN; i++)
        cycle_mark(nodes[i]);
    cycle_end();
    uint64_t live_bytes = gc_account.live_bytes;
    sweep_pace(live_bytes + (5 << 20));
    size_t swept = 0;
    for (int mib = 1; mib <= 4; mib++) {
        while (gc_account.live_bytes < live_bytes + ((uint64_t)mib << 20))
            goalloc_bytes(1024, false);
        assert_true(sweep.pages_swept >= swept + 400);
        swept = sweep.pages_swept;
    }
    assert_true(swept >= 2000);
    cycle_sweep_all();
}

static void ensure_sweeps_one_span(void **state) {
    (void)state;
    start_anew();
    struct node *kept = goalloc_new(&node_type, 1);
    for (int i = 0; i < 3 * NODES_PER_SPAN; i++)
        goalloc_new(&node_type, 1);
    cycle_begin();
    cycle_mark(kept);
    cycle_end();
    struct span *s = heap_span_of((uintptr_t)kept);
    assert_int_equal(s->sweepgen, heap.sweepgen - 2);
    sweep_ensure(cache_attach(), s);
    assert_int_equal(s->sweepgen, heap.sweepgen);
    assert_int_equal(s->alloc_count, 1);
    cycle_sweep_all();
    expect_sound();
}

/* ---- what must not be */

static void zombie(void) {
    struct node *n = goalloc_new(&node_type, 1);
    cycle_begin();
    cycle_mark(n + 1); /* never allocated */
    cycle_end();
}
static void missed_cycle(void) {
    goalloc_new(&node_type, 1);
    cycle_begin();
    sweep_begin();
    sweep_finish(cache_attach());
    sweep_begin();
    mcache_prepare_for_sweep(cache_attach());
}
static void swept_twice(void) {
    struct node *n = goalloc_new(&node_type, 1);
    sweep_span(cache_attach(), heap_span_of((uintptr_t)n), false);
}
static void leaving_without_entering(void) {
    sweep_leave();
}

static void misuse_dies(void **state) {
    (void)state;
    start_anew();
    static const struct dying dyings[] = {
        {zombie, "found a pointer to the free object"},
        {missed_cycle, "was last flushed in generation"},
        {swept_twice, "is swept in state 1 and generation"},
        {leaving_without_entering, "never entered"},
    };
    expect_deaths(dyings, sizeof dyings / sizeof dyings[0]);
}

/* ---- threads: all allocate and sweep at once; between cycles they rest, and the test marks what they hold */

enum { THREADS = 4, CYCLES = 12, HELD = 3000 };

static struct holder {
    pthread_barrier_t *stopped, *started;
    uint64_t seed, number;
    unsigned char *held[HELD];
    size_t size[HELD];
    const char *wrong;
} holders[THREADS];

static uint64_t holder_random(struct holder *h) {
    h->seed ^= h->seed << 13;
    h->seed ^= h->seed >> 7;
    h->seed ^= h->seed << 17;
    return h->seed;
}

static size_t holder_size(struct holder *h) {
    uint64_t r = holder_random(h);
    return r % 64 == 0 ? 33000 + r % 100000 : r % 8 == 0 ? 600 + r % 8000 : 16 + r % 500;
}

/* Fills with the thread's number; nobody else may write there while it is held. */
static void holder_take(struct holder *h, size_t i) {
    size_t size = holder_size(h);
    unsigned char *p = goalloc_bytes(size, true);
    for (size_t b = 0; b < size; b += 61)
        if (p[b] != 0)
            h->wrong = "a fresh object is not zero";
    memset(p, (int)h->number, size);
    h->held[i] = p;
    h->size[i] = size;
}

static void holder_verify(struct holder *h, size_t i) {
    for (size_t b = 0; b < h->size[i]; b += 61)
        if (h->held[i][b] != h->number)
            h->wrong = "a live object has changed";
}

static void *hold(void *arg) {
    struct holder *h = arg;
    goalloc_thread_attach();
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        for (unsigned i = 0; i < HELD * 2; i++) {
            size_t at = holder_random(h) % HELD;
            if (h->held[at] != NULL)
                holder_verify(h, at);
            h->held[at] = NULL;
            if (i % 3 != 0)
                holder_take(h, at);
        }
        mcache_release_all(cache_self); /* what a thread does when it is stopped for a cycle */
        pthread_barrier_wait(h->stopped);
        pthread_barrier_wait(h->started);
        cache_self->flush_gen = mcentral_sweepgen();
    }
    goalloc_thread_detach();
    return NULL;
}

static void collect_held(void) {
    cycle_begin();
    cycle_clear_pages();
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < HELD; i++)
            if (holders[t].held[i] != NULL)
                cycle_mark(holders[t].held[i]);
    cycle_end();
    sweep_pace(gc_account.live_bytes + (8 << 20));
}

static uint64_t held_bytes(void) {
    uint64_t bytes = 0;
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < HELD; i++)
            if (holders[t].held[i] != NULL) {
                struct goalloc_object o = {0};
                assert_true(goalloc_object_of(holders[t].held[i], &o));
                bytes += o.size_bytes;
            }
    return bytes;
}

static void threads_sweep_beside_one_another(void **state) {
    (void)state;
    start_anew();
    pthread_barrier_t stopped, started;
    pthread_t threads[THREADS];
    pthread_barrier_init(&stopped, NULL, THREADS + 1);
    pthread_barrier_init(&started, NULL, THREADS + 1);
    for (unsigned t = 0; t < THREADS; t++) {
        holders[t] = (struct holder){.stopped = &stopped, .started = &started, .seed = t + 1, .number = t + 1};
        assert_int_equal(pthread_create(&threads[t], NULL, hold, &holders[t]), 0);
    }
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        pthread_barrier_wait(&stopped);
        expect_sound();
        collect_held();
        if (cycle == CYCLES - 1)
            cycle_sweep_all();
        pthread_barrier_wait(&started);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_null(holders[t].wrong);
    }
    assert_int_equal(stats_now().heap_alloc_bytes, held_bytes());
    expect_sound();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmarked_spans_go_back),
        cmocka_unit_test(marked_objects_stay_and_the_others_are_reused),
        cmocka_unit_test(large_objects_are_swept),
        cmocka_unit_test(allocation_sweeps_what_it_needs),
        cmocka_unit_test(the_budget_ends_the_search),
        cmocka_unit_test(the_reclaimer_finds_pages),
        cmocka_unit_test(sweeping_keeps_pace_with_allocation),
        cmocka_unit_test(ensure_sweeps_one_span),
        cmocka_unit_test(misuse_dies),
        cmocka_unit_test(threads_sweep_beside_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
