/* SPDX-License-Identifier: MIT
 * The scavenger against what Go's decided, call by call: which chunks are looked at, its controller, its bursts and
 * sleeps, its goals (variants/go/oracle/pagealloc/scavenge_test.go says what the lines mean). */
#pragma GCC diagnostic ignored "-Wunused-function"
#define _GNU_SOURCE
#include "gc-manual.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "axes.h"

#include "os/os.c"
#include "meta/meta.c"
#include "arena/arena.c"
#include "page/page.c"
#include "gc/scavpace.c"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"

enum { LINE_BYTES = 512, CHUNKS = 12 };

static struct replay {
    FILE *golden;
    size_t number;
    char line[LINE_BYTES];
} go;

static bool replay_next(void) {
    go.number++;
    return golden_line(go.golden, go.line, sizeof go.line);
}

static void replay_begin(const char *name) {
    go.golden = golden_open(name);
    go.number = 0;
}

static void replay_done(size_t least) {
    fclose(go.golden);
    if (go.number < least)
        fail_msg("the golden has %zu lines, expected at least %zu", go.number, least);
}

#define REPLAY_FAIL(format, ...) fail_msg("operation %zu, \"%s\": " format, go.number, go.line, __VA_ARGS__)

static void replay_scan(int fields, int want) {
    if (fields != want)
        REPLAY_FAIL("%d fields, expected %d", fields, want);
}

/* ---- density */

static void density_range(struct page_heap *ph, size_t page, size_t npages, bool take) {
    while (npages > 0) {
        struct page_piece p = page_next_piece(&page, &npages);
        if (take)
            density_take(ph, p.chunk, p.count);
        else
            density_free(ph, p.chunk, p.first + p.count - 1, p.count);
    }
}

static void density_line(struct page_heap *ph, size_t first) {
    size_t a = 0, b = 0;
    long page;
    char force[8];
    switch (go.line[0]) {
    case 'A':
    case 'F':
        replay_scan(sscanf(go.line + 1, "%zu %zu", &a, &b), 2);
        density_range(ph, first + a, b, go.line[0] == 'A');
        return;
    case 'G':
        page_next_generation(ph);
        return;
    case 'E':
        replay_scan(sscanf(go.line + 1, "%zu", &a), 1);
        density_set_empty(ph, first / PAGE_CHUNK_PAGES + a);
        return;
    default:
        replay_scan(sscanf(go.line + 1, "%7s %ld", force, &page), 2);
        size_t got = density_find(ph, strcmp(force, "true") == 0);
        long at = got == SIZE_MAX ? -1 : (long)(got - first);
        if (at != page)
            REPLAY_FAIL("Go looks at page %ld, goalloc at %ld", page, at);
    }
}

static void chunks_are_looked_at_as_by_go(void **state) {
    const uintptr_t base = (uintptr_t)1 << 40;
    struct page_heap ph;
    assert_true(page_init(&ph, 0, (size_t)1 << 48));
    assert_true(page_grow(&ph, base, CHUNKS * PAGE_CHUNK_BYTES));
    replay_begin(*state);
    while (replay_next())
        density_line(&ph, page_index(&ph, base));
    replay_done(5000);
    page_fini(&ph);
}

/* ---- the controller */

static double bits_double(uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static void the_controller_is_go_s(void **state) {
    struct scavpace_controller c = {0};
    uint64_t v[5], want;
    char ok[8];
    replay_begin(*state);
    while (replay_next()) {
        if (go.line[0] == 'C') {
            replay_scan(sscanf(go.line + 1, "%lx %lx %lx %lx %lx", &v[0], &v[1], &v[2], &v[3], &v[4]), 5);
            c = (struct scavpace_controller){bits_double(v[0]), bits_double(v[1]), bits_double(v[2]),
                                             bits_double(v[3]), bits_double(v[4]), 0};
            continue;
        }
        replay_scan(sscanf(go.line + 1, "%lx %lx %lx %lx %7s", &v[0], &v[1], &v[2], &want, ok), 5);
        double out;
        bool goes_on = scavpace_next(&c, bits_double(v[0]), bits_double(v[1]), bits_double(v[2]), &out);
        if (out != bits_double(want) || goes_on != (strcmp(ok, "true") == 0))
            REPLAY_FAIL("Go %.17g, goalloc %.17g (%d)", bits_double(want), out, goes_on);
    }
    replay_done(2000);
}

/* ---- bursts and sleeps */

static bool pace_should_stop(void *context) {
    char stop[8];
    (void)context;
    if (!replay_next() || sscanf(go.line, "T %7s", stop) != 1)
        REPLAY_FAIL("goalloc asks whether to stop, %s", "and Go does not");
    return strcmp(stop, "true") == 0;
}

static size_t pace_release(void *context, size_t want_bytes, int64_t *took_ns) {
    size_t want = 0, got = 0;
    (void)context;
    if (!replay_next() || sscanf(go.line, "W %zu %zu %" SCNd64, &want, &got, took_ns) != 3 || want != want_bytes)
        REPLAY_FAIL("goalloc gives %zu bytes back", want_bytes);
    return got;
}

/* Until it parks; the golden's next line is then for the caller. */
static void pace_until_parked(struct scavpace *p, unsigned procs) {
    const struct scavpace_work work = {pace_should_stop, pace_release, NULL};
    double worked_ns;
    while (scavpace_burst(&work, &worked_ns) != 0) {
        int64_t want = 0, slept = 0, asked = scavpace_sleep_ns(p, &worked_ns);
        if (!replay_next() || sscanf(go.line, "Z %" SCNd64 " %" SCNd64, &want, &slept) != 2 || want != asked)
            REPLAY_FAIL("goalloc sleeps for %" PRId64 " ns", asked);
        scavpace_slept(p, worked_ns, slept, procs);
    }
}

static void bursts_and_sleeps_are_go_s(void **state) {
    struct scavpace pace;
    unsigned procs = 0, resets = 0;
    replay_begin(*state);
    while (replay_next()) {
        if (sscanf(go.line, "P %u", &procs) == 1) {
            scavpace_begin(&pace);
            continue;
        }
        if (go.line[0] != 'K')
            REPLAY_FAIL("%s", "Go goes on where goalloc parks");
        pace_until_parked(&pace, procs);
        resets += pace.was_reset;
        pace.was_reset = false;
    }
    assert_true(resets > 0);
    replay_done(2000);
}

/* ---- goals */

static void goals_are_go_s(void **state) {
    uint64_t v[8];
    replay_begin(*state);
    while (replay_next()) {
        replay_scan(sscanf(go.line, "%lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
                           &v[7]),
                    8);
        uint64_t limit = v[0] == INT64_MAX ? UINT64_MAX : v[0];
        struct scavpace_goals g = scavpace_goals(limit, v[1], v[2], v[3], v[4], v[5]);
        if (g.percent_bytes != v[6] || g.limit_bytes != v[7])
            REPLAY_FAIL("goalloc %lu %lu", g.percent_bytes, g.limit_bytes);
    }
    replay_done(1000);
}

#define REPLAY(test, name)                                                                                             \
    { name, test, NULL, NULL, (void *)(name) }

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY(chunks_are_looked_at_as_by_go, "scavenge-density-1"),
        REPLAY(chunks_are_looked_at_as_by_go, "scavenge-density-2"),
        REPLAY(the_controller_is_go_s, "scavenge-controller"),
        REPLAY(bursts_and_sleeps_are_go_s, "scavenge-pace"),
        REPLAY(goals_are_go_s, "scavenge-goals"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
