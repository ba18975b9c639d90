/* SPDX-License-Identifier: MIT */
#include "flavour.h"

#include "goalloc_walk.h"
#include "peer.h"
#include "workload.h"

#ifndef SPANLAB_SUBJECT
#error "compile with -DSPANLAB_SUBJECT=\"GC-TINY-PLACE\", the variant that this program is linked with"
#endif

static const struct peer_knob knobs[] = {
    {"preset", "GOALLOC_PRESET", "%s", NULL, "tuned (default), or faithful to every decision of Go's"},
    {"GOGC", "GOGC", "%s", NULL, "growth of the heap between collections, percent of what is live (default 100), or off"},
    {"GOMEMLIMIT", "GOMEMLIMIT", "%s", NULL, "bytes that the process should stay below, or off (default)"},
    {"GOMAXPROCS", "GOMAXPROCS", "%s", NULL, "processors that pacing reckons with (default: those there are)"},
    {"gcstoptheworld", "GODEBUG", "gcstoptheworld=%s", ",", "1: marking stops the program; 2: sweeping too (default 0)"},
    {"gccheckmark", "GODEBUG", "gccheckmark=%s", ",", "1: each cycle is checked by a second traversal (default 0)"},
    {"clobberfree", "GODEBUG", "clobberfree=%s", ",", "1: what is freed is overwritten (default 0)"},
    {"deterministic", "GOALLOC_DETERMINISTIC", "%s", NULL, "1: collects inline, by bytes alone, without clocks (default 0)"},
    {0},
};

const struct flavour bench_flavour = {
    .knobs = knobs,
    .read_knob = goalloc_knob,
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

void flavour_collect(void) {
    heap_collect();
}

void *flavour_allocate(size_t size_bytes) {
    return heap_bytes(size_bytes, HEAP_RAW);
}

void flavour_release(void *p) {
    heap_drop(p);
}

_Static_assert(sizeof(struct peer_counters) == GOALLOC_COUNTERS * sizeof(uint64_t), "the same fields in the same order");

int flavour_counters(struct peer_counters *out) {
    return goalloc_counters((uint64_t *)out);
}

int flavour_walk(void (*visit)(void *, const struct peer_run *), void *context) {
    return peer_goalloc_walk(goalloc_walk, visit, context);
}
