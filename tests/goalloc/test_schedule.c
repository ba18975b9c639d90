/* SPDX-License-Identifier: MIT
 *
 * When cycles begin and to what goal, in deterministic mode and the faithful preset, against Go's formulas worked out
 * beside it (go 1.25.3 mgcpacer.go:937-1270): after every request of a seeded program it is known whether a cycle had
 * to begin, and after every cycle what goal had to come of it. Settings: GOGC, and GOMEMLIMIT.
 */
#include "unity_collecting.h"

#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

static const struct setting {
    int64_t percent; /* -1: off */
    uint64_t limit_bytes;
    unsigned least_cycles, most_cycles;
} settings[] = {
    {100, UINT64_MAX, 10, 60}, {50, UINT64_MAX, 20, 120}, {200, UINT64_MAX, 5, 30}, {-1, UINT64_MAX, 0, 0},
    {-1, 24 * MIB, 2, 60},     {100, 12 * MIB, 15, 4000}, {400, 16 * MIB, 4, 4000}, {0, UINT64_MAX, 20, 100000},
};

/* ---- the simulator: what the last cycle left, and what Go's formulas make of it */

struct expectation {
    uint64_t goal_bytes, trigger_bytes;
};

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t percent_goal(const struct setting *s, uint64_t live, uint64_t stacks, uint64_t globals) {
    if (s->percent < 0)
        return UINT64_MAX;
    uint64_t percent = (uint64_t)s->percent;
    return larger(live + (live + stacks + globals) * percent / 100, 4 * MIB * percent / 100);
}

static uint64_t limit_goal(const struct setting *s, uint64_t live) {
    if (s->limit_bytes == UINT64_MAX)
        return UINT64_MAX;
    uint64_t in_use = heap.pages_in_use * GOALLOC_PAGE_BYTES;
    uint64_t mapped = in_use + (heap.pages.free_pages - heap.pages.scavenged_free_pages) * GOALLOC_PAGE_BYTES;
    /* What nobody has swept yet is allocated still (mgcpacer.go:994). */
    uint64_t free_bytes = mapped - in_use, alloc = !sweep_done() || gc_live() > in_use ? in_use : gc_live();
    mapped += meta_committed_bytes();
    uint64_t other = mapped - free_bytes - alloc;
    uint64_t over = mapped - free_bytes > s->limit_bytes ? mapped - free_bytes - s->limit_bytes : 0;
    if (other + over >= s->limit_bytes)
        return live;
    uint64_t goal = s->limit_bytes - other - over, headroom = larger(goal / 100 * 3, MIB);
    return larger(goal > 2 * headroom ? goal - headroom : headroom, live);
}

/* No processor time is known in this mode: cons/mark stays 0, and the runway with it. */
static struct expectation expect_of(const struct setting *s, uint64_t live, uint64_t stacks, uint64_t globals) {
    uint64_t limited = limit_goal(s, live), goal = percent_goal(s, live, stacks, globals), least = 0;
    if (limited < goal) {
        goal = limited;
    } else if (!sweep_done()) {
        least = live + MIB;
        goal = larger(goal, least);
    }
    if (live >= goal)
        return (struct expectation){goal, goal};
    uint64_t distance = goal - live;
    least = larger(least, live + distance / 64 * 45);
    uint64_t most = live + distance / 64 * 61;
    if (goal > 4 * MIB)
        most = larger(most, goal - 4 * MIB);
    most = larger(most, least);
    return (struct expectation){goal, goal < least ? least : goal > most ? most : goal};
}

/* ---- the program: trees, buffers and large objects that come and go */

enum { KEPT = 600, STEPS = 60000 };
static void *kept[KEPT];
static uint64_t random_state;

static uint64_t draw(uint64_t below) {
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (random_state >> 33) % below;
}

static void *request(void) {
    static const struct goalloc_type node = {48, 3, NULL}, row = {416, 0xffff, NULL};
    uint64_t what = draw(1000);
    if (what < 500)
        return goalloc_new(&node, 1);
    if (what < 700)
        return goalloc_new(&row, 1 + draw(8));
    return goalloc_bytes(what == 999 ? 100000 + draw(400000) : 1 + draw(3000), false);
}

/* ---- */

static uint64_t metric(const char *name) {
    uint64_t value;
    assert_true(goalloc_read_metric(name, &value, 1));
    return value;
}

/* What MemStats and metrics say of the cycle that has just ended must follow from each other. */
static struct expectation check_cycle(const struct setting *s) {
    uint64_t live = metric("/gc/heap/live:bytes");
    struct expectation e = expect_of(s, live, metric("/gc/scan/stack:bytes"), metric("/gc/scan/globals:bytes"));
    assert_int_equal(metric("/gc/heap/goal:bytes"), e.goal_bytes);
    assert_int_equal(metric("/gc/scan/globals:bytes"), sizeof kept);
    assert_int_equal(gc.trigger_bytes, e.trigger_bytes);
    assert_true(metric("/gc/scan/heap:bytes") <= live);
    return e;
}

static void run(const struct setting *s) {
    gc_settings.percent = s->percent;
    gc_settings.memory_limit_bytes = s->limit_bytes;
    memset(kept, 0, sizeof kept);
    random_state = 1;
    /* The first leaves its garbage to be swept, which the second finds done. */
    goalloc_collect();
    gc_begin(gc_self, true, gc_cycles());
    struct expectation e = check_cycle(s);
    unsigned cycles = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        uint32_t before = gc_cycles();
        void *object = request();
        assert_non_null(object);
        if (gc_cycles() == before) {
            assert_true(gc_live() < e.trigger_bytes);
        } else {
            assert_int_equal(gc_cycles(), before + 1);
            assert_true(gc.live_at_start_bytes >= e.trigger_bytes);
            e = check_cycle(s);
            cycles++;
        }
        goalloc_store(&kept[draw(KEPT)], object);
    }
    print_message("GOGC %lld, limit %lld MiB: %u cycles\n", (long long)s->percent,
                  s->limit_bytes == UINT64_MAX ? -1 : (long long)(s->limit_bytes / MIB), cycles);
    assert_in_range(cycles, s->least_cycles, s->most_cycles);
}

static void test_schedule(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        run(&settings[i]);
}

/* The same program leads to the same schedule, to the byte. */
static void test_repeats(void **state) {
    (void)state;
    uint64_t goals[2];
    uint32_t cycles[2];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t before = gc_cycles();
        run(&settings[0]);
        cycles[i] = gc_cycles() - before;
        goals[i] = metric("/gc/heap/goal:bytes");
    }
    assert_int_equal(cycles[0], cycles[1]);
    assert_int_equal(goals[0], goals[1]);
}

int main(void) {
    setenv("GOALLOC_PRESET", "faithful", 1);
    setenv("GOALLOC_DETERMINISTIC", "1", 1);
    if (!goalloc_thread_attach() || goalloc_root_add(kept, KEPT) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
