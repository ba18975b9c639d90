/* SPDX-License-Identifier: MIT */
#include "span/spanset.h"

#include <sched.h>
#include <string.h>

static struct fixalloc spanset_blocks = {.size_bytes = sizeof(struct spanset_block)};
/* Guards the spines of all sets: each takes it once per 512 spans. */
static struct lock spanset_lock;

static inline uint32_t spanset_head(uint64_t index) {
    return (uint32_t)(index >> 32);
}

static inline uint32_t spanset_tail(uint64_t index) {
    return (uint32_t)index;
}

/* A free record is linked through its first word: the counter and what lies behind it. */
static struct spanset_block *spanset_block_take(void) {
    struct spanset_block *block = fixalloc_take(&spanset_blocks);
    if (block != NULL)
        memset(block, 0, offsetof(struct spanset_block, spans));
    return block;
}

/* Lock held. Twice the room; the old spine stays readable for ever, which costs at most as much again. */
static bool spanset_grow_spine(struct spanset *set) {
    size_t capacity = set->spine_capacity == 0 ? SPANSET_FIRST_SPINE : set->spine_capacity * 2;
    struct spanset_block **spine = meta_alloc(capacity * sizeof *spine, 64);
    if (spine == NULL)
        return false;
    size_t blocks = __atomic_load_n(&set->spine_blocks, __ATOMIC_RELAXED);
    for (size_t i = 0; i < blocks; i++)
        spine[i] = __atomic_load_n(&set->spine[i], __ATOMIC_RELAXED);
    __atomic_store_n(&set->spine, spine, __ATOMIC_RELEASE);
    set->spine_capacity = capacity;
    return true;
}

static bool spanset_prepare(struct spanset *set, struct spanset_block **spare) {
    if (*spare == NULL && (*spare = spanset_block_take()) == NULL)
        return false;
    size_t block = spanset_tail(__atomic_load_n(&set->index, __ATOMIC_RELAXED)) / SPANSET_BLOCK_SPANS;
    if (block < __atomic_load_n(&set->spine_blocks, __ATOMIC_RELAXED))
        return true;
    lock_acquire(&spanset_lock);
    bool ok = block + SPANSET_SPINE_MARGIN <= set->spine_capacity || spanset_grow_spine(set);
    lock_release(&spanset_lock);
    return ok;
}

/* The block of slot number `cursor`, which the caller alone will fill. */
static struct spanset_block *spanset_block_for(struct spanset *set, size_t cursor, struct spanset_block **spare) {
    size_t top = cursor / SPANSET_BLOCK_SPANS;
    /* Acquire: the spine that holds the block comes with the count. */
    if (top < __atomic_load_n(&set->spine_blocks, __ATOMIC_ACQUIRE))
        return __atomic_load_n(&__atomic_load_n(&set->spine, __ATOMIC_ACQUIRE)[top], __ATOMIC_ACQUIRE);
    lock_acquire(&spanset_lock);
    /* Blocks come in order; who is ahead of another pusher adds that one's block from the pool. */
    while (set->spine_blocks <= top) {
        struct spanset_block *block = set->spine_blocks == top && *spare != NULL ? *spare : spanset_block_take();
        if (block == *spare)
            *spare = NULL;
        if (block == NULL || set->spine_blocks >= set->spine_capacity)
            os_die("out of memory for the collector's sets of spans");
        __atomic_store_n(&set->spine[set->spine_blocks], block, __ATOMIC_RELEASE);
        __atomic_store_n(&set->spine_blocks, set->spine_blocks + 1, __ATOMIC_RELEASE);
    }
    struct spanset_block *block = __atomic_load_n(&set->spine[top], __ATOMIC_RELAXED);
    lock_release(&spanset_lock);
    return block;
}

static void spanset_push(struct spanset *set, struct span *s, struct spanset_block **spare) {
    uint32_t tail = spanset_tail(__atomic_add_fetch(&set->index, 1, __ATOMIC_ACQ_REL));
    if (GOALLOC_UNLIKELY(tail == 0))
        os_die("a set of spans has been filled 2^32 times within one cycle");
    size_t cursor = tail - 1;
    struct spanset_block *block = spanset_block_for(set, cursor, spare);
    /* Release: whoever pops s finds its record as it is now. */
    __atomic_store_n(&block->spans[cursor % SPANSET_BLOCK_SPANS], s, __ATOMIC_RELEASE);
}

/* Takes one slot number from the front. False: none that has a block. */
static bool spanset_claim(struct spanset *set, uint32_t *claimed) {
    uint64_t index = __atomic_load_n(&set->index, __ATOMIC_ACQUIRE);
    for (;;) {
        uint32_t head = spanset_head(index);
        if (head >= spanset_tail(index))
            return false;
        /* The pusher has its number, and not its block yet: to wait for it here would be waiting for a lock. */
        if (__atomic_load_n(&set->spine_blocks, __ATOMIC_ACQUIRE) <= head / SPANSET_BLOCK_SPANS)
            return false;
        uint64_t next = (uint64_t)(head + 1) << 32 | spanset_tail(index);
        if (__atomic_compare_exchange_n(&set->index, &index, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            *claimed = head;
            return true;
        }
    }
}

/* Whoever takes spans looks at their records next, which lie anywhere. */
static struct span *spanset_ahead(struct spanset_block *block, unsigned slot) {
    if (slot + SPANSET_AHEAD_SPANS >= SPANSET_BLOCK_SPANS)
        return NULL;
    /* A number: there may be no span yet, and C forbids to add to a null pointer. */
    uintptr_t ahead = (uintptr_t)__atomic_load_n(&block->spans[slot + SPANSET_AHEAD_SPANS], __ATOMIC_RELAXED);
    __builtin_prefetch((void *)ahead, 1);
    __builtin_prefetch((void *)(ahead + 64), 1);
    return __atomic_load_n(&block->spans[slot + SPANSET_SOON_SPANS], __ATOMIC_RELAXED);
}

static struct span *spanset_pop_ahead(struct spanset *set, struct span **soon) {
    uint32_t head;
    *soon = NULL;
    if (!spanset_claim(set, &head))
        return NULL;
    struct spanset_block **spine = __atomic_load_n(&set->spine, __ATOMIC_ACQUIRE);
    struct spanset_block **entry = &spine[head / SPANSET_BLOCK_SPANS];
    struct spanset_block *block = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    struct span **slot = &block->spans[head % SPANSET_BLOCK_SPANS];
    *soon = spanset_ahead(block, head % SPANSET_BLOCK_SPANS);
    struct span *s;
    /* The pusher is between taking its number and storing: a few instructions, unless it was preempted. */
    for (unsigned tries = 0; (s = __atomic_load_n(slot, __ATOMIC_ACQUIRE)) == NULL; tries++)
        if (tries % 64 == 63)
            sched_yield();
    if (GOALLOC_UNLIKELY(!fixalloc_may_hold(&span_records, s)))
        os_die("corrupted set of spans: it leads to %p, where there is no span record", (void *)s);
    __atomic_store_n(slot, NULL, __ATOMIC_RELAXED);
    /* Acquire and release: the last one out has seen the slots of all others cleared. */
    if (__atomic_add_fetch(&block->popped, 1, __ATOMIC_ACQ_REL) == SPANSET_BLOCK_SPANS)
        /* No pusher comes back to a filled block. A spine that is being copied may keep the pointer: nobody reads it.
         */
        fixalloc_give(&spanset_blocks, block);
    return s;
}

static struct span *spanset_pop(struct spanset *set) {
    struct span *soon;
    return spanset_pop_ahead(set, &soon);
}

static size_t spanset_count(const struct spanset *set) {
    uint64_t index = __atomic_load_n(&set->index, __ATOMIC_ACQUIRE);
    return spanset_tail(index) > spanset_head(index) ? spanset_tail(index) - spanset_head(index) : 0;
}

static void spanset_reset(struct spanset *set) {
    uint32_t head = spanset_head(set->index), tail = spanset_tail(set->index);
    if (head < tail)
        os_die("a set of %u spans that the collector believes empty is reset", tail - head);
    /* The last block, unless its last span was popped: then it has been recycled. */
    if (head / SPANSET_BLOCK_SPANS < set->spine_blocks) {
        struct spanset_block *block = set->spine[head / SPANSET_BLOCK_SPANS];
        if (block->popped == 0 && head % SPANSET_BLOCK_SPANS != 0)
            os_die("corrupted set of spans: its last block was never used");
        fixalloc_give(&spanset_blocks, block);
    }
    __atomic_store_n(&set->index, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&set->spine_blocks, 0, __ATOMIC_RELEASE);
}

static void spanset_each(struct spanset *set, void (*visit)(void *context, struct span *s), void *context) {
    uint32_t tail = spanset_tail(set->index);
    for (uint32_t i = spanset_head(set->index); i < tail; i++)
        visit(context, set->spine[i / SPANSET_BLOCK_SPANS]->spans[i % SPANSET_BLOCK_SPANS]);
}
