/* SPDX-License-Identifier: MIT
 *
 * spans: Green Tea's queued pages. Each marking thread has a queue of its own, and what it cannot keep or others wait
 * for goes, oldest first, to a list under a lock that everybody takes from in the same order. Go 1.25 keeps 256 pages
 * per thread and spills half; Go 1.26 keeps all in a chain of rings that others steal from. Here the ring grows instead
 * of the chain, and the list takes the place of stealing: what counts for marking is how long a page waits.
 */
#include "gc/gc.h"

/* Everybody's, first in, first out. */
static struct {
    struct lock lock;
    struct workbuf *first, *last; /* first is atomic: others look whether there is anything */
} spans_shared;

static bool spans_any(void) {
    return __atomic_load_n(&spans_shared.first, __ATOMIC_RELAXED) != NULL;
}

/* The stores to next are atomic because workbuf_take, whose list the buffer has just left, may still look at it. */
static void spans_put(struct workbuf *b) {
    __atomic_store_n(&b->next, NULL, __ATOMIC_RELAXED);
    lock_acquire(&spans_shared.lock);
    if (spans_shared.first == NULL)
        __atomic_store_n(&spans_shared.first, b, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&spans_shared.last->next, b, __ATOMIC_RELAXED);
    spans_shared.last = b;
    lock_release(&spans_shared.lock);
}

static struct workbuf *spans_take(void) {
    if (!spans_any())
        return NULL;
    lock_acquire(&spans_shared.lock);
    struct workbuf *b = spans_shared.first;
    if (b != NULL)
        __atomic_store_n(&spans_shared.first, b->next, __ATOMIC_RELAXED);
    lock_release(&spans_shared.lock);
    return b;
}

/* ---- a thread's own */

static inline uintptr_t *spans_at(const struct span_queue *q, uint32_t index) {
    return &q->items[(q->first + index) & (q->capacity - 1)];
}

/* Makes room for one more; false: there is no memory, or no more are to be kept. Rings left behind are not given back:
 * together they are smaller than the last. */
static bool spans_grow(struct span_queue *q) {
    if (q->capacity != 0 && !gc_settings.long_queue)
        return false;
    uint32_t capacity = q->capacity != 0 ? q->capacity * 2 : GC_SPAN_RING;
    uintptr_t *items = meta_alloc(capacity * sizeof *items, 64);
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < q->count; i++)
        items[i] = *spans_at(q, i);
    q->items = items;
    q->capacity = capacity;
    q->first = 0;
    return true;
}

/* As many of the oldest as count, or as a buffer holds, become everybody's. */
static void work_spill_spans(struct gc_work *w, uint32_t count) {
    struct span_queue *q = &w->spans;
    struct workbuf *b = workbuf_empty();
    for (; b->count < count && b->count < GC_WORKBUF_ITEMS && q->count > 0; q->count--, q->first++)
        b->items[b->count++] = *spans_at(q, 0);
    spans_put(b);
}

static inline void spans_swap(struct span_queue *q, uint32_t i, uint32_t k) {
    uintptr_t item = *spans_at(q, i);
    *spans_at(q, i) = *spans_at(q, k);
    *spans_at(q, k) = item;
}

/* A heap by address: the lowest is first. */
static void spans_rise(struct span_queue *q, uint32_t at) {
    for (; at > 0 && *spans_at(q, at) < *spans_at(q, (at - 1) / 2); at = (at - 1) / 2)
        spans_swap(q, at, (at - 1) / 2);
}

static void spans_sink(struct span_queue *q) {
    for (uint32_t at = 0, least;; at = least) {
        least = at;
        for (uint32_t child = at * 2 + 1; child <= at * 2 + 2 && child < q->count; child++)
            if (*spans_at(q, child) < *spans_at(q, least))
                least = child;
        if (least == at)
            return;
        spans_swap(q, at, least);
    }
}

static inline void work_push_span(struct gc_work *w, uintptr_t item) {
    struct span_queue *q = &w->spans;
    if (GOALLOC_UNLIKELY(q->count == q->capacity) && !spans_grow(q)) {
        if (q->capacity == 0)
            os_die("out of memory for marking: there is none for a queue of pages");
        work_spill_spans(w, q->capacity / 2);
        for (uint32_t i = 0; gc_settings.queue == GC_QUEUE_ADDRESS && i < q->count; i++)
            spans_rise(q, i); /* the rest is a heap again */
    }
    *spans_at(q, q->count++) = item;
    if (GOALLOC_UNLIKELY(gc_settings.queue == GC_QUEUE_ADDRESS))
        spans_rise(q, q->count - 1);
}

/* Brings the one to come out to the front; 0: it comes from the end. */
static bool spans_choose(struct span_queue *q) {
    if (gc_settings.queue == GC_QUEUE_LIFO)
        return false;
    if (gc_settings.queue == GC_QUEUE_RANDOM) {
        q->random = q->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
        spans_swap(q, 0, (uint32_t)((q->random >> 32) % q->count));
    }
    return true;
}

/* Its marks and pointer bits are asked for, of the one after next. */
static inline void spans_prefetch(const struct span_queue *q) {
    if (q->count <= 2)
        return;
    uintptr_t later = *spans_at(q, 2) & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
    uintptr_t tail = later + GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES - HEAP_BITS_BYTES;
    for (unsigned line = 0; line < (INLINE_MARKS_BYTES + HEAP_BITS_BYTES) / 64; line++)
        __builtin_prefetch((void *)(tail + line * 64));
}

/* 0: nothing in hand. */
static inline uintptr_t work_pop_span(struct gc_work *w) {
    struct span_queue *q = &w->spans;
    if (q->count == 0)
        return 0;
    spans_prefetch(q);
    if (GOALLOC_UNLIKELY(gc_settings.queue != GC_QUEUE_FIFO) && !spans_choose(q))
        return *spans_at(q, --q->count);
    uintptr_t item = *spans_at(q, 0);
    if (GOALLOC_UNLIKELY(gc_settings.queue == GC_QUEUE_ADDRESS)) {
        *spans_at(q, 0) = *spans_at(q, --q->count);
        spans_sink(q);
        return item;
    }
    q->count--;
    q->first++;
    return item;
}

static bool work_fetch_spans(struct gc_work *w) {
    struct workbuf *b = spans_take();
    if (b == NULL)
        return false;
    for (size_t i = 0; i < b->count; i++)
        work_push_span(w, b->items[i]);
    workbuf_put(&work_lists.empty, b);
    return true;
}
