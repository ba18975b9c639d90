/* SPDX-License-Identifier: MIT
 *
 * memstats: the heap's statistics under Go's names and by Go's definitions (Go mstats.go:375, metrics.go). What is in
 * use, free and given back is seen on a walk; what has been allocated and freed is counted in traced builds only
 * (alloc/stats.h).
 */
#include "alloc/cache.h"
#include "goalloc.h"

#include <string.h>

_Static_assert((int)GOALLOC_SIZE_BUCKETS == (int)GOALLOC_SIZE_CLASSES, "67 classes, and large objects instead of 0");

struct memstats {
    struct stats counts; /* traced builds */
    uint64_t live_bytes, live_objects;
    uint64_t inuse_bytes, free_bytes, released_bytes; /* of pages */
    uint64_t mspan_inuse_bytes, mspan_sys_bytes, mcache_inuse_bytes, mcache_sys_bytes, metadata_bytes, other_bytes;
    uint64_t total_alloc_bytes, total_free_bytes, total_allocs, total_frees;
};

static void memstats_add_run(void *context, const struct goalloc_run *run) {
    struct memstats *m = context;
    if (run->kind == GOALLOC_RUN_SPAN || run->kind == GOALLOC_RUN_LARGE) {
        m->inuse_bytes += run->size_bytes;
        m->live_bytes += run->used_bytes;
        m->live_objects += run->used_slots;
    } else if (run->kind == GOALLOC_RUN_RELEASED || run->released) {
        m->released_bytes += run->size_bytes;
    } else {
        m->free_bytes += run->size_bytes;
    }
}

/* In a traced build what is live is what was allocated and has not been swept away, as far as threads have told. */
static void memstats_count(struct memstats *m) {
    m->total_allocs = m->counts.large_allocs;
    m->total_frees = m->counts.large_frees;
    m->total_alloc_bytes = m->counts.large_alloc_bytes;
    m->total_free_bytes = m->counts.large_free_bytes;
    for (unsigned i = 1; i < GOALLOC_SIZE_CLASSES; i++) {
        m->total_allocs += m->counts.small_allocs[i];
        m->total_frees += m->counts.small_frees[i];
        m->total_alloc_bytes += m->counts.small_allocs[i] * gclass_size(i);
        m->total_free_bytes += m->counts.small_frees[i] * gclass_size(i);
    }
    if (!PLACE_SLOTS) { /* objects of a class have any size */
        m->total_alloc_bytes = __atomic_load_n(&gc_account.total_alloc_bytes, __ATOMIC_RELAXED);
        m->total_free_bytes = __atomic_load_n(&gc_account.total_free_bytes, __ATOMIC_RELAXED);
    }
    m->live_bytes = m->total_alloc_bytes - m->total_free_bytes;
    m->live_objects = m->total_allocs - m->total_frees;
}

/* Others stand still only where the world can be stopped. */
static void memstats_flush(struct cache *self) {
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all)
        if (c == self || AXIS_COLLECTS)
            cache_give_spans(c);
}

/* flush: what threads have allocated from the spans they hold counts, too, as far as they can be stopped for it. */
static bool memstats_read(struct memstats *m, bool flush) {
    memset(m, 0, sizeof *m);
    if (!heap_init())
        return false;
    struct cache *self = front_rest_begin();
    if (AXIS_TRACED && flush && self != NULL)
        memstats_flush(self);
    lock_acquire(&heap.lock);
    walk_runs(memstats_add_run, m);
    m->other_bytes = meta_unused_bytes();
    m->metadata_bytes = meta_committed_bytes() + heap.pages.metadata_bytes;
    lock_release(&heap.lock);
    front_rest_end(self);
    for (const struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all) {
        m->mcache_sys_bytes += sizeof *c;
        if (AXIS_TRACED)
            stats_sum(&m->counts, &c->stats);
    }
    m->mcache_inuse_bytes = __atomic_load_n(&caches.attached, __ATOMIC_RELAXED) * sizeof(struct cache);
    m->mspan_inuse_bytes = __atomic_load_n(&span_records.in_use_bytes, __ATOMIC_RELAXED);
    m->mspan_sys_bytes = __atomic_load_n(&span_records.sys_bytes, __ATOMIC_RELAXED);
    if (AXIS_TRACED)
        memstats_count(m);
    return true;
}

/* Tables, bitmaps and sets; what is left of a chunk is nobody's (Go malloc.go:1990). */
static uint64_t memstats_other_metadata(const struct memstats *m) {
    return m->metadata_bytes - m->mspan_sys_bytes - m->mcache_sys_bytes - m->other_bytes;
}

/* ---- MemStats */

/* Requests that share a tiny block are allocations too, and freed ones at once: nobody knows when they die (Go
 * mstats.go:424). */
static void memstats_fill_counts(struct goalloc_mem_stats *out, const struct memstats *m) {
    if (AXIS_COLLECTS) {
        out->next_gc_bytes = gc_statistics.next_gc_bytes;
        out->last_gc_ns = gc_statistics.last_gc_ns;
        out->pause_total_ns = gc_statistics.pause_total_ns;
        out->num_gc = gc_statistics.num_gc;
        out->num_forced_gc = gc_statistics.num_forced_gc;
    }
    out->total_alloc_bytes = m->total_alloc_bytes;
    out->mallocs = m->total_allocs + m->counts.tiny_allocs;
    out->frees = m->total_frees + m->counts.tiny_allocs;
    for (unsigned i = 0; PLACE_SLOTS && i < GOALLOC_MEM_STATS_CLASSES; i++) {
        out->by_size[i].mallocs = m->counts.small_allocs[i];
        out->by_size[i].frees = m->counts.small_frees[i];
    }
}

bool goalloc_read_mem_stats(struct goalloc_mem_stats *out) {
    _Static_assert(sizeof *out % sizeof(uint64_t) == 0, "nothing but counters");
    memset(out, 0xff, sizeof *out); /* GOALLOC_NA */
    struct memstats m;
    if (!memstats_read(&m, true))
        return false;
    out->alloc_bytes = out->heap_alloc_bytes = m.live_bytes;
    out->heap_objects = m.live_objects;
    out->heap_inuse_bytes = m.inuse_bytes;
    out->heap_idle_bytes = m.free_bytes + m.released_bytes;
    out->heap_released_bytes = m.released_bytes;
    out->heap_sys_bytes = m.inuse_bytes + m.free_bytes + m.released_bytes;
    out->mspan_inuse_bytes = m.mspan_inuse_bytes;
    out->mspan_sys_bytes = m.mspan_sys_bytes;
    out->mcache_inuse_bytes = m.mcache_inuse_bytes;
    out->mcache_sys_bytes = m.mcache_sys_bytes;
    out->gc_sys_bytes = memstats_other_metadata(&m);
    out->other_sys_bytes = m.other_bytes;
    out->sys_bytes = out->heap_sys_bytes + m.metadata_bytes;
    for (unsigned i = 0; i < GOALLOC_MEM_STATS_CLASSES; i++)
        out->by_size[i].size = gclass_size(i);
    if (AXIS_TRACED)
        memstats_fill_counts(out, &m);
    return true;
}

/* ---- runtime/metrics: a row per metric */

#define MEMSTATS_VALUE(name, expression)                                                                               \
    static uint64_t memstats_##name(const struct memstats *m) {                                                        \
        return expression;                                                                                             \
    }
MEMSTATS_VALUE(alloc_bytes, m->total_alloc_bytes)
MEMSTATS_VALUE(alloc_objects, m->total_allocs)
MEMSTATS_VALUE(free_bytes, m->total_free_bytes)
MEMSTATS_VALUE(free_objects, m->total_frees)
MEMSTATS_VALUE(tiny_objects, m->counts.tiny_allocs)
MEMSTATS_VALUE(objects, m->live_objects)
MEMSTATS_VALUE(heap_free, m->free_bytes)
MEMSTATS_VALUE(heap_objects, m->live_bytes)
MEMSTATS_VALUE(heap_released, m->released_bytes)
MEMSTATS_VALUE(heap_unused, m->inuse_bytes - m->live_bytes)
MEMSTATS_VALUE(mcache_free, m->mcache_sys_bytes - m->mcache_inuse_bytes)
MEMSTATS_VALUE(mcache_inuse, m->mcache_inuse_bytes)
MEMSTATS_VALUE(mspan_free, m->mspan_sys_bytes - m->mspan_inuse_bytes)
MEMSTATS_VALUE(mspan_inuse, m->mspan_inuse_bytes)
MEMSTATS_VALUE(metadata_other, memstats_other_metadata(m))
MEMSTATS_VALUE(other, m->other_bytes)
MEMSTATS_VALUE(total, m->inuse_bytes + m->free_bytes + m->released_bytes + m->metadata_bytes)

/* What the collector tells of its cycles, as of the last one. */
#define MEMSTATS_CYCLE(name, expression)                                                                               \
    static uint64_t memstats_##name(const struct memstats *m) {                                                        \
        (void)m;                                                                                                       \
        return expression;                                                                                             \
    }
MEMSTATS_CYCLE(cycles_automatic, gc_statistics.num_gc - gc_statistics.num_forced_gc)
MEMSTATS_CYCLE(cycles_forced, gc_statistics.num_forced_gc)
MEMSTATS_CYCLE(cycles_total, gc_statistics.num_gc)
MEMSTATS_CYCLE(goal, gc_statistics.next_gc_bytes)
MEMSTATS_CYCLE(live, gc_statistics.live_bytes)
MEMSTATS_CYCLE(limited, gc_statistics.limited_cycle)
MEMSTATS_CYCLE(percent, gc_statistics.percent)
MEMSTATS_CYCLE(scan_globals, gc_statistics.globals_scan_bytes)
/* What was allocated since counts, too, where a span came or went (Go metrics.go:200, mcache.go:222). */
MEMSTATS_CYCLE(scan_heap, __atomic_load_n(&gc_account.scan_bytes, __ATOMIC_RELAXED))
MEMSTATS_CYCLE(scan_stack, gc_statistics.stack_scan_bytes)

enum memstats_kept { EVERYWHERE, TRACED, COLLECTING };

static const struct memstats_metric {
    const char *name;
    enum memstats_kept kept; /* which builds know it */
    uint64_t (*value)(const struct memstats *m);
    size_t histogram, large; /* instead: offsets in struct stats of a row per class, and of large objects */
} memstats_metrics[] = {
    {"/gc/cycles/automatic:gc-cycles", COLLECTING, memstats_cycles_automatic, 0, 0},
    {"/gc/cycles/forced:gc-cycles", COLLECTING, memstats_cycles_forced, 0, 0},
    {"/gc/cycles/total:gc-cycles", COLLECTING, memstats_cycles_total, 0, 0},
    {"/gc/gogc:percent", COLLECTING, memstats_percent, 0, 0},
    {"/gc/heap/allocs-by-size:bytes", TRACED, NULL, offsetof(struct stats, small_allocs),
     offsetof(struct stats, large_allocs)},
    {"/gc/heap/allocs:bytes", TRACED, memstats_alloc_bytes, 0, 0},
    {"/gc/heap/allocs:objects", TRACED, memstats_alloc_objects, 0, 0},
    {"/gc/heap/frees-by-size:bytes", TRACED, NULL, offsetof(struct stats, small_frees),
     offsetof(struct stats, large_frees)},
    {"/gc/heap/frees:bytes", TRACED, memstats_free_bytes, 0, 0},
    {"/gc/heap/frees:objects", TRACED, memstats_free_objects, 0, 0},
    {"/gc/heap/goal:bytes", COLLECTING, memstats_goal, 0, 0},
    {"/gc/heap/live:bytes", COLLECTING, memstats_live, 0, 0},
    {"/gc/heap/objects:objects", EVERYWHERE, memstats_objects, 0, 0},
    {"/gc/heap/tiny/allocs:objects", TRACED, memstats_tiny_objects, 0, 0},
    {"/gc/limiter/last-enabled:gc-cycle", COLLECTING, memstats_limited, 0, 0},
    {"/gc/scan/globals:bytes", COLLECTING, memstats_scan_globals, 0, 0},
    {"/gc/scan/heap:bytes", COLLECTING, memstats_scan_heap, 0, 0},
    {"/gc/scan/stack:bytes", COLLECTING, memstats_scan_stack, 0, 0},
    {"/memory/classes/heap/free:bytes", EVERYWHERE, memstats_heap_free, 0, 0},
    {"/memory/classes/heap/objects:bytes", EVERYWHERE, memstats_heap_objects, 0, 0},
    {"/memory/classes/heap/released:bytes", EVERYWHERE, memstats_heap_released, 0, 0},
    {"/memory/classes/heap/unused:bytes", EVERYWHERE, memstats_heap_unused, 0, 0},
    {"/memory/classes/metadata/mcache/free:bytes", EVERYWHERE, memstats_mcache_free, 0, 0},
    {"/memory/classes/metadata/mcache/inuse:bytes", EVERYWHERE, memstats_mcache_inuse, 0, 0},
    {"/memory/classes/metadata/mspan/free:bytes", EVERYWHERE, memstats_mspan_free, 0, 0},
    {"/memory/classes/metadata/mspan/inuse:bytes", EVERYWHERE, memstats_mspan_inuse, 0, 0},
    {"/memory/classes/metadata/other:bytes", EVERYWHERE, memstats_metadata_other, 0, 0},
    {"/memory/classes/other:bytes", EVERYWHERE, memstats_other, 0, 0},
    {"/memory/classes/total:bytes", EVERYWHERE, memstats_total, 0, 0},
};

enum { MEMSTATS_METRICS = sizeof memstats_metrics / sizeof memstats_metrics[0] };

static bool memstats_has(const struct memstats_metric *metric) {
    return AXIS_COLLECTS || metric->kept == EVERYWHERE || (AXIS_TRACED && metric->kept == TRACED);
}

const char *goalloc_metric_name(size_t index) {
    for (size_t i = 0; i < MEMSTATS_METRICS; i++)
        if (memstats_has(&memstats_metrics[i]) && index-- == 0)
            return memstats_metrics[i].name;
    return NULL;
}

static const struct memstats_metric *memstats_find(const char *key) {
    for (size_t i = 0; i < MEMSTATS_METRICS; i++)
        if (strcmp(memstats_metrics[i].name, key) == 0)
            return memstats_has(&memstats_metrics[i]) ? &memstats_metrics[i] : NULL;
    return NULL;
}

/* Bucket i is size class i + 1; the last one holds large objects (Go metrics.go:221). */
static void memstats_fill_buckets(const struct memstats *m, const struct memstats_metric *metric, uint64_t *values) {
    const uint64_t *by_class = (const uint64_t *)((const char *)&m->counts + metric->histogram);
    for (unsigned i = 1; i < GOALLOC_SIZE_CLASSES; i++)
        values[i - 1] = by_class[i];
    values[GOALLOC_SIZE_BUCKETS - 1] = *(const uint64_t *)((const char *)&m->counts + metric->large);
}

bool goalloc_read_metric(const char *key, uint64_t *values, size_t count) {
    const struct memstats_metric *metric = memstats_find(key);
    if (metric == NULL || count != (metric->value != NULL ? 1 : GOALLOC_SIZE_BUCKETS))
        return false;
    struct memstats m;
    if (!memstats_read(&m, false))
        return false;
    if (metric->value != NULL)
        values[0] = metric->value(&m);
    else
        memstats_fill_buckets(&m, metric, values);
    return true;
}
