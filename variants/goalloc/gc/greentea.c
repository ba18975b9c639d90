/* SPDX-License-Identifier: MIT
 *
 * greentea: marking by spans (Go 1.25.3 mgcmark_greenteagc.go). Pages of objects of 16 to 512 B end with their own mark
 * bits, so that an object is found and marked without its span's record; what is queued is the page, and by the time
 * its turn comes more objects in it may have been marked, which are then scanned together. Everything else is marked
 * as classic does.
 *
 * A page is owned while it is queued. Who marks an object sets its bit first and looks at the ownership after; who
 * scans gives ownership up first and looks at the bits after. Both are sequentially consistent, so one of them sees the
 * other. Scan bits say what has been scanned; they are set, atomically, before.
 */
#include "gc/mark.c"

enum { TEA_WORDS = 8, TEA_LAST_BYTE = 63 };
/* The page is not queued; queued for one object, whose slot the queue names; or for more than one. */
enum tea_owned { TEA_FREE, TEA_MANY, TEA_ONE };

struct tea_marks {
    union {
        uint64_t scans[TEA_WORDS]; /* atomic; the last byte is not a bit of any slot */
        struct {
            uint8_t scan_bytes[TEA_LAST_BYTE];
            uint8_t owned; /* atomic, enum tea_owned */
        };
    };
    uint64_t marks[TEA_WORDS]; /* atomic */
};
_Static_assert(sizeof(struct tea_marks) == INLINE_MARKS_BYTES, "two cache lines at the end of the page");
_Static_assert(TEA_LAST_BYTE * 8 >= (GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES) / INLINE_MARKS_MIN_OBJECT_BYTES,
               "a bit for every slot");

static inline struct tea_marks *tea_marks_of(uintptr_t page) {
    return (struct tea_marks *)(page + GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES);
}

/* True: the page is the caller's to queue. */
static inline bool tea_acquire(struct tea_marks *m) {
    uint8_t owned = __atomic_load_n(&m->owned, __ATOMIC_SEQ_CST);
    while (owned != TEA_MANY) {
        uint8_t next = owned == TEA_FREE ? TEA_ONE : TEA_MANY;
        if (!mark_shared) {
            m->owned = next;
            return owned == TEA_FREE;
        }
        if (__atomic_compare_exchange_n(&m->owned, &owned, next, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return owned == TEA_FREE;
    }
    return false;
}

static inline void marker_shade_inline(struct gc_work *w, struct span *s, unsigned slot) {
    struct tea_marks *m = tea_marks_of(s->base);
    if (mark_set(&m->marks[slot / 64], UINT64_C(1) << slot % 64) == 0) {
        mark_again(w, s, slot);
        return;
    }
    mark_anew(s, slot);
    w->bytes_marked += s->elem_bytes;
    if (!span_class_noscan(s->span_class) && tea_acquire(m))
        work_push_span(w, s->base | slot);
}

static void tea_scan_slots(struct gc_work *w, const struct span *s, unsigned first, uint64_t slots) {
    for (; slots != 0; slots &= slots - 1) {
        uintptr_t base = s->base + (uintptr_t)(first + place_lowest(slots)) * s->elem_bytes;
        w->objects_scanned++;
        mark_scan_small(w, s, base);
    }
}

static void marker_scan_span(struct gc_work *w, uintptr_t item) {
    uintptr_t page = item & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
    unsigned slot = item % GOALLOC_PAGE_BYTES;
    struct tea_marks *m = tea_marks_of(page);
    const struct span *s = arena_span_of(&heap.arenas, page);
    uint8_t owned = __atomic_exchange_n(&m->owned, TEA_FREE, __ATOMIC_SEQ_CST);
    w->spans_scanned++;
    if (owned == TEA_ONE) {
        w->single_scans++;
        tea_scan_slots(w, s, slot & ~63u, mark_set(&m->scans[slot / 64], UINT64_C(1) << slot % 64));
        return;
    }
    for (unsigned i = 0; i * 64 < s->nelems; i++) {
        uint64_t grey = __atomic_load_n(&m->marks[i], __ATOMIC_SEQ_CST);
        grey &= i == TEA_WORDS - 1 ? UINT64_MAX >> 8 : UINT64_MAX;
        grey &= ~__atomic_load_n(&m->scans[i], __ATOMIC_RELAXED);
        if (grey != 0)
            tea_scan_slots(w, s, i * 64, mark_set(&m->scans[i], grey));
    }
}

/* ---- black allocation: nothing in a new object has to be scanned */

static void marker_take_run(struct span *s, unsigned first, unsigned count) {
    if (!span_inline_marked(s->elem_bytes)) {
        mark_range(place_mark_bits(s), first, count, true);
        return;
    }
    mark_range(tea_marks_of(s->base)->scans, first, count, true);
    mark_range(tea_marks_of(s->base)->marks, first, count, true);
}

static void marker_return_run(struct span *s, unsigned first, unsigned count) {
    if (!span_inline_marked(s->elem_bytes)) {
        mark_range(place_mark_bits(s), first, count, false);
        return;
    }
    mark_range(tea_marks_of(s->base)->marks, first, count, false);
    mark_range(tea_marks_of(s->base)->scans, first, count, false);
}

/* ---- sweeping: marks join the bitmap beside the heap, and the page is ready for the next cycle (Go 1.25.3
 * mgcmark_greenteagc.go:196) */

static void marker_merge(struct span *s) {
    if (!span_inline_marked(s->elem_bytes))
        return;
    struct tea_marks *m = tea_marks_of(s->base);
    for (unsigned i = 0; i * 64 < s->nelems; i++)
        place_mark_bits(s)[i] |= m->marks[i];
    memset(m, 0, sizeof *m);
}

static bool marker_is_marked(const struct span *s, unsigned slot) {
    const uint64_t *marks = span_inline_marked(s->elem_bytes) ? tea_marks_of(s->base)->marks : place_mark_bits(s);
    return (__atomic_load_n(&marks[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1) != 0;
}

#include "gc/cycle.c"
