/* SPDX-License-Identifier: MIT
 *
 * init: first use, knobs from the environment. The library may serve its first request before any constructor has
 * run, so everything starts from zero-filled state and the first slow path sets it up.
 */
#include "alloc/cache.h"
#include "alloc/decay.h"
#include "os/knob.h"

#include <stdlib.h>
#include <string.h>

static struct lock init_lock;

enum { INIT_META_SHARE = 32 }; /* records of the smallest spans take about this part of them */

/* The cache of threads that have run their last destructor, and of those that cannot have one. Guarded by its lock. */
static struct cache *cache_shared;
static struct lock cache_shared_lock;

/* Once, before any handler of others that could be registered from now on (alloc/fork.c). */
static void fork_register(void);

static bool init_preset_tuned(void) {
    static const char *const presets[] = {"tuned", "faithful", NULL};
    return knob_choice("GOALLOC_PRESET", presets, 0) == 0;
}

static const char *const init_past_ends[] = {"off", "stacks", "on", NULL};

/* C allows a pointer one past the end of an array to be the only one; Go has none. */
static enum heap_past_end init_past_end(void) {
    if (!AXIS_TRACED)
        return HEAP_PAST_END_OFF;
    return (enum heap_past_end)knob_choice("GOALLOC_PAST_END", init_past_ends,
                                           heap.tuned ? HEAP_PAST_END_STACKS : HEAP_PAST_END_OFF);
}

/* Go's geometry covers 48 bits of addresses. Under an address-space limit, or where tables for all of them are refused,
 * it covers what the heap may use then, from an address on at which nothing lies yet. False: try again at the next
 * request; each part may be there by then. */
static bool init_pages(void) {
    if (heap.pages.chunks != NULL)
        return true;
    bool limited = os_address_limit_bytes() != SIZE_MAX;
    heap.arenas.limited_base = 0;
    if (!limited && page_init(&heap.pages, 0, (size_t)1 << ARENA_ADDRESS_BITS))
        return true;
    heap.arenas.limited_base = arena_limited_base();
    return heap.arenas.limited_base != 0 && page_init(&heap.pages, heap.arenas.limited_base, ARENA_LIMITED_BYTES);
}

static bool init_once(void) {
    heap.tuned = init_preset_tuned();
    /* Go leaves huge pages to the kernel's settings (1.21.6 on). Marking touches a page's objects and its tail for each
     * pointer, on two small pages. */
    heap.huge_pages = knob_switch("GOALLOC_HUGE", AXIS_COLLECTS && heap.tuned);
    heap.past_end = init_past_end();
    heap.spare_bytes = heap.past_end == HEAP_PAST_END_ON;
    heap.tiny_bytes = HEAP_TINY_BLOCK_BYTES - heap.spare_bytes;
    decay_init();
    place_knobs_init(heap.tuned);
    heap_class_pages_init();
    span_bits_init();
    size_t memory_pages = os_memory_bytes() >> GOALLOC_PAGE_SHIFT;
    heap.largest_pages = memory_pages < UINT32_MAX ? memory_pages : UINT32_MAX;
    /* Under a limit the heap may take all address space there is; its records must still find room. */
    if (os_address_limit_bytes() != SIZE_MAX && !meta_reserve(os_address_limit_bytes() / INIT_META_SHARE))
        return false;
    if (!init_pages())
        return false;
    if (heap.arenas.map == NULL && !arena_space_init(&heap.arenas, heap.pages.range_base != 0))
        return false;
    caches.keyed = pthread_key_create(&caches.key, cache_on_thread_exit) == 0;
    cache_handover_init();
    return true;
}

static bool heap_init(void) {
    if (GOALLOC_LIKELY(__atomic_load_n(&heap.ready, __ATOMIC_ACQUIRE) != 0))
        return true;
    fork_register(); /* a library that allocates first may register handlers of its own next */
    lock_acquire(&init_lock);
    bool ready = heap.ready != 0 || init_once();
    if (ready)
        __atomic_store_n(&heap.ready, 1, __ATOMIC_RELEASE);
    lock_release(&init_lock);
    return ready;
}

/* Locks cache_shared, making it at first. NULL: out of memory, nothing locked. */
static struct cache *cache_shared_acquire(void) {
    if (!heap_init())
        return NULL;
    lock_acquire(&cache_shared_lock);
    if (cache_shared == NULL)
        cache_shared = cache_record_take();
    if (cache_shared == NULL)
        lock_release(&cache_shared_lock);
    return cache_shared;
}

static void cache_shared_release(void) {
    lock_release(&cache_shared_lock);
}
