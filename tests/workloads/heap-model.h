/* SPDX-License-Identifier: MIT
 *
 * heap-model.h: a heap that a test plays itself: chosen by SPANLAB_HEAP_HEADER like any other, served by model_allocate
 * and model_free. Private to heap.h.
 */
#ifndef SPANLAB_HEAP_H
#error "include heap.h, not heap-model.h"
#endif

#define HEAP_TRACED 0

void *model_allocate(size_t size_bytes);
void model_free(void *p);
void model_collect(void);

static inline void *heap_bytes(size_t size_bytes, enum heap_clear clear) {
    (void)clear;
    return model_allocate(size_bytes);
}

static inline void heap_store(void *slot, void *value) {
    *(void **)slot = value;
}

static inline void heap_drop(void *p) {
    model_free(p);
}

static inline int heap_root_add(void *slots, size_t n) {
    (void)slots, (void)n;
    return 0;
}

static inline void heap_root_remove(void *slots) {
    (void)slots;
}

static inline void heap_collect(void) {
    model_collect();
}
