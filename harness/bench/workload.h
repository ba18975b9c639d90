/* SPDX-License-Identifier: MIT
 *
 * workload.h: all that a workload may include besides libc. A workload is one file, compiled once per flavour, with one
 * WORKLOAD(id) = {...}; nothing else is edited.
 *
 * One Google Benchmark iteration = setup (untimed), run (the whole operation loop, timed), teardown (untimed, and so
 * for every subject). Every iteration performs the same operation stream and yields the same checksum. Nothing in the
 * timed part may use the harness's own memory on the subject's heap: take scratch space with bench_scratch, which is
 * mmapped.
 */
#ifndef SPANLAB_WORKLOAD_H
#define SPANLAB_WORKLOAD_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap.h"
#include "rng.h"

struct bench; /* one invocation; opaque */

/* Folds one value into a checksum (order matters). */
static inline uint64_t bench_mix(uint64_t checksum, uint64_t value) {
    checksum = (checksum ^ value) * UINT64_C(0x9fb21c651e98df25);
    return checksum ^ (checksum >> 32);
}

/* ---- one worker of a workload. Counters are plain: each thread owns its own cache lines. */
struct bench_thread {
    alignas(64) struct bench *bench;
    unsigned index;      /* 0 … threads-1 */
    uint64_t ops;        /* operations done; the unit is the card's */
    uint64_t live_bytes; /* requested bytes this thread has allocated minus dropped; may wrap below zero per thread */
    uint64_t zero_bytes; /* bytes asked for as HEAP_ZERO */
    uint64_t checksum;   /* start at 0, fold with bench_mix */
    struct rng rng;      /* seeded from (seed, index) before each iteration */
};

/* A parameter of a workload. Published parameters are the default. */
struct workload_param {
    const char *name;    /* "threads" is understood by the harness: it is the thread count of the cell */
    uint64_t value;      /* published / default */
    uint64_t smoke;      /* small size for tests and MATRIX=smoke */
    const char *summary; /* with unit */
};

enum { WORKLOAD_MANUAL = 1, WORKLOAD_TRACED = 2 };

struct workload {
    const char *name;                    /* "larson-paper" */
    const char *summary;                 /* one line */
    const char *op;                      /* what one operation is: "malloc+free pair" */
    const char *models;                  /* card: what program behaviour it stands for */
    const char *source;                  /* card: publication, version, what was changed */
    const char *bad_for;                 /* card: who is known to do badly, and why */
    const struct workload_param *params; /* terminated by a NULL name */
    unsigned flavours;                   /* WORKLOAD_MANUAL | WORKLOAD_TRACED */
    /* setup may return NULL for "no state"; it calls bench_fail on error. setup and teardown may be NULL. */
    void *(*setup)(struct bench *b);
    void (*run)(struct bench *b, void *state);
    void (*teardown)(struct bench *b, void *state);
};

#define WORKLOAD(id)                                                                                                   \
    static const struct workload workload_##id;                                                                        \
    static const struct workload *const workload_entry_##id __attribute__((used, section("spanlab_workloads"))) =      \
        &workload_##id;                                                                                                \
    static const struct workload workload_##id

/* Value of a declared parameter; an undeclared name aborts with a message (a bug of the workload). */
uint64_t bench_param(const struct bench *b, const char *name);
uint64_t bench_seed(const struct bench *b);

/* Runs body(thread, arg) on `threads` threads (inline on the caller when threads == 1), attached to the heap, released
 * together. The clock of the iteration runs from the release to the last body's return, and only inside bench_parallel;
 * several calls in one run() add up. Afterwards ops, zero_bytes and checksums are summed into the iteration; checksums
 * in index order. */
void bench_parallel(struct bench *b, unsigned threads, void (*body)(struct bench_thread *t, void *arg), void *arg);

/* Starts a further thread from inside a body (larson's generations): it inherits t's index and counters, and t's body
 * must return right after. bench_parallel waits for it too. */
void bench_continue_in_new_thread(struct bench_thread *t, void (*body)(struct bench_thread *t, void *arg), void *arg);

/* Called by a workload's thread at coarse steps (of the order of 100 to 1000 times per iteration): in throughput mode
 * it costs one predictable branch; in memory mode thread 0 records operation index, live and resident bytes. */
extern bool bench_sampling; /* constant during an invocation */
void bench_point_slow(struct bench_thread *t);
static inline void bench_point(struct bench_thread *t) {
    if (__builtin_expect(bench_sampling, 0))
        bench_point_slow(t);
}

/* Zeroed scratch memory outside the subject's heap, page-aligned, released after the iteration's teardown. Never NULL.
 */
void *bench_scratch(struct bench *b, size_t size_bytes);

/* Adds a figure of this iteration to the record (`workload_counters`; of a process's last iteration): what its operations
 * led to where that may differ between subjects, as the checksum may not. Called from run, outside bench_parallel; the
 * name is a literal, 16 of them at most. harness/lab/metrics reads them by name. */
void bench_counter(struct bench *b, const char *name, double value);

/* Ends the invocation: the row becomes `failed` with this text, or `oom`. Callable from any thread; do not return from
 * it. */
_Noreturn void bench_fail(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void bench_out_of_memory(struct bench *b, size_t request_bytes);

/* p, or bench_out_of_memory. */
static inline void *bench_need(struct bench_thread *t, void *p, size_t request_bytes) {
    if (__builtin_expect(p == NULL, 0))
        bench_out_of_memory(t->bench, request_bytes);
    return p;
}

#endif
