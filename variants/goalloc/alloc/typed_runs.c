/* SPDX-License-Identifier: MIT
 *
 * typed_runs: small typed requests where runs are cut into objects of any size, multiples of 16 B.
 */

/* Runs are filed by what their objects are, not by their size. */
static uint8_t alloc_class_for(size_t size_bytes) {
    return run_class_for(size_bytes, true);
}

static bool typed_is_small(size_t size_bytes) {
    return size_bytes <= runs.largest_bytes - TYPED_HEADER_BYTES; /* any size may come, SIZE_MAX too */
}

/* Not published yet. zero: all of it is to read as zero; *rounded gets the object's bytes. 0: out of memory. */
static inline uintptr_t typed_run_object(struct cache *c, size_t size_bytes, bool noscan, bool zero, size_t *rounded,
                                         struct span **span) {
    *rounded = run_round_up(size_bytes);
    uintptr_t address =
        mcache_take(c, run_class_for(*rounded, noscan), (unsigned)(*rounded / PLACE_GRANULE_BYTES), span);
    if (address != 0 && zero)
        memset((void *)address, 0, run_dirty_bytes(*span, *rounded));
    return address;
}

static uintptr_t typed_windowed_noscan(struct cache *c, size_t rounded_bytes, bool zero) {
    uintptr_t address = mcache_take_windowed(c, rounded_bytes, true, 0, 0);
    if (address != 0 && zero)
        memset((void *)address, 0, run_dirty_bytes(c->alloc[span_class_make(RUN_SMALL_CLASS, true)], rounded_bytes));
    return address;
}

static uintptr_t typed_small_noscan(struct cache *c, size_t size_bytes, bool zero) {
    if (mcache_windowed(run_round_up(size_bytes)))
        return typed_windowed_noscan(c, run_round_up(size_bytes), zero);
    size_t rounded;
    struct span *s;
    uintptr_t address = typed_run_object(c, size_bytes, true, zero, &rounded, &s);
    return address != 0 ? typed_publish(s, address) : 0;
}

/* Of the tiny allocator's. */
static uintptr_t typed_noscan_slot(struct cache *c, uint8_t span_class) {
    (void)span_class;
    return typed_small_noscan(c, RUN_UNIT_BYTES, false);
}

static uintptr_t typed_small_scan(struct cache *c, const struct goalloc_type *type, size_t n, size_t size_bytes) {
    size_t rounded;
    struct span *s;
    uint64_t mask = typed_array_mask(type, n);
    if (mcache_windowed(run_round_up(size_bytes)))
        return mcache_take_windowed(c, run_round_up(size_bytes), false, mask, (uint32_t)typed_scan_bytes(type, mask));
    uintptr_t address = typed_run_object(c, size_bytes, false, true, &rounded, &s);
    if (address == 0)
        return 0;
    mcache_set_bits(s, address, mask, place_bitmap_words(place_slot_bytes(s, run_granule(s, address))));
    c->scan_alloc_bytes += typed_scan_bytes(type, mask);
    return typed_publish(s, address);
}

static uintptr_t typed_small_header(struct cache *c, const struct goalloc_type *type, size_t size_bytes) {
    size_t rounded;
    struct span *s;
    uintptr_t address = typed_run_object(c, size_bytes + TYPED_HEADER_BYTES, false, true, &rounded, &s);
    if (address == 0)
        return 0;
    *(const struct goalloc_type **)address = type;
    c->scan_alloc_bytes += rounded;
    return typed_publish(s, address) + TYPED_HEADER_BYTES;
}
