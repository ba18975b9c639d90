/* SPDX-License-Identifier: MIT */
#include "flavour.h"

#include "traced.h"
#include "workload.h"

#ifndef SPANLAB_SUBJECT
#error "compile with -DSPANLAB_SUBJECT=\"GC-TINY-PLACE\", the variant that this program is linked with"
#endif

const struct flavour bench_flavour = {
    .traced = &traced_subject,
    .name = "traced",
    .workloads = WORKLOAD_TRACED,
    .subject = SPANLAB_SUBJECT,
};

void flavour_attach(void) {
    heap_thread_attach();
}

void flavour_detach(void) {
    heap_thread_detach();
}

void flavour_safepoint(void) {
    heap_safepoint();
}

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
    return traced_subject.counters(out);
}

int flavour_walk(void (*visit)(void *, const struct peer_run *), void *context) {
    return traced_subject.walk != NULL ? traced_subject.walk(visit, context) : -1;
}
