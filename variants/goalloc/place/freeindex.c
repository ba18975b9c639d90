/* SPDX-License-Identifier: MIT
 *
 * freeindex: Go's own placement in traced builds (Go mbitmap.go:1073-1190, malloc.go:870): slots are handed out in
 * address order from freeindex on, those passed over that the last sweep found marked. alloc_cache holds the next 64
 * allocation bits, complemented, so that the next free slot is a count of trailing zeros away.
 */
#include "place/marked.h"

enum {
    PLACE_SLOTS = 1,
    PLACE_GRANULE_BYTES = 0,
    PLACE_PAGE_SLOTS = 1 << 16, /* spans with inline marks have one page */
};

#define PLACE_NO_WINDOW                                                                                                \
    { .span = NULL }

struct place_pool {};

static void place_knobs_init(bool tuned) {
    (void)tuned;
}

static bool place_knob(const char *name, char *out, size_t size) {
    (void)name, (void)out, (void)size;
    return false;
}

static size_t place_class_pages(unsigned size_class) {
    return gclass_pages(size_class);
}

static inline uint64_t *place_pointer_bits(const struct span *s) {
    return (uint64_t *)span_heap_bits(s);
}

static inline unsigned place_bitmap_words(size_t size_bytes) {
    return (unsigned)(size_bytes / 8);
}

/* ---- the next free slot */

/* Go mbitmap.go:1073: the 64 bits that hold slot index. */
static inline void place_fill_cache(struct span *s, unsigned index) {
    s->alloc_cache = ~place_alloc_bits(s)[index / 64] >> index % 64;
}

static inline void place_set_freeindex(struct span *s, unsigned index) {
    __atomic_store_n(&s->freeindex, (uint16_t)index, __ATOMIC_RELAXED);
}

/* Go mbitmap.go:1093 nextFreeIndex. nelems: the span is full. */
static unsigned place_next_index(struct span *s) {
    unsigned index = s->freeindex;
    if (index == s->nelems)
        return index;
    while (s->alloc_cache == 0) {
        index = (index + 64) & ~63u;
        if (index >= s->nelems) {
            place_set_freeindex(s, s->nelems);
            return s->nelems;
        }
        place_fill_cache(s, index);
    }
    unsigned skip = (unsigned)place_lowest(s->alloc_cache);
    index += skip;
    if (index >= s->nelems) {
        place_set_freeindex(s, s->nelems);
        return s->nelems;
    }
    s->alloc_cache = s->alloc_cache >> skip >> 1;
    place_set_freeindex(s, index + 1);
    if ((index + 1) % 64 == 0 && index + 1 != s->nelems)
        place_fill_cache(s, index + 1);
    return index;
}

static inline void place_count_slot(struct span *s) {
    __atomic_store_n(&s->alloc_count, (uint16_t)(s->alloc_count + 1), __ATOMIC_RELAXED);
}

/* Go malloc.go:870 nextFreeFast: serves from the cache; 0: the cache has nothing, or ends here. */
static inline uintptr_t place_next_fast(struct span *s) {
    if (GOALLOC_UNLIKELY(s->alloc_cache == 0))
        return 0;
    unsigned skip = (unsigned)place_lowest(s->alloc_cache), index = s->freeindex + skip;
    if (GOALLOC_UNLIKELY(index >= s->nelems || ((index + 1) % 64 == 0 && index + 1 != s->nelems)))
        return 0;
    s->alloc_cache = s->alloc_cache >> skip >> 1;
    place_set_freeindex(s, index + 1);
    place_count_slot(s);
    return s->base + (uintptr_t)index * s->elem_bytes;
}

/* The same without the limits of the cache; 0: the span is full. */
static uintptr_t place_next(struct span *s) {
    unsigned index = place_next_index(s);
    if (index == s->nelems)
        return 0;
    place_count_slot(s);
    return s->base + (uintptr_t)index * s->elem_bytes;
}

/* ---- runs: all slots up to the next one in use at once, for a thread's window */

/* First slot of the next run, which is in use from now on; *count of them, 0 when the span is full. */
static unsigned place_take_run(struct span *s, unsigned *count) {
    unsigned first = place_next_index(s), end = first;
    *count = 0;
    if (first == s->nelems)
        return first;
    const uint64_t *used = place_alloc_bits(s);
    while (++end < s->nelems) {
        uint64_t ahead = used[end / 64] >> end % 64;
        if (ahead != 0) {
            end += (unsigned)place_lowest(ahead);
            break;
        }
        end |= 63; /* nothing in use in the rest of this word */
    }
    if (end > s->nelems)
        end = s->nelems;
    *count = end - first;
    __atomic_store_n(&s->alloc_count, (uint16_t)(s->alloc_count + *count), __ATOMIC_RELAXED);
    place_set_freeindex(s, end);
    if (end < s->nelems)
        place_fill_cache(s, end);
    __atomic_store_n(&s->free_index_for_scan, (uint16_t)end, __ATOMIC_RELAXED);
    return first;
}

/* The last count slots of the run taken last were not used; the span stands as if they had never been taken. */
static void place_end_run(struct span *s, unsigned count) {
    unsigned index = s->freeindex - count;
    __atomic_store_n(&s->alloc_count, (uint16_t)(s->alloc_count - count), __ATOMIC_RELAXED);
    place_set_freeindex(s, index);
    __atomic_store_n(&s->free_index_for_scan, (uint16_t)index, __ATOMIC_RELEASE);
    if (index < s->nelems)
        place_fill_cache(s, index);
}

static inline bool place_has_room(const struct span *s) {
    return s->freeindex != s->nelems && s->alloc_count < s->nelems;
}

/* A large object. */
static void place_take_whole(struct span *s) {
    place_set_freeindex(s, 1);
    __atomic_store_n(&s->alloc_count, 1, __ATOMIC_RELAXED);
}

/* A partial span from another cache stands anywhere. */
static void place_resume(struct span *s) {
    place_fill_cache(s, s->freeindex);
}

/* ---- laying out and sweeping */

/* Go mheap.go:1453 initSpan. */
static bool place_span_init(struct span *s) {
    if (!place_take_bits(s))
        return false;
    s->div_magic = gclass_div_magic(span_class_size_class(s->span_class));
    s->alloc_count_before_cache = 0;
    s->alloc_cache = ~UINT64_C(0);
    return true;
}

/* The bitmaps go with their epochs. */
static void place_span_fini(struct span *s) {
    (void)s;
}

/* Slots that are marked and were never handed out: somebody made a pointer out of nothing, or an earlier cycle freed
 * what was reachable (Go mgcsweep.go:639). nelems: none. */
static unsigned place_zombie(const struct span *s) {
    const uint64_t *marks = place_mark_bits(s), *allocated = place_alloc_bits(s);
    for (unsigned i = s->freeindex / 64; i < gcbits_words(s->nelems); i++) {
        uint64_t zombies = place_load(&marks[i]) & ~allocated[i]; /* markers may be at work beside an observer */
        if (i == s->freeindex / 64)
            zombies = zombies >> s->freeindex % 64 << s->freeindex % 64;
        if (zombies != 0)
            return i * 64 + (unsigned)place_lowest(zombies);
    }
    return s->nelems;
}

/* Go mgcsweep.go:664-720. */
static unsigned place_sweep(struct span *s, uint64_t *fresh, unsigned *dead_objects) {
    unsigned marked = place_count_marks(s);
    *dead_objects = s->alloc_count - marked;
    __atomic_store_n(&s->alloc_count, (uint16_t)marked, __ATOMIC_RELAXED);
    place_rotate_bits(s, fresh);
    /* Behind the bits: who finds no slot before freeindex must find those that were there in the new bitmap. */
    __atomic_store_n(&s->freeindex, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&s->free_index_for_scan, 0, __ATOMIC_RELEASE);
    place_fill_cache(s, 0);
    return marked;
}

/* ---- what observers ask; other threads may be allocating */

static inline int place_slot_covering(const struct span *s, uintptr_t address) {
    uint64_t slot = (uint64_t)(address - s->base) * s->div_magic >> 32;
    return slot < s->nelems ? (int)slot : -1;
}

static inline int place_slot_at(const struct span *s, uintptr_t address) {
    int slot = place_slot_covering(s, address);
    return slot >= 0 && (address - s->base) == (uintptr_t)slot * s->elem_bytes ? slot : -1;
}

static inline bool place_bit_clear(const struct span *s, unsigned slot) {
    return (place_alloc_bits(s)[slot / 64] >> slot % 64 & 1) == 0;
}

static inline bool place_slot_free(const struct span *s, unsigned slot) {
    return slot >= __atomic_load_n(&s->freeindex, __ATOMIC_ACQUIRE) && place_bit_clear(s, slot);
}

/* Go mbitmap.go:1157 isFree. What is allocated while marking is on is marked at once and never published. */
static inline bool place_slot_unpublished(const struct span *s, unsigned slot) {
    return slot >= __atomic_load_n(&s->free_index_for_scan, __ATOMIC_ACQUIRE) && place_bit_clear(s, slot);
}

static inline uintptr_t place_slot_address(const struct span *s, unsigned slot) {
    return span_base(s) + (uintptr_t)slot * s->elem_bytes;
}

static inline size_t place_slot_bytes(const struct span *s, unsigned slot) {
    (void)slot;
    return s->elem_bytes;
}

static unsigned place_used_slots(const struct span *s) {
    return __atomic_load_n(&s->alloc_count, __ATOMIC_RELAXED);
}

static uint64_t place_used_bytes(const struct span *s) {
    return (uint64_t)place_used_slots(s) * s->elem_bytes;
}

static uintptr_t place_pending(const struct place_pool *pool) {
    (void)pool;
    return 0;
}

/* What is dead is not known before it is swept, and free then. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending) {
    (void)s, (void)w, (void)pending;
    return 0;
}

/* Slots below freeindex count as allocated whatever their bits say: a sweep resets both. */
static const char *place_broken(struct span *s) {
    const uint64_t *bits = place_alloc_bits(s);
    unsigned index = s->freeindex, used = index < s->nelems ? index : s->nelems;
    if (index > s->nelems)
        return "freeindex behind the last slot";
    for (unsigned slot = index; slot < s->nelems; slot++)
        used += bits[slot / 64] >> slot % 64 & 1;
    if (used != s->alloc_count)
        return "number of allocated slots differs from the bits and freeindex";
    if (s->nelems % 64 != 0 && bits[s->nelems / 64] >> s->nelems % 64 != 0)
        return "bits of slots that the span does not have";
    return place_zombie(s) != s->nelems ? "marked slot that is free" : NULL;
}
