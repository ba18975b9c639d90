/* SPDX-License-Identifier: MIT
 *
 * spans: Green Tea's queued pages. Each marking thread has a queue of its own, and what it cannot keep or others wait
 * for goes, the next ones first, to a list under a lock that everybody takes from in the same order. Go 1.25 keeps 256
 * pages per thread and spills half; Go 1.26 keeps all in a chain of rings that others steal from. Here the ring grows
 * instead of the chain, and the list takes the place of stealing: what counts for marking is how long a page waits.
 *
 * First in, first out is Go's order, and that of the faithful preset. The tuned one goes through the heap in laps
 * (C-SCAN of disk scheduling; Coffman and Hofri 1986 compare it with others): on to the next queued page in its
 * direction, and around to the other end when there is none. A lap goes the way that most pointers led in the last one,
 * since objects point to what was allocated before them in one program and after them in the next: the pages ahead go
 * on gathering marks until the lap comes by, and of a structure that was built in one direction each page is scanned
 * once.
 */
#include "gc/gc.h"
#include "gc/pageset.c"

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

/* ---- a thread's own: a ring, or a set of pages with a short line of those whose memory is on its way */

enum {
    SPANS_LINE = 3,
    /* A lap turns back for pages that were queued just behind it, which the line's length alone would leave behind:
     * what they lead to would else be found a lap late, all over the heap. */
    SPANS_BACK = 16,
};

/* Pages that wait for their turn. The longer one waits, the more of its objects are marked by then. */
struct span_queue {
    struct span_queue *next; /* of those that no thread has */
    uint32_t count;          /* in all */
    uint32_t capacity;       /* of the ring, a power of two */
    uint32_t first, ringed;
    uintptr_t *items;
    uint64_t random;
    bool sorted, down;   /* pages go to the set; where this lap is going */
    uint32_t line_limit; /* 0 where the order must see the latest page, or so many wait as Go has it */
    uint32_t line_first, line_count;
    uintptr_t line[SPANS_LINE + 1];
    size_t at;                 /* the page taken last */
    uint64_t led_up, led_down; /* pages queued since this lap began that lay above it, below it */
    struct pageset set;
};

static struct {
    struct lock lock;
    struct span_queue *free;
} span_queues;

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
    for (uint32_t i = 0; i < q->ringed; i++)
        items[i] = *spans_at(q, i);
    q->items = items;
    q->capacity = capacity;
    q->first = 0;
    return true;
}

static struct span_queue *spans_make(void) {
    struct span_queue *q = meta_alloc(sizeof *q, 64);
    if (q == NULL)
        os_die("out of memory for marking: there is none for a queue of pages");
    memset(q, 0, sizeof *q);
    bool wanted = gc_settings.queue == GC_QUEUE_LAPS || gc_settings.queue == GC_QUEUE_ADDRESS;
    bool exact = gc_settings.queue == GC_QUEUE_LIFO || gc_settings.queue == GC_QUEUE_RANDOM || !gc_settings.long_queue;
    q->line_limit = exact ? 0 : SPANS_LINE;
    q->sorted = wanted && heap.arenas.window_pages != 0 && pageset_init(&q->set, heap.arenas.window_pages);
    return q;
}

/* A thread has a queue while it marks. */
__attribute__((noinline)) static struct span_queue *spans_own(struct gc_work *w) {
    lock_acquire(&span_queues.lock);
    struct span_queue *q = span_queues.free;
    if (q != NULL)
        span_queues.free = q->next;
    lock_release(&span_queues.lock);
    return w->spans = q != NULL ? q : spans_make();
}

static uint32_t work_spans_count(const struct gc_work *w) {
    return w->spans != NULL ? w->spans->count : 0;
}

static inline size_t spans_page(uintptr_t item) {
    return (item - heap.arenas.window_base) >> GOALLOC_PAGE_SHIFT;
}

static inline void spans_to_line(struct span_queue *q, uintptr_t item) {
    marker_prefetch_span(item);
    q->line[(q->line_first + q->line_count++) % (SPANS_LINE + 1)] = item;
}

/* No page lies ahead: the next lap begins at its end of the heap. */
static inline size_t spans_begin_lap(struct span_queue *q) {
    q->down = q->led_down > q->led_up;
    q->led_down = q->led_up = 0;
    return q->down ? pageset_below(&q->set, heap.arenas.window_pages - 1) : pageset_above(&q->set, 0);
}

static inline uintptr_t spans_from_set(struct span_queue *q) {
    size_t highest = heap.arenas.window_pages - 1, page;
    if (gc_settings.queue == GC_QUEUE_ADDRESS)
        page = pageset_above(&q->set, 0);
    else if (q->down)
        page = pageset_below(&q->set, q->at < highest - SPANS_BACK ? q->at + SPANS_BACK : highest);
    else
        page = pageset_above(&q->set, q->at > SPANS_BACK ? q->at - SPANS_BACK : 0);
    if (page == SIZE_MAX)
        q->at = page = spans_begin_lap(q);
    else if (q->down ? page < q->at : page > q->at)
        q->at = page;
    pageset_remove(&q->set, page);
    return (heap.arenas.window_base + ((uintptr_t)page << GOALLOC_PAGE_SHIFT)) | q->set.slots[page];
}

static inline void spans_to_set(struct span_queue *q, uintptr_t item) {
    size_t page = spans_page(item);
    q->led_up += page > q->at;
    q->led_down += page < q->at;
    pageset_add(&q->set, page, (uint16_t)(item % GOALLOC_PAGE_BYTES));
}

static void work_spill_spans(struct gc_work *w, uint32_t count);

static void spans_to_ring(struct gc_work *w, struct span_queue *q, uintptr_t item) {
    if (GOALLOC_UNLIKELY(q->ringed == q->capacity) && !spans_grow(q)) {
        if (q->capacity == 0)
            os_die("out of memory for marking: there is none for a queue of pages");
        work_spill_spans(w, q->capacity / 2);
    }
    *spans_at(q, q->ringed++) = item;
}

static inline void work_push_span(struct gc_work *w, uintptr_t item) {
    struct span_queue *q = GOALLOC_LIKELY(w->spans != NULL) ? w->spans : spans_own(w);
    if (q->line_count < q->line_limit && q->count == q->line_count)
        spans_to_line(q, item); /* nothing else waits */
    else if (GOALLOC_LIKELY(q->sorted && spans_page(item) < heap.arenas.window_pages))
        spans_to_set(q, item);
    else
        spans_to_ring(w, q, item);
    q->count++;
}

static inline uintptr_t spans_from_ring(struct span_queue *q) {
    if (gc_settings.queue == GC_QUEUE_LIFO)
        return *spans_at(q, --q->ringed);
    if (gc_settings.queue == GC_QUEUE_RANDOM) {
        q->random = q->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
        uintptr_t *chosen = spans_at(q, (uint32_t)((q->random >> 32) % q->ringed)), item = *chosen;
        *chosen = *spans_at(q, 0);
        *spans_at(q, 0) = item;
    }
    q->ringed--;
    return q->items[q->first++ & (q->capacity - 1)];
}

/* 0: nothing in hand. */
static inline uintptr_t work_pop_span(struct gc_work *w) {
    struct span_queue *q = w->spans;
    if (q == NULL || q->count == 0)
        return 0;
    while (q->line_count <= q->line_limit && q->line_count < q->count)
        spans_to_line(q, q->set.count != 0 ? spans_from_set(q) : spans_from_ring(q));
    uintptr_t item = q->line[q->line_first];
    q->line_first = (q->line_first + 1) % (SPANS_LINE + 1);
    q->line_count--;
    q->count--;
    return item;
}

/* The page whose turn is next, if it is known; else 0. */
static inline uintptr_t work_next_span(const struct gc_work *w) {
    const struct span_queue *q = w->spans;
    return q == NULL || q->line_count == 0 ? 0 : q->line[q->line_first] & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
}

/* As many of the next ones as count, or as a buffer holds, become everybody's. */
static void work_spill_spans(struct gc_work *w, uint32_t count) {
    struct workbuf *b = workbuf_empty();
    while (b->count < count && b->count < GC_WORKBUF_ITEMS && work_spans_count(w) > 0)
        b->items[b->count++] = work_pop_span(w);
    spans_put(b);
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

/* All of them become everybody's, and the queue the next one's who marks. */
static void work_give_up_spans(struct gc_work *w) {
    while (work_spans_count(w) > 0)
        work_spill_spans(w, GC_WORKBUF_ITEMS);
    struct span_queue *q = w->spans;
    if (q == NULL)
        return;
    w->spans = NULL;
    lock_acquire(&span_queues.lock);
    q->next = span_queues.free;
    span_queues.free = q;
    lock_release(&span_queues.lock);
}
