/* SPDX-License-Identifier: MIT
 * The page allocator against what the live runtime.pageAlloc of Go decided, operation by operation
 * (variants/go/oracle/pagealloc says how it was recorded, and what the lines mean). */
#include "unity_traced.h"

#include "golden_heap.h"

enum { CACHES = 3 };

static struct replay {
    struct page_heap ph;
    struct page_cache caches[CACHES];
    uintptr_t base;
    size_t lines;
    char where[256];
} go;

/* Names the operation, which a bare assertion would not. */
static void replay_equal(uint64_t goalloc, uint64_t want) {
    if (goalloc != want)
        fail_msg("%s: Go %ld, goalloc %ld", go.where, (long)want, (long)goalloc);
}

static long replay_page(uintptr_t address) {
    return address == 0 ? -1 : (long)((address - go.base) >> GOALLOC_PAGE_SHIFT);
}

static uintptr_t replay_address(long page) {
    return go.base + ((uintptr_t)page << GOALLOC_PAGE_SHIFT);
}

static void replay_alloc(const char *args, bool cached) {
    unsigned cache = 0;
    long npages, page, want_scavenged;
    size_t scavenged = 0;
    int fields = cached ? sscanf(args, "%u %ld %ld %ld", &cache, &npages, &page, &want_scavenged) - 1
                        : sscanf(args, "%ld %ld %ld", &npages, &page, &want_scavenged);
    assert_int_equal(fields, 3);
    uintptr_t got = cached ? page_cache_alloc(&go.caches[cache], (size_t)npages, &scavenged)
                           : page_alloc(&go.ph, (size_t)npages, &scavenged);
    replay_equal((uint64_t)replay_page(got), (uint64_t)page);
    if (page >= 0)
        replay_equal(scavenged >> GOALLOC_PAGE_SHIFT, (uint64_t)want_scavenged);
}

static void replay_cache_take(const char *args) {
    unsigned cache;
    long page;
    uint64_t free_bits, scavenged_bits;
    assert_int_equal(sscanf(args, "%u %ld %lx %lx", &cache, &page, &free_bits, &scavenged_bits), 4);
    struct page_cache *c = &go.caches[cache];
    *c = page_cache_take(&go.ph);
    replay_equal((uint64_t)replay_page(c->base), (uint64_t)page);
    replay_equal(c->free, free_bits);
    replay_equal(c->scavenged, scavenged_bits);
}

static void replay_line(const char *line) {
    const char *args = line + 1;
    long first, second = 0;
    int fields = sscanf(args, "%ld %ld", &first, &second);
    assert_true(fields == (line[0] == 'L' ? 1 : 2));
    switch (line[0]) {
    case 'G':
        assert_true(page_grow(&go.ph, replay_address(first), (size_t)second << GOALLOC_PAGE_SHIFT));
        break;
    case 'A':
    case 'C':
        replay_alloc(args, line[0] == 'C');
        break;
    case 'F':
        page_free(&go.ph, replay_address(first), (size_t)second);
        break;
    case 'T':
        replay_cache_take(args);
        break;
    case 'L':
        page_cache_flush(&go.ph, &go.caches[first]);
        break;
    case 'S':
        replay_equal(page_scavenge(&go.ph, first < 0 ? SIZE_MAX : (size_t)first << GOALLOC_PAGE_SHIFT),
                     (uint64_t)second << GOALLOC_PAGE_SHIFT);
        break;
    default:
        fail_msg("unknown operation: %s", line);
    }
}

/* Address space only, so that scavenging has something to give back; aligned as a root entry is, because shapes are
 * relative to absolute addresses. */
static void every_decision_is_go_s(void **state) {
    const size_t span_bytes = (size_t)31000 * PAGE_CHUNK_BYTES, root_bytes = (size_t)16 << 30;
    go.base = (uintptr_t)os_reserve_aligned(span_bytes, root_bytes);
    if (go.base == 0)
        skip(); /* an address-space limit */
    assert_true(page_init(&go.ph, 0, (size_t)1 << 48));
    memset(go.caches, 0, sizeof go.caches);
    go.lines = 0;
    FILE *golden = golden_open(*state);
    char line[GOLDEN_LINE_BYTES];
    for (; golden_line(golden, line, sizeof line); go.lines++) {
        snprintf(go.where, sizeof go.where, "%s, operation %zu: %.80s", (const char *)*state, go.lines + 1, line);
        replay_line(line);
    }
    fclose(golden);
    assert_true(go.lines > 5000);
    page_fini(&go.ph);
    os_unmap((void *)go.base, span_bytes);
}

#define PAGES(name)                                                                                                    \
    { name, every_decision_is_go_s, NULL, NULL, (void *)(name) }

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGES("pagealloc-mixed-1"), PAGES("pagealloc-mixed-2"),   PAGES("pagealloc-small"),
        PAGES("pagealloc-sparse"),  PAGES("pagealloc-long"),      PAGES("pagealloc-borders"),
        PAGES("pagealloc-caches"),  PAGES("pagealloc-fragments"), PAGES("pagealloc-scavenge"),
        PAGES("pagealloc-growth"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
