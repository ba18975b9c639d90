/* SPDX-License-Identifier: MIT
 *
 * bench.c: parameters, scratch memory, failure, and one iteration of a workload.
 */
#include "bench.h"

#include "allocations.h"
#include "memory.h"
#include "meter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bench *bench_current;
bool bench_sampling;

bool bench_open(struct bench *b, const struct workload *w) {
    b->workload = w;
    b->seed = 1;
    return crew_open(b);
}

/* ---- parameters */

int bench_param_index(const struct workload *w, const char *name) {
    for (int i = 0; w->params != NULL && w->params[i].name != NULL; i++)
        if (strcmp(w->params[i].name, name) == 0)
            return i;
    return -1;
}

uint64_t bench_param(const struct bench *b, const char *name) {
    int i = bench_param_index(b->workload, name);
    if (i < 0) {
        fprintf(stderr, "spanlab: workload %s reads parameter '%s', which it does not declare\n", b->workload->name,
                name);
        abort();
    }
    return b->params[i];
}

uint64_t bench_seed(const struct bench *b) {
    return b->seed;
}

void bench_params_default(struct bench *b, bool smoke) {
    const struct workload_param *p = b->workload->params;
    for (int i = 0; p != NULL && p[i].name != NULL && i < BENCH_MAX_PARAMS; i++)
        b->params[i] = smoke ? p[i].smoke : p[i].value;
}

static bool param_set(struct bench *b, const char *name, const char *value, char *error, size_t error_size) {
    int i = bench_param_index(b->workload, name);
    if (i < 0) {
        snprintf(error, error_size, "workload %s has no parameter '%s'; --spanlab-catalog lists them",
                 b->workload->name, name);
        return false;
    }
    char *end;
    errno = 0;
    b->params[i] = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0) {
        snprintf(error, error_size, "parameter %s='%s' is no number", name, value);
        return false;
    }
    if (strcmp(name, "threads") == 0 && (b->params[i] < 1 || b->params[i] > BENCH_MAX_THREADS)) {
        snprintf(error, error_size, "threads=%s: give 1 to %d", value, BENCH_MAX_THREADS);
        return false;
    }
    return true;
}

bool bench_params_parse(struct bench *b, const char *text, char *error, size_t error_size) {
    char copy[1024];
    if (strlen(text) >= sizeof copy) {
        snprintf(error, error_size, "the parameter list is longer than %zu characters", sizeof copy - 1);
        return false;
    }
    strcpy(copy, text);
    char *rest = NULL;
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(item, '=');
        if (equals == NULL) {
            snprintf(error, error_size, "'%s' is no NAME=VALUE", item);
            return false;
        }
        *equals = '\0';
        if (!param_set(b, item, equals + 1, error, error_size))
            return false;
    }
    return true;
}

/* ---- scratch memory */

void *bench_scratch(struct bench *b, size_t size_bytes) {
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped_bytes = (size_bytes + page_bytes - 1) & ~(page_bytes - 1);
    if (mapped_bytes < size_bytes)
        bench_fail(b, "scratch memory of %zu bytes is too large", size_bytes);
    if (mapped_bytes == 0)
        mapped_bytes = page_bytes;
    unsigned i = __atomic_fetch_add(&b->scratch_count, 1, __ATOMIC_RELAXED);
    if (i >= BENCH_MAX_SCRATCH)
        bench_fail(b, "more than %d blocks of scratch memory in one iteration", BENCH_MAX_SCRATCH);
    void *base = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        bench_fail(b, "no %zu bytes of scratch memory: %s", mapped_bytes, strerror(errno));
    /* Touched now, without huge pages: the timed part must not fault on it, and memory mode can subtract it exactly. */
    madvise(base, mapped_bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < mapped_bytes; at += page_bytes)
        ((volatile char *)base)[at] = 0;
    b->scratch[i] = (struct bench_scratch_block){base, mapped_bytes};
    if (b->memory != NULL)
        memory_exclude(b->memory, mapped_bytes);
    return base;
}

static void scratch_release(struct bench *b) {
    for (unsigned i = 0; i < b->scratch_count; i++)
        munmap(b->scratch[i].base, b->scratch[i].size_bytes);
    b->scratch_count = 0;
}

/* ---- counters */

void bench_counter(struct bench *b, const char *name, double value) {
    if (b->counter_count == BENCH_MAX_COUNTERS)
        bench_fail(b, "more than %d counters", BENCH_MAX_COUNTERS);
    b->counters[b->counter_count++] = (struct bench_counter){name, value};
}

/* ---- failure */

/* Whoever comes first ends the process; a second failing thread waits for that. */
static _Noreturn void bench_end(struct bench *b, enum bench_status status, const char *message) {
    if (__atomic_fetch_add(&b->ended, 1, __ATOMIC_ACQ_REL) == 0)
        b->end(b, status, message);
    for (;;)
        pause();
}

_Noreturn void bench_fail(struct bench *b, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bench_end(b, BENCH_FAILED, message);
}

_Noreturn void bench_out_of_memory(struct bench *b, size_t request_bytes) {
    char message[256];
    snprintf(message, sizeof message, "out of memory: workload %s could not get %zu bytes", b->workload->name,
             request_bytes);
    bench_end(b, BENCH_OOM, message);
}

/* ---- one iteration */

void bench_iterate(struct bench *b) {
    const struct workload *w = b->workload;
    b->now = (struct bench_iteration){0};
    b->counter_count = 0;
    b->iteration++;
    if (b->memory != NULL)
        memory_iteration_begin(b->memory);
    if (b->allocations != NULL)
        allocations_begin(b->allocations);
    uint64_t begin_ns = meter_wall_ns();
    void *state = w->setup != NULL ? w->setup(b) : NULL;
    if (b->memory != NULL)
        memory_run_begin(b->memory);
    w->run(b, state);
    if (b->memory != NULL)
        memory_run_end(b->memory);
    if (b->allocations != NULL)
        allocations_end(b->allocations);
    if (w->teardown != NULL)
        w->teardown(b, state);
    b->now.workload_ns = meter_wall_ns() - begin_ns;
    if (b->memory != NULL)
        memory_iteration_end(b->memory);
    scratch_release(b);
    if (b->now.ops == 0)
        bench_fail(b, "workload %s counted no operation", w->name);
}
