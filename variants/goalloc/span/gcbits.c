/* SPDX-License-Identifier: MIT */
#include "span/gcbits.h"

#include <string.h>

static struct {
    struct lock lock;
    struct gcbits_arena *next;     /* atomic: bitmaps are taken from the first; the others are used up */
    struct gcbits_arena *current;  /* taken during the last epoch: what spans use now */
    struct gcbits_arena *previous; /* taken before: the allocation bits that this cycle's sweep replaces */
    struct gcbits_arena *free;
} gcbits;

/* NULL: no room. An arena that is full may be asked again and again, by few threads: the count stays far from
 * overflowing. */
static uint64_t *gcbits_take_from(struct gcbits_arena *arena, size_t words) {
    if (arena == NULL || __atomic_load_n(&arena->used_bytes, __ATOMIC_RELAXED) + words * 8 > sizeof arena->bits)
        return NULL;
    uint64_t end = __atomic_add_fetch(&arena->used_bytes, words * 8, __ATOMIC_RELAXED);
    return end <= sizeof arena->bits ? &arena->bits[end / 8 - words] : NULL;
}

/* Bits lock held. Recycled arenas are cleared when they serve again, not when they go: few of them do. */
static struct gcbits_arena *gcbits_fresh_arena(void) {
    struct gcbits_arena *arena = gcbits.free;
    if (arena == NULL)
        return meta_alloc(sizeof *arena, OS_PAGE_BYTES);
    gcbits.free = arena->next;
    memset(arena, 0, sizeof *arena);
    return arena;
}

static uint64_t *gcbits_take_slow(size_t words) {
    lock_acquire(&gcbits.lock);
    /* Another thread may have brought a fresh one meanwhile. */
    uint64_t *bits = gcbits_take_from(gcbits.next, words);
    struct gcbits_arena *arena = bits == NULL ? gcbits_fresh_arena() : NULL;
    if (arena != NULL) {
        bits = gcbits_take_from(arena, words);
        arena->next = gcbits.next;
        /* Release: who takes from it must find it cleared. */
        __atomic_store_n(&gcbits.next, arena, __ATOMIC_RELEASE);
    }
    lock_release(&gcbits.lock);
    return bits;
}

static uint64_t *gcbits_take(size_t nelems) {
    size_t words = gcbits_words(nelems);
    uint64_t *bits = gcbits_take_from(__atomic_load_n(&gcbits.next, __ATOMIC_ACQUIRE), words);
    return GOALLOC_LIKELY(bits != NULL) ? bits : gcbits_take_slow(words);
}

static void gcbits_next_epoch(void) {
    lock_acquire(&gcbits.lock);
    struct gcbits_arena **end = &gcbits.previous;
    while (*end != NULL)
        end = &(*end)->next;
    *end = gcbits.free;
    gcbits.free = gcbits.previous;
    gcbits.previous = gcbits.current;
    gcbits.current = gcbits.next;
    __atomic_store_n(&gcbits.next, NULL, __ATOMIC_RELEASE);
    lock_release(&gcbits.lock);
}
