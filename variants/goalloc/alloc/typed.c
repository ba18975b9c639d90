/* SPDX-License-Identifier: MIT
 *
 * typed: the traced builds' allocation paths (Go malloc.go:1054-1635): tiny, small without pointers, small with
 * pointers and bitmap at the span's end, small with a type header, large. In this order on every path: contents, then
 * pointer metadata, then a release fence, then publication to the marker; a collector that sees the object finds it
 * complete.
 */
#include "alloc/cache.h"
#include "alloc/object.h"
#include "goalloc.h"

#include <errno.h>
#include <string.h>

enum { TYPED_HEADER_BYTES = 8, TYPED_TINY_BYTES = 16, TYPED_WORD_BYTES = 8 };

/* The typed paths choose their window by span class, with and without pointers. */
static uint8_t alloc_class_for(size_t size_bytes) {
    return span_class_make(gclass_of(size_bytes == 0 ? 1 : size_bytes), true);
}

/* All objects of size 0 (Go malloc.go:1022). */
static uint64_t typed_zero_base;

/* ---- stop protocol. A thread inside the allocator is busy; a stop request that finds it so is obeyed on leaving. */

/* Hook of the gc layer: waits while the world is stopped. Without a collector nobody ever asks. */
static inline void gc_park(struct cache *c) {
    (void)c;
}

/* Hook of the gc layer: shades old and new value while marking. Without a collector there is no marking phase. */
static inline void gc_write_barrier(void *old, void *value) {
    (void)old, (void)value;
}

/* Hook of the gc layer: while marking, an object is born black; otherwise conservative scanning may see it from now on
 * (Go malloc.go:1223). */
static inline void gc_publish(struct span *s) {
    /* Release: who finds the object by it finds its contents and its pointer metadata. */
    __atomic_store_n(&s->free_index_for_scan, s->freeindex, __ATOMIC_RELEASE);
}

static inline struct cache *typed_enter(void) {
    struct cache *c = cache_self != &cache_none ? cache_self : cache_attach();
    if (GOALLOC_LIKELY(c != NULL)) {
        __atomic_store_n(&c->busy, 1, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
    return c;
}

static inline void typed_leave(struct cache *c) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&c->busy, 0, __ATOMIC_RELAXED);
    if (GOALLOC_UNLIKELY(__atomic_load_n(&c->stop, __ATOMIC_RELAXED) != 0))
        gc_park(c);
}

static void *typed_failed(void) {
    errno = ENOMEM;
    return NULL;
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

/* Publication: no store to the object may become visible after the object itself (Go's publicationBarrier). */
static inline uintptr_t typed_publish(struct span *s, uintptr_t address) {
    os_publication_fence();
    gc_publish(s);
    return address;
}

/* Bytes of n consecutive objects up to the last pointer in them: what marking may have to read (Go mbitmap.go:641). */
static inline size_t typed_scan_bytes(const struct goalloc_type *type, size_t n) {
    unsigned pointer_words = 64 - (unsigned)__builtin_clzll(type->pointer_mask);
    return (n - 1) * type->size_bytes + pointer_words * TYPED_WORD_BYTES;
}

/* ---- pointer bits at the end of a small scan span: bit i of the page's 1024 words (Go mbitmap.go:570-671) */

static uint64_t *typed_heap_bits(const struct span *s) {
    return (uint64_t *)(span_base(s) + GOALLOC_PAGE_BYTES - HEAP_BITS_BYTES);
}

/* Writes `words` (1 to 64) mask bits from word index `first`; an object touches at most two words of the bitmap. */
static void typed_set_bits(const struct span *s, uintptr_t address, uint64_t mask, unsigned words) {
    unsigned first = (unsigned)((address - span_base(s)) / TYPED_WORD_BYTES);
    uint64_t *bits = typed_heap_bits(s) + first / 64;
    unsigned shift = first % 64;
    uint64_t keep = words == 64 ? ~UINT64_C(0) : (UINT64_C(1) << words) - 1;
    bits[0] = (bits[0] & ~(keep << shift)) | (mask & keep) << shift;
    if (shift + words > 64)
        bits[1] = (bits[1] & ~(keep >> (64 - shift))) | (mask & keep) >> (64 - shift);
}

/* The mask of n consecutive objects of up to 512 B together. */
static uint64_t typed_array_mask(const struct goalloc_type *type, size_t n) {
    unsigned words = (unsigned)(type->size_bytes / TYPED_WORD_BYTES);
    uint64_t mask = 0;
    for (size_t i = 0; i < n; i++)
        mask |= type->pointer_mask << i * words;
    return mask;
}

/* ---- the five paths; each gets a cache that is entered and returns 0 when out of memory */

/* Go malloc.go:1158: align by divisibility, combine into the current 16 B block, replace it only for one with more
 * room. */
static uintptr_t typed_tiny(struct cache *c, size_t size_bytes) {
    uintptr_t offset = c->tiny_offset;
    if (size_bytes % 8 == 0)
        offset = (offset + 7) & ~(uintptr_t)7;
    else if (size_bytes % 4 == 0)
        offset = (offset + 3) & ~(uintptr_t)3;
    else if (size_bytes % 2 == 0)
        offset = (offset + 1) & ~(uintptr_t)1;
    if (offset + size_bytes <= TYPED_TINY_BYTES && c->tiny != 0) {
        c->tiny_offset = offset + size_bytes;
        c->tiny_allocs++;
        return c->tiny + offset;
    }
    struct span *s;
    uintptr_t block = typed_slot(c, SPAN_TINY_CLASS, &s);
    if (block == 0)
        return 0;
    ((uint64_t *)block)[0] = 0;
    ((uint64_t *)block)[1] = 0;
    if (size_bytes < c->tiny_offset || c->tiny == 0) {
        c->tiny = block;
        c->tiny_offset = size_bytes;
    }
    return typed_publish(s, block);
}

static uintptr_t typed_small_noscan(struct cache *c, size_t size_bytes, bool zero) {
    uint8_t span_class = span_class_make(gclass_of(size_bytes), true);
    struct span *s;
    uintptr_t address = typed_slot(c, span_class, &s);
    if (address == 0)
        return 0;
    if (zero && s->needzero)
        memset((void *)address, 0, s->elem_bytes);
    return typed_publish(s, address);
}

static uintptr_t typed_small_scan(struct cache *c, const struct goalloc_type *type, size_t n, size_t size_bytes) {
    uint8_t span_class = span_class_make(gclass_of(size_bytes), false);
    struct span *s;
    uintptr_t address = typed_slot(c, span_class, &s);
    if (address == 0)
        return 0;
    if (s->needzero)
        memset((void *)address, 0, size_bytes);
    typed_set_bits(s, address, typed_array_mask(type, n), s->elem_bytes / TYPED_WORD_BYTES);
    c->scan_alloc_bytes += typed_scan_bytes(type, n);
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

static uintptr_t typed_large(struct cache *c, const struct goalloc_type *type, size_t size_bytes, bool zero) {
    if (size_bytes > PTRDIFF_MAX - GOALLOC_PAGE_BYTES)
        return 0;
    size_t npages = (size_bytes + GOALLOC_PAGE_BYTES - 1) >> GOALLOC_PAGE_SHIFT;
    struct span *s = mcache_large(c, npages, type == NULL);
    if (s == NULL)
        return 0;
    /* Zeroed before its type is known: until then there is nothing to scan (Go malloc.go:1536-1635). */
    if ((zero || type != NULL) && s->needzero)
        memset((void *)span_base(s), 0, span_object_bytes(s));
    __atomic_store_n(&s->large_type, type, __ATOMIC_RELEASE);
    c->scan_alloc_bytes += type != NULL ? span_object_bytes(s) : 0;
    return typed_publish(s, span_base(s));
}

static void *typed_return(struct cache *c, uintptr_t address) {
    typed_leave(c);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : typed_failed();
}

void *goalloc_bytes(size_t size_bytes, bool zero) {
    if (size_bytes == 0)
        return &typed_zero_base;
    struct cache *c = typed_enter();
    if (c == NULL)
        return typed_failed();
    if (AXIS_TINY && size_bytes < TYPED_TINY_BYTES)
        return typed_return(c, typed_tiny(c, size_bytes));
    if (size_bytes <= HEAP_MAX_SMALL_BYTES)
        return typed_return(c, typed_small_noscan(c, size_bytes, zero));
    return typed_return(c, typed_large(c, NULL, size_bytes, zero));
}

void *goalloc_new(const struct goalloc_type *type, size_t n) {
    size_t size_bytes;
    if (__builtin_mul_overflow(type->size_bytes, n, &size_bytes))
        return typed_failed();
    if (size_bytes == 0)
        return &typed_zero_base;
    if (type->pointer_mask == 0 && type->masks == NULL)
        return goalloc_bytes(size_bytes, true);
    struct cache *c = typed_enter();
    if (c == NULL)
        return typed_failed();
    if (size_bytes <= HEAP_BITS_MAX_OBJECT_BYTES)
        return typed_return(c, typed_small_scan(c, type, n, size_bytes));
    if (size_bytes <= HEAP_MAX_SMALL_BYTES)
        return typed_return(c, typed_small_header(c, type, size_bytes));
    return typed_return(c, typed_large(c, type, size_bytes, true));
}

/* ---- stores. Old value read, new one stored with release, compiler fence, phase tested inside the hook. */

void goalloc_store(void *slot, void *value) {
    void *old = __atomic_load_n((void **)slot, __ATOMIC_RELAXED);
    __atomic_store_n((void **)slot, value, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    gc_write_barrier(old, value);
}

static bool typed_word_is_pointer(const struct goalloc_type *type, size_t word) {
    if (type->masks != NULL)
        return (type->masks[word / 64] >> word % 64 & 1) != 0;
    return word < 64 && (type->pointer_mask >> word & 1) != 0;
}

static void typed_copy_word(void *dst, void *const *src, const struct goalloc_type *type, size_t word) {
    void **to = (void **)dst + word;
    if (typed_word_is_pointer(type, word % (type->size_bytes / TYPED_WORD_BYTES)))
        goalloc_store(to, src[word]);
    else
        __atomic_store_n(to, src[word], __ATOMIC_RELAXED);
}

void goalloc_move(void *dst, const void *src, const struct goalloc_type *type, size_t n) {
    size_t bytes = n * type->size_bytes;
    if (type->pointer_mask == 0 && type->masks == NULL) {
        memmove(dst, src, bytes);
        return;
    }
    /* By whole words, so that a concurrent marker never sees half a pointer; downwards when the target overlaps above.
     */
    size_t words = bytes / TYPED_WORD_BYTES;
    if ((uintptr_t)dst - (uintptr_t)src < bytes) {
        for (size_t i = words; i-- > 0;)
            typed_copy_word(dst, src, type, i);
        return;
    }
    for (size_t i = 0; i < words; i++)
        typed_copy_word(dst, src, type, i);
}

void goalloc_clear(void *dst, const struct goalloc_type *type, size_t n) {
    if (type->pointer_mask == 0 && type->masks == NULL) {
        memset(dst, 0, n * type->size_bytes);
        return;
    }
    for (size_t i = 0; i < n * type->size_bytes / TYPED_WORD_BYTES; i++)
        goalloc_store((void **)dst + i, NULL);
}

/* ---- roots and threads */

struct typed_root {
    struct typed_root *next;
    void **slots;
    size_t count;
};

static struct {
    struct lock lock;
    struct fixalloc records;
    struct typed_root *head;
} typed_roots = {.records = {.size_bytes = sizeof(struct typed_root)}};

int goalloc_root_add(void *slots, size_t n) {
    struct typed_root *root = fixalloc_take(&typed_roots.records);
    if (root == NULL)
        return -1;
    root->slots = slots;
    root->count = n;
    lock_acquire(&typed_roots.lock);
    root->next = typed_roots.head;
    typed_roots.head = root;
    lock_release(&typed_roots.lock);
    return 0;
}

void goalloc_root_remove(void *slots) {
    struct typed_root *found = NULL;
    lock_acquire(&typed_roots.lock);
    for (struct typed_root **at = &typed_roots.head; *at != NULL; at = &(*at)->next)
        if ((*at)->slots == (void **)slots) {
            found = *at;
            *at = found->next;
            break;
        }
    lock_release(&typed_roots.lock);
    if (found == NULL)
        os_die("goalloc_root_remove(%p): these slots were never added", slots);
    fixalloc_give(&typed_roots.records, found);
}

bool goalloc_thread_attach(void) {
    return cache_attach() != NULL;
}

void goalloc_thread_detach(void) {
    cache_detach();
}

void goalloc_collect(void) {
    /* This build never collects: that is what it bounds. */
}

void goalloc_purge(void) {
    if (!heap_init())
        return;
    lock_acquire(&heap.lock);
    page_scavenge(&heap.pages, SIZE_MAX);
    lock_release(&heap.lock);
}
