/* SPDX-License-Identifier: MIT
 *
 * heap-malloc.h: the heap interface over the plain malloc ABI, called through the PLT so that whatever library is
 * preloaded serves it. Private to heap.h.
 */
#ifndef SPANLAB_HEAP_H
#error "include heap.h, not heap-malloc.h"
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_TRACED 0

typedef struct heap_type {
    size_t size_bytes;
    uint64_t pointer_mask; /* unused here; the collector of the traced flavour reads it */
} heap_type;

#define HEAP_TYPE(v, T, mask) static const heap_type v = {sizeof(T), (mask)}

static inline void *heap_bytes(size_t size_bytes, enum heap_clear clear) {
    if (clear == HEAP_ZERO)
        return calloc(1, size_bytes);
    return malloc(size_bytes);
}

static inline void *heap_object(const heap_type *type, enum heap_clear clear) {
    return heap_bytes(type->size_bytes, clear);
}

static inline void *heap_array(const heap_type *type, size_t n, enum heap_clear clear) {
    size_t size_bytes;
    if (clear == HEAP_ZERO)
        return calloc(n, type->size_bytes);
    /* malloc has no overflow check of its own. */
    if (__builtin_mul_overflow(n, type->size_bytes, &size_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return malloc(size_bytes);
}

static inline void *heap_pointers(size_t n) {
    return calloc(n, sizeof(void *));
}

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
    free(p);
}

static inline int heap_root_add(void *slots, size_t n) {
    (void)slots, (void)n;
    return 0;
}

static inline void heap_root_remove(void *slots) {
    (void)slots;
}

static inline void heap_thread_attach(void) {}

static inline void heap_thread_detach(void) {}

static inline void heap_safepoint(void) {}

static inline void heap_collect(void) {}
