/* SPDX-License-Identifier: MIT
 *
 * work: what is still to be scanned: two buffers in each marking thread's hands, the rest on lists without locks (Go
 * mgcwork.go). A list's head packs a buffer's address, in units of its size, with a count that makes a head that was
 * taken and put back differ from the one seen before.
 */
#include "gc/gc.h"

struct workbuf_list {
    _Alignas(64) uint64_t head; /* atomic */
};

static struct { struct workbuf_list full, empty; /* objects to scan; nothing */ } work_lists;

enum { WORKBUF_SHIFT = 11, WORKBUF_ADDRESS_BITS = 48 - WORKBUF_SHIFT };
_Static_assert(GC_WORKBUF_BYTES == 1 << WORKBUF_SHIFT, "buffers are aligned to their size");

static inline struct workbuf *workbuf_of(uint64_t head) {
    return (struct workbuf *)((head & ((UINT64_C(1) << WORKBUF_ADDRESS_BITS) - 1)) << WORKBUF_SHIFT);
}

static inline uint64_t workbuf_head(const struct workbuf *b, uint64_t before) {
    uint64_t count = (before >> WORKBUF_ADDRESS_BITS) + 1;
    return count << WORKBUF_ADDRESS_BITS | (uintptr_t)b >> WORKBUF_SHIFT;
}

static void workbuf_put(struct workbuf_list *list, struct workbuf *b) {
    uint64_t head = __atomic_load_n(&list->head, __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&b->next, workbuf_of(head), __ATOMIC_RELAXED);
        /* Release: who takes the buffer finds its items. */
    } while (!__atomic_compare_exchange_n(&list->head, &head, workbuf_head(b, head), true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

static struct workbuf *workbuf_take(struct workbuf_list *list) {
    uint64_t head = __atomic_load_n(&list->head, __ATOMIC_ACQUIRE);
    struct workbuf *b;
    do {
        b = workbuf_of(head);
        if (b == NULL)
            return NULL;
    } while (!__atomic_compare_exchange_n(&list->head, &head,
                                          workbuf_head(__atomic_load_n(&b->next, __ATOMIC_RELAXED), head), true,
                                          __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
    return b;
}

static bool workbuf_any(const struct workbuf_list *list) {
    return workbuf_of(__atomic_load_n(&list->head, __ATOMIC_RELAXED)) != NULL;
}

static struct workbuf *workbuf_empty(void) {
    struct workbuf *b = workbuf_take(&work_lists.empty);
    if (b == NULL)
        b = meta_alloc(sizeof *b, GC_WORKBUF_BYTES);
    if (b == NULL)
        os_die("out of memory for marking: %d bytes more were needed", GC_WORKBUF_BYTES);
    b->count = 0;
    return b;
}

/* The full buffer stays second, so that a pop right after does not have to fetch it. */
static void work_push_slow(struct gc_work *w) {
    struct workbuf *b = w->second;
    w->second = w->first;
    if (b != NULL && b->count == GC_WORKBUF_ITEMS) {
        workbuf_put(&work_lists.full, b);
        b = NULL;
    }
    w->first = b != NULL ? b : workbuf_empty();
}

static inline void work_push(struct gc_work *w, uintptr_t item) {
    if (GOALLOC_UNLIKELY(w->first == NULL || w->first->count == GC_WORKBUF_ITEMS))
        work_push_slow(w);
    w->first->items[w->first->count++] = item;
}

/* 0: nothing in hand. */
static inline uintptr_t work_pop(struct gc_work *w) {
    if (w->first == NULL || w->first->count == 0) {
        struct workbuf *b = w->second;
        if (b == NULL || b->count == 0)
            return 0; /* the empty one stays first: it takes the next push */
        w->second = w->first;
        w->first = b;
    }
    return w->first->items[--w->first->count];
}

/* From everybody's list; false: it is empty. */
static bool work_fetch(struct gc_work *w) {
    struct workbuf *b = workbuf_take(&work_lists.full);
    if (b == NULL)
        return false;
    if (w->first != NULL)
        workbuf_put(&work_lists.empty, w->first);
    w->first = b;
    return true;
}

/* Others are idle: half of what is in hand becomes everybody's (Go mgcwork.go:342). */
static void work_share(struct gc_work *w) {
    if (w->second != NULL && w->second->count != 0) {
        workbuf_put(&work_lists.full, w->second);
        w->second = NULL;
        return;
    }
    struct workbuf *from = w->first;
    if (from == NULL || from->count < 8)
        return;
    struct workbuf *to = workbuf_empty();
    for (size_t half = from->count / 2; to->count < half;)
        to->items[to->count++] = from->items[--from->count];
    workbuf_put(&work_lists.full, to);
}

static void work_give_up(struct workbuf **b) {
    if (*b != NULL)
        workbuf_put((*b)->count != 0 ? &work_lists.full : &work_lists.empty, *b);
    *b = NULL;
}

#include "gc/spans.c"

static bool mark_work_left(void) {
    return workbuf_any(&work_lists.full) || spans_any();
}

/* Would an idle processor of Go's find something to mark? A thread gives nothing away of four objects or fewer (Go
 * mgcwork.go:342), but of queued spans each. The buffer may be somebody's by now, and is never unmapped: the answer may
 * be wrong. */
static bool mark_work_abounds(void) {
    enum { KEPT = 4 };
    if (AXIS_INLINE_MARKS || OS_THREAD_SANITIZER)
        return true;
    const struct workbuf *b = workbuf_of(__atomic_load_n(&work_lists.full.head, __ATOMIC_ACQUIRE));
    return b != NULL && (__atomic_load_n(&b->next, __ATOMIC_RELAXED) != NULL || b->count > KEPT);
}
