/* SPDX-License-Identifier: MIT
 *
 * malloc_slots: small requests of size-class placement.
 */

/* The class of a small request under the C ABI: Go's 24 B class is 8-aligned, so 17 to 24 B take the next one. Tiny
 * builds leave class 0 for requests up to 8 B: the slow path serves them. */
static uint8_t alloc_class_for(size_t size_bytes) {
    if (AXIS_TINY && size_bytes <= TINY_GRANULE_BYTES)
        return 0;
    unsigned size_class = gclass_of(size_bytes == 0 ? 1 : size_bytes);
    while (size_bytes >= 16 && gclass_size(size_class) % 16 != 0)
        size_class++;
    return span_class_make(size_class, true);
}

static uintptr_t alloc_small_from(struct cache *c, uint8_t span_class) {
    if (AXIS_TINY && span_class == 0)
        return tiny_alloc(c);
    uintptr_t address = place_take(&c->current[span_class]);
    if (address == 0 && cache_refill(c, span_class))
        address = place_take(&c->current[span_class]);
    return address;
}

/* Requests above 1024 B: the class by table, 128 B a step (Go malloc.go:1285). */
static void *alloc_slow(size_t size_bytes);
static __attribute__((noinline)) void *alloc_medium(size_t size_bytes) {
    if (size_bytes > HEAP_MAX_SMALL_BYTES)
        return alloc_slow(size_bytes);
    uintptr_t address = place_take(&cache_self->current[alloc_class_for(size_bytes)]);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : alloc_slow(size_bytes);
}

/* The first request of a thread, tiny ones, large ones, failures. */
static __attribute__((noinline)) void *alloc_slowest(size_t size_bytes) {
    if (os_thread_dies)
        return dying_alloc(size_bytes, 16);
    if (size_bytes > HEAP_MAX_SMALL_BYTES) {
        struct span *s = alloc_large(cache_self, size_bytes, GOALLOC_PAGE_BYTES);
        return s != NULL ? (void *)span_base(s) : alloc_failed();
    }
    uintptr_t address = 0;
    struct cache *c = cache_attach();
    if (c != NULL)
        address = alloc_small_from(c, alloc_class_for(size_bytes));
    else if ((c = cache_shared_acquire()) != NULL) {
        address = alloc_small_from(c, alloc_class_for(size_bytes));
        cache_shared_release();
    }
    return address != 0 ? (void *)address : alloc_failed();
}

/* A window is used up: the commonest thing that the fast path does not do. */
static __attribute__((noinline)) void *alloc_slow(size_t size_bytes) {
    struct cache *c = cache_self;
    if (GOALLOC_UNLIKELY(c == &cache_none) || GOALLOC_UNLIKELY(size_bytes > GOALLOC_SMALL_SIZE_MAX))
        return alloc_slowest(size_bytes);
    uint8_t span_class = (uint8_t)(c->by_8[(size_bytes + 7) / 8] - c->current);
    uintptr_t address = AXIS_TINY && span_class == 0 ? tiny_alloc(c) : 0;
    if (address == 0 && span_class != 0 && cache_refill(c, span_class))
        address = place_take(&c->current[span_class]);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : alloc_failed();
}

void *goalloc_malloc(size_t size_bytes) {
    if (GOALLOC_UNLIKELY(size_bytes > GOALLOC_SMALL_SIZE_MAX))
        return alloc_medium(size_bytes);
    struct place_window *w = cache_self->by_8[(size_bytes + 7) / 8];
    uint64_t bits = place_load(w->word);
    if (GOALLOC_UNLIKELY(bits == 0))
        return alloc_slow(size_bytes);
    return (void *)place_take_from(w, bits);
}

/* Spans are page-aligned, so a class whose size is a multiple of the alignment serves it. */
static void *alloc_aligned(size_t align_bytes, size_t size_bytes) {
    if (align_bytes <= TINY_GRANULE_BYTES)
        return goalloc_malloc(size_bytes);
    if (size_bytes < align_bytes && align_bytes <= GOALLOC_PAGE_BYTES)
        size_bytes = align_bytes; /* no class of a smaller size is aligned enough */
    if (align_bytes <= GOALLOC_PAGE_BYTES && size_bytes <= HEAP_MAX_SMALL_BYTES) {
        unsigned size_class = gclass_of(size_bytes);
        while (size_class < GOALLOC_SIZE_CLASSES - 1 && gclass_size(size_class) % align_bytes != 0)
            size_class++;
        if (gclass_size(size_class) % align_bytes == 0 && gclass_size(size_class) <= HEAP_MAX_SMALL_BYTES)
            return goalloc_malloc(gclass_size(size_class));
    }
    struct span *s = alloc_large(cache_self, size_bytes, align_bytes);
    return s != NULL ? (void *)span_base(s) : alloc_failed();
}
