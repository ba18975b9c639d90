/* SPDX-License-Identifier: MIT
 *
 * malloc_abi: the C and POSIX allocation functions over the manual builds. Exported under goalloc_ names; the shared
 * library exports them under their own names too (GOALLOC_EXPORT_MALLOC), which is how a program is preloaded with it.
 *
 * Rules followed: C17 7.22.3 and POSIX. Size 0 gives a unique object. Sizes above PTRDIFF_MAX fail with ENOMEM. free
 * keeps errno. Alignment: 16 for requests of 16 B and more, else what any object of that size can need.
 */
#include "alloc/cache.h"
#include "alloc/decay.h"
#include "alloc/object.h"
#include "alloc/tiny.h"
#include "goalloc.h"

#include <errno.h>
#include <string.h>

static void *alloc_failed(void) {
    errno = ENOMEM;
    return NULL;
}

static struct span *alloc_large(struct cache *c, size_t size_bytes, size_t align_bytes) {
    if (size_bytes > PTRDIFF_MAX - GOALLOC_PAGE_BYTES || !heap_init())
        return NULL;
    size_t npages = (size_bytes + GOALLOC_PAGE_BYTES - 1) >> GOALLOC_PAGE_SHIFT;
    return heap_span_alloc(c == &cache_none ? NULL : c, npages == 0 ? 1 : npages, span_class_make(0, true),
                           align_bytes);
}

#include "alloc/dying.c"

/* goalloc_malloc, and small aligned requests: alloc_aligned(align_bytes, size_bytes), the first a power of two. */
#include AXIS_MALLOC
#include "alloc/resize.c"

/* ---- free */

/* emptied: the OS has its pages already. */
static void free_large(struct span *s, uintptr_t address, bool emptied) {
    if (span_base(s) != address)
        object_die_invalid("free", address);
    uint8_t in_use = SPAN_IN_USE;
    /* Of two threads that free the same object one must be told. */
    if (!__atomic_compare_exchange_n(&s->state, &in_use, SPAN_DEAD, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        object_die_double_free(s, 0);
    struct cache *c = cache_self == &cache_none ? NULL : cache_self;
    if (emptied)
        heap_span_free_emptied(c, s);
    else
        heap_span_free(c, s);
}

/* Has another thread freed it, with its owner yet to look? Only what was live is ever marked so. */
static bool free_is_remote(struct span *s, unsigned slot) {
    return (__atomic_load_n(&span_remote_bits(s)[slot / 64], __ATOMIC_ACQUIRE) >> slot % 64 & 1) != 0;
}

static void free_small(struct span *s, uintptr_t address) {
    int slot = place_slot_at(s, address);
    if (slot < 0)
        object_die_invalid("free", address);
    if (__atomic_load_n(&s->owner, __ATOMIC_RELAXED) == cache_self) {
        if (free_is_remote(s, (unsigned)slot))
            object_die_double_free(s, (unsigned)slot);
        if (!place_give(s, (unsigned)slot))
            object_die_not_live("free", address);
        if (span_count_free(s))
            cache_settle(cache_self, s);
        return;
    }
    bool word_free;
    if (!place_give_remote(s, (unsigned)slot, &word_free)) {
        if (free_is_remote(s, (unsigned)slot))
            object_die_double_free(s, (unsigned)slot);
        object_die_not_live("free", address);
    }
    cache_notify_owner(s);
    if (GOALLOC_UNLIKELY(word_free))
        cache_reclaim_from_idle(s);
}

static __attribute__((noinline)) void free_slow(uintptr_t address) {
    if (address == 0)
        return;
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return; /* as nothing will be allocated again */
    int saved_errno = errno;
    struct span *s = heap_span_of(address);
    if (s == NULL)
        object_die_invalid("free", address);
    if (s->elem_bytes == 0)
        free_large(s, address, false);
    else
        free_small(s, address);
    errno = saved_errno;
}

static __attribute__((noinline)) void free_settle(struct span *s) {
    int saved_errno = errno;
    cache_settle(cache_self, s);
    errno = saved_errno;
}

/* place_give_fast has declined. free_slow decides again what place_give declines, too, and gives the diagnosis. */
static __attribute__((noinline)) void free_again(struct span *s, uint32_t slot, uintptr_t address) {
    if (GOALLOC_UNLIKELY(slot >= s->exact_slots) || GOALLOC_UNLIKELY(!place_give(s, slot)))
        free_slow(address);
    else if (GOALLOC_UNLIKELY(span_count_free(s)))
        free_settle(s);
}

void goalloc_free(void *p) {
    uintptr_t address = (uintptr_t)p;
    size_t page = (address - heap.arenas.window_base) >> GOALLOC_PAGE_SHIFT;
    if (GOALLOC_UNLIKELY(page >= heap.arenas.window_pages)) {
        free_slow(address);
        return;
    }
    struct span *s = __atomic_load_n(&heap.arenas.window[page], __ATOMIC_ACQUIRE);
    if (GOALLOC_UNLIKELY(s == NULL) || GOALLOC_UNLIKELY(__atomic_load_n(&s->owner, __ATOMIC_RELAXED) != cache_self)) {
        free_slow(address);
        return;
    }
    uint32_t slot = place_exact_slot(s, address);
    /* What others have freed and the owner has not taken in yet must not be freed again: the slow path looks. */
    if (GOALLOC_UNLIKELY(__atomic_load_n(&s->remote_queued, __ATOMIC_RELAXED) != 0)) {
        free_slow(address);
        return;
    }
    if (GOALLOC_UNLIKELY(slot >= s->exact_slots) || GOALLOC_UNLIKELY(!place_give_fast(s, slot))) {
        free_again(s, slot, address);
        return;
    }
    if (GOALLOC_UNLIKELY(span_count_free(s)))
        free_settle(s);
}

void goalloc_free_sized(void *p, size_t size_bytes) {
    (void)size_bytes; /* the span knows it */
    goalloc_free(p);
}

void goalloc_free_aligned_sized(void *p, size_t align_bytes, size_t size_bytes) {
    (void)align_bytes, (void)size_bytes;
    goalloc_free(p);
}

/* ---- calloc, sizes, realloc */

void *goalloc_calloc(size_t count, size_t size_bytes) {
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        return alloc_failed();
    void *p = goalloc_malloc(total_bytes);
    if (p == NULL || os_thread_dies)
        return p; /* dying: fresh from the OS */
    if (total_bytes > HEAP_MAX_SMALL_BYTES && !arena_span_of(&heap.arenas, (uintptr_t)p)->needzero)
        return p; /* fresh from the OS, or given back to it since */
    return memset(p, 0, total_bytes);
}

static void alloc_object_or_die(const char *what, void *p, struct object *o) {
    if (!object_of((uintptr_t)p, o) || o->base != (uintptr_t)p)
        object_die_invalid(what, (uintptr_t)p);
}

size_t goalloc_usable_size(void *p) {
    if (p == NULL)
        return 0;
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return dying_usable_size(p);
    struct object o;
    alloc_object_or_die("malloc_usable_size", p, &o);
    return o.size_bytes;
}

static bool realloc_in_place(struct object *o, size_t size_bytes) {
    if (o->span->elem_bytes == 0)
        return size_bytes > HEAP_MAX_SMALL_BYTES &&
               resize_in_place(o->span, (size_bytes + GOALLOC_PAGE_BYTES - 1) >> GOALLOC_PAGE_SHIFT);
    /* Moving pays only when the object would shrink to half or less. */
    return size_bytes <= o->size_bytes && size_bytes > o->size_bytes / 2;
}

void *goalloc_realloc(void *p, size_t size_bytes) {
    if (p == NULL)
        return goalloc_malloc(size_bytes);
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return dying_realloc(p, size_bytes);
    struct object o;
    alloc_object_or_die("realloc", p, &o);
    if (size_bytes == 0) { /* as glibc does, which programs rely on; C23 leaves it undefined */
        goalloc_free(p);
        return NULL;
    }
    if (size_bytes > PTRDIFF_MAX)
        return alloc_failed();
    if (realloc_in_place(&o, size_bytes))
        return p;
    void *moved = goalloc_malloc(size_bytes);
    if (moved == NULL)
        return size_bytes <= o.size_bytes ? p : NULL; /* shrinking must not fail for want of memory */
    struct span *to = heap_span_of((uintptr_t)moved);
    /* Large by its alignment, an object may be small now that it is longer. */
    if (o.span->elem_bytes == 0 && to->elem_bytes == 0 && size_bytes > o.size_bytes) {
        bool emptied = resize_move_contents(o.span, to);
        int saved_errno = errno;
        free_large(o.span, o.base, emptied);
        errno = saved_errno;
        return moved;
    }
    memcpy(moved, p, size_bytes < o.size_bytes ? size_bytes : o.size_bytes);
    goalloc_free(p);
    return moved;
}

void *goalloc_reallocarray(void *p, size_t count, size_t size_bytes) {
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        return alloc_failed();
    return goalloc_realloc(p, total_bytes);
}

/* ---- aligned requests */

static bool alloc_is_power_of_two(size_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

void *goalloc_aligned_alloc(size_t align_bytes, size_t size_bytes) {
    if (!alloc_is_power_of_two(align_bytes)) {
        errno = EINVAL;
        return NULL;
    }
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return dying_alloc(size_bytes, align_bytes);
    return alloc_aligned(align_bytes, size_bytes);
}

void *goalloc_memalign(size_t align_bytes, size_t size_bytes) {
    return goalloc_aligned_alloc(align_bytes, size_bytes);
}

int goalloc_posix_memalign(void **out, size_t align_bytes, size_t size_bytes) {
    if (!alloc_is_power_of_two(align_bytes) || align_bytes % sizeof(void *) != 0)
        return EINVAL;
    int saved_errno = errno;
    void *p = goalloc_aligned_alloc(align_bytes, size_bytes);
    errno = saved_errno; /* POSIX: errno is not set; the answer is the value */
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

void *goalloc_valloc(size_t size_bytes) {
    return goalloc_aligned_alloc(OS_PAGE_BYTES, size_bytes);
}

void *goalloc_pvalloc(size_t size_bytes) {
    size_t rounded_bytes;
    if (__builtin_add_overflow(size_bytes, OS_PAGE_BYTES - 1, &rounded_bytes))
        return alloc_failed();
    rounded_bytes &= ~(size_t)(OS_PAGE_BYTES - 1);
    return goalloc_aligned_alloc(OS_PAGE_BYTES, rounded_bytes == 0 ? OS_PAGE_BYTES : rounded_bytes);
}

/* Free memory that no live object holds back goes to the OS: the caller's cache first, then every free page but the
 * pad. */
int goalloc_trim(size_t pad_bytes) {
    if (os_thread_dies)
        return 0;
    int saved_errno = errno;
    if (cache_self != &cache_none)
        cache_flush(cache_self);
    bool given = heap_init() && decay_trim(pad_bytes);
    errno = saved_errno;
    return given;
}

void goalloc_purge(void) {
    goalloc_trim(0);
}

/* ---- observers look at a heap whose other threads are at rest; nothing has to be done for that here */

static struct cache *front_rest_begin(void) {
    return NULL;
}

static void front_rest_end(struct cache *c) {
    (void)c;
}
