/* SPDX-License-Identifier: MIT
 *
 * What the collector says of itself, against a heap whose marking is known by hand: a list of cells of one size,
 * collected again and again by one thread.
 */
#include "goalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernel brings the CPU time of threads that run elsewhere up to date at their next tick, 10 ms at most. */
enum { TICK_NS = 10000000 };
enum { CELLS = 20000, COLLECTIONS = 30, GARBAGE = 1500000 /* 24 MB, where the heap's goal is 4 */ };

struct cell {
    struct cell *next;
    uint64_t value;
};
static const struct goalloc_type cell_type = {sizeof(struct cell), 1, NULL};
static struct cell *list;

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "measured: line %d, %s: ", __LINE__, #condition);                                          \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned long long clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

static struct goalloc_gc_sums read_sums(void) {
    struct goalloc_gc_sums sums;
    EXPECT(goalloc_read_gc(&sums), "a build that collects says that it does not");
    return sums;
}

static void build_list(void) {
    for (unsigned i = 0; i < CELLS; i++) {
        struct cell *cell = goalloc_new(&cell_type, 1);
        cell->value = i;
        goalloc_store(&cell->next, list);
        goalloc_store(&list, cell);
    }
}

static unsigned long long all_cpu(const struct goalloc_gc_sums *s) {
    return s->mark_cpu_ns + s->assist_cpu_ns + s->sweep_cpu_ns + s->sweep_allocating_cpu_ns + s->stop_cpu_ns;
}

/* Each collection marks the cells, and nothing else but what a stack word or two keep. */
static void expect_marking(const struct goalloc_gc_sums *of, unsigned collections) {
    enum { STRAY = 64 };
    uint64_t objects = of->queued_objects + of->span_objects, least = (uint64_t)CELLS * collections;
    EXPECT(objects >= least && objects <= least + STRAY * collections, "%llu objects scanned in %u collections of %d",
           (unsigned long long)objects, collections, CELLS);
    EXPECT(of->scanned_bytes >= least * sizeof(struct cell) &&
               of->scanned_bytes <= (least + STRAY * collections) * sizeof(struct cell) + STRAY * 1024 * collections,
           "%llu bytes scanned", (unsigned long long)of->scanned_bytes);
    EXPECT(of->marked_bytes >= of->scanned_bytes, "%llu bytes marked, and %llu scanned",
           (unsigned long long)of->marked_bytes, (unsigned long long)of->scanned_bytes);
    bool greentea = strncmp(goalloc_axes(), "greentea", 8) == 0;
    EXPECT((of->span_visits != 0) == greentea, "%llu visits of spans by %s", (unsigned long long)of->span_visits,
           goalloc_axes());
    EXPECT(of->single_visits <= of->span_visits && of->span_visits <= of->span_objects + collections * STRAY,
           "%llu visits, %llu for one object, %llu objects", (unsigned long long)of->span_visits,
           (unsigned long long)of->single_visits, (unsigned long long)of->span_objects);
}

static void expect_pauses(const struct goalloc_gc_sums *before, const struct goalloc_gc_sums *after,
                          uint64_t begun_ns) {
    static struct goalloc_gc_pause pauses[GOALLOC_GC_PAUSES_KEPT];
    uint64_t first, sum_ns = 0, last_ns = begun_ns, wanted = after->pauses - before->pauses;
    size_t n = goalloc_gc_pauses(before->pauses, pauses, GOALLOC_GC_PAUSES_KEPT, &first);
    EXPECT(n == wanted && first == before->pauses, "%zu pauses from %llu on, not %llu", n, (unsigned long long)first,
           (unsigned long long)wanted);
    for (size_t i = 0; i < n; i++) {
        EXPECT(pauses[i].begun_ns >= last_ns, "pause %zu begins before the one in front of it ended", i);
        last_ns = pauses[i].begun_ns + pauses[i].length_ns;
        sum_ns += pauses[i].length_ns;
    }
    EXPECT(last_ns <= clock_ns(CLOCK_MONOTONIC), "the last pause ends in future");
    EXPECT(sum_ns == after->pause_ns - before->pause_ns, "pauses of %llu ns, and %llu in the sum",
           (unsigned long long)sum_ns, (unsigned long long)(after->pause_ns - before->pause_ns));
}

static void expect_cycles(uint64_t from, uint64_t count) {
    static struct goalloc_gc_cycle cycles[GOALLOC_GC_CYCLES_KEPT];
    uint64_t first;
    size_t n = goalloc_gc_cycles(from, cycles, GOALLOC_GC_CYCLES_KEPT, &first);
    EXPECT(n == count && first == from, "%zu cycles from %llu on", n, (unsigned long long)first);
    for (size_t i = 0; i < n; i++) {
        EXPECT(cycles[i].of.cycles == 1 && cycles[i].of.forced_cycles == 1, "entry %zu is of %llu cycles", i,
               (unsigned long long)cycles[i].of.cycles);
        EXPECT(cycles[i].begun_ns < cycles[i].ended_ns, "cycle %zu ends before it begins", i);
        EXPECT(cycles[i].peak_live_bytes >= cycles[i].live_at_start_bytes, "the heap of cycle %zu shrinks", i);
        EXPECT(cycles[i].goal_bytes >= 4 << 20, "a goal of %llu bytes", (unsigned long long)cycles[i].goal_bytes);
        EXPECT(cycles[i].of.mark_cpu_ns > 0 && cycles[i].of.stop_cpu_ns > 0, "cycle %zu took no time", i);
        expect_marking(&cycles[i].of, 1);
    }
}

/* The world stops once for a cycle, or twice and for each time that marking turned out unfinished. */
static uint64_t pauses_of(const struct goalloc_gc_sums *before, const struct goalloc_gc_sums *after) {
    const char *debug = getenv("GODEBUG"), *deterministic = getenv("GOALLOC_DETERMINISTIC");
    bool once = deterministic != NULL || (debug != NULL && strstr(debug, "gcstoptheworld") != NULL);
    uint64_t cycles = after->cycles - before->cycles;
    return once ? cycles : 2 * cycles + (after->rescans - before->rescans);
}

/* More pauses than are kept: the newest ones are there. */
static void fill_the_log(void) {
    static struct goalloc_gc_pause pauses[GOALLOC_GC_PAUSES_KEPT + 10];
    struct goalloc_gc_sums sums;
    uint64_t first;
    do
        goalloc_collect();
    while (sums = read_sums(), sums.pauses <= GOALLOC_GC_PAUSES_KEPT);
    size_t n = goalloc_gc_pauses(0, pauses, GOALLOC_GC_PAUSES_KEPT + 10, &first);
    EXPECT(n == GOALLOC_GC_PAUSES_KEPT && first + n == sums.pauses, "%zu pauses, from %llu on, of %llu", n,
           (unsigned long long)first, (unsigned long long)sums.pauses);
    EXPECT(goalloc_gc_pauses(sums.pauses + 5, pauses, 1, &first) == 0, "a pause that has not been");
}

/* Garbage that nobody forces: whoever allocates sweeps, and the sample of that is no more than all CPU there was. */
static void churn(void) {
    struct goalloc_gc_sums before = read_sums();
    unsigned long long begun_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < GARBAGE; i++)
        *(volatile uint64_t *)&((struct cell *)goalloc_new(&cell_type, 1))->value = i;
    unsigned long long spent_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_ns;
    struct goalloc_gc_sums after = read_sums();
    EXPECT(after.cycles - before.cycles >= 1 && after.forced_cycles == before.forced_cycles, "%llu cycles, %llu forced",
           (unsigned long long)(after.cycles - before.cycles),
           (unsigned long long)(after.forced_cycles - before.forced_cycles));
    EXPECT(after.sweep_allocating_cpu_ns + after.sweep_cpu_ns > before.sweep_allocating_cpu_ns + before.sweep_cpu_ns,
           "nobody has swept");
    EXPECT(all_cpu(&after) - all_cpu(&before) <= spent_ns + TICK_NS, "the collector took %llu ns of %llu",
           all_cpu(&after) - all_cpu(&before), spent_ns);
}

/* measured [--fill-the-log] */
int main(int argc, char **argv) {
    bool fill = argc > 1 && strcmp(argv[1], "--fill-the-log") == 0;
    goalloc_thread_attach();
    goalloc_root_add(&list, 1);
    build_list();
    goalloc_collect();
    struct goalloc_gc_sums before = read_sums();
    uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC), begun_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < COLLECTIONS; i++)
        goalloc_collect();
    struct goalloc_gc_sums after = read_sums(), of;
    uint64_t spent_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_ns;
    for (size_t i = 0; i < sizeof of / sizeof(uint64_t); i++)
        ((uint64_t *)&of)[i] = ((uint64_t *)&after)[i] - ((uint64_t *)&before)[i];
    EXPECT(of.cycles == COLLECTIONS && of.forced_cycles == COLLECTIONS, "%llu cycles", (unsigned long long)of.cycles);
    EXPECT(of.pauses == pauses_of(&before, &after), "%llu pauses", (unsigned long long)of.pauses);
    EXPECT(of.assist_cpu_ns == 0, "nobody allocated, and assists took %llu ns", (unsigned long long)of.assist_cpu_ns);
    EXPECT(all_cpu(&of) > 0 && all_cpu(&of) <= spent_ns + TICK_NS, "the collector took %llu ns of %llu", all_cpu(&of),
           (unsigned long long)spent_ns);
    EXPECT(of.pause_ns <= clock_ns(CLOCK_MONOTONIC) - begun_ns, "pauses are longer than the time there was");
    expect_marking(&of, COLLECTIONS);
    expect_pauses(&before, &after, begun_ns);
    expect_cycles(before.cycles, COLLECTIONS);
    churn();
    list = NULL;
    if (fill)
        fill_the_log();
    goalloc_thread_detach();
    printf("%s: %.0f us of marking, %.0f of stops a collection\n", goalloc_axes(),
           (double)of.mark_cpu_ns / COLLECTIONS / 1e3, (double)of.stop_cpu_ns / COLLECTIONS / 1e3);
    return 0;
}
