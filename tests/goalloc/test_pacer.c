/* SPDX-License-Identifier: MIT
 *
 * The pacer against the 19 scenarios that Go 1.25.3 tests its own with (mgcpacer_test.go:20-600: parameters, seeds and
 * bounds), on a simulated program of which only rates are known. Claim PA-13.
 */
/* The tables name what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "gc/pacer.c"
#include "pacer_random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* ---- a quantity over the cycles: a constant, and what is added to it */

struct series {
    double constant;
    double ramp;
    unsigned ramp_cycles, ramp_delay;
    double unit; /* once, after unit_delay cycles */
    unsigned unit_delay;
    bool has_unit;
    double random;
    unsigned seed;
    double wave;
    unsigned wave_cycles;
};

static double random_at(unsigned seed, unsigned cycle) {
    for (size_t i = 0; i < sizeof pacer_random / sizeof pacer_random[0]; i++)
        if (pacer_random[i].seed == seed)
            return pacer_random[i].values[cycle];
    fail_msg("no series of seed %#x", seed);
    return 0;
}

static double series_at(const struct series *s, unsigned cycle) {
    double value = s->constant;
    if (s->ramp_cycles != 0 && cycle >= s->ramp_delay) {
        unsigned since = cycle - s->ramp_delay;
        value += s->ramp * (since < s->ramp_cycles ? since : s->ramp_cycles) / s->ramp_cycles;
    }
    if (s->has_unit && cycle == s->unit_delay)
        value += s->unit;
    if (s->random != 0)
        value += s->random * random_at(s->seed, cycle);
    if (s->wave_cycles != 0)
        value += s->wave * sin((double)(cycle % s->wave_cycles) / s->wave_cycles * 2 * acos(-1.0));
    return value;
}

/* ---- what must hold, from one cycle to another (counted from 1, both included) */

enum measure {
    UTILISATION,         /* of all processors, in [low, high] */
    UTILISATION_AS_LAST, /* within low of the cycle before */
    UTILISATION_AS_12TH, /* within low of cycle 12 */
    PEAK_OVER_GOAL,
    TRIGGER_RATIO, /* (trigger - live) / (goal - live) */
    RUNWAY,        /* goal - trigger, bytes */
    GOAL,          /* bytes */
    GOAL_OVER_LIVE,
    PEAK,
};

struct bound {
    enum measure measure;
    unsigned from, to;
    double low, high;
};

enum { BOUNDS = 8, CYCLES = 100, PROCS = 8 };
#define MIB   (1024.0 * 1024)
#define LIMIT (512 * MIB)
/* 3 % less (mgcpacer.go:1089). */
#define LIMIT_GOAL       (LIMIT - 3.0 * (int64_t)(LIMIT / 100))
#define LATER(n)         (n), CYCLES
#define NEAR_QUARTER(by) 0.25 - (by), 0.25 + (by)

static const struct scenario {
    const char *name;
    int percent;
    double limit_bytes, globals_bytes;
    struct series allocation, scanning, growth, scannable, stack;
    unsigned cycles;
    struct bound bounds[BOUNDS]; /* ends with from 0 */
} scenarios[] = {
    {"Steady",
     100,
     0,
     32 << 10,
     {33},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     50,
     {{UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"SteadyBigStacks",
     100,
     0,
     32 << 10,
     {132},
     {1024},
     {2, -1, 12},
     {1},
     {2048, 128 * MIB, 8},
     50,
     {{UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"SteadyBigGlobals",
     100,
     0,
     128 * MIB,
     {132},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     50,
     {{UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"StepAlloc",
     100,
     0,
     32 << 10,
     {33, 66, 1, 50},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     100,
     {{UTILISATION_AS_LAST, 25, 49, 0.005},
      {UTILISATION_AS_LAST, LATER(75), 0.005},
      {PEAK_OVER_GOAL, 25, 49, 0.95, 1.05},
      {PEAK_OVER_GOAL, LATER(75), 0.95, 1.05}}},
    {"HeavyStepAlloc",
     100,
     0,
     32 << 10,
     {33, 330, 1, 50},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     100,
     {{UTILISATION_AS_LAST, 25, 49, 0.005},
      {UTILISATION_AS_LAST, LATER(75), 0.005},
      {PEAK_OVER_GOAL, 25, 49, 0.95, 1.05},
      {PEAK_OVER_GOAL, LATER(75), 0.95, 1.05}}},
    {"StepScannableFrac",
     100,
     0,
     32 << 10,
     {128},
     {1024},
     {2, -1, 12},
     {0.2, .unit = 0.5, .unit_delay = 50, .has_unit = true},
     {8192},
     100,
     {{UTILISATION_AS_LAST, 25, 49, 0.005},
      {UTILISATION_AS_LAST, LATER(75), 0.005},
      {PEAK_OVER_GOAL, 25, 49, 0.95, 1.05},
      {PEAK_OVER_GOAL, LATER(75), 0.95, 1.05}}},
    {"HighGOGC",
     1500,
     0,
     32 << 10,
     {165, .random = 7, .seed = 0x53},
     {1024},
     {2, -1, 12, .random = 0.01, .seed = 0x1, .unit = 14, .unit_delay = 25, .has_unit = true},
     {1},
     {8192},
     50,
     {{PEAK_OVER_GOAL, 13, 25, 0.90, 1.05},
      {PEAK_OVER_GOAL, 26, 26, 0.90, 15},
      {PEAK_OVER_GOAL, LATER(27), 0.90, 1.05},
      {UTILISATION, LATER(13), NEAR_QUARTER(0.28)},
      {UTILISATION_AS_LAST, LATER(13), 0.03}}},
    {"OscAlloc",
     100,
     0,
     32 << 10,
     {67, .wave = 13, .wave_cycles = 8},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(13), 0.95, 1.05}, {UTILISATION, LATER(13), 0.25, 0.3}}},
    {"JitterAlloc",
     100,
     0,
     32 << 10,
     {132, .random = 13, .seed = 0xf},
     {1024},
     {2, -1, 12, .random = 0.01, .seed = 0xe},
     {1},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(13), 0.95, 1.025}, {UTILISATION, LATER(13), 0.25, 0.275}}},
    {"HeavyJitterAlloc",
     100,
     0,
     32 << 10,
     {330, .random = 33, .seed = 0x0},
     {1024},
     {2, -1, 12, .random = 0.01, .seed = 0x152},
     {1},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(14), 0.95, 1.05},
      {UTILISATION_AS_LAST, LATER(14), 0.05},
      {UTILISATION_AS_12TH, LATER(14), 0.05}}},
    {"SmallHeapSlowAlloc",
     100,
     0,
     32 << 10,
     {1},
     {2048},
     {2, -1, 3},
     {0.01},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(5), 0.925, 1.025},
      {TRIGGER_RATIO, LATER(5), 0.925, 0.975},
      {UTILISATION, LATER(26), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(26), 0.05},
      {UTILISATION_AS_12TH, LATER(26), 0.05}}},
    {"MediumHeapSlowAlloc",
     100,
     0,
     32 << 10,
     {1},
     {2048},
     {2, -1, 8},
     {0.01},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(10), 0.925, 1.025},
      {TRIGGER_RATIO, LATER(10), 0.925, 0.975},
      {UTILISATION, LATER(26), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(26), 0.05},
      {UTILISATION_AS_12TH, LATER(26), 0.05}}},
    {"LargeHeapSlowAlloc",
     100,
     0,
     32 << 10,
     {1},
     {2048},
     {4, -3, 12},
     {0.01},
     {8192},
     50,
     {{PEAK_OVER_GOAL, LATER(14), 0.95, 1.05},
      {RUNWAY, LATER(14), 4 * MIB - 65536, 4 * MIB + 65536},
      {UTILISATION, LATER(26), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(26), 0.05},
      {UTILISATION_AS_12TH, LATER(26), 0.05}}},
    {"SteadyMemoryLimit",
     100,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     50,
     {{PEAK, LATER(1), 0, LIMIT_GOAL - 1},
      {UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"SteadyMemoryLimitNoGCPercent",
     -1,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {2, -1, 12},
     {1},
     {8192},
     50,
     {{GOAL, LATER(1), LIMIT_GOAL, LIMIT_GOAL},
      {UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"ExceedMemoryLimit",
     100,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {3.5, -2.5, 12},
     {1},
     {8192},
     50,
     {{GOAL_OVER_LIVE, LATER(13), 1, 1},
      {UTILISATION, LATER(25), 0.995, 1.005},
      {UTILISATION_AS_LAST, LATER(25), 0.005}}},
    {"ExceedMemoryLimitNoGCPercent",
     -1,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {3.5, -2.5, 12},
     {1},
     {8192},
     50,
     {{GOAL, 1, 9, LIMIT_GOAL, LIMIT_GOAL},
      {GOAL_OVER_LIVE, LATER(13), 1, 1},
      {UTILISATION, LATER(25), 0.995, 1.005},
      {UTILISATION_AS_LAST, LATER(25), 0.005}}},
    {"MaintainMemoryLimit",
     100,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {3, -2, 12},
     {1},
     {8192},
     50,
     {{GOAL, LATER(13), LIMIT_GOAL, LIMIT_GOAL},
      {UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
    {"MaintainMemoryLimitNoGCPercent",
     -1,
     LIMIT,
     32 << 10,
     {33},
     {1024},
     {3, -2, 12},
     {1},
     {8192},
     50,
     {{GOAL, LATER(1), LIMIT_GOAL, LIMIT_GOAL},
      {UTILISATION, LATER(25), NEAR_QUARTER(0.005)},
      {UTILISATION_AS_LAST, LATER(25), 0.005},
      {PEAK_OVER_GOAL, LATER(25), 0.95, 1.05}}},
};

/* ---- the simulated program */

struct result {
    double live, trigger, goal, peak, utilisation;
};

struct simulation {
    struct pacer pacer;
    uint64_t live, heap_scan, heap_work, stack_work, globals_work;
    double allocation, scanning, scannable;
    uint64_t stack;
    int64_t left[3]; /* of globals, stacks and heap, to be scanned in this order */
    double assist_ns, duration_ns;
    int64_t black;
};

static const struct pacer_memory no_memory;
static const double period_ns = 500000, period_bytes_per_rate = 512; /* rates are KiB per ms and processor */

static uint64_t goal_of(const struct simulation *s) {
    uint64_t least;
    return pacer_goal(&s->pacer, &no_memory, &least);
}

static void revise(struct simulation *s) {
    pacer_revise(&s->pacer, s->live, s->heap_scan, s->heap_work + s->stack_work + s->globals_work, s->stack,
                 goal_of(s));
}

static int64_t scan(struct simulation *s, int64_t work) {
    uint64_t *done[3] = {&s->globals_work, &s->stack_work, &s->heap_work};
    int64_t before = work;
    for (unsigned i = 0; i < 3; i++) {
        int64_t part = s->left[i] < work ? s->left[i] : work;
        s->left[i] -= part;
        *done[i] += (uint64_t)part;
        work -= part;
    }
    return before - work;
}

/* Half a millisecond, or until nothing is left to be scanned: assists take what the ratio demands of the processors. */
static void step(struct simulation *s) {
    double demand = s->pacer.assist_work_per_byte * s->allocation, share = demand / (demand + s->scanning);
    share = share < 0.25 ? 0.25 : share;
    double capacity = s->scanning * period_bytes_per_rate * PROCS * share, elapsed_ns = period_ns;
    int64_t wanted = (int64_t)capacity, scanned = scan(s, wanted);
    if (scanned < wanted)
        elapsed_ns = floor((double)scanned * period_ns / capacity);
    int64_t allocated = (int64_t)(s->allocation * period_bytes_per_rate * elapsed_ns / period_ns * PROCS * (1 - share));
    s->live += (uint64_t)allocated;
    s->heap_scan += (uint64_t)((double)allocated * s->scannable);
    s->black += allocated;
    revise(s);
    s->assist_ns += elapsed_ns * PROCS * (share - 0.25);
    s->duration_ns += elapsed_ns;
}

static void begin_cycle(struct simulation *s, uint64_t globals) {
    uint64_t trigger = pacer_trigger(&s->pacer, &no_memory);
    if (s->pacer.live_bytes > trigger)
        trigger = s->pacer.live_bytes;
    s->pacer.globals_scan_bytes = globals;
    s->live = trigger;
    s->heap_scan += (uint64_t)((double)(trigger - s->pacer.live_bytes) * s->scannable);
    s->heap_work = s->stack_work = s->globals_work = 0;
    s->assist_ns = s->duration_ns = 0;
    s->black = 0;
    pacer_begin(&s->pacer, s->live);
    revise(s);
}

static void end_cycle(struct simulation *s, uint64_t marked) {
    uint64_t work = s->heap_work + s->stack_work + s->globals_work;
    pacer_end(&s->pacer, s->live, work, s->assist_ns / (s->duration_ns * PROCS), 0);
    s->pacer.live_bytes = s->live = marked;
    s->pacer.last_heap_scan_bytes = s->heap_scan = s->heap_work;
    s->pacer.last_stack_scan_bytes = s->stack_work;
    s->pacer.triggered_bytes = UINT64_MAX;
    pacer_commit(&s->pacer, false, s->live);
}

static struct result run_cycle(struct simulation *s, const struct scenario *scenario, unsigned cycle,
                               int64_t *black_before) {
    const int64_t initial_bytes = 256 << 10;
    s->allocation = fmax(series_at(&scenario->allocation, cycle), 0.0001);
    s->scanning = fmax(series_at(&scenario->scanning, cycle), 0.0001);
    s->scannable = fmin(fmax(series_at(&scenario->scannable, cycle), 0), 1);
    s->stack = (uint64_t)(floor(series_at(&scenario->stack, cycle) / 2048) * 2048);
    double growth = fmax(series_at(&scenario->growth, cycle), 0.0001);
    begin_cycle(s, (uint64_t)scenario->globals_bytes);
    int64_t survivors = (int64_t)s->pacer.live_bytes - *black_before;
    int64_t next = cycle == 0 ? initial_bytes : (int64_t)((double)survivors * growth);
    s->left[0] = (int64_t)scenario->globals_bytes;
    s->left[1] = (int64_t)s->stack;
    s->left[2] = (int64_t)((double)next * s->scannable);
    while (s->left[0] + s->left[1] + s->left[2] > 0)
        step(s);
    struct result result = {(double)s->pacer.live_bytes, (double)s->pacer.triggered_bytes, (double)goal_of(s),
                            (double)s->live, s->assist_ns / (s->duration_ns * PROCS) + 0.25};
    end_cycle(s, (uint64_t)(next + s->black));
    *black_before = s->black;
    return result;
}

/* ---- */

static unsigned assertions;

static void expect(const struct scenario *scenario, const struct bound *b, const struct result *results, unsigned n) {
    const struct result *r = &results[n - 1];
    double low = b->low, high = b->high, value = r->utilisation;
    switch (b->measure) {
    case UTILISATION:
        break;
    case UTILISATION_AS_LAST:
        low = r[-1].utilisation - b->low, high = r[-1].utilisation + b->low;
        break;
    case UTILISATION_AS_12TH:
        low = results[11].utilisation - b->low, high = results[11].utilisation + b->low;
        break;
    case PEAK_OVER_GOAL:
        value = r->peak / r->goal;
        break;
    case TRIGGER_RATIO:
        value = (r->trigger - r->live) / (r->goal - r->live);
        break;
    case RUNWAY:
        value = r->goal - r->trigger;
        break;
    case GOAL:
        value = r->goal;
        break;
    case GOAL_OVER_LIVE:
        value = r->goal / r->live;
        break;
    case PEAK:
        value = r->peak;
        break;
    }
    assertions++;
    if (!(value >= low && value <= high))
        fail_msg(
            "%s, cycle %u: measure %d is %.9g, not in [%.9g, %.9g]; live %.0f, trigger %.0f, goal %.0f, peak %.0f, "
            "utilisation %.4f",
            scenario->name, n, (int)b->measure, value, low, high, r->live, r->trigger, r->goal, r->peak,
            r->utilisation);
}

static void scenario_holds(void **state) {
    const struct scenario *scenario = *state;
    struct simulation s;
    struct result results[CYCLES];
    int64_t black = 0;
    memset(&s, 0, sizeof s);
    s.pacer.percent = scenario->percent;
    s.pacer.memory_limit_bytes = scenario->limit_bytes != 0 ? (uint64_t)scenario->limit_bytes : UINT64_MAX;
    s.pacer.triggered_bytes = UINT64_MAX;
    pacer_commit(&s.pacer, true, 0);
    for (unsigned n = 1; n <= scenario->cycles; n++) {
        results[n - 1] = run_cycle(&s, scenario, n - 1, &black);
        assert_true(results[n - 1].utilisation >= 0 && results[n - 1].utilisation <= 1);
        for (const struct bound *b = scenario->bounds; b < scenario->bounds + BOUNDS && b->from != 0; b++)
            if (n >= b->from && n <= b->to)
                expect(scenario, b, results, n);
    }
}

/* Go mgcpacer.go:403: dedicated workers and the fractional one's share, by processors. */
static void workers_are_a_quarter(void **state) {
    (void)state;
    static const struct {
        unsigned procs, dedicated;
        double fractional;
    } rows[] = {{1, 0, 0.25},    {2, 0, 0.25}, {3, 0, 0.25}, {4, 1, 0}, {5, 1, 0},
                {6, 1, 0.5 / 6}, {7, 2, 0},    {8, 2, 0},    {10, 3, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double fractional;
        assert_int_equal(pacer_dedicated(rows[i].procs, &fractional), rows[i].dedicated);
        if (fabs(fractional - rows[i].fractional) > 1e-12)
            fail_msg("%u processors: a share of %g, not %g", rows[i].procs, fractional, rows[i].fractional);
    }
}

/* Go mgcpacer.go:1111-1130 for a runway longer than the way: 45 of 64 parts of it, and ours with GOALLOC_EARLY. */
static void the_least_trigger_lies_on_the_way(void **state) {
    (void)state;
    const uint64_t mib = UINT64_C(1) << 20;
    struct pacer p = {.percent = 100,
                      .memory_limit_bytes = UINT64_MAX,
                      .live_bytes = 64 * mib,
                      .triggered_bytes = UINT64_MAX,
                      .last_heap_scan_bytes = 64 * mib,
                      .cons_mark = 1};
    const struct pacer_memory memory = {0};
    pacer_commit(&p, true, p.live_bytes);
    assert_int_equal(p.percent_goal_bytes, 128 * mib);
    assert_int_equal(pacer_trigger(&p, &memory), (64 + 45) * mib);
    p.early = true;
    assert_int_equal(pacer_trigger(&p, &memory), (64 + 29) * mib);
    p.runway_bytes = 24 * mib;
    assert_int_equal(pacer_trigger(&p, &memory), (128 - 24) * mib);
}

/* GOALLOC_SPEND: a heap that was large fills its memory again, as far as it still has it, and no more than it was let
 * while so much lived. */
static void a_heap_spends_what_it_has(void **state) {
    (void)state;
    const uint64_t mib = UINT64_C(1) << 20;
    struct pacer p = {.percent = 100,
                      .memory_limit_bytes = UINT64_MAX,
                      .live_bytes = 60 * mib,
                      .born_bytes = 20 * mib, /* of which half is dead, as half of what was there before */
                      .start_bytes = 80 * mib,
                      .backed_bytes = 140 * mib,
                      .triggered_bytes = UINT64_MAX,
                      .spend = true};
    const struct pacer_memory memory = {0};
    uint64_t least;
    pacer_commit(&p, true, p.live_bytes);
    assert_int_equal(p.percent_goal_bytes, 120 * mib);
    p.live_bytes = p.start_bytes = 8 * mib;
    p.born_bytes = 0;
    pacer_commit(&p, true, p.live_bytes);
    /* Of 100 it has earned; it would now earn 16, and half of the excess is forgotten with each cycle. */
    assert_int_equal(p.percent_goal_bytes, 58 * mib);
    assert_int_equal(p.unspent_goal_bytes, 16 * mib);
    pacer_commit(&p, true, p.live_bytes);
    assert_int_equal(p.percent_goal_bytes, 37 * mib);
    p.backed_bytes = 20 * mib; /* the rest has been given back to the system */
    pacer_commit(&p, true, p.live_bytes);
    assert_int_equal(p.percent_goal_bytes, 20 * mib);
    p.earned_bytes = 90 * mib;
    p.backed_bytes = 90 * mib;
    pacer_commit(&p, true, p.live_bytes);
    p.memory_limit_bytes = 50 * mib;
    assert_true(pacer_goal(&p, &memory, &least) <= 50 * mib);
    p.spend = false;
    pacer_commit(&p, true, p.live_bytes);
    assert_int_equal(p.percent_goal_bytes, 16 * mib);
}

static uint64_t goal_mib(uint64_t live_mib, uint64_t stacks_mib, uint64_t globals_mib, int64_t percent) {
    struct pacer p = {.percent = percent,
                      .memory_limit_bytes = UINT64_MAX,
                      .live_bytes = live_mib << 20,
                      .last_stack_scan_bytes = stacks_mib << 20,
                      .globals_scan_bytes = globals_mib << 20,
                      .triggered_bytes = UINT64_MAX};
    const struct pacer_memory memory = {0};
    uint64_t least;
    pacer_commit(&p, true, p.live_bytes);
    return pacer_goal(&p, &memory, &least) >> 20;
}

/* Go's GC guide, doc/gc-guide.html:386-403. Claim PA-02b. In its steady state 10 MiB live, 10 MiB/s are allocated and
 * 100 MiB marked per CPU second: (goal - live) / 10 seconds lie between collections of 0.1 CPU seconds each. */
static void the_guides_examples_hold(void **state) {
    (void)state;
    assert_int_equal(goal_mib(8, 1, 1, 100), 18);
    for (int64_t percent = 100; percent <= 200; percent += 100) {
        double seconds = (double)(goal_mib(10, 0, 0, percent) - 10) / 10, share = 10.0 / 100 / seconds;
        assert_float_equal(seconds, percent == 100 ? 1 : 2, 0);
        assert_float_equal(share, percent == 100 ? 0.10 : 0.05, 0);
    }
}

/* Work that each byte costs when so much is live, and all room that this leaves before it is done. */
static double room_bytes(struct pacer *p, uint64_t live, uint64_t scan, uint64_t work, uint64_t goal) {
    pacer_revise(p, live, scan, work, 0, goal);
    double remaining = (double)(scan - work);
    return remaining / pacer_assist_ratio(p);
}

/* Of a first cycle nothing is expected but roots. Go's way to the goal, in proportion to that, is a thousand goals long
 * without GOGC, and as long as it may be with it. */
static void next_to_no_expectation_extends_no_goal(void **state) {
    (void)state;
    const uint64_t mib = UINT64_C(1) << 20, goal = 60 * mib, live = 58 * mib;
    for (uint64_t globals = 0; globals <= 64 << 10; globals += 32 << 10) {
        struct pacer p = {.percent = -1,
                          .memory_limit_bytes = 64 * mib,
                          .limit_goal_bytes = goal,
                          .globals_scan_bytes = globals,
                          .triggered_bytes = 57 * mib};
        double room = room_bytes(&p, live, live, globals + 4096, goal);
        assert_true(room <= 2.1 * (double)mib);
        p.percent = 100;
        p.memory_limit_bytes = UINT64_MAX;
        p.limit_goal_bytes = 0;
        room = room_bytes(&p, live, live, globals + 4096, goal);
        assert_true(room <= 2.1 * (double)mib);
    }
}

/* A heap that has grown may go beyond its goal, as the next cycle would; not beyond a memory limit: no cycle may. */
static void no_goal_goes_beyond_the_limit(void **state) {
    (void)state;
    const uint64_t mib = UINT64_C(1) << 20;
    struct pacer p = {.percent = 100,
                      .memory_limit_bytes = UINT64_MAX,
                      .live_bytes = 50 * mib,
                      .last_heap_scan_bytes = 50 * mib,
                      .triggered_bytes = 90 * mib};
    double free_room = room_bytes(&p, 95 * mib, 95 * mib, 51 * mib, 100 * mib);
    assert_true(free_room > 13.9 * (double)mib && free_room < 14.1 * (double)mib); /* (100-90)/50*95+90 - 95 */
    p.memory_limit_bytes = 106 * mib;
    p.limit_goal_bytes = 102 * mib;
    double room = room_bytes(&p, 95 * mib, 95 * mib, 51 * mib, 100 * mib);
    assert_true(room > 6.9 * (double)mib && room < 7.1 * (double)mib);
    room = room_bytes(&p, 103 * mib, 103 * mib, 51 * mib, 102 * mib); /* past it: within what it keeps free */
    assert_true(room > 1.0 * (double)mib && room < 1.1 * (double)mib);
    room = room_bytes(&p, 107 * mib, 107 * mib, 51 * mib, 102 * mib); /* past that, too: marking comes first */
    assert_true(room <= 1);
    p.live_bytes = p.limit_goal_bytes = 110 * mib; /* what lives does not fit: a tenth more, as Go */
    room = room_bytes(&p, 111 * mib, 111 * mib, 51 * mib, 110 * mib);
    assert_true(room > 9.9 * (double)mib && room < 10.1 * (double)mib);
}

int main(void) {
    enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };
    struct CMUnitTest tests[SCENARIOS + 6];
    for (size_t i = 0; i < SCENARIOS; i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, scenario_holds, NULL, NULL, (void *)&scenarios[i]};
    tests[SCENARIOS] = (struct CMUnitTest)cmocka_unit_test(workers_are_a_quarter);
    tests[SCENARIOS + 1] = (struct CMUnitTest)cmocka_unit_test(the_least_trigger_lies_on_the_way);
    tests[SCENARIOS + 2] = (struct CMUnitTest)cmocka_unit_test(the_guides_examples_hold);
    tests[SCENARIOS + 3] = (struct CMUnitTest)cmocka_unit_test(a_heap_spends_what_it_has);
    tests[SCENARIOS + 4] = (struct CMUnitTest)cmocka_unit_test(next_to_no_expectation_extends_no_goal);
    tests[SCENARIOS + 5] = (struct CMUnitTest)cmocka_unit_test(no_goal_goes_beyond_the_limit);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%u assertions in %d scenarios\n", assertions, SCENARIOS);
    return failed;
}
