/* SPDX-License-Identifier: MIT */
#include "meta/meta.h"

static struct {
    struct lock lock, records_lock; /* records before the other */
    char *chunk;
    size_t left_bytes;
    size_t committed_bytes;
    char *reserve;
    size_t reserve_bytes;
} meta;

static void meta_account(size_t size_bytes) {
    __atomic_fetch_add(&meta.committed_bytes, size_bytes, __ATOMIC_RELAXED);
}

static size_t meta_committed_bytes(void) {
    return __atomic_load_n(&meta.committed_bytes, __ATOMIC_RELAXED);
}

static size_t meta_unused_bytes(void) {
    lock_acquire(&meta.lock);
    size_t left_bytes = meta.left_bytes;
    lock_release(&meta.lock);
    return left_bytes;
}

static bool meta_reserve(size_t size_bytes) {
    if (meta.reserve != NULL)
        return true;
    size_bytes &= ~(size_t)(OS_PAGE_BYTES - 1);
    meta.reserve = os_map_lazy(size_bytes);
    meta.reserve_bytes = meta.reserve != NULL ? size_bytes : 0;
    return meta.reserve != NULL;
}

/* Whole OS pages. Metadata lock held. */
static void *meta_from_os(size_t size_bytes) {
    void *p = os_map_lazy(size_bytes);
    if (p == NULL && size_bytes <= meta.reserve_bytes) {
        p = meta.reserve;
        meta.reserve += size_bytes;
        meta.reserve_bytes -= size_bytes;
    }
    if (p != NULL)
        meta_account(size_bytes);
    return p;
}

static void *meta_alloc(size_t size_bytes, size_t align_bytes) {
    /* Large requests would waste the rest of a chunk. */
    lock_acquire(&meta.lock);
    if (size_bytes >= META_DIRECT_BYTES) {
        void *direct = meta_from_os((size_bytes + OS_PAGE_BYTES - 1) & ~(size_t)(OS_PAGE_BYTES - 1));
        lock_release(&meta.lock);
        return direct;
    }
    size_t skip_bytes = -(uintptr_t)meta.chunk & (align_bytes - 1);
    if (meta.chunk == NULL || meta.left_bytes < skip_bytes + size_bytes) {
        char *chunk = meta_from_os(META_CHUNK_BYTES);
        if (chunk == NULL) {
            lock_release(&meta.lock);
            return NULL;
        }
        meta.chunk = chunk;
        meta.left_bytes = META_CHUNK_BYTES;
        skip_bytes = 0;
    }
    void *p = meta.chunk + skip_bytes;
    meta.chunk += skip_bytes + size_bytes;
    meta.left_bytes -= skip_bytes + size_bytes;
    lock_release(&meta.lock);
    return p;
}

static void fixalloc_widen(struct fixalloc *f, uintptr_t low, uintptr_t high) {
    if (f->low == 0 || low < f->low)
        __atomic_store_n(&f->low, low, __ATOMIC_RELAXED);
    if (high > f->high)
        __atomic_store_n(&f->high, high, __ATOMIC_RELAXED);
}

static void *fixalloc_take(struct fixalloc *f) {
    lock_acquire(&meta.records_lock);
    void *record = f->free_list;
    if (record != NULL) {
        if (GOALLOC_UNLIKELY(!fixalloc_may_hold(f, record)))
            os_die("corrupted list of unused records: it leads to %p, where there is no record of %zu bytes", record,
                   f->size_bytes);
        f->free_list = *(void **)record;
        goto out;
    }
    if (f->chunk_left_bytes < f->size_bytes) {
        size_t chunk_bytes = FIXALLOC_CHUNK_BYTES / f->size_bytes * f->size_bytes;
        if (chunk_bytes == 0)
            chunk_bytes = f->size_bytes;
        f->chunk = meta_alloc(chunk_bytes, FIXALLOC_ALIGN_BYTES);
        f->chunk_left_bytes = f->chunk == NULL ? 0 : chunk_bytes;
        if (f->chunk == NULL)
            goto out;
        __atomic_store_n(&f->sys_bytes, f->sys_bytes + chunk_bytes, __ATOMIC_RELAXED);
        fixalloc_widen(f, (uintptr_t)f->chunk, (uintptr_t)f->chunk + chunk_bytes);
    }
    record = f->chunk;
    f->chunk += f->size_bytes;
    f->chunk_left_bytes -= f->size_bytes;
out:
    if (record != NULL)
        __atomic_store_n(&f->in_use_bytes, f->in_use_bytes + f->size_bytes, __ATOMIC_RELAXED);
    lock_release(&meta.records_lock);
    return record;
}

static void fixalloc_give(struct fixalloc *f, void *record) {
    lock_acquire(&meta.records_lock);
    if (GOALLOC_UNLIKELY(!fixalloc_may_hold(f, record)))
        os_die("corrupted metadata: %p is given back as a record of %zu bytes, and is none", record, f->size_bytes);
    if (GOALLOC_UNLIKELY(record == f->free_list || f->in_use_bytes < f->size_bytes))
        os_die("corrupted metadata: the record of %zu bytes at %p is given back twice", f->size_bytes, record);
    *(void **)record = f->free_list;
    f->free_list = record;
    __atomic_store_n(&f->in_use_bytes, f->in_use_bytes - f->size_bytes, __ATOMIC_RELAXED);
    lock_release(&meta.records_lock);
}
