/* SPDX-License-Identifier: MIT
 *
 * meta: memory for the allocator's own records; nothing of it lies in the heap that it manages (Go malloc.go:1899
 * persistentalloc, mfixalloc.go:56). Never given back: records are type-stable for the life of the process, which the
 * remote-free protocol relies on. Every function is thread-safe.
 */
#ifndef GOALLOC_META_H
#define GOALLOC_META_H

#include "os/lock.h"
#include "os/os.h"

enum {
    META_CHUNK_BYTES = 256 << 10,
    META_DIRECT_BYTES = 64 << 10,
    FIXALLOC_CHUNK_BYTES = 16 << 10,
    FIXALLOC_ALIGN_BYTES = 64
};

/* Zero-filled memory that is never freed; align is a power of two up to a page. NULL when the OS refuses. */
static void *meta_alloc(size_t size_bytes, size_t align_bytes);

/* Sets address space aside for when the OS refuses more. False when it refuses this; once it has not, no more is set
 * aside. */
static bool meta_reserve(size_t size_bytes);

/* Bytes taken from the OS for metadata so far, tables of other layers included. */
static size_t meta_committed_bytes(void);

/* Of these, the rest of the chunk that small records are taken from. */
static size_t meta_unused_bytes(void);

/* Other layers announce what they commit for tables of their own. */
static void meta_account(size_t size_bytes);

/* Records of one size (one lock guards all kinds: they are taken and given in bulk, or rarely), recycled last in, first
 * out through their first word. The rest of a recycled record keeps its contents; a fresh one is zero. Zero-initialised
 * plus `size_bytes` (a multiple of 8) is ready to use. */
struct fixalloc {
    size_t size_bytes;
    void *free_list;
    char *chunk;
    size_t chunk_left_bytes;
    size_t in_use_bytes; /* atomic */
    size_t sys_bytes;    /* atomic: of all chunks */
    uintptr_t low, high; /* atomic: every record lies between */
};

/* Could this be the address of a record of f? Exact but for what lies between two chunks. */
static inline bool fixalloc_may_hold(const struct fixalloc *f, const void *record) {
    uintptr_t align_bytes = f->size_bytes & -f->size_bytes, address = (uintptr_t)record;
    if (align_bytes > FIXALLOC_ALIGN_BYTES)
        align_bytes = FIXALLOC_ALIGN_BYTES;
    return address % align_bytes == 0 && address >= __atomic_load_n(&f->low, __ATOMIC_RELAXED) &&
           address < __atomic_load_n(&f->high, __ATOMIC_RELAXED);
}

static void *fixalloc_take(struct fixalloc *f);
/* Dies when the record is none of f's, or was the last to be given. */
static void fixalloc_give(struct fixalloc *f, void *record);

#endif
