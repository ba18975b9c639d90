/* SPDX-License-Identifier: MIT
 *
 * mark: from an address to a marked object, and from an object to the addresses in it (Go mgcmark.go). The heap is
 * scanned precisely, by pointer bits and types; stacks and registers conservatively.
 */
#include "gc/gc.h"
#include "gc/work.c"

#include <string.h>

/* Others mark, too: not while the world is stopped and one thread drains. */
static uint32_t mark_shared = 1;
/* atomic: marking threads that look for work */
static uint32_t mark_hungry;
/* atomic: changes when there is work for them, or marking may be over. They sleep on it, for a moment at most: so no
 * order is needed between it and what it tells. */
static uint32_t mark_news;

/* What there is to know of a span class by which objects are found on their page; of the others nelems is 0. */
static struct mark_class {
    uint32_t magic; /* of the division by elem_bytes */
    uint16_t nelems, elem_bytes;
    uint64_t words; /* a bit for each word of a slot */
} mark_classes[SPAN_CLASSES];

static void mark_classes_init(void) {
    for (unsigned i = 2; i < SPAN_CLASSES; i++) {
        if (!span_class_on_page((uint8_t)i, PLACE_SLOTS))
            continue;
        /* Runs keep their pointer bits elsewhere; their slots are granules. */
        size_t elem_bytes = gclass_size(i / 2);
        unsigned nelems =
            span_objects(GOALLOC_PAGE_BYTES, elem_bytes, PLACE_SLOTS && i % 2 == 0, AXIS_INLINE_MARKS != 0);
        mark_classes[i] = (struct mark_class){gclass_div_magic(i / 2), (uint16_t)nelems, (uint16_t)elem_bytes,
                                              UINT64_MAX >> (64 - elem_bytes / 8)};
    }
}

static inline uintptr_t mark_page_base(uintptr_t address) {
    return address & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
}

/* A span with something marked keeps its pages (sweep_reclaim). Its record says whether that is noted already: the
 * arena's bitmap would be one more line of memory for each object. */
static inline void mark_page(struct span *s) {
    uint32_t cycle = mcentral_sweepgen() | 1;
    if (GOALLOC_LIKELY(__atomic_load_n(&s->page_marked, __ATOMIC_RELAXED) == cycle))
        return;
    __atomic_store_n(&s->page_marked, cycle, __ATOMIC_RELAXED);
    struct arena *arena = arena_of(&heap.arenas, s->base);
    size_t page = (s->base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
    __atomic_fetch_or(&arena->page_marks[page / 8], (uint8_t)(1u << page % 8), __ATOMIC_RELAXED);
}

/* Sets bits of a word of mark bits; those that were not set before. Relaxed: objects are found by pointers, whose
 * stores were released, and threads meet where the world stops. */
static inline uint64_t mark_set(uint64_t *word, uint64_t bits) {
    uint64_t before = __atomic_load_n(word, __ATOMIC_RELAXED);
    if ((bits & ~before) == 0)
        return 0;
    if (mark_shared)
        before = __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
    else
        *word = before | bits;
    return bits & ~before;
}

/* Bits [first, first + count) of a bitmap, word by word. Neighbours may be set by others meanwhile. */
static inline void mark_range(uint64_t *bits, unsigned first, unsigned count, bool set) {
    for (unsigned at = first, end = first + count; at < end;) {
        unsigned run = 64 - at % 64 < end - at ? 64 - at % 64 : end - at;
        uint64_t mask = (run == 64 ? ~UINT64_C(0) : (UINT64_C(1) << run) - 1) << at % 64;
        if (set)
            __atomic_fetch_or(&bits[at / 64], mask, __ATOMIC_RELAXED);
        else
            __atomic_fetch_and(&bits[at / 64], ~mask, __ATOMIC_RELAXED);
        at += run;
    }
}

/* ---- GODEBUG=gccheckmark=1: once marking has ended, everything is traversed again, and must be marked already. Which
 * objects that traversal has seen is kept beside the marks, a bit for each possible start (Go mcheckmark.go). */

static uint32_t mark_checking;

static bool mark_check_first_visit(uintptr_t base) {
    enum { START_BYTES = 8 };
    struct arena *arena = arena_of(&heap.arenas, base);
    if (arena->checkmarks == NULL)
        arena->checkmarks = os_map_lazy(ARENA_BYTES / START_BYTES / 8);
    if (arena->checkmarks == NULL)
        os_die("out of memory for gccheckmark");
    size_t start = (base - arena->base) / START_BYTES;
    uint64_t *word = &((uint64_t *)arena->checkmarks)[start / 64], bit = UINT64_C(1) << start % 64;
    bool first = (*word & bit) == 0;
    *word |= bit;
    return first;
}

/* An object that is marked already. */
static inline void mark_again(struct gc_work *w, uintptr_t base, bool noscan) {
    if (GOALLOC_UNLIKELY(mark_checking) && mark_check_first_visit(base) && !noscan)
        work_push(w, base);
}

/* An object that has just been marked. */
static inline void mark_anew(uintptr_t base) {
    if (GOALLOC_UNLIKELY(mark_checking))
        os_die("gccheckmark: the object at %p is reachable and was not marked; was a pointer to it stored without "
               "goalloc_store?",
               (void *)base);
}

/* The object is marked; if it is new it counts, and is to be scanned unless it holds no pointers. */
static inline void mark_slot(struct gc_work *w, struct span *s, unsigned slot, uintptr_t base) {
    if (mark_set(&place_mark_bits(s)[slot / 64], UINT64_C(1) << slot % 64) == 0) {
        mark_again(w, base, span_class_noscan(s->span_class));
        return;
    }
    mark_anew(base);
    mark_page(s);
    w->bytes_marked += object_slot_bytes(s, slot);
    if (!span_class_noscan(s->span_class))
        work_push(w, base);
}

/* Nothing below nelems: the address lies behind the last slot. */
static inline unsigned mark_slot_of(const struct span *s, uintptr_t address) {
    return s->elem_bytes == 0 ? 0 : (unsigned)place_slot_covering(s, address);
}

/* The page that a slot of a span with inline marks lies in; its marks know it as the rest of slot by PLACE_PAGE_SLOTS.
 */
static inline uintptr_t mark_page_of(const struct span *s, unsigned slot) {
    return s->base + slot / PLACE_PAGE_SLOTS * GOALLOC_PAGE_BYTES;
}

static inline void mark_in_span(struct gc_work *w, struct span *s, unsigned slot) {
    if (span_class_inline_marked(s->span_class))
        marker_shade_inline(w, mark_page_of(s, slot), s->span_class, slot % PLACE_PAGE_SLOTS);
    else
        mark_slot(w, s, slot, object_slot_address(s, slot));
}

/* No page class tells of the address. */
__attribute__((noinline)) static void mark_elsewhere(struct gc_work *w, uintptr_t address) {
    struct span *s = heap_span_of(address);
    if (s == NULL)
        return;
    unsigned slot = mark_slot_of(s, address);
    if (GOALLOC_LIKELY(slot < s->nelems))
        mark_in_span(w, s, slot);
}

static inline void mark_address(struct gc_work *w, uintptr_t address) {
    if (address < GC_LEAST_ADDRESS)
        return;
    uint8_t span_class = arena_page_class(&heap.arenas, address);
    if (GOALLOC_LIKELY(span_class != 0))
        marker_shade_on_page(w, span_class, address);
    else
        mark_elsewhere(w, address);
}

/* ---- stacks: any word may be anything. The world is stopped and no window is open, so a free slot is known for one.
 */

static inline void mark_guess(struct gc_work *w, struct span *s, uintptr_t address) {
    unsigned slot = mark_slot_of(s, address);
    if (slot < s->nelems && (s->elem_bytes == 0 || !place_slot_unpublished(s, slot)))
        mark_in_span(w, s, slot);
}

/* One past the end of an object is where the next one begins, or its pages end. A compiler may keep no other pointer to
 * the object, whatever the program says; in the heap there is what the program has put there. */
__attribute__((noinline)) static void mark_before(struct gc_work *w, uintptr_t address) {
    struct span *s = address % 8 == 0 ? heap_span_of(address - 1) : NULL;
    if (s != NULL)
        mark_guess(w, s, address - 1);
}

__attribute__((no_sanitize("address", "thread"))) static void
mark_conservatively(struct gc_work *w, const uintptr_t *from, const uintptr_t *end) {
    bool past_end = heap.past_end == HEAP_PAST_END_STACKS;
    for (const uintptr_t *at = from; at < end; at++) {
        uintptr_t word = *at;
        if (word < GC_LEAST_ADDRESS)
            continue;
        struct span *s = heap_span_of(word);
        if (s != NULL)
            mark_guess(w, s, word);
        else if (GOALLOC_LIKELY(word % GOALLOC_PAGE_BYTES != 0))
            continue;
        if (past_end)
            mark_before(w, word);
    }
}

/* ---- scanning an object */

static inline void mark_word(struct gc_work *w, uintptr_t at) {
    mark_address(w, __atomic_load_n((uintptr_t *)at, OS_LOAD_POINTER));
}

/* Pointers that are looked at together, so that what the later ones need is on its way meanwhile. */
struct mark_found {
    unsigned count;
    uintptr_t items[GC_GATHERED + GC_FOUND_MARGIN];
};

static inline void mark_gather(struct gc_work *w, struct mark_found *found, uintptr_t at, uint64_t mask) {
    for (; mask != 0; mask &= mask - 1) {
        uintptr_t value = __atomic_load_n((uintptr_t *)at + place_lowest(mask), OS_LOAD_POINTER);
        if (value < GC_LEAST_ADDRESS)
            continue;
        found->items[found->count++] = value;
        if (found->count == GC_GATHERED) {
            marker_shade_all(w, found->items, GC_GATHERED);
            found->count = 0;
        }
    }
}

/* Words of [from, end) that type says are pointers; from is `word` words into consecutive elements. */
static void mark_by_type(struct gc_work *w, const struct goalloc_type *type, uintptr_t from, uintptr_t end,
                         size_t word) {
    struct mark_found found;
    found.count = 0;
    size_t words = type->size_bytes / 8;
    word %= words;
    for (uintptr_t at = from; at < end;) {
        uint64_t mask = type->masks != NULL ? type->masks[word / 64] : word < 64 ? type->pointer_mask : 0;
        mask >>= word % 64;
        size_t run = 64 - word % 64;
        if (run > words - word)
            run = words - word;
        if (run > (end - at) / 8)
            run = (end - at) / 8;
        if (run < 64)
            mask &= (UINT64_C(1) << run) - 1;
        mark_gather(w, &found, at, mask);
        at += run * 8;
        word = (word + run) % words;
    }
    marker_shade_all(w, found.items, found.count);
}

/* Of the bits, one for each word from `from` on, those of an object of up to 64 words; words has a bit for each. */
static inline uint64_t mark_object_bits(const uint64_t *bits, uintptr_t from, uintptr_t base, uint64_t words) {
    unsigned first = (unsigned)((base - from) / 8), shift = first % 64;
    uint64_t mask = __atomic_load_n(&bits[first / 64], __ATOMIC_RELAXED) >> shift;
    if ((words << shift) >> shift != words)
        mask |= __atomic_load_n(&bits[first / 64 + 1], __ATOMIC_RELAXED) << (64 - shift);
    return mask & words;
}

/* base is the start of an object of s. */
static inline size_t mark_object_bytes(const struct span *s, uintptr_t base) {
    return PLACE_SLOTS ? s->elem_bytes : place_slot_bytes(s, mark_slot_of(s, base));
}

static inline void mark_words(struct gc_work *w, uintptr_t base, uint64_t mask) {
    for (; mask != 0; mask &= mask - 1)
        mark_word(w, base + 8 * place_lowest(mask));
}

static void mark_scan_small(struct gc_work *w, const struct span *s, uintptr_t base) {
    size_t size_bytes = mark_object_bytes(s, base);
    w->scan_work += size_bytes;
    uint64_t words = UINT64_MAX >> (64 - place_bitmap_words(size_bytes));
    mark_words(w, base, mark_object_bits(place_pointer_bits(s), s->base, base, words));
}

/* The same for an equal slot of a page that says by its class what it holds. */
static inline void mark_scan_on_page(struct gc_work *w, uint8_t span_class, uintptr_t base) {
    const struct mark_class *class = &mark_classes[span_class];
    uintptr_t page = mark_page_base(base);
    w->scan_work += class->elem_bytes;
    mark_words(w, base,
               mark_object_bits((const uint64_t *)span_page_heap_bits(page, span_class), page, base, class->words));
}

/* A long object is scanned in parts, which others may take. */
static void mark_scan_large(struct gc_work *w, const struct span *s, uintptr_t at) {
    const struct goalloc_type *type = __atomic_load_n(&s->large_type, __ATOMIC_ACQUIRE);
    uintptr_t end = s->base + span_object_bytes(s);
    if (type == NULL)
        return; /* being made, and zero so far */
    if (at == s->base)
        for (uintptr_t oblet = at + GC_OBLET_BYTES; oblet < end; oblet += GC_OBLET_BYTES)
            work_push(w, oblet);
    uintptr_t oblet_end = end - at > GC_OBLET_BYTES ? at + GC_OBLET_BYTES : end;
    w->scan_work += oblet_end - at;
    mark_by_type(w, type, at, oblet_end, (at - s->base) / 8);
}

/* No page class tells of the object. */
__attribute__((noinline)) static void mark_scan_elsewhere(struct gc_work *w, uintptr_t base) {
    const struct span *s = arena_span_of_huge(&heap.arenas, base);
    if (s->elem_bytes == 0) {
        mark_scan_large(w, s, base);
    } else if (span_class_has_bitmap(s->span_class)) {
        mark_scan_small(w, s, base);
    } else {
        const struct goalloc_type *type = __atomic_load_n((const struct goalloc_type **)base, __ATOMIC_ACQUIRE);
        size_t size_bytes = mark_object_bytes(s, base);
        unsigned slot = mark_slot_of(s, base);
        if (GOALLOC_UNLIKELY(place_slot_free(s, slot))) /* before what is no type is taken for one */
            object_die_found_free(s, slot);
        w->scan_work += size_bytes;
        mark_by_type(w, type, base + 8, base + size_bytes, 0);
    }
}

static inline void mark_scan_object(struct gc_work *w, uintptr_t base) {
    w->objects_scanned++;
    uint8_t span_class = PLACE_SLOTS ? arena_page_class(&heap.arenas, base) : 0;
    if (GOALLOC_LIKELY(span_class != 0))
        mark_scan_on_page(w, span_class, base);
    else
        mark_scan_elsewhere(w, base);
}

/* ---- draining. Objects wait in a short line while their memory is on its way. */

struct mark_line {
    uintptr_t items[GC_AHEAD];
    unsigned first, count;
};

/* Fills the line from what is in hand. */
static inline void mark_line_fill(struct mark_line *line, struct gc_work *w) {
    for (; line->count < GC_AHEAD; line->count++) {
        uintptr_t item = work_pop(w);
        if (item == 0)
            return;
        __builtin_prefetch((void *)item);
        line->items[(line->first + line->count) % GC_AHEAD] = item;
    }
}

/* The object that has waited longest. */
static inline uintptr_t mark_line_take(struct mark_line *line) {
    uintptr_t item = line->items[line->first];
    line->first = (line->first + 1) % GC_AHEAD;
    line->count--;
    return item;
}

static void mark_tell(void) {
    if (__atomic_load_n(&mark_hungry, __ATOMIC_RELAXED) == 0)
        return;
    __atomic_fetch_add(&mark_news, 1, __ATOMIC_RELAXED);
    os_wake_all(&mark_news);
}

static bool mark_fetch(struct gc_work *w) {
    return work_fetch(w) || (AXIS_INLINE_MARKS && work_fetch_spans(w));
}

/* What others wait for is shared once in a while. */
static void mark_feed(struct gc_work *w) {
    if (__atomic_load_n(&mark_hungry, __ATOMIC_RELAXED) == 0 || mark_work_left())
        return;
    work_share(w);
    if (AXIS_INLINE_MARKS && work_spans_count(w) >= 4)
        work_spill_spans(w, work_spans_count(w) / 2);
    if (mark_work_left())
        mark_tell();
}

/* No object is in hand: a page is scanned, or more is fetched. False: there is nothing anywhere. */
static inline bool mark_other_work(struct gc_work *w) {
    uintptr_t span_item = AXIS_INLINE_MARKS ? work_pop_span(w) : 0;
    if (span_item == 0)
        return mark_fetch(w);
    marker_scan_span(w, span_item);
    mark_feed(w); /* a page may take as long as hundreds of objects */
    return true;
}

static uint64_t mark_drain(struct gc_work *w, uint64_t budget) {
    struct mark_line line = {{0}, 0, 0};
    uint64_t start = w->scan_work;
    for (unsigned turn = 1;; turn++) {
        bool enough = w->scan_work - start >= budget;
        if (!enough)
            mark_line_fill(&line, w);
        if (line.count != 0)
            mark_scan_object(w, mark_line_take(&line));
        else if (enough || !mark_other_work(w))
            break;
        if (turn % 64 == 0)
            mark_feed(w);
    }
    return w->scan_work - start;
}

/* All that is in hand becomes everybody's. */
static void mark_flush(struct gc_work *w) {
    work_give_up(&w->first);
    work_give_up(&w->second);
    work_give_up_spans(w);
    if (mark_work_left())
        mark_tell();
}

/* ---- the write barrier's buffer (Go mwbbuf.go) */

static void mark_barrier_flush(struct gc_work *w) {
    for (uint32_t i = 0; i < w->barrier_count; i++)
        mark_address(w, w->barrier[i]);
    w->barrier_count = 0;
}
