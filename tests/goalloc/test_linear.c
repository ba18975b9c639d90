/* SPDX-License-Identifier: MIT
 * Linear placement from inside: the pointer only goes up, a run serves again when it is dead, and with holes through
 * dead lines, exactly. */
#define TEST_PLACE_HEADER "place-linear.h"
#define _GNU_SOURCE
#include "axes_manual.h"

#include "axes.h"

#include "os/os.h"
#include "meta/meta.h"
#include "place/tiles.h"

/* A live object ends where the next start is, and threads ask for its size while its run's owner cuts what lies behind.
 */
static unsigned stores_seen, ends_cleared;
static void store_and_look(const struct span *s, uint64_t *word, uint64_t value) {
    for (uint64_t cleared = place_load(word) & ~value; cleared != 0; cleared &= cleared - 1) {
        unsigned i = (unsigned)(word - run_starts(s)) * 64 + (unsigned)__builtin_ctzll(cleared);
        int before = i > 0 ? run_last(run_live(s), i - 1) : -1;
        ends_cleared += before >= 0 && (unsigned)before + run_extent(s, (unsigned)before) == i;
    }
    stores_seen++;
    place_store(word, value);
}
#define place_store(word, value) store_and_look(s, word, value)
#include "place/lines.h"
#undef place_store

#include "unity_manual.h"

#include <stdio.h>

enum { LINE = 128, MAX = 4096 };

#include "dies.h"
#include "memstats_malloc.h"

static void begin(bool holes) {
    goalloc_free(goalloc_malloc(16)); /* reads the knobs */
    goalloc_purge();
    lines_set(holes, LINES_OF_128);
}

static uintptr_t base_of(const void *p) {
    return heap_span_of((uintptr_t)p)->base;
}

static size_t offset(const void *p) {
    return (uintptr_t)p - base_of(p);
}

static void requests_follow_each_other(void **state) {
    (void)state;
    begin(false);
    static const size_t sizes[] = {16, 1, 40, 8, 100, 3, 16};
    /* 1 and 8 B share a block, 3 B begins the next. */
    static const size_t offsets[] = {0, 16, 32, 24, 80, 192, 208};
    void *p[7];
    for (int i = 0; i < 7; i++) {
        p[i] = goalloc_malloc(sizes[i]);
        assert_int_equal(offset(p[i]), offsets[i]);
    }
    assert_int_equal(goalloc_usable_size(p[1]), 8);
    assert_int_equal(goalloc_usable_size(p[2]), 48);
    void *aligned = goalloc_memalign(256, 20);
    assert_int_equal(offset(aligned), 256);
    assert_int_equal(goalloc_usable_size(aligned), 32);
    for (int i = 0; i < 7; i++)
        goalloc_free(p[i]);
    goalloc_free(aligned);
}

static void nothing_is_used_twice_before_the_run_is_dead(void **state) {
    (void)state;
    begin(false);
    static void *p[MAX];
    size_t a_run = runs.bytes / 64;
    for (size_t i = 0; i < a_run; i++)
        p[i] = goalloc_malloc(64);
    uintptr_t first = base_of(p[0]);
    assert_int_equal(base_of(p[a_run - 1]), first);
    for (size_t i = 1; i < a_run; i++)
        goalloc_free(p[i]);
    /* All but one object of the first run are dead: three runs on, it has not come back. */
    for (size_t i = 1; i < 3 * a_run; i++) {
        p[i] = goalloc_malloc(64);
        assert_int_not_equal(base_of(p[i]), first);
    }
    goalloc_free(p[0]);
    size_t again = 0;
    static void *q[MAX];
    for (size_t i = 0; i < 2 * a_run; i++) {
        q[i] = goalloc_malloc(64);
        again += base_of(q[i]) == first;
    }
    assert_int_equal(again, a_run);
    for (size_t i = 1; i < 3 * a_run; i++)
        goalloc_free(p[i]);
    for (size_t i = 0; i < 2 * a_run; i++)
        goalloc_free(q[i]);
}

static void a_large_request_does_not_end_the_run(void **state) {
    (void)state;
    begin(false);
    void *small = goalloc_malloc(64), *a = goalloc_malloc(runs.bytes * 3 / 4), *b = goalloc_malloc(runs.bytes / 2);
    void *c = goalloc_malloc(64);
    assert_int_equal(base_of(a), base_of(small)); /* it fits */
    assert_int_not_equal(base_of(b), base_of(a));
    assert_int_equal(base_of(c), base_of(a));
    assert_int_equal(offset(c), 64 + runs.bytes * 3 / 4);
    void *all[] = {small, a, b, c};
    for (int i = 0; i < 4; i++)
        goalloc_free(all[i]);
}

/* A full run of 96 B objects: lines 0-7 hold objects 0-10. Dead lines serve, a line that a live object reaches into
 * does not. */
static void holes_are_dead_lines(void **state) {
    (void)state;
    begin(true);
    static void *p[MAX];
    size_t n = 0;
    uintptr_t run = 0;
    do {
        p[n] = goalloc_malloc(96);
        run = run == 0 ? base_of(p[0]) : run;
    } while (base_of(p[n++]) == run); /* the last one is in the next run */
    struct span *s = heap_span_of(run);
    /* Objects 10 to 19 are bytes 960 to 1920: lines 8 to 14 (1024 to 1920) are wholly dead. */
    for (size_t i = 10; i < 20; i++)
        goalloc_free(p[i]);
    unsigned first, end;
    assert_true(lines_find_hole(s, 0, s->nelems, &first, &end));
    assert_int_equal(first * RUN_GRANULE_BYTES, 8 * LINE);
    assert_int_equal(end * RUN_GRANULE_BYTES, 15 * LINE);
    assert_false(lines_find_hole(s, end, s->nelems, &first, &end));
    /* A quarter of the run must be dead before it serves again. */
    size_t quarter = (n - 1) / 4 + 1;
    for (size_t i = 40; i < 40 + quarter - 10; i++)
        goalloc_free(p[i]);
    assert_int_equal(s->list, SPAN_ON_PARTIAL);
    static void *q[MAX];
    size_t m = 0;
    do
        q[m] = goalloc_malloc(96);
    while (base_of(q[m++]) != run);
    assert_int_equal((uintptr_t)q[m - 1], run + 8 * LINE);
    /* Nine more fit into 896 B, then the pointer jumps to the second hole, whose first line begins behind 39's end. */
    for (int i = 0; i < 8; i++, m++) {
        q[m] = goalloc_malloc(96);
        assert_int_equal((uintptr_t)q[m], (uintptr_t)q[m - 1] + 96);
    }
    q[m] = goalloc_malloc(96);
    assert_int_equal((uintptr_t)q[m++], run + (40 * 96 + LINE - 1) / LINE * LINE);
    for (size_t i = 0; i < n; i++)
        if (i < 10 || (i >= 20 && i < 40) || i >= 40 + quarter - 10)
            goalloc_free(p[i]);
    for (size_t i = 0; i < m; i++)
        goalloc_free(q[i]);
}

/* ---- lines of every size, held to a search granule by granule */

enum { GRANULES = RUN_MAX_BYTES / RUN_GRANULE_BYTES };

static uint64_t lines_random = 88172645463325252u;
static unsigned below(unsigned bound) {
    lines_random ^= lines_random << 13, lines_random ^= lines_random >> 7, lines_random ^= lines_random << 17;
    return (unsigned)(lines_random >> 20) % bound;
}

/* Tiles the run; one piece in `rarity` is live. covered[i]: does a live object lie there? Returns a start. */
static unsigned tile(struct span *s, unsigned rarity, unsigned longest, bool *covered) {
    unsigned chosen = 0;
    run_clear_all(s);
    for (unsigned i = 0, extent; i < s->nelems; i += extent) {
        extent = 1 + below(longest);
        extent = extent < s->nelems - i ? extent : s->nelems - i;
        bool live = below(rarity) == 0;
        run_set(run_starts(s), i);
        if (live)
            run_set(run_live(s), i);
        for (unsigned k = 0; k < extent; k++)
            covered[i + k] = live;
        chosen = below(4) == 0 ? i : chosen;
    }
    return chosen;
}

/* Is the line that begins at i within [from, limit), and no granule of it covered? */
static bool line_dead(const bool *covered, unsigned i, unsigned from, unsigned limit) {
    for (unsigned k = i; k < i + lines.granules; k++)
        if (k < from || k >= limit || covered[k])
            return false;
    return true;
}

static bool hole_by_granules(const bool *covered, unsigned from, unsigned limit, unsigned *first, unsigned *end) {
    unsigned i = from / lines.granules * lines.granules;
    while (i < limit && !line_dead(covered, i, from, limit))
        i += lines.granules;
    *first = i;
    while (i < limit && line_dead(covered, i, from, limit))
        i += lines.granules;
    *end = i;
    return *first < *end;
}

/* All holes of [from, limit) are the expected ones; each is opened, and what lives keeps its extent. */
static void check_holes(struct span *s, const bool *covered, unsigned from, unsigned limit) {
    unsigned first, end, want_first, want_end;
    bool found;
    do {
        found = lines_find_hole(s, from, limit, &first, &end);
        bool expected = hole_by_granules(covered, from, limit, &want_first, &want_end);
        if (found != expected || (found && (first != want_first || end != want_end)))
            fail_msg("lines of %u granules, [%u, %u): hole [%u, %u) where [%u, %u) was expected", lines.granules, from,
                     limit, found ? first : 0, found ? end : 0, expected ? want_first : 0, expected ? want_end : 0);
        if (!found)
            return;
        lines_open_hole(s, first, end);
        assert_int_equal(run_extent(s, first), end - first);
        from = end;
    } while (from < limit);
}

static void holes_are_what_a_search_granule_by_granule_finds(void **state) {
    (void)state;
    begin(true);
    static bool covered[GRANULES];
    static unsigned extents[GRANULES];
    struct span s = {.nelems = (uint32_t)(runs.bytes / RUN_GRANULE_BYTES)};
    assert_true(place_span_init(&s));
    for (unsigned round = 0; round < 3000; round++) {
        lines_set(true, round % 6);
        unsigned start = tile(&s, 1 + below(12), 1u << below(9), covered);
        for (unsigned i = 0; i < s.nelems; i++)
            extents[i] = run_bit(run_live(&s), i) ? run_extent(&s, i) : 0;
        unsigned limit = below(2) == 0 ? s.nelems : start + below(s.nelems - start + 1);
        check_holes(&s, covered, below(2) == 0 ? 0 : start, limit);
        for (unsigned i = 0; i < s.nelems; i++)
            assert_int_equal(run_bit(run_live(&s), i) ? run_extent(&s, i) : 0, extents[i]);
        assert_null(place_broken(&s));
    }
    place_span_fini(&s);
    assert_int_equal(ends_cleared, 0);
}

/* Every granule of every run belongs to exactly one piece, and no two live pieces overlap, whatever was done. */
static void runs_stay_tiled(void **state) {
    (void)state;
    enum { N = 3000 };
    static unsigned char *p[N];
    static size_t sizes[N];
    uint64_t x = 88172645463325252u;
    /* Without holes, then with lines of each size. */
    for (unsigned way = 0; way < 7; way++) {
        begin(way > 0);
        lines_set(way > 0, way > 0 ? way - 1 : LINES_OF_128);
        for (int i = 0; i < 60000; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            size_t at = x % N;
            if (p[at] != NULL) {
                for (size_t k = 0; k < sizes[at]; k += 61)
                    assert_int_equal(p[at][k], (unsigned char)at);
                goalloc_free(p[at]);
                p[at] = NULL;
                continue;
            }
            sizes[at] = x >> 20 & ((x >> 40 & 7) == 0 ? 0x7fff : (x >> 40 & 7) < 3 ? 15 : 0x1ff);
            p[at] = (x >> 50 & 15) == 0 ? goalloc_memalign((size_t)32 << (x >> 54 & 7), sizes[at])
                                        : goalloc_malloc(sizes[at]);
            assert_non_null(p[at]);
            assert_true(goalloc_usable_size(p[at]) >= sizes[at]);
            memset(p[at], (int)at, sizes[at]);
        }
        for (size_t i = 0; i < N; i++) {
            goalloc_free(p[i]);
            p[i] = NULL;
        }
        goalloc_purge();
        assert_int_equal(heap.pages_in_use, 0);
        assert_int_equal(ends_cleared, 0);
    }
    assert_true(stores_seen > 0);
}

/* Without holes a dead object serves nobody before its run is dead. */
static void the_dead_in_a_run_are_counted(void **state) {
    (void)state;
    begin(false);
    void *objects[10];
    for (int i = 0; i < 10; i++)
        objects[i] = goalloc_malloc(256);
    uint64_t before = dead_bytes_now();
    for (int i = 0; i < 3; i++)
        goalloc_free(objects[i * 2]);
    assert_int_equal(dead_bytes_now() - before, 3 * 256);
    for (int i = 0; i < 10; i++)
        if (i % 2 == 1 || i > 4)
            goalloc_free(objects[i]);
}

/* ---- knobs: in children, for the length of runs must not change once there are some */

static const char *knob_variable, *knob_value;
static bool knob_preset_tuned = true;

static void read_the_knobs(void) {
    if (knob_variable != NULL)
        setenv(knob_variable, knob_value, 1);
    place_knobs_init(knob_preset_tuned);
}

static void say_the_knobs(void) {
    char holes[16], line[16], run[16];
    read_the_knobs();
    if (place_knob("holes", holes, sizeof holes) && place_knob("line", line, sizeof line) &&
        place_knob("run", run, sizeof run))
        dprintf(STDERR_FILENO, "holes=%s line=%s run=%s", holes, line, run);
}

/* variable NULL: what the preset says. */
static void expect_knobs(const char *variable, const char *value, const char *expected) {
    char said[128];
    knob_variable = variable, knob_value = value;
    die_in_child(say_the_knobs, SIG_DFL, said, sizeof said);
    if (strstr(said, expected) == NULL)
        fail_msg("%s=%s: '%s' where '%s' was expected", variable != NULL ? variable : "preset", value, said, expected);
}

static void a_knob_in_range_is_taken(void **state) {
    (void)state;
    static const char *const sizes[] = {"16", "32", "64", "128", "256", "512"};
    for (unsigned i = 0; i < 6; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "line=%s ", sizes[i]);
        expect_knobs("GOALLOC_LINE", sizes[i], expected);
    }
    expect_knobs("GOALLOC_HOLES", "on", "holes=on ");
    expect_knobs("GOALLOC_HOLES", "off", "holes=off ");
    expect_knobs("GOALLOC_RUN", "8192", "run=8192");
    expect_knobs("GOALLOC_RUN", "256KiB", "run=262144");
    expect_knobs(NULL, "tuned", "holes=on line=16 run=32768");
    knob_preset_tuned = false; /* the definition: what is dead waits for its whole run */
    expect_knobs(NULL, "faithful", "holes=off line=128 run=32768");
    knob_preset_tuned = true;
}

static void a_knob_out_of_range_is_refused(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"GOALLOC_LINE", "8", "512"},      {"GOALLOC_LINE", "24", "512"},       {"GOALLOC_LINE", "1024", "512"},
        {"GOALLOC_LINE", "-16", "512"},    {"GOALLOC_LINE", "off", "512"},      {"GOALLOC_HOLES", "yes", "off"},
        {"GOALLOC_HOLES", "1", "off"},     {"GOALLOC_RUN", "4096", "262144"},   {"GOALLOC_RUN", "8193", "262144"},
        {"GOALLOC_RUN", "264KiB", "8192"}, {"GOALLOC_RUN", "many", "multiple"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char said[300], words[64];
        knob_variable = cases[i][0], knob_value = cases[i][1];
        snprintf(words, sizeof words, "%s is '%s': set it to ", knob_variable, knob_value);
        expect_deaths(&(struct dying){read_the_knobs, words}, 1);
        die_in_child(read_the_knobs, SIG_DFL, said, sizeof said);
        if (strstr(said, cases[i][2]) == NULL)
            fail_msg("'%s' does not say what is allowed: %s", said, cases[i][2]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_knob_out_of_range_is_refused),
        cmocka_unit_test(a_knob_in_range_is_taken),
        cmocka_unit_test(requests_follow_each_other),
        cmocka_unit_test(nothing_is_used_twice_before_the_run_is_dead),
        cmocka_unit_test(a_large_request_does_not_end_the_run),
        cmocka_unit_test(holes_are_dead_lines),
        cmocka_unit_test(holes_are_what_a_search_granule_by_granule_finds),
        cmocka_unit_test(runs_stay_tiled),
        cmocka_unit_test(statistics_have_go_s_names),
        cmocka_unit_test(the_dead_in_a_run_are_counted),
        cmocka_unit_test(dead_halves_are_counted),
        cmocka_unit_test(frees_from_elsewhere_are_dead_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
