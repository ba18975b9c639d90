/* SPDX-License-Identifier: MIT
 *
 * counters: what the heap holds, summed over a walk (walk.c); nothing is counted on the fast paths.
 */
#include "alloc/cache.h"
#include "alloc/decay.h"
#include "alloc/object.h"
#include "alloc/tiny.h"
#include "goalloc.h"

#include <stdio.h>
#include <string.h>

#ifndef GOALLOC_VERSION
#error "compile with -DGOALLOC_VERSION=\"...\""
#endif

const char *goalloc_version(void) {
    return GOALLOC_VERSION;
}

const char *goalloc_axes(void) {
    return GOALLOC_AXES;
}

int goalloc_knob(const char *name, char *out, size_t size) {
    if (!heap_init())
        return -1;
    if (place_knob(name, out, size) || cache_handover_knob(name, out, size))
        return 0;
    if (strcmp(name, "preset") == 0)
        snprintf(out, size, "%s", heap.tuned ? "tuned" : "faithful");
    else if (strcmp(name, "huge") == 0)
        snprintf(out, size, "%s", knob_switch_name(heap.huge_pages));
    else if (!AXIS_TRACED && strcmp(name, "decay") == 0)
        snprintf(out, size, "%s", decay_name());
    else if (AXIS_TRACED && strcmp(name, "past_end") == 0)
        snprintf(out, size, "%s", init_past_ends[heap.past_end]);
    else
        return -1;
    return 0;
}

bool goalloc_object_of(const void *address, struct goalloc_object *out) {
    struct object o;
    struct cache *c = cache_self;
    /* A stop waits for what holds its cache: the bitmaps that are read serve no other span before it is over. A signal
     * handler may ask, too, and have interrupted what holds it already. */
    bool hold = AXIS_TRACED && c != &cache_none && __atomic_load_n(&c->front.busy, __ATOMIC_RELAXED) == 0;
    if (hold)
        cache_hold(c);
    bool found = object_of((uintptr_t)address, &o);
    if (hold)
        cache_unhold(c);
    if (!found)
        return false;
    out->base = (void *)o.base;
    out->size_bytes = o.size_bytes;
    out->index = o.slot;
    out->noscan = o.noscan;
    return true;
}

struct counters_sum {
    uint64_t allocated_bytes, dead_bytes, free_in_span_bytes, cached_bytes;
};

static void counters_add(void *context, const struct goalloc_run *run) {
    struct counters_sum *sum = context;
    sum->allocated_bytes += run->used_bytes;
    sum->dead_bytes += run->dead_bytes;
    if (run->used_bytes != 0)
        sum->free_in_span_bytes += run->size_bytes - run->used_bytes - run->dead_bytes;
    else if (run->kind != GOALLOC_RUN_RELEASED && !run->released)
        sum->cached_bytes += run->size_bytes;
}

/* Backed pages as the page heap and the threads' page caches count them, whatever lies in them. Heap lock held. */
__attribute__((no_sanitize("thread"))) static uint64_t counters_backed_pages(void) {
    uint64_t pages = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
    pages += heap.pages.free_pages - heap.pages.scavenged_free_pages;
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all)
        pages += (unsigned)__builtin_popcountll(c->pages.free & ~c->pages.scavenged);
    return pages;
}

int goalloc_counters(uint64_t out[GOALLOC_COUNTERS]) {
    struct counters_sum sum = {0};
    for (int i = 0; i < GOALLOC_COUNTERS; i++)
        out[i] = GOALLOC_NA;
    if (!heap_init())
        return 0;
    struct cache *c = front_rest_begin();
    lock_acquire(&heap.lock);
    walk_runs(counters_add, &sum);
    uint64_t metadata_bytes = meta_committed_bytes() + heap.pages.metadata_bytes;
    uint64_t backed_bytes = counters_backed_pages() << GOALLOC_PAGE_SHIFT;
    lock_release(&heap.lock);
    front_rest_end(c);
    out[0] = sum.allocated_bytes;
    out[1] = sum.free_in_span_bytes;
    out[2] = sum.cached_bytes;
    out[3] = metadata_bytes;
    out[4] = 0; /* released memory leaves at once (MADV_DONTNEED) */
    out[5] = backed_bytes + metadata_bytes;
    out[8] = sum.dead_bytes;
    return 0;
}
