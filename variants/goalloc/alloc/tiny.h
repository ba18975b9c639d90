/* SPDX-License-Identifier: MIT
 *
 * tiny: the manual builds' tiny allocator, which obeys the C ABI. Requests up to 8 B share 16 B blocks, two 8 B
 * granules each; a request of 9 to 15 B needs a whole block, which is a slot of the ordinary 16 B class, so it is
 * served there. Each granule has a live bit, counted as metadata: realloc, malloc_usable_size and free know every
 * object's bounds and a double free inside a block is caught. Blocks are the slots of spans of their own: span class 4,
 * whose scan half manual builds do not use. (Go's tiny allocator to the letter is the traced builds'; the two are never
 * pooled.)
 */
#ifndef GOALLOC_TINY_H
#define GOALLOC_TINY_H

#include "alloc/cache.h"
#include "alloc/object.h"

enum {
    TINY_GRANULE_BYTES = 8,
    TINY_BLOCK_BYTES = 16,
    TINY_SPAN = 4,
    TINY_WORDS = GOALLOC_PAGE_BYTES / TINY_GRANULE_BYTES / 64
};

struct granules {
    uint64_t live[TINY_WORDS];
    uint64_t remote[TINY_WORDS]; /* atomic: freed by others */
};

static inline bool tiny_span(const struct span *s) {
    return AXIS_TINY && !AXIS_TRACED && s->span_class == TINY_SPAN;
}

/* One granule. 0: out of memory. c is the caller's own cache, or locked. */
static uintptr_t tiny_alloc(struct cache *c);
/* Frees the object at address; dies on anything that is not the start of a live one. self: the caller's cache. */
static void tiny_free(struct cache *self, struct span *s, uintptr_t address);
static unsigned tiny_merge_remote(struct span *s);
static bool tiny_object_of(struct span *s, uintptr_t address, struct object *out);
/* Drops the granule that a leaving cache still holds. */
static void tiny_flush(struct cache *c);
static bool tiny_span_init(struct span *s);
static void tiny_span_fini(struct span *s);

#endif
