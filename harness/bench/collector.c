/* SPDX-License-Identifier: MIT */
#include "collector.h"

#include "flavour.h"
#include "meter.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

enum { PAUSES_AT_ONCE = 8192, CYCLES_AT_ONCE = 1024 };
const uint64_t collector_windows_ns[COLLECTOR_WINDOWS] = {1000000, 10000000, 100000000};

struct collector collector;
static struct traced_pause *section_pauses;
static struct traced_gc_cycle *section_cycles;

static void *take(size_t size_bytes) {
    /* Touched now: memory mode has its baseline still to come. */
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool collector_open(void) {
    struct traced_gc now;
    for (int i = 0; i < COLLECTOR_WINDOWS; i++)
        collector.mmu[i] = NAN;
    collector.least_cycles = UINT64_MAX;
    if (bench_flavour.traced == NULL || bench_flavour.traced->gc == NULL || bench_flavour.traced->gc(&now) != 0)
        return true;
    collector.lengths_ns = take(COLLECTOR_MAX_PAUSES * sizeof *collector.lengths_ns);
    collector.peak_over_goal = take(COLLECTOR_MAX_GOALS * sizeof *collector.peak_over_goal);
    section_pauses = take(PAUSES_AT_ONCE * sizeof *section_pauses);
    section_cycles = take(CYCLES_AT_ONCE * sizeof *section_cycles);
    collector.known = true;
    return collector.lengths_ns != NULL && collector.peak_over_goal != NULL && section_pauses != NULL &&
           section_cycles != NULL;
}

void collector_iteration_begin(bool counts) {
    collector.counts = counts;
    collector.now_cycles = 0;
}

uint64_t collector_iteration_end(void) {
    if (!collector.known)
        return PEER_NA;
    if (collector.counts) {
        collector.sections++;
        if (collector.now_cycles < collector.least_cycles)
            collector.least_cycles = collector.now_cycles;
    }
    return collector.now_cycles;
}

void collector_timed_begin(void) {
    if (!collector.known)
        return;
    bench_flavour.traced->gc(&collector.before);
    collector.begun_cpu_ns = meter_cpu_ns();
    collector.begun_ns = meter_wall_ns();
}

static void add_sums(const struct traced_gc *now) {
    const uint64_t *to = (const uint64_t *)now, *from = (const uint64_t *)&collector.before;
    uint64_t *sum = (uint64_t *)&collector.sum;
    for (size_t i = 0; i < sizeof *now / sizeof *to; i++) {
        if (to[i] == PEER_NA)
            sum[i] = PEER_NA;
        else if (to[i] > from[i]) /* what is estimated may come down */
            sum[i] += to[i] - from[i];
    }
}

/* The lines of the section's stops in section_pauses: as many as `now` counts, whatever another thread has logged since;
 * *first is the number of the oldest that is still known. */
static size_t take_pauses(const struct traced_gc *now, uint64_t *first) {
    size_t n = bench_flavour.traced->pauses(collector.before.pauses, section_pauses, PAUSES_AT_ONCE, first);
    if (*first > now->pauses)
        *first = now->pauses;
    return n < now->pauses - *first ? n : now->pauses - *first;
}

static void add_pauses(struct traced_gc *now, uint64_t ended_ns) {
    uint64_t first, known_ns = 0;
    if (bench_flavour.traced->pauses == NULL)
        return;
    size_t n = take_pauses(now, &first);
    collector.pauses_lost += first - collector.before.pauses;
    for (size_t i = 0; i < n; i++) {
        known_ns += section_pauses[i].length_ns;
        if (collector.pause_count < COLLECTOR_MAX_PAUSES)
            collector.lengths_ns[collector.pause_count++] = section_pauses[i].length_ns;
        else
            collector.pauses_lost++;
    }
    if (first != collector.before.pauses)
        return; /* it is not known where the lost ones lay */
    /* The subject's own sum may be a stop ahead of its count, or behind it. */
    now->pause_ns = collector.before.pause_ns + known_ns;
    for (int i = 0; i < COLLECTOR_WINDOWS; i++) {
        double mmu = pauses_mmu(section_pauses, n, collector.begun_ns, ended_ns, collector_windows_ns[i]);
        if (isnan(collector.mmu[i]) || mmu < collector.mmu[i])
            collector.mmu[i] = mmu;
    }
}

static void add_goals(void) {
    const struct traced_subject *s = bench_flavour.traced;
    uint64_t first;
    if (s->gc_cycles == NULL)
        return;
    size_t n = s->gc_cycles(collector.before.cycles, section_cycles, CYCLES_AT_ONCE, &first);
    for (size_t i = 0; i < n; i++) {
        const struct traced_gc_cycle *c = &section_cycles[i];
        collector.last_goal_bytes = c->next_goal_bytes;
        /* A cycle that is forced, and one without a goal, begin at no trigger. */
        if (!c->forced && c->goal_bytes != PEER_NA && c->goal_bytes != 0 && collector.goal_count < COLLECTOR_MAX_GOALS)
            collector.peak_over_goal[collector.goal_count++] = (double)c->peak_live_bytes / (double)c->goal_bytes;
    }
}

void collector_timed_end(void) {
    if (!collector.known)
        return;
    uint64_t ended_ns = meter_wall_ns(), ended_cpu_ns = meter_cpu_ns();
    struct traced_gc now;
    bench_flavour.traced->gc(&now);
    collector.now_cycles += now.cycles - collector.before.cycles;
    if (!collector.counts)
        return;
    collector.timed_ns += ended_ns - collector.begun_ns;
    collector.process_cpu_ns += ended_cpu_ns - collector.begun_cpu_ns;
    add_pauses(&now, ended_ns);
    add_sums(&now);
    add_goals();
}
