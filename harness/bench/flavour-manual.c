/* SPDX-License-Identifier: MIT */
#include "flavour.h"

#include "workload.h"

#include <malloc.h>
#include <stdlib.h>

/* Addresses taken in this program, as its workloads take them: a program that carries its own malloc shows here even
 * where the dynamic linker does not see it. */
static const struct flavour_call calls[] = {
    {"malloc", (void (*)(void))malloc},
    {"calloc", (void (*)(void))calloc},
    {"realloc", (void (*)(void))realloc},
    {"free", (void (*)(void))free},
    {"aligned_alloc", (void (*)(void))aligned_alloc},
    {"posix_memalign", (void (*)(void))posix_memalign},
    {"memalign", (void (*)(void))memalign},
    {"malloc_usable_size", (void (*)(void))malloc_usable_size},
    {NULL, NULL},
};

const struct flavour bench_flavour = {
    .name = "manual",
    .workloads = WORKLOAD_MANUAL,
    .calls = calls,
};

void flavour_attach(void) {
    heap_thread_attach();
}

void flavour_detach(void) {
    heap_thread_detach();
}

void flavour_safepoint(void) {}

void flavour_collect(void) {
    heap_collect();
}

void *flavour_allocate(size_t size_bytes) {
    return heap_bytes(size_bytes, HEAP_RAW);
}

void flavour_release(void *p) {
    heap_drop(p);
}

int flavour_counters(struct peer_counters *out) {
    (void)out;
    return -1;
}

int flavour_walk(void (*visit)(void *, const struct peer_run *), void *context) {
    (void)visit, (void)context;
    return -1;
}
