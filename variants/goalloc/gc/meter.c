/* SPDX-License-Identifier: MIT
 *
 * meter: what collecting takes: CPU by kind, stops of the world, what was scanned. Clocks are read around slices that
 * last longer than a reading; shorter ones are sampled (os/tsc.h). Sums are atomic; stops and cycles are logged by
 * whoever holds the cycle's lock, and read without one: a reader leaves out what may have been overwritten meanwhile.
 */
#include "gc/gc.h"
#include "os/tsc.h"

enum { METER_PAUSES = 8192, METER_CYCLES = 1024 };
_Static_assert(METER_PAUSES == GOALLOC_GC_PAUSES_KEPT + 1 && METER_CYCLES == GOALLOC_GC_CYCLES_KEPT + 1,
               "one entry may be in the writer's hands");

struct meter_log {
    uint64_t written; /* atomic: entries ever */
};

static struct {
    struct goalloc_gc_sums sums;                 /* atomic; what is sampled is not in it */
    struct goalloc_gc_sums logged;               /* those of the cycles in the log */
    uint64_t pause_begun_ns, pause_begun_cpu_ns; /* of the stop under way */
    uint64_t stop_other_ns;                      /* CPU of the stop under way that counts as marking or sweeping */
    uint64_t begun_ns, begun_ticks;
    struct meter_log pause_log, cycle_log;
    struct goalloc_gc_pause pauses[METER_PAUSES];
    struct goalloc_gc_cycle cycles[METER_CYCLES];
} meter;

static void meter_init(void) {
    meter.begun_ns = os_now_ns();
    meter.begun_ticks = tsc_now();
}

static void meter_add(uint64_t *sum, uint64_t n) {
    __atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

/* CPU of the calling thread since begun_cpu_ns; counts as `kind`. */
static uint64_t meter_spent(uint64_t *kind, uint64_t begun_cpu_ns) {
    uint64_t spent_ns = os_thread_cpu_ns() - begun_cpu_ns;
    meter_add(kind, spent_ns);
    return spent_ns;
}

/* The same within a stop, whose own CPU it is no part of. */
static void meter_spent_stopped(uint64_t *kind, uint64_t begun_cpu_ns) {
    meter.stop_other_ns += meter_spent(kind, begun_cpu_ns);
}

/* What a marking thread has scanned in this cycle. */
static void meter_scanned(const struct gc_work *w) {
    meter_add(&meter.sums.queued_objects, w->objects_scanned);
    meter_add(&meter.sums.span_visits, w->spans_scanned);
    meter_add(&meter.sums.single_visits, w->single_scans);
    meter_add(&meter.sums.span_objects, w->span_objects);
    meter_add(&meter.sums.scanned_bytes, w->scan_work);
}

/* ---- what is sampled */

static double meter_ns_per_tick(void) {
    uint64_t ticks = tsc_now() - meter.begun_ticks;
    return ticks == 0 ? 0 : (double)(os_now_ns() - meter.begun_ns) / (double)ticks;
}

static void meter_read(struct goalloc_gc_sums *out) {
    const uint64_t *from = (const uint64_t *)&meter.sums;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
    double sweep_ticks = 0, assist_ticks = 0, ns_per_tick = meter_ns_per_tick();
    for (const struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all) {
        sweep_ticks += tsc_ticks(&c->sweeping);
        assist_ticks += tsc_ticks(&c->assisting);
    }
    out->sweep_allocating_cpu_ns += (uint64_t)(sweep_ticks * ns_per_tick);
    out->assist_cpu_ns += (uint64_t)(assist_ticks * ns_per_tick);
}

/* ---- logs: entries are words; the count is stored behind them */

static void meter_log(struct meter_log *log, void *entries, size_t capacity, const void *entry, size_t size_bytes) {
    uint64_t *to = (uint64_t *)((char *)entries + log->written % capacity * size_bytes);
    for (size_t i = 0; i < size_bytes / 8; i++)
        __atomic_store_n(&to[i], ((const uint64_t *)entry)[i], __ATOMIC_RELAXED);
    __atomic_store_n(&log->written, log->written + 1, __ATOMIC_RELEASE);
}

/* The oldest entry that nobody may be overwriting once `written` have been written. */
static uint64_t meter_oldest(uint64_t written, size_t capacity) {
    return written < capacity ? 0 : written - capacity + 1;
}

static size_t meter_copy(const struct meter_log *log, const void *entries, size_t capacity, size_t size_bytes,
                         uint64_t first, void *out, size_t count, uint64_t *copied_first) {
    uint64_t written = __atomic_load_n(&log->written, __ATOMIC_ACQUIRE), oldest = meter_oldest(written, capacity);
    first = first < oldest ? oldest : first > written ? written : first;
    if (count > written - first)
        count = written - first;
    for (size_t n = 0; n < count; n++) {
        const uint64_t *from = (const uint64_t *)((const char *)entries + (first + n) % capacity * size_bytes);
        for (size_t i = 0; i < size_bytes / 8; i++)
            ((uint64_t *)((char *)out + n * size_bytes))[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
    }
    uint64_t late = meter_oldest(__atomic_load_n(&log->written, __ATOMIC_RELAXED), capacity);
    size_t torn = late <= first ? 0 : late - first < count ? late - first : count;
    memmove(out, (char *)out + torn * size_bytes, (count - torn) * size_bytes);
    *copied_first = first + torn;
    return count - torn;
}

/* The world is stopped, by the collector. Others may stop it as soon as it runs again. */
static void meter_begin_pause(void) {
    meter.pause_begun_ns = world.stopping_ns;
    meter.pause_begun_cpu_ns = world.stopping_cpu_ns;
    meter.stop_other_ns = 0;
}

/* It has been running again since started_ns. */
static void meter_log_pause(uint64_t started_ns) {
    uint64_t stop_ns = os_thread_cpu_ns() - meter.pause_begun_cpu_ns, other_ns = meter.stop_other_ns;
    meter_add(&meter.sums.stop_cpu_ns, stop_ns > other_ns ? stop_ns - other_ns : 0);
    struct goalloc_gc_pause pause = {meter.pause_begun_ns, started_ns - meter.pause_begun_ns};
    meter_log(&meter.pause_log, meter.pauses, METER_PAUSES, &pause, sizeof pause);
    meter_add(&meter.sums.pause_ns, pause.length_ns);
    /* Release, and last: a reader who counts the stop finds it in the log. */
    __atomic_fetch_add(&meter.sums.pauses, 1, __ATOMIC_RELEASE);
}

/* Behind the last pause of the cycle; `of` is not filled in yet. */
static void meter_log_cycle(struct goalloc_gc_cycle *cycle) {
    struct goalloc_gc_sums now;
    meter_read(&now);
    uint64_t *of = (uint64_t *)&cycle->of, *before = (uint64_t *)&meter.logged;
    for (size_t i = 0; i < sizeof now / sizeof *of; i++) {
        uint64_t sum = ((uint64_t *)&now)[i];
        of[i] = sum > before[i] ? sum - before[i] : 0; /* an estimate may have come down */
        before[i] = sum;
    }
    meter_log(&meter.cycle_log, meter.cycles, METER_CYCLES, cycle, sizeof *cycle);
}

bool goalloc_read_gc(struct goalloc_gc_sums *out) {
    _Static_assert(sizeof *out % sizeof(uint64_t) == 0, "nothing but sums");
    if (!heap_init()) {
        memset(out, 0, sizeof *out);
        return true;
    }
    meter_read(out);
    return true;
}

size_t goalloc_gc_pauses(uint64_t first, struct goalloc_gc_pause *out, size_t count, uint64_t *copied_first) {
    return meter_copy(&meter.pause_log, meter.pauses, METER_PAUSES, sizeof *out, first, out, count, copied_first);
}

size_t goalloc_gc_cycles(uint64_t first, struct goalloc_gc_cycle *out, size_t count, uint64_t *copied_first) {
    return meter_copy(&meter.cycle_log, meter.cycles, METER_CYCLES, sizeof *out, first, out, count, copied_first);
}
