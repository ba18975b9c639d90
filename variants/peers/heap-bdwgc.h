/* SPDX-License-Identifier: MIT
 *
 * heap-bdwgc.h: the heap interface over the Boehm-Demers-Weiser collector. Private to heap.h. Objects with pointers are
 * scanned conservatively, or by their type where the knob typed is 1; memory without pointers is atomic.
 */
#ifndef SPANLAB_HEAP_H
#error "include heap.h, not heap-bdwgc.h"
#endif

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS /* threads announce themselves: heap_thread_attach */
#include <gc/gc.h>
#include <gc/gc_typed.h>
#include <string.h>

#define HEAP_TRACED 1

typedef struct heap_type {
    size_t size_bytes;
    uint64_t pointer_mask;
} heap_type;

#define HEAP_TYPE(v, T, mask) static const heap_type v = {sizeof(T), (mask)}

/* traced/bdwgc.c: begins on first use; is the knob typed set? */
extern int bdwgc_typed;
void bdwgc_attach(void);
void bdwgc_detach(void);
GC_descr bdwgc_descriptor(const heap_type *type);

static inline void *heap_bytes(size_t size_bytes, enum heap_clear clear) {
    void *p = GC_malloc_atomic(size_bytes);
    return p != NULL && clear == HEAP_ZERO ? memset(p, 0, size_bytes) : p;
}

static inline void *heap_object(const heap_type *type, enum heap_clear clear) {
    if (type->pointer_mask == 0)
        return heap_bytes(type->size_bytes, clear);
    if (__builtin_expect(bdwgc_typed, 0))
        return GC_malloc_explicitly_typed(type->size_bytes, bdwgc_descriptor(type));
    return GC_malloc(type->size_bytes);
}

static inline void *heap_array(const heap_type *type, size_t n, enum heap_clear clear) {
    size_t size_bytes;
    if (__builtin_mul_overflow(n, type->size_bytes, &size_bytes))
        return NULL;
    if (type->pointer_mask == 0)
        return heap_bytes(size_bytes, clear);
    if (__builtin_expect(bdwgc_typed, 0))
        return GC_calloc_explicitly_typed(n, type->size_bytes, bdwgc_descriptor(type));
    return GC_malloc(size_bytes);
}

static inline void *heap_pointers(size_t n) {
    return GC_malloc(n * sizeof(void *));
}

/* No barrier: its incremental mode is off, and marking stops the world. */
static inline void heap_store(void *slot, void *value) {
    *(void **)slot = value;
}

static inline void heap_move(void *dst, const void *src, const heap_type *type, size_t n) {
    memmove(dst, src, n * type->size_bytes);
}

static inline void heap_clear_typed(void *dst, const heap_type *type, size_t n) {
    memset(dst, 0, n * type->size_bytes);
}

static inline void heap_drop(void *p) {
    (void)p; /* the collector finds out */
}

static inline int heap_root_add(void *slots, size_t n) {
    GC_add_roots(slots, (void **)slots + n);
    return 0;
}

/* The collector wants the end, too, and keeps what was added together. The slots are cleared instead: they keep nothing
 * alive any more. */
static inline void heap_root_remove(void *slots) {
    (void)slots;
}

static inline void heap_thread_attach(void) {
    bdwgc_attach();
}

static inline void heap_thread_detach(void) {
    bdwgc_detach();
}

static inline void heap_safepoint(void) {}

static inline void heap_collect(void) {
    GC_gcollect();
}
