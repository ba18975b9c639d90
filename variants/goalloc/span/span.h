/* SPDX-License-Identifier: MIT
 *
 * span: the record of a run of pages, its state and its class (Go mheap.go:360-595). Records are type-stable and never
 * cleared when they are reused: a thread that frees into a span which is changing hands may touch an old record, and
 * finds valid fields there. Who writes what: fields of line 0 belong to the owner thread, or to whoever holds the
 * central lock of an unowned span; the remote fields of line 1 are atomics written by anybody.
 */
#ifndef GOALLOC_SPAN_H
#define GOALLOC_SPAN_H

#include "page/page.h"
#include "span/sizeclasses.h"

/* ---- size classes: 1 to 67; class 0 has size 0 and stands for large objects */

static inline size_t gclass_size(unsigned size_class) {
    return sizeclass_size[size_class];
}

/* Pages that Go gives a span of the class. */
static inline size_t gclass_pages(unsigned size_class) {
    return sizeclass_pages[size_class];
}

/* offset / size = offset * magic >> 32, for every offset in a span (Go mksizeclasses.go:172). */
static inline uint32_t gclass_div_magic(unsigned size_class) {
    return sizeclass_magic[size_class];
}

/* The smallest class that holds a size from 1 to GOALLOC_MAX_SMALL_SIZE (Go malloc.go:1285). */
static inline unsigned gclass_of(size_t size_bytes) {
    if (size_bytes <= GOALLOC_SMALL_SIZE_MAX - 8)
        return sizeclass_by_8[(size_bytes + 7) / 8];
    return sizeclass_by_128[(size_bytes - GOALLOC_SMALL_SIZE_MAX + 127) / 128];
}

struct cache;
struct goalloc_type;

/* Reclaimed: out of use, but the record is still in an inbox (cache_reclaim_from_idle). */
enum span_state { SPAN_DEAD = 0, SPAN_IN_USE = 1, SPAN_MANUAL = 2, SPAN_RECLAIMED = 3 };

/* Go mheap.go:586: class<<1 | noscan. Class 0 holds large objects. */
enum { SPAN_CLASSES = GOALLOC_SIZE_CLASSES * 2, SPAN_TINY_CLASS = 5 };

static inline uint8_t span_class_make(unsigned size_class, bool noscan) {
    return (uint8_t)(size_class << 1 | noscan);
}

static inline unsigned span_class_size_class(uint8_t span_class) {
    return span_class >> 1;
}

static inline bool span_class_noscan(uint8_t span_class) {
    return (span_class & 1) != 0;
}

/* Go mbitmap.go:570: a small scan span of objects up to 512 B ends with one pointer bit per word of its page. */
enum { HEAP_BITS_BYTES = GOALLOC_PAGE_BYTES / 8 / 8, HEAP_BITS_MAX_OBJECT_BYTES = 512 };

/* Go mgcmark_greenteagc.go:66,258: marks at the page's end, pointer bits then before them. Smaller objects than 16 B
 * would be more than the marks can count. */
enum { INLINE_MARKS_BYTES = 128, INLINE_MARKS_MIN_OBJECT_BYTES = 16, INLINE_MARKS_MAX_OBJECT_BYTES = 512 };

static inline bool span_class_inline_marked(uint8_t span_class) {
    unsigned size_class = span_class_size_class(span_class);
    return AXIS_INLINE_MARKS && size_class >= GOALLOC_CLASS_OF_16 && size_class <= GOALLOC_CLASS_OF_512;
}

/* Does the class alone tell how the span's pages are laid out? Pages with inline marks, and others of equal slots. */
static inline bool span_class_on_page(uint8_t span_class, bool slots) {
    unsigned size_class = span_class_size_class(span_class);
    if (AXIS_INLINE_MARKS || !slots)
        return span_class_inline_marked(span_class);
    return AXIS_COLLECTS && size_class != 0 && size_class <= GOALLOC_CLASS_OF_512;
}

/* Small: where pointers are says a bitmap; the objects of larger classes begin with their type. */
static inline bool span_class_has_bitmap(uint8_t span_class) {
    return span_class_size_class(span_class) <= GOALLOC_CLASS_OF_512;
}

/* Slots of a small span, by what its end holds beside objects (Go mheap.go:1453). pointer_bits: the objects hold
 * pointers, and a collector wants to know which words. inline_marks: the collector is Green Tea. */
static inline unsigned span_objects(size_t span_bytes, size_t elem_bytes, bool pointer_bits, bool inline_marks) {
    if (pointer_bits && elem_bytes <= HEAP_BITS_MAX_OBJECT_BYTES)
        span_bytes -= HEAP_BITS_BYTES;
    if (inline_marks && elem_bytes >= INLINE_MARKS_MIN_OBJECT_BYTES && elem_bytes <= INLINE_MARKS_MAX_OBJECT_BYTES)
        span_bytes -= INLINE_MARKS_BYTES;
    return (unsigned)(span_bytes / elem_bytes);
}

/* Where an owned span stands in its owner's lists, or an unowned one in the central's. */
enum span_list { SPAN_ON_NONE = 0, SPAN_ON_CURRENT, SPAN_ON_PARTIAL, SPAN_ON_FULL, SPAN_ON_EMPTY };

/* Who has done with the record of a reclaimed span. */
enum span_left { SPAN_LEFT_BY_RECLAIMER = 1, SPAN_LEFT_INBOX = 2 };

enum { SPAN_INLINE_WORDS = 2, SPAN_MAX_WORDS = 16, SPAN_NEVER = INT32_MAX };

struct span {
    /* Line 0: all that freeing by the owner reads and writes. */
    uintptr_t base;
    uint32_t elem_bytes; /* slot size; 0 for a large object */
    union {
        uint32_t exact_inverse; /* manual builds: of the slot size's odd part, modulo 2^32 (place_exact_slot) */
        uint32_t div_magic;     /* traced builds: of the size class */
    };
    union {
        uint64_t *free_bits;  /* manual builds: one bit per slot, 1 = free; bits past nelems are 0 */
        uint64_t *alloc_bits; /* traced builds, atomic: what the last sweep found marked; 1 = not free */
    };
    struct cache *owner; /* atomic; NULL: the central's, or large */
    union {
        int32_t frees_until_event; /* manual builds: counts the owner's frees down to the next cache_settle */
        uint32_t page_marked;      /* traced builds, atomic: the cycle, if its page is marked in it (mark_page) */
    };
    uint32_t nelems;
    uint32_t exact_slots; /* nelems; 0 where the fast path must refuse every address (large) */
    uint8_t exact_shift;  /* trailing zeros of the slot size */
    uint8_t span_class;
    uint8_t state;         /* atomic, stored last: publishes all other fields */
    uint8_t remote_queued; /* atomic; 1 from enqueuing until the owner has taken it out. Here, because freeing by the
                            * owner asks whether others have freed; it changes once per inbox, not once per free */
    union {
        uint64_t inline_free[SPAN_INLINE_WORDS];
        struct {                  /* traced builds */
            uint64_t alloc_cache; /* from freeindex on, 1 = free: the complement of alloc_bits, shifted */
            uint64_t *mark_bits;  /* atomic pointer; words are set atomically while marking */
        };
    };
    /* Line 1: freeing by others, and what is rarely needed. */
    union {
        uint64_t inline_remote[SPAN_INLINE_WORDS]; /* atomic */
        struct {                                   /* traced builds */
            uint16_t alloc_count_before_cache;     /* when a thread's cache took the span */
            uint64_t *starts;                      /* runs, atomic pointer: where objects begin; then pointer bits */
        };
    };
    struct span *remote_next; /* link in an owner's inbox; guarded by remote_queued */
    uint8_t list;             /* enum span_list */
    uint8_t needzero;
    union {
        uint16_t free_index_for_scan; /* traced builds */
        uint8_t left;                 /* enum span_left, central lock */
    };
    uint32_t sweepgen; /* atomic; against the heap's: alloc/mcentral.h */
    struct span *next, *prev;
    const struct goalloc_type *large_type; /* large typed object; NULL: nothing to scan */
    uint32_t npages;
    uint16_t alloc_count;
    union {
        uint16_t freeindex;  /* traced builds */
        uint16_t noticed_at; /* manual builds, atomic: the owner's slow_paths when remote_queued was set */
    };
};
_Static_assert(sizeof(struct span) == 128, "two cache lines: the owner's and the others'");
_Static_assert(offsetof(struct span, inline_remote) == 64, "remote frees must not touch the owner's line");

static inline uintptr_t span_base(const struct span *s) {
    return s->base;
}

/* The pointer bits of a small scan span of one page; a build with inline marks keeps those behind them. */
static inline uintptr_t span_page_heap_bits(uintptr_t page, uint8_t span_class) {
    return page + GOALLOC_PAGE_BYTES - HEAP_BITS_BYTES -
           (span_class_inline_marked(span_class) ? INLINE_MARKS_BYTES : 0);
}

static inline uintptr_t span_heap_bits(const struct span *s) {
    return span_page_heap_bits(s->base, s->span_class);
}

static inline unsigned span_words(const struct span *s) {
    return (s->nelems + 63u) / 64;
}

/* Atomic, because somebody who was among the last to free into a span may look at its record while it is set up again.
 */
static inline uint64_t *span_free_bits(const struct span *s) {
    return __atomic_load_n(&s->free_bits, __ATOMIC_RELAXED);
}

static inline void span_set_free_bits(struct span *s, uint64_t *bits) {
    __atomic_store_n(&s->free_bits, bits, __ATOMIC_RELAXED);
}

static inline uint64_t *span_remote_bits(struct span *s) {
    unsigned words = span_words(s);
    return words <= SPAN_INLINE_WORDS ? s->inline_remote : span_free_bits(s) + words;
}

/* Bytes of one object: the slot, or all pages of a large object. */
static inline size_t span_object_bytes(const struct span *s) {
    return s->elem_bytes != 0 ? s->elem_bytes : (size_t)s->npages << GOALLOC_PAGE_SHIFT;
}

static inline enum span_state span_state_of(const struct span *s) {
    return (enum span_state)__atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
}

/* Adds to frees_until_event, by the owner; the sum. Plain where it may be: it is on every free. Others read the count
 * (cache_reclaim_from_idle), so ThreadSanitizer must see it as atomic. */
static inline int32_t span_count(struct span *s, int32_t n) {
    if (!OS_THREAD_SANITIZER)
        return s->frees_until_event += n;
    int32_t left = __atomic_load_n(&s->frees_until_event, __ATOMIC_RELAXED) + n;
    __atomic_store_n(&s->frees_until_event, left, __ATOMIC_RELAXED);
    return left;
}

/* The owner has freed a slot of s; true when its next event is due. */
static inline bool span_count_free(struct span *s) {
    return span_count(s, -1) == 0;
}

/* All records of spans. */
static struct fixalloc span_records = {.size_bytes = sizeof(struct span)};

/* Would a list whose links are believed take in what is no span, or lose what is one? */
static inline bool span_link_broken(struct span *const *head, const struct span *s) {
    const struct span *prev = s->prev, *next = s->next;
    if (prev == NULL ? *head != s : !fixalloc_may_hold(&span_records, prev) || prev->next != s)
        return true;
    return next != NULL && (!fixalloc_may_hold(&span_records, next) || next->prev != s);
}

/* Doubly linked lists of spans, last in, first out. Heads are stored atomically: central_adopt looks at one without the
 * lock, to see whether locking is worth it. */
static inline void span_list_push(struct span **head, struct span *s) {
    if (GOALLOC_UNLIKELY(*head != NULL && (!fixalloc_may_hold(&span_records, *head) || (*head)->prev != NULL)))
        os_die("corrupted span list: its head leads to %p, where no span is the first", (void *)*head);
    s->prev = NULL;
    s->next = *head;
    if (*head != NULL)
        (*head)->prev = s;
    __atomic_store_n(head, s, __ATOMIC_RELAXED);
}

static inline void span_list_remove(struct span **head, struct span *s) {
    if (GOALLOC_UNLIKELY(span_link_broken(head, s)))
        os_die("corrupted span list: the links of the span at %p and of its neighbours do not agree", (void *)s->base);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        __atomic_store_n(head, s->next, __ATOMIC_RELAXED);
    if (s->next != NULL)
        s->next->prev = s->prev;
    s->next = s->prev = NULL;
}

/* Bitmaps of spans with more than SPAN_INLINE_WORDS words: free bits, then remote bits. NULL when out of memory. */
static void span_bits_init(void);
static uint64_t *span_bits_take(unsigned words);
static void span_bits_give(uint64_t *bits, unsigned words);

#endif
