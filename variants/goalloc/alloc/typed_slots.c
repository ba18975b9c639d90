/* SPDX-License-Identifier: MIT
 *
 * typed_slots: small typed requests where spans are made of equal slots.
 */

/* The typed paths choose their window by span class, with and without pointers. */
static uint8_t alloc_class_for(size_t size_bytes) {
    return span_class_make(gclass_of(size_bytes == 0 ? 1 : size_bytes), true);
}

static bool typed_is_small(size_t size_bytes) {
    return size_bytes <= HEAP_MAX_SMALL_BYTES;
}

/* The next slot of the class, and in *span where it lies. 0: out of memory. */
static inline uintptr_t typed_slot(struct cache *c, uint8_t span_class, struct span **span) {
    *span = c->alloc[span_class];
    uintptr_t address = place_next_fast(*span);
    if (GOALLOC_LIKELY(address != 0))
        return address;
    address = place_next(*span);
    if (address == 0 && cache_refill(c, span_class)) {
        *span = c->alloc[span_class];
        address = place_next(*span);
    }
    return address;
}

/* Nothing in it means anything to the collector, so it is published before it is filled. */
static uintptr_t typed_noscan_slot(struct cache *c, uint8_t span_class) {
    if (mcache_windowed(span_class))
        return mcache_take(c, span_class, 0, 0);
    struct span *s;
    uintptr_t address = typed_slot(c, span_class, &s);
    return address != 0 ? typed_publish(s, address) : 0;
}

static uintptr_t typed_small_noscan(struct cache *c, size_t size_bytes, bool zero) {
    uint8_t span_class = span_class_make(gclass_of(size_bytes), true);
    uintptr_t address = typed_noscan_slot(c, span_class);
    if (address != 0 && zero && c->alloc[span_class]->needzero)
        memset((void *)address, 0, size_bytes);
    return address;
}

static uintptr_t typed_small_scan(struct cache *c, const struct goalloc_type *type, size_t n, size_t size_bytes) {
    uint8_t span_class = span_class_make(gclass_of(size_bytes), false);
    uint64_t mask = typed_array_mask(type, n);
    if (mcache_windowed(span_class))
        return mcache_take(c, span_class, mask, (uint32_t)typed_scan_bytes(type, mask));
    struct span *s;
    uintptr_t address = typed_slot(c, span_class, &s);
    if (address == 0)
        return 0;
    if (s->needzero)
        memset((void *)address, 0, size_bytes);
    mcache_set_bits(s, address, mask, s->elem_bytes / TYPED_WORD_BYTES);
    c->scan_alloc_bytes += typed_scan_bytes(type, mask);
    return typed_publish(s, address);
}

static uintptr_t typed_small_header(struct cache *c, const struct goalloc_type *type, size_t size_bytes) {
    uint8_t span_class = span_class_make(gclass_of(size_bytes + TYPED_HEADER_BYTES), false);
    struct span *s;
    uintptr_t address = typed_slot(c, span_class, &s);
    if (address == 0)
        return 0;
    if (s->needzero)
        memset((void *)address, 0, s->elem_bytes);
    *(const struct goalloc_type **)address = type;
    c->scan_alloc_bytes += s->elem_bytes;
    return typed_publish(s, address) + TYPED_HEADER_BYTES;
}
