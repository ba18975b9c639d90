/* SPDX-License-Identifier: MIT
 *
 * page_cost PATTERN cached|direct COUNT: allocates COUNT spans of one page, with or without a thread's page cache. Its
 * instructions are counted by callgrind, within page_cost_take only (scripts/allocator-numbers.sh).
 *
 *   fill       from free pages, one after another
 *   alternate  each is freed before the next is allocated
 *   replace    4096 are live; each allocation follows the free of one of them, drawn at random
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#ifndef GOALLOC_VERSION
#define GOALLOC_VERSION "numbers"
#endif
#include "gc-manual.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include "rng.h"

enum { LIVE = 4096, SEED = 1 };

#ifndef PAGE_COST_LOCKS
enum { PAGE_COST_LOCKS = 0 };
static unsigned long heap_locks;
#endif

/* What it is about: one page as heap_span_alloc gets it. c is NULL: there is no cache. */
__attribute__((noinline)) static uintptr_t page_cost_take(struct cache *c) {
    size_t scavenged_bytes = 0, grown_bytes = 0;
    uintptr_t base = heap_pages(c, 1, GOALLOC_PAGE_BYTES, &scavenged_bytes, &grown_bytes);
    if (base == 0)
        os_die("out of memory");
    return base;
}

/* As heap_span_release gives it back: to the heap, never to a cache. */
static void give(uintptr_t base) {
    lock_acquire(&heap.lock);
    page_free(&heap.pages, base, 1);
    lock_release(&heap.lock);
}

/* Makes the heap as large as count spans need, all free. */
static void grow(size_t count) {
    size_t scavenged_bytes = 0, grown_bytes = 0;
    uintptr_t base = heap_pages(NULL, count, GOALLOC_PAGE_BYTES, &scavenged_bytes, &grown_bytes);
    if (base == 0)
        os_die("out of memory");
    lock_acquire(&heap.lock);
    page_free(&heap.pages, base, count);
    lock_release(&heap.lock);
}

static unsigned long run(const char *pattern, struct cache *c, size_t count) {
    static uintptr_t live[LIVE];
    struct rng rng;
    rng_seed(&rng, SEED, 0);
    unsigned long locks = 0;
    bool fill = strcmp(pattern, "fill") == 0, replace = strcmp(pattern, "replace") == 0;
    size_t spans = replace ? LIVE : 1;
    grow(fill ? count + PAGE_CACHE_PAGES : LIVE);
    size_t ignored = 0, grown_bytes = 0;
    for (size_t i = 0; !fill && i < spans; i++)
        live[i] = heap_pages(c, 1, GOALLOC_PAGE_BYTES, &ignored, &grown_bytes);
    for (size_t i = 0; i < count; i++) {
        uintptr_t *slot = &live[replace ? rng_below(&rng, LIVE) : 0];
        if (!fill)
            give(*slot);
        unsigned long before = heap_locks;
        *slot = page_cost_take(c);
        locks += heap_locks - before;
    }
    return locks;
}

int main(int argc, char **argv) {
    static struct cache cache;
    const char *pattern = argc == 4 ? argv[1] : "";
    size_t count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    bool cached = argc == 4 && strcmp(argv[2], "cached") == 0;
    bool known = strcmp(pattern, "fill") == 0 || strcmp(pattern, "alternate") == 0 || strcmp(pattern, "replace") == 0;
    if (!known || count == 0 || (!cached && strcmp(argv[2], "direct") != 0)) {
        fprintf(stderr, "usage: %s fill|alternate|replace cached|direct COUNT\n", argv[0]);
        return 2;
    }
    if (!heap_init())
        os_die("out of memory");
    unsigned long locks = run(pattern, cached ? &cache : NULL, count);
    if (PAGE_COST_LOCKS)
        printf("%lu\n", locks);
    return 0;
}
