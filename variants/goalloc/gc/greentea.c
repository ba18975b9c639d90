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
 *
 * Go leaves a page when what was grey at the start of its visit has been scanned, even for pointers into the page
 * itself, which queue it again. The tuned preset stays (GOALLOC_STAY) until nothing in the page is grey: a structure
 * that was built in one direction is scanned at one visit per page, and a list within it without any queue.
 */
#include "gc/kernels.c"
#include "gc/mark.c"

enum { TEA_WORDS = 8, TEA_LAST_BYTE = 63, TEA_SLOTS = TEA_WORDS * 64 };
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

static void marker_init(void) {
    mark_classes_init();
}

static bool marker_vector_runs(void) {
    return kernel_vector_runs();
}

/* Says that one object more was marked in the page, or several. True: the page is the caller's to queue. */
static inline bool tea_acquire(struct tea_marks *m, bool several) {
    uint8_t owned = __atomic_load_n(&m->owned, __ATOMIC_SEQ_CST);
    while (owned != TEA_MANY) {
        uint8_t next = owned == TEA_FREE && !several ? TEA_ONE : TEA_MANY;
        if (!mark_shared) {
            m->owned = next;
            return owned == TEA_FREE;
        }
        if (__atomic_compare_exchange_n(&m->owned, &owned, next, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return owned == TEA_FREE;
    }
    return false;
}

/* Most often one is asked about, and without an instruction for it counting is a call. */
static inline unsigned tea_count(uint64_t slots) {
    return (slots & (slots - 1)) == 0 ? slots != 0 : (unsigned)__builtin_popcountll(slots);
}

/* The slots of a page as its span counts them. */
static inline unsigned tea_span_slot(const struct span *s, uintptr_t page, unsigned slot) {
    return (unsigned)((page - s->base) / GOALLOC_PAGE_BYTES) * PLACE_PAGE_SLOTS + slot;
}

/* Bytes of the objects that begin at these slots, first being the slot of bit 0. */
static inline uint64_t tea_bytes(uintptr_t page, uint8_t span_class, unsigned first, uint64_t slots) {
    if (PLACE_SLOTS)
        return (uint64_t)tea_count(slots) * mark_classes[span_class].elem_bytes;
    const struct span *s = arena_span_of(&heap.arenas, page);
    uint64_t bytes = 0;
    for (; slots != 0; slots &= slots - 1)
        bytes += place_slot_bytes(s, tea_span_slot(s, page, first + (unsigned)place_lowest(slots)));
    return bytes;
}

/* Asks for what scanning a page begins with: its marks and pointer bits, and the object that it was queued for. */
static inline void tea_prefetch_item(uintptr_t item, uint8_t span_class) {
    uintptr_t page = mark_page_base(item), tail = page + GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES - HEAP_BITS_BYTES;
    for (unsigned line = 0; line < (INLINE_MARKS_BYTES + HEAP_BITS_BYTES) / 64; line++)
        __builtin_prefetch((void *)(tail + line * 64));
    __builtin_prefetch((void *)(page + item % GOALLOC_PAGE_BYTES * mark_classes[span_class].elem_bytes));
}

/* Slots of one word of a page's marks, first being the slot of bit 0. */
static inline void tea_shade_word(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned first,
                                  uint64_t slots) {
    struct tea_marks *m = tea_marks_of(page);
    uint64_t fresh = mark_set(&m->marks[first / 64], slots);
    if (fresh == 0)
        return;
    w->bytes_marked += tea_bytes(page, span_class, first, fresh);
    if (span_class_noscan(span_class) || !tea_acquire(m, (fresh & (fresh - 1)) != 0))
        return;
    work_push_span(w, page | (first + place_lowest(fresh)));
}

static inline void marker_shade_inline(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned slot) {
    if (GOALLOC_UNLIKELY(mark_checking)) {
        uintptr_t base = page + (uintptr_t)slot * mark_classes[span_class].elem_bytes;
        if ((tea_marks_of(page)->marks[slot / 64] >> slot % 64 & 1) == 0)
            mark_anew(base);
        mark_again(w, base, span_class_noscan(span_class));
        return;
    }
    tea_shade_word(w, page, span_class, slot & ~63u, UINT64_C(1) << slot % 64);
}

/* The slot at which the object that covers address begins; nelems of the class or more: the tail of the page. */
static inline unsigned tea_slot_of(const struct mark_class *class, uintptr_t address) {
    unsigned slot = (unsigned)((uint64_t)(address % GOALLOC_PAGE_BYTES) * class->magic >> 32);
    if (PLACE_SLOTS || slot >= class->nelems)
        return slot;
    return mark_slot_of(arena_span_of(&heap.arenas, address), address) % PLACE_PAGE_SLOTS;
}

static inline void marker_shade_on_page(struct gc_work *w, uint8_t span_class, uintptr_t address) {
    unsigned slot = tea_slot_of(&mark_classes[span_class], address);
    if (GOALLOC_LIKELY(slot < mark_classes[span_class].nelems))
        marker_shade_inline(w, mark_page_base(address), span_class, slot);
}

/* ---- scanning a page: first all pointers in it, then what they point to, the marks of those ahead being asked for;
 * neighbours that share a word of marks are marked by one operation */

enum {
    TEA_AHEAD = GC_FOUND_MARGIN,
    TEA_VECTOR_BYTES = 64, /* from this size on one object's pointers are gathered by vectors */
};

static inline void tea_prefetch(uintptr_t address) {
    __builtin_prefetch(&tea_marks_of(mark_page_base(address))->marks[0], 1);
}

/* Marks what is found, but for objects of own_page (0: there is none), whose slots are added to own. True: there are
 * some. Behind what is found there is room for TEA_AHEAD more. */
KERNEL_INLINE bool tea_shade_found(struct gc_work *w, uintptr_t *found, unsigned count, uintptr_t own_page,
                                   struct mark_class own_class, uint64_t *own) {
    uintptr_t page = 0;
    uint64_t slots = 0;
    unsigned first = 0;
    uint8_t span_class = 0;
    bool any_own = false;
    for (unsigned i = 0; i < TEA_AHEAD; i++)
        found[count + i] = 0; /* asked for in vain, without a branch for each */
    for (unsigned i = 0; i < count; i++) {
        tea_prefetch(found[i + TEA_AHEAD]);
        uintptr_t at = mark_page_base(found[i]);
        if (at == own_page) {
            unsigned slot = tea_slot_of(&own_class, found[i]);
            if (GOALLOC_LIKELY(slot < own_class.nelems)) {
                own[slot / 64] |= UINT64_C(1) << slot % 64;
                any_own = true;
            }
            continue;
        }
        uint8_t class_at = at == page ? span_class : arena_page_class(&heap.arenas, at);
        if (GOALLOC_UNLIKELY(class_at == 0)) {
            mark_address(w, found[i]);
            continue;
        }
        unsigned slot = tea_slot_of(&mark_classes[class_at], found[i]);
        if (GOALLOC_UNLIKELY(slot >= mark_classes[class_at].nelems))
            continue;
        if (at != page || (slot & ~63u) != first) {
            if (slots != 0)
                tea_shade_word(w, page, span_class, first, slots);
            page = at;
            span_class = class_at;
            first = slot & ~63u;
            slots = 0;
        }
        slots |= UINT64_C(1) << slot % 64;
    }
    if (slots != 0)
        tea_shade_word(w, page, span_class, first, slots);
    return any_own;
}

static void marker_shade_all(struct gc_work *w, uintptr_t *found, unsigned count) {
    if (GOALLOC_LIKELY(!mark_checking)) {
        tea_shade_found(w, found, count, 0, (struct mark_class){0}, NULL);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        mark_address(w, found[i]);
}

/* What has been marked in the page and not been scanned, by slots; it counts as scanned from now on. How many. */
KERNEL_INLINE unsigned tea_take_grey(struct gc_work *w, uintptr_t page, unsigned nelems, uint64_t *grey) {
    struct tea_marks *m = tea_marks_of(page);
    unsigned count = 0;
    for (unsigned i = 0; i * 64 < nelems; i++) {
        grey[i] = __atomic_load_n(&m->marks[i], __ATOMIC_SEQ_CST);
        grey[i] &= i == TEA_WORDS - 1 ? UINT64_MAX >> 8 : UINT64_MAX;
        grey[i] &= ~__atomic_load_n(&m->scans[i], __ATOMIC_RELAXED);
        if (grey[i] == 0)
            continue;
        grey[i] = mark_set(&m->scans[i], grey[i]);
        count += tea_count(grey[i]);
    }
    w->span_objects += count;
    return count;
}

/* The words of blocks that begin at these slots, which may be of any length; their bytes. */
static inline uint64_t tea_expand_blocks(uint64_t *words, const struct span *s, uintptr_t page, const uint64_t *slots) {
    unsigned unit_words = s->elem_bytes / 8;
    uint64_t sum_words = 0;
    for (unsigned i = 0; i < TEA_WORDS; i++)
        for (uint64_t these = slots[i]; these != 0; these &= these - 1) {
            unsigned slot = i * 64 + (unsigned)place_lowest(these);
            unsigned block_words = place_bitmap_words(place_slot_bytes(s, tea_span_slot(s, page, slot)));
            kernel_set_words(words, slot * unit_words, block_words);
            sum_words += block_words;
        }
    return sum_words * 8;
}

/* The span of a queued page. */
static inline const struct span *tea_queued_span(uintptr_t page) {
    const struct span *s = arena_span_of(&heap.arenas, page);
    if (GOALLOC_UNLIKELY(s == NULL))
        os_die("the page at %p is queued for marking and belongs to no span", (void *)page);
    return s;
}

/* The class of a queued page; one outside the arenas' window has none but its span's. */
static inline uint8_t tea_queued_class(uintptr_t page) {
    uint8_t span_class = arena_page_class(&heap.arenas, page);
    return GOALLOC_LIKELY(span_class != 0) ? span_class : tea_queued_span(page)->span_class;
}

static inline const uint64_t *tea_pointer_bits(const struct span *s, uintptr_t page, uint8_t span_class) {
    if (PLACE_SLOTS)
        return (const uint64_t *)span_page_heap_bits(page, span_class);
    return place_pointer_bits(s) + (page - s->base) / 8 / 64;
}

/* Slots of the page that is being scanned to which objects in it lead, in the order in which they were found. What was
 * seen has a byte for each slot: setting one does not wait for a neighbour that was set just before. */
struct tea_own {
    uint64_t before[TEA_WORDS];    /* marked before, or no slots of the page */
    uint8_t seen[TEA_SLOTS];       /* those, and what was found since: KERNEL_BYTE */
    uint16_t slots[TEA_SLOTS + 1]; /* and room for one that does not count */
};

/* How many there are to begin with. */
KERNEL_INLINE unsigned tea_own_begin(struct tea_own *own, uintptr_t page, unsigned nelems, const uint64_t *found,
                                     bool vector) {
    const struct tea_marks *m = tea_marks_of(page);
    unsigned count = 0;
    for (unsigned i = 0; i < TEA_WORDS; i++) {
        uint64_t beyond = i * 64 >= nelems ? UINT64_MAX : nelems - i * 64 >= 64 ? 0 : UINT64_MAX << (nelems - i * 64);
        own->before[i] = __atomic_load_n(&m->marks[i], __ATOMIC_RELAXED) | beyond;
        for (uint64_t fresh = found[i] & ~own->before[i]; fresh != 0; fresh &= fresh - 1)
            own->slots[count++] = (uint16_t)(i * 64 + (unsigned)place_lowest(fresh));
        kernel_spread_bits(&own->seen[i * 64], own->before[i] | found[i], vector);
    }
    return count;
}

/* They are marked and scanned; in this order, for what is marked and not scanned is grey. Others may have marked some
 * of them meanwhile, and will find them scanned. */
KERNEL_INLINE void tea_own_end(struct gc_work *w, uintptr_t page, uint8_t span_class, const struct tea_own *own,
                               bool vector) {
    struct tea_marks *m = tea_marks_of(page);
    unsigned nelems = mark_classes[span_class].nelems;
    for (unsigned i = 0; i * 64 < nelems; i++) {
        uint64_t slots = kernel_gather_bits(&own->seen[i * 64], vector) & ~own->before[i];
        if (slots == 0)
            continue;
        w->span_objects += tea_count(mark_set(&m->scans[i], slots));
        w->bytes_marked += tea_bytes(page, span_class, i * 64, mark_set(&m->marks[i], slots));
    }
}

/* Pointer bits of an equal slot. It need not begin at a word of the bitmap, and lies within 8 bytes that begin at a
 * byte: slots of more than 56 words begin at whole multiples of 4. Bits of neighbours may change meanwhile; the slot's
 * own do not. */
KERNEL_INLINE uint64_t tea_slot_bits(const uint64_t *bits, unsigned first, uint64_t words) {
    uint64_t eight_bytes;
    memcpy(&eight_bytes, (const char *)bits + first / 8, sizeof eight_bytes);
    return eight_bytes >> first % 8 & words;
}

/* Pointer bits of the object at a slot, which is about to be scanned; s is known where blocks are of any length. */
KERNEL_INLINE uint64_t tea_object_bits(const struct mark_class *class, const struct span *s, const uint64_t *bits,
                                       uintptr_t page, unsigned slot, uint64_t *scan_bytes) {
    size_t size_bytes = PLACE_SLOTS ? class->elem_bytes : place_slot_bytes(s, tea_span_slot(s, page, slot));
    *scan_bytes += size_bytes;
    if (PLACE_SLOTS && !OS_THREAD_SANITIZER)
        return tea_slot_bits(bits, slot * (class->elem_bytes / 8u), class->words);
    return mark_object_bits(bits, page, page + (uintptr_t)slot * class->elem_bytes,
                            UINT64_MAX >> (64 - place_bitmap_words(size_bytes)));
}

/* How far following pointers from object to object of a page has come. */
struct tea_trail {
    uintptr_t page;
    struct mark_class class;
    unsigned own_count, found_count; /* what waits its turn or has had it; what lies elsewhere */
    uintptr_t ahead;                 /* asked for next, a line for each object: the page that is queued next */
};

/* A word that may hold a pointer: to an object of the page, which waits its turn if it is new, or elsewhere. */
KERNEL_INLINE void tea_follow_word(struct tea_trail *t, uintptr_t value, struct tea_own *own, uintptr_t *found) {
    if (!kernel_is_pointer(value))
        return;
    if (mark_page_base(value) != t->page) {
        found[t->found_count++] = value;
        return;
    }
    unsigned to = tea_slot_of(&t->class, value);
    own->slots[t->own_count] = (uint16_t)to;
    t->own_count += own->seen[to] == 0;
    own->seen[to] = KERNEL_BYTE;
}

KERNEL_INLINE void tea_follow_words(struct tea_trail *t, const uintptr_t *object, uint64_t mask, struct tea_own *own,
                                    uintptr_t *found) {
    for (; mask != 0; mask &= mask - 1)
        tea_follow_word(t, __atomic_load_n(&object[place_lowest(mask)], OS_LOAD_POINTER), own, found);
}

KERNEL_INLINE void tea_follow_vectors(struct tea_trail *t, const uintptr_t *object, uint64_t mask, struct tea_own *own,
                                      uintptr_t *found) {
    uintptr_t values[64 + 4]; /* and room for a whole vector */
    unsigned skip = (unsigned)((uintptr_t)object / 8 % 4);
    unsigned count = kernel_gather_dense((uintptr_t)(object - skip), mask << skip, values);
    for (unsigned i = 0; i < count; i++)
        tea_follow_word(t, values[i], own, found);
}

KERNEL_INLINE const uintptr_t *tea_next_object(struct tea_trail *t, unsigned slot) {
    __builtin_prefetch((void *)t->ahead);
    t->ahead += 64;
    return (const uintptr_t *)(t->page + (size_t)slot * t->class.elem_bytes);
}

/* Objects of any types. How many bytes they have. */
KERNEL_INLINE uint64_t tea_follow_mixed(struct tea_trail *t, const struct span *s, const uint64_t *bits,
                                        struct tea_own *own, uintptr_t *found, bool vector) {
    uint64_t scan_bytes = 0;
    for (unsigned next = 0; next < t->own_count; next++) {
        unsigned slot = own->slots[next];
        const uintptr_t *object = tea_next_object(t, slot);
        uint64_t mask = tea_object_bits(&t->class, s, bits, t->page, slot, &scan_bytes);
        if (vector && t->class.elem_bytes >= TEA_VECTOR_BYTES)
            tea_follow_vectors(t, object, mask, own, found);
        else
            tea_follow_words(t, object, mask, own, found);
    }
    return scan_bytes;
}

/* Objects whose pointers are all where mask says: nothing has to be looked up for each, and of one or two no bits have
 * to be looked for. */
KERNEL_INLINE uint64_t tea_follow_alike(struct tea_trail *t, uint64_t mask, struct tea_own *own, uintptr_t *found,
                                        bool vector) {
    unsigned pointers = (unsigned)__builtin_popcountll(mask);
    if (pointers == 1 || pointers == 2) {
        unsigned low = (unsigned)place_lowest(mask), high = 63 - (unsigned)__builtin_clzll(mask);
        for (unsigned next = 0; next < t->own_count; next++) {
            const uintptr_t *object = tea_next_object(t, own->slots[next]);
            tea_follow_word(t, __atomic_load_n(&object[low], OS_LOAD_POINTER), own, found);
            if (pointers == 2)
                tea_follow_word(t, __atomic_load_n(&object[high], OS_LOAD_POINTER), own, found);
        }
    } else if (vector && t->class.elem_bytes >= TEA_VECTOR_BYTES) {
        for (unsigned next = 0; next < t->own_count; next++)
            tea_follow_vectors(t, tea_next_object(t, own->slots[next]), mask, own, found);
    } else {
        for (unsigned next = 0; next < t->own_count; next++)
            tea_follow_words(t, tea_next_object(t, own->slots[next]), mask, own, found);
    }
    return (uint64_t)t->own_count * t->class.elem_bytes;
}

/* Where slots of slot_words begin in the bitmap, does each of its words look like what begins one slot later? */
KERNEL_INLINE uint64_t tea_differ(const uint64_t *bits, unsigned word, unsigned slot_words) {
    return bits[word] ^ (bits[word] >> (slot_words - 1) >> 1 | bits[word + 1] << (64 - slot_words));
}

/* Does every slot of the page have these pointer bits? */
KERNEL_INLINE bool tea_alike(const struct mark_class *class, const uint64_t *bits, uint64_t mask) {
    unsigned slot_words = class->elem_bytes / 8u, compared = (class->nelems - 1u) * slot_words, last = compared / 64;
    uint64_t differ = (bits[0] & class->words) ^ mask;
    for (unsigned i = 0; i < last; i++)
        differ |= tea_differ(bits, i, slot_words);
    return (differ | (tea_differ(bits, last, slot_words) & ~(UINT64_MAX << compared % 64))) == 0;
}

/* Looks at those objects, and at what else of the page they lead to; what lies elsewhere is put into found. How much
 * that is. */
KERNEL_INLINE unsigned tea_follow(struct gc_work *w, uintptr_t page, const struct mark_class class,
                                  const struct span *s, const uint64_t *bits, const uint64_t *from, struct tea_own *own,
                                  uintptr_t *found, bool vector) {
    struct tea_trail t = {.page = page, .class = class, .ahead = work_next_span(w)};
    uint64_t mask = bits[0] & class.words;
    bool alike = PLACE_SLOTS && !OS_THREAD_SANITIZER && tea_alike(&class, bits, mask);
    if (alike) {
        t.own_count = tea_own_begin(own, page, class.nelems, from, vector);
        uint64_t scan_bytes = tea_follow_alike(&t, mask, own, found, vector);
        /* A free slot may have become an object of another type and been come by since. Its bits were there before any
         * pointer to it, so they are seen now if they were not; and nobody has been told of what was found. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        alike = tea_alike(&class, bits, mask);
        w->scan_work += alike ? scan_bytes : 0;
    }
    if (!alike) {
        t.own_count = tea_own_begin(own, page, class.nelems, from, vector);
        t.found_count = 0;
        w->scan_work += tea_follow_mixed(&t, s, bits, own, found, vector);
    }
    return t.found_count;
}

KERNEL_INLINE void tea_scan_grey(struct gc_work *w, uintptr_t page, uint8_t span_class, bool vector) {
    const struct mark_class class = mark_classes[span_class];
    const struct span *s = PLACE_SLOTS ? NULL : tea_queued_span(page);
    const uint64_t *bits = tea_pointer_bits(s, page, span_class);
    uintptr_t found[KERNEL_FOUND + TEA_AHEAD];
    uint64_t grey[TEA_WORDS + 2], words[KERNEL_WORDS + 2], own_found[TEA_WORDS];
    kernel_clear(grey, TEA_WORDS + 2);
    kernel_clear(words, KERNEL_WORDS + 2);
    kernel_clear(own_found, TEA_WORDS);
    unsigned count = tea_take_grey(w, page, class.nelems, grey);
    if (PLACE_SLOTS) {
        kernel_expand(words, grey, class.nelems, class.elem_bytes / 8u, count, vector);
        w->scan_work += (uint64_t)count * class.elem_bytes;
    } else {
        w->scan_work += tea_expand_blocks(words, s, page, grey);
    }
    count = kernel_gather(page, words, bits, found, vector);
    if (!tea_shade_found(w, found, count, gc_settings.stay ? page : 0, class, own_found))
        return;
    struct tea_own own;
    count = tea_follow(w, page, class, s, bits, own_found, &own, found, vector);
    tea_own_end(w, page, span_class, &own, vector);
    tea_shade_found(w, found, count, 0, class, NULL);
}

static void tea_scan_grey_portable(struct gc_work *w, uintptr_t page, uint8_t span_class) {
    tea_scan_grey(w, page, span_class, false);
}

KERNEL_VECTOR static void tea_scan_grey_vector(struct gc_work *w, uintptr_t page, uint8_t span_class) {
    tea_scan_grey(w, page, span_class, true);
}

static uint8_t tea_release(struct tea_marks *m) {
    if (mark_shared)
        return __atomic_exchange_n(&m->owned, TEA_FREE, __ATOMIC_SEQ_CST);
    uint8_t owned = m->owned;
    m->owned = TEA_FREE;
    return owned;
}

static inline void marker_prefetch_span(uintptr_t item) {
    tea_prefetch_item(item, arena_page_class(&heap.arenas, item)); /* outside the window, the page's start will do */
}

/* A page that was queued for one object, at which nothing else has to be looked at unless that object leads to others
 * of the page. True: it does. */
static inline bool tea_scan_one(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned slot) {
    const struct mark_class *class = &mark_classes[span_class];
    struct tea_marks *m = tea_marks_of(page);
    uintptr_t own_page = gc_settings.stay ? page : 0;
    if (mark_set(&m->scans[slot / 64], UINT64_C(1) << slot % 64) == 0)
        return false;
    w->span_objects++;
    const uintptr_t *object = (const uintptr_t *)(page + (uintptr_t)slot * class->elem_bytes);
    const struct span *s = PLACE_SLOTS ? NULL : tea_queued_span(page);
    uint64_t mask = tea_object_bits(class, s, tea_pointer_bits(s, page, span_class), page, slot, &w->scan_work);
    bool leads_on = false;
    for (; mask != 0; mask &= mask - 1) {
        uintptr_t value = __atomic_load_n(&object[place_lowest(mask)], OS_LOAD_POINTER);
        if (mark_page_base(value) != own_page || own_page == 0) {
            mark_address(w, value);
            continue;
        }
        unsigned to = tea_slot_of(class, value);
        if (to >= class->nelems || mark_set(&m->marks[to / 64], UINT64_C(1) << to % 64) == 0)
            continue;
        w->bytes_marked += tea_bytes(page, span_class, to & ~63u, UINT64_C(1) << to % 64);
        leads_on = true;
    }
    w->single_scans += !leads_on;
    return leads_on;
}

static void marker_scan_span(struct gc_work *w, uintptr_t item) {
    uintptr_t page = mark_page_base(item);
    uint8_t span_class = tea_queued_class(page);
    w->spans_scanned++;
    if (tea_release(tea_marks_of(page)) == TEA_ONE && !tea_scan_one(w, page, span_class, item % GOALLOC_PAGE_BYTES))
        return;
    if (gc_settings.vector)
        tea_scan_grey_vector(w, page, span_class);
    else
        tea_scan_grey_portable(w, page, span_class);
}

/* ---- black allocation: nothing in a new object has to be scanned */

static void tea_set_both(const struct span *s, unsigned first, unsigned count, bool set) {
    struct tea_marks *m = tea_marks_of(mark_page_of(s, first));
    /* Marked without being scanned would be grey, to whoever looks in between. */
    mark_range(set ? m->scans : m->marks, first % PLACE_PAGE_SLOTS, count, set);
    mark_range(set ? m->marks : m->scans, first % PLACE_PAGE_SLOTS, count, set);
}

static void marker_take_run(struct span *s, unsigned first, unsigned count) {
    if (span_class_inline_marked(s->span_class))
        tea_set_both(s, first, count, true);
    else
        mark_range(place_mark_bits(s), first, count, true);
}

static void marker_return_run(struct span *s, unsigned first, unsigned count) {
    if (span_class_inline_marked(s->span_class))
        tea_set_both(s, first, count, false);
    else
        mark_range(place_mark_bits(s), first, count, false);
}

/* ---- sweeping: marks join the bitmap beside the heap, and the page is ready for the next cycle (Go 1.25.3
 * mgcmark_greenteagc.go:196) */

static void tea_merge_page(uint64_t *marks, uintptr_t page, unsigned nelems) {
    struct tea_marks *m = tea_marks_of(page);
    for (unsigned i = 0; i * 64 < nelems; i++)
        marks[i] |= m->marks[i];
    memset(m, 0, sizeof *m);
}

static void marker_merge(struct span *s) {
    if (!span_class_inline_marked(s->span_class))
        return;
    unsigned nelems = mark_classes[s->span_class].nelems;
    for (unsigned i = 0; i < s->npages; i++)
        tea_merge_page(place_mark_bits(s) + i * (PLACE_PAGE_SLOTS / 64), s->base + i * (uintptr_t)GOALLOC_PAGE_BYTES,
                       nelems);
}

static inline void marker_prefetch_marks(const struct span *s) {
    struct tea_marks *m = tea_marks_of(s->base);
    __builtin_prefetch(m->scans, 1);
    __builtin_prefetch(m->marks, 1);
}

static bool marker_is_marked(const struct span *s, unsigned slot) {
    const uint64_t *marks = place_mark_bits(s);
    if (span_class_inline_marked(s->span_class)) {
        marks = tea_marks_of(mark_page_of(s, slot))->marks;
        slot %= PLACE_PAGE_SLOTS;
    }
    return (__atomic_load_n(&marks[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1) != 0;
}

#include "gc/cycle.c"
