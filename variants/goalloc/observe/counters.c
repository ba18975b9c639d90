/* SPDX-License-Identifier: MIT
 *
 * counters: what the heap holds, by walking the page table; nothing is counted on the fast paths.
 */
#include "alloc/cache.h"
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
    if (strcmp(name, "preset") != 0)
        return -1;
    if (!heap_init())
        return -1;
    snprintf(out, size, "%s", heap.tuned ? "tuned" : "faithful");
    return 0;
}

bool goalloc_object_of(const void *address, struct goalloc_object *out) {
    struct object o;
    if (!object_of((uintptr_t)address, &o))
        return false;
    out->base = (void *)o.base;
    out->size_bytes = o.size_bytes;
    out->index = o.slot;
    out->noscan = o.noscan;
    return true;
}

struct counters_sum {
    uint64_t allocated_bytes, free_in_span_bytes, empty_span_bytes;
};

static void counters_add_span(struct counters_sum *sum, struct span *s) {
    uint64_t span_bytes = (uint64_t)s->npages << GOALLOC_PAGE_SHIFT;
    uint64_t used_bytes;
    if (s->elem_bytes == 0) {
        used_bytes = span_bytes;
    } else {
        unsigned free_slots = place_free_slots(s);
        for (unsigned i = 0; i < span_words(s); i++)
            free_slots += (unsigned)__builtin_popcountll(place_load(&span_remote_bits(s)[i]));
        used_bytes = (uint64_t)(s->nelems - free_slots) * s->elem_bytes;
    }
    sum->allocated_bytes += used_bytes;
    if (used_bytes == 0)
        sum->empty_span_bytes += span_bytes;
    else
        sum->free_in_span_bytes += span_bytes - used_bytes;
}

static void counters_walk_arena(struct counters_sum *sum, const struct arena *arena) {
    for (size_t page = 0; page < ARENA_PAGES; page++) {
        /* The in-use bit stands at a span's first page only, so that a span across arenas counts once. */
        if ((__atomic_load_n(&arena->page_in_use[page / 8], __ATOMIC_RELAXED) >> page % 8 & 1) == 0)
            continue;
        struct span *s = __atomic_load_n(&arena->spans[page], __ATOMIC_ACQUIRE);
        if (s != NULL && span_state_of(s) == SPAN_IN_USE)
            counters_add_span(sum, s);
    }
}

static void counters_walk(struct counters_sum *sum) {
    if (heap.arenas.map == NULL)
        return;
    /* Arenas begin at the lowest hint or in the window; only touched parts of the map can hold any. */
    for (size_t i = 0; i < heap.arenas.count; i++)
        counters_walk_arena(sum, heap.arenas.all[i]);
}

int goalloc_counters(uint64_t out[GOALLOC_COUNTERS]) {
    struct counters_sum sum = {0};
    for (int i = 0; i < GOALLOC_COUNTERS; i++)
        out[i] = GOALLOC_NA;
    if (!heap_init())
        return 0;
    lock_acquire(&heap.lock);
    counters_walk(&sum);
    uint64_t in_use_bytes = (uint64_t)__atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED) << GOALLOC_PAGE_SHIFT;
    uint64_t free_bytes = (uint64_t)(heap.pages.free_pages - heap.pages.scavenged_free_pages) << GOALLOC_PAGE_SHIFT;
    uint64_t metadata_bytes = meta_committed_bytes() + heap.pages.metadata_bytes;
    lock_release(&heap.lock);
    out[0] = sum.allocated_bytes;
    out[1] = sum.free_in_span_bytes;
    out[2] = sum.empty_span_bytes + free_bytes;
    out[3] = metadata_bytes;
    out[4] = 0; /* released memory leaves at once (MADV_DONTNEED) */
    out[5] = in_use_bytes + free_bytes + metadata_bytes;
    return 0;
}
