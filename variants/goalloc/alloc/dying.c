/* SPDX-License-Identifier: MIT
 *
 * dying: memory for a handler of SIGABRT that runs in a thread which has found the heap broken (os_die), perhaps while
 * it held locks. The thread keeps away from the heap: it has no cache any more, each request is a mapping of its own,
 * and nothing is freed.
 */
#include "alloc/cache.h"
#include "alloc/object.h"

#include <string.h>

/* In front of what was handed out. */
struct dying_object {
    uint64_t mark;
    size_t size_bytes;
};
static const uint64_t dying_mark = UINT64_C(0x676f616c6c6f6321);

static void dying_begin(void) {
    cache_self = &cache_none;
}

static void *dying_alloc(size_t size_bytes, size_t align_bytes) {
    size_t front_bytes = align_bytes > sizeof(struct dying_object) ? align_bytes : sizeof(struct dying_object);
    if (size_bytes > PTRDIFF_MAX - 2 * OS_PAGE_BYTES || front_bytes > (PTRDIFF_MAX - size_bytes) / 2)
        return alloc_failed();
    char *base = os_map_lazy((size_bytes + 2 * front_bytes + OS_PAGE_BYTES - 1) & ~(size_t)(OS_PAGE_BYTES - 1));
    if (base == NULL)
        return alloc_failed();
    uintptr_t address = ((uintptr_t)base + 2 * front_bytes - 1) & ~(uintptr_t)(front_bytes - 1);
    ((struct dying_object *)address)[-1] = (struct dying_object){dying_mark, size_bytes};
    return (void *)address;
}

static size_t dying_usable_size(void *p) {
    struct object o;
    if (object_of((uintptr_t)p, &o))
        return o.size_bytes;
    const struct dying_object *front = (const struct dying_object *)p - 1;
    return arena_of(&heap.arenas, (uintptr_t)p) == NULL && front->mark == dying_mark ? front->size_bytes : 0;
}

static void *dying_realloc(void *p, size_t size_bytes) {
    if (size_bytes == 0)
        return NULL;
    size_t had_bytes = dying_usable_size(p);
    void *moved = size_bytes <= had_bytes ? p : dying_alloc(size_bytes, sizeof(struct dying_object));
    if (moved != NULL && moved != p)
        memcpy(moved, p, had_bytes);
    return moved;
}
