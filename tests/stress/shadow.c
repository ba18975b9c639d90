/* SPDX-License-Identifier: MIT */
#include "shadow.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* 47 bits of user addresses in regions of 1 MiB; a region's leaf has one bit per granule. */
enum { REGION_SHIFT = 20, GRANULE_SHIFT = 3, ADDRESS_BITS = 47 };
enum { LEAF_WORDS = 1 << (REGION_SHIFT - GRANULE_SHIFT - 6) };
static const size_t regions = (size_t)1 << (ADDRESS_BITS - REGION_SHIFT);
static uint64_t **leaves;

static void *map_lazily(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED)
        return p;
    perror("stress: mmap of the shadow");
    exit(2);
}

void shadow_init(void) {
    leaves = map_lazily(regions * sizeof *leaves);
}

static uint64_t *leaf_of(size_t region) {
    uint64_t *leaf = __atomic_load_n(&leaves[region], __ATOMIC_ACQUIRE);
    if (leaf != NULL)
        return leaf;
    uint64_t *fresh = map_lazily(LEAF_WORDS * sizeof *leaf);
    if (__atomic_compare_exchange_n(&leaves[region], &leaf, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return fresh;
    munmap(fresh, LEAF_WORDS * sizeof *leaf);
    return leaf;
}

/* Flips the bits of all granules from first to last; true when each had the other value before. */
static bool flip(const void *p, size_t size, bool take) {
    size_t first = (uintptr_t)p >> GRANULE_SHIFT;
    size_t last = ((uintptr_t)p + (size != 0 ? size - 1 : 0)) >> GRANULE_SHIFT;
    if (last >> (ADDRESS_BITS - GRANULE_SHIFT) != 0)
        return false;
    bool good = true;
    for (size_t word = first / 64; word <= last / 64; word++) {
        uint64_t bits = UINT64_MAX;
        if (word == first / 64)
            bits &= UINT64_MAX << first % 64;
        if (word == last / 64)
            bits &= UINT64_MAX >> (63 - last % 64);
        uint64_t *slot = &leaf_of(word / LEAF_WORDS)[word % LEAF_WORDS];
        uint64_t before =
            take ? __atomic_fetch_or(slot, bits, __ATOMIC_RELAXED) : __atomic_fetch_and(slot, ~bits, __ATOMIC_RELAXED);
        good &= (before & bits) == (take ? 0 : bits);
    }
    return good;
}

bool shadow_take(const void *p, size_t size) {
    return flip(p, size, true);
}

bool shadow_drop(const void *p, size_t size) {
    return flip(p, size, false);
}
