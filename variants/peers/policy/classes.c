/* SPDX-License-Identifier: MIT */
#include "classes.h"

#include "span/sizeclasses.h"

enum { PAGE_BYTES = 8192, SLOT_WORDS = PAGE_BYTES / 8 / 64 };
_Static_assert((int)GOALLOC_SIZE_CLASSES <= (int)CLASSES_MAX, "a list of spans for each class");

struct span {
    uint64_t start_bytes, size_bytes;
    uint32_t class, slots, used; /* class 0: one large object */
    uint32_t older, newer;       /* in the class's list */
    uint64_t taken[SLOT_WORDS];
};

static struct span *span_at(const struct classes *c, uint32_t i) {
    return TABLE_AT(&c->spans, struct span, i);
}

static void partial_push(struct classes *c, uint32_t i) {
    struct span *s = span_at(c, i);
    s->newer = 0;
    s->older = c->partial[s->class];
    if (s->older != 0)
        span_at(c, s->older)->newer = i;
    c->partial[s->class] = i;
}

static void partial_unlink(struct classes *c, uint32_t i) {
    const struct span *s = span_at(c, i);
    if (s->older != 0)
        span_at(c, s->older)->newer = s->newer;
    if (s->newer != 0)
        span_at(c, s->newer)->older = s->older;
    else
        c->partial[s->class] = s->older;
}

static uint32_t span_new(struct classes *c, uint32_t class, uint64_t size_bytes, uint32_t slots) {
    c->spans.item_bytes = sizeof(struct span);
    if (c->spans.count == 0)
        table_add(&c->spans); /* 0 */
    uint32_t i = c->unused;
    if (i != 0)
        c->unused = span_at(c, i)->older;
    else {
        table_add(&c->spans);
        i = (uint32_t)c->spans.count - 1;
    }
    c->pages.fit = POLICY_FIRST;
    c->pages.round_bytes = PAGE_BYTES;
    const struct policy_block pages = extents_allocate(&c->pages, size_bytes);
    *span_at(c, i) = (struct span){.start_bytes = pages.start_bytes, .size_bytes = pages.size_bytes, .class = class, .slots = slots};
    c->held_bytes += pages.size_bytes;
    return i;
}

static void span_give_back(struct classes *c, uint32_t i) {
    struct span *s = span_at(c, i);
    extents_free(&c->pages, s->start_bytes, s->size_bytes);
    c->held_bytes -= s->size_bytes;
    s->older = c->unused;
    c->unused = i;
}

static uint32_t class_of(uint64_t size_bytes) {
    if (size_bytes <= GOALLOC_SMALL_SIZE_MAX)
        return sizeclass_by_8[(size_bytes + 7) / 8];
    uint32_t class = sizeclass_by_8[GOALLOC_SMALL_SIZE_MAX / 8];
    while (sizeclass_size[class] < size_bytes)
        class++;
    return class;
}

static uint32_t slot_take(struct span *s) {
    for (uint32_t word = 0;; word++)
        if (~s->taken[word] != 0) {
            const uint32_t bit = (uint32_t)__builtin_ctzll(~s->taken[word]);
            s->taken[word] |= UINT64_C(1) << bit;
            s->used++;
            return word * 64 + bit;
        }
}

struct policy_block classes_allocate(struct classes *c, uint64_t size_bytes) {
    if (size_bytes > GOALLOC_MAX_SMALL_SIZE) {
        const uint32_t i = span_new(c, 0, size_bytes, 1);
        return (struct policy_block){span_at(c, i)->start_bytes, span_at(c, i)->size_bytes, i, 0};
    }
    const uint32_t class = class_of(size_bytes == 0 ? 1 : size_bytes);
    const uint64_t slot_bytes = sizeclass_size[class];
    if (c->partial[class] == 0) {
        const uint64_t span_bytes = (uint64_t)sizeclass_pages[class] * PAGE_BYTES;
        partial_push(c, span_new(c, class, span_bytes, (uint32_t)(span_bytes / slot_bytes)));
    }
    const uint32_t i = c->partial[class];
    struct span *s = span_at(c, i);
    const uint32_t slot = slot_take(s);
    if (s->used == s->slots)
        partial_unlink(c, i);
    return (struct policy_block){s->start_bytes + slot * slot_bytes, slot_bytes, i, slot};
}

bool classes_resize(const struct classes *c, const struct policy_block *b, uint64_t size_bytes) {
    const uint32_t class = span_at(c, b->owner)->class;
    if (size_bytes > GOALLOC_MAX_SMALL_SIZE)
        return class == 0 && round_up(size_bytes, PAGE_BYTES) == b->size_bytes;
    return class != 0 && class == class_of(size_bytes == 0 ? 1 : size_bytes);
}

void classes_free(struct classes *c, const struct policy_block *b) {
    struct span *s = span_at(c, b->owner);
    if (s->class == 0) {
        span_give_back(c, b->owner);
        return;
    }
    if (s->used == s->slots)
        partial_push(c, b->owner);
    s->taken[b->slot / 64] &= ~(UINT64_C(1) << (b->slot % 64));
    if (--s->used == 0) {
        partial_unlink(c, b->owner);
        span_give_back(c, b->owner);
    }
}

void classes_release(struct classes *c) {
    extents_release(&c->pages);
    table_release(&c->spans);
}
