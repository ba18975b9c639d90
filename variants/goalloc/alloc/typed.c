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

enum { TYPED_HEADER_BYTES = 8, TYPED_TINY_BYTES = HEAP_TINY_BLOCK_BYTES, TYPED_WORD_BYTES = 8 };
enum { TYPED_PIECE_BYTES = 256 << 10 }; /* of long work: a stop is obeyed between two pieces (Go malloc.go:1655) */

/* All objects of size 0 (Go malloc.go:1022). */
static uint64_t typed_zero_base;

/* Hooks of the gc layer. */

/* Waits while the world is stopped: of a thread that was asked to while it was busy. */
static void gc_park(struct cache *c);
/* Called on leaving when CACHE_WANTS_GC says that a refill, a large object or a write barrier has left work behind. */
static void gc_poll(struct cache *c);
/* While marking, an object is born black; otherwise conservative scanning may see it from now on (Go
 * malloc.go:1223). */
static inline void gc_publish(struct span *s, uintptr_t address);
/* Zero-fills a block that the collector has no reason to read. It may take a second, most of it in faults on huge
 * pages, and no stop waits for it: the thread counts as stopped meanwhile, and a cycle may begin or end. The block
 * stays alive. */
static void gc_zero(struct cache *c, void *block, size_t size_bytes);
/* Remembers what a store has overwritten and stored while marking. The thread is busy. */
static void gc_note_store(struct cache *c, void *old, void *value);

uint32_t goalloc_marking;

/* ---- stop protocol. A thread inside the allocator is busy; a stop request that finds it so is obeyed on leaving, one
 * that came before it on entering. */

static inline struct cache *typed_enter(void) {
    struct cache *c = cache_self;
    if (GOALLOC_UNLIKELY(c == &cache_none)) {
        c = cache_attach();
        if (c == NULL)
            return NULL;
    } else if (c == NULL) {
        __builtin_unreachable(); /* so that no caller looks again */
    }
    cache_hold(c);
    return c;
}

/* There is a reason to: rare, and out of line. */
__attribute__((noinline, cold)) static void typed_attend(struct cache *c) {
    if (cache_is_asked(c))
        gc_park(c);
    if ((__atomic_load_n(&c->front.stop, __ATOMIC_RELAXED) & CACHE_WANTS_GC) != 0)
        gc_poll(c);
}

static inline void typed_leave(struct cache *c) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&c->front.busy, 0, __ATOMIC_RELEASE); /* a fork looks at what was changed */
    if (GOALLOC_UNLIKELY(__atomic_load_n(&c->front.stop, __ATOMIC_RELAXED) != 0))
        typed_attend(c);
}

void goalloc_obey_stop(void) {
    typed_attend(cache_self);
}

static void *typed_failed(void) {
    errno = ENOMEM;
    return NULL;
}

/* Publication: no store to the object may become visible after the object itself (Go's publicationBarrier). */
static inline uintptr_t typed_publish(struct span *s, uintptr_t address) {
    os_publication_fence();
    gc_publish(s, address);
    return address;
}

/* What a pointer-free object takes up, with its spare byte if it has one: behind its last whole word, since windows are
 * found by words. Sizes with pointers are whole words. */
static inline size_t typed_room(size_t size_bytes) {
    if (GOALLOC_LIKELY(heap.spare_bytes == 0) || size_bytes > PTRDIFF_MAX)
        return size_bytes;
    return ((size_bytes + 7) & ~(size_t)7) + 1;
}

/* Bytes of an array of up to 512 B, by its mask, up to the last pointer in it: what marking may have to read (Go
 * mbitmap.go:632). Go counts an array of one-word elements as one word (mended in Go 1.27), and faithful builds begin
 * and pace their cycles by the same figure. */
static inline size_t typed_scan_bytes(const struct goalloc_type *type, uint64_t array_mask) {
    if (type->size_bytes == TYPED_WORD_BYTES && !heap.tuned)
        return TYPED_WORD_BYTES;
    return (64 - (size_t)__builtin_clzll(array_mask)) * TYPED_WORD_BYTES;
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

#include AXIS_TYPED

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
    if (offset + size_bytes <= heap.tiny_bytes && c->tiny != 0) {
        c->tiny_offset = offset + size_bytes;
        c->tiny_allocs++;
        return c->tiny + offset;
    }
    uintptr_t block = typed_noscan_slot(c, SPAN_TINY_CLASS);
    if (block == 0)
        return 0;
    ((uint64_t *)block)[0] = 0;
    ((uint64_t *)block)[1] = 0;
    if (size_bytes < c->tiny_offset || c->tiny == 0) {
        c->tiny = block;
        c->tiny_offset = size_bytes;
    }
    return block;
}

static uintptr_t typed_large(struct cache *c, const struct goalloc_type *type, size_t size_bytes, bool zero) {
    if (size_bytes > PTRDIFF_MAX - GOALLOC_PAGE_BYTES)
        return 0;
    size_t npages = (size_bytes + GOALLOC_PAGE_BYTES - 1) >> GOALLOC_PAGE_SHIFT;
    struct span *s = mcache_large(c, npages, type == NULL);
    if (s == NULL)
        return 0;
    /* Black before it is zeroed, or a cycle that ends meanwhile would have to find it; zeroed before its type is known:
     * until then there is nothing to scan (Go malloc.go:1536-1635). */
    uintptr_t address = typed_publish(s, span_base(s));
    if ((zero || type != NULL) && s->needzero)
        gc_zero(c, (void *)address, span_object_bytes(s));
    __atomic_store_n(&s->large_type, type, __ATOMIC_RELEASE);
    c->scan_alloc_bytes += type != NULL ? span_object_bytes(s) : 0;
    os_publication_fence();
    return address;
}

static void *typed_return(struct cache *c, uintptr_t address) {
    typed_leave(c);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : typed_failed();
}

void *goalloc_bytes_any(size_t size_bytes, bool zero) {
    if (size_bytes == 0)
        return &typed_zero_base;
    struct cache *c = typed_enter();
    if (c == NULL)
        return typed_failed();
    if (AXIS_TINY && size_bytes < TYPED_TINY_BYTES)
        return typed_return(c, typed_tiny(c, size_bytes));
    size_t room_bytes = typed_room(size_bytes);
    if (typed_is_small(room_bytes))
        return typed_return(c, typed_small_noscan(c, room_bytes, zero));
    return typed_return(c, typed_large(c, NULL, room_bytes, zero));
}

void *goalloc_new_any(const struct goalloc_type *type, size_t n) {
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
    size_t room_bytes = size_bytes + heap.spare_bytes; /* no overflow: a multiple of 8 */
    if (room_bytes <= HEAP_BITS_MAX_OBJECT_BYTES)
        return typed_return(c, typed_small_scan(c, type, n, room_bytes));
    if (typed_is_small(room_bytes))
        return typed_return(c, typed_small_header(c, type, room_bytes));
    return typed_return(c, typed_large(c, type, room_bytes, true));
}

/* ---- stores */

void goalloc_note_store(void *old, void *value) {
    struct cache *c = typed_enter();
    if (c == NULL)
        os_die("a store into the heap while it is being marked, by a thread that has no memory to take part in it");
    gc_note_store(c, old, value);
    typed_leave(c);
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

/* Bytes [from, end) of n objects. By whole words where there are pointers, so that a concurrent marker never sees half
 * of one. */
static void typed_move_piece(void *dst, const void *src, const struct goalloc_type *type, size_t from, size_t end,
                             bool downwards) {
    if (type->pointer_mask == 0 && type->masks == NULL) {
        memmove((char *)dst + from, (const char *)src + from, end - from);
        return;
    }
    from /= TYPED_WORD_BYTES;
    end /= TYPED_WORD_BYTES;
    for (size_t i = from; i < end; i++)
        typed_copy_word(dst, src, type, downwards ? end - 1 - (i - from) : i);
}

static size_t typed_piece_end(size_t from, size_t bytes) {
    return bytes - from > TYPED_PIECE_BYTES ? from + TYPED_PIECE_BYTES : bytes;
}

/* A thread that moves or clears can be stopped by a signal anywhere; between two pieces also where signals wait. */
void goalloc_move(void *dst, const void *src, const struct goalloc_type *type, size_t n) {
    size_t bytes = n * type->size_bytes;
    bool downwards = (uintptr_t)dst - (uintptr_t)src < bytes; /* the target overlaps above */
    size_t last = bytes == 0 ? 0 : (bytes - 1) / TYPED_PIECE_BYTES * TYPED_PIECE_BYTES;
    for (size_t done = 0; done < bytes; done += TYPED_PIECE_BYTES) {
        size_t from = downwards ? last - done : done;
        typed_move_piece(dst, src, type, from, typed_piece_end(from, bytes), downwards);
        goalloc_safepoint();
    }
}

void goalloc_clear(void *dst, const struct goalloc_type *type, size_t n) {
    size_t bytes = n * type->size_bytes;
    bool pointers = type->pointer_mask != 0 || type->masks != NULL;
    for (size_t from = 0; from < bytes; from += TYPED_PIECE_BYTES) {
        size_t end = typed_piece_end(from, bytes);
        if (!pointers)
            memset((char *)dst + from, 0, end - from);
        for (size_t at = from; pointers && at < end; at += TYPED_WORD_BYTES)
            goalloc_store((char *)dst + at, NULL);
        goalloc_safepoint();
    }
}

/* ---- threads */

bool goalloc_thread_attach(void) {
    return cache_attach() != NULL;
}

void goalloc_thread_detach(void) {
    cache_detach();
}

/* ---- observers see the heap at rest: no window open, and nobody else moving where the world can be stopped */

static void gc_rest_begin(struct cache *c);
static void gc_rest_end(struct cache *c);

/* For callers that need no cache: one is not made. NULL: the calling thread has none. */
static struct cache *typed_enter_attached(void) {
    return cache_self != &cache_none ? typed_enter() : NULL;
}

static void typed_leave_attached(struct cache *c) {
    if (c != NULL)
        typed_leave(c);
}

/* NULL: the calling thread has no cache, and what others do meanwhile may be missed. */
static struct cache *front_rest_begin(void) {
    struct cache *c = typed_enter_attached();
    if (c != NULL) {
        gc_rest_begin(c);
        mcache_settle_all(c);
    }
    return c;
}

static void front_rest_end(struct cache *c) {
    if (c == NULL)
        return;
    gc_rest_end(c);
    typed_leave(c);
}

void goalloc_purge(void) {
    if (!heap_init())
        return;
    enum { PIECE_BYTES = 4 << 20 }; /* of memory given back, which takes time in proportion, at a time */
    struct cache *c = typed_enter_attached();
    lock_acquire(&heap.lock);
    if (c != NULL)
        page_cache_flush(&heap.pages, &c->pages);
    page_forget_refusals(&heap.pages);
    lock_release(&heap.lock);
    typed_leave_attached(c);
    size_t released_bytes = 0, done_bytes;
    do {
        c = typed_enter_attached();
        done_bytes = heap_release(PIECE_BYTES, true, false);
        typed_leave_attached(c);
        released_bytes += done_bytes;
    } while (done_bytes >= PIECE_BYTES);
    c = typed_enter_attached();
    lock_acquire(&heap.lock);
    page_keep_released(&heap.pages);
    lock_release(&heap.lock);
    gc_purged(released_bytes);
    typed_leave_attached(c);
}
