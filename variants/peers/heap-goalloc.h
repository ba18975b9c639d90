/* SPDX-License-Identifier: MIT
 *
 * heap-goalloc.h: the heap interface over a traced goalloc build. Private to heap.h.
 */
#ifndef SPANLAB_HEAP_H
#error "include heap.h, not heap-goalloc.h"
#endif

#include "goalloc.h"

#define HEAP_TRACED 1

typedef struct goalloc_type heap_type;

#define HEAP_TYPE(v, T, mask) static const heap_type v = {sizeof(T), (mask), NULL}

static inline void *heap_bytes(size_t size_bytes, enum heap_clear clear) {
    return goalloc_bytes(size_bytes, clear == HEAP_ZERO);
}

/* Objects with pointers are always zeroed: the marker must never see an old word as a pointer. */
static inline void *heap_object(const heap_type *type, enum heap_clear clear) {
    (void)clear;
    return goalloc_new(type, 1);
}

static inline void *heap_array(const heap_type *type, size_t n, enum heap_clear clear) {
    (void)clear;
    return goalloc_new(type, n);
}

static inline void *heap_pointers(size_t n) {
    static const heap_type slot = {sizeof(void *), 1, NULL};
    return goalloc_new(&slot, n);
}

static inline void heap_store(void *slot, void *value) {
    goalloc_store(slot, value);
}

static inline void heap_move(void *dst, const void *src, const heap_type *type, size_t n) {
    goalloc_move(dst, src, type, n);
}

static inline void heap_clear_typed(void *dst, const heap_type *type, size_t n) {
    goalloc_clear(dst, type, n);
}

static inline void heap_drop(void *p) {
    (void)p; /* the collector finds out */
}

static inline int heap_root_add(void *slots, size_t n) {
    return goalloc_root_add(slots, n);
}

static inline void heap_root_remove(void *slots) {
    goalloc_root_remove(slots);
}

static inline void heap_thread_attach(void) {
    goalloc_thread_attach();
}

static inline void heap_thread_detach(void) {
    goalloc_thread_detach();
}

static inline void heap_safepoint(void) {
    goalloc_safepoint();
}

static inline void heap_collect(void) {
    goalloc_collect();
}
