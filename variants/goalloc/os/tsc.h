/* SPDX-License-Identifier: MIT
 *
 * tsc: what slices of work take that are shorter than a call of the clock. One of eight on average is timed by the
 * processor's time-stamp counter; what all of them have taken is reckoned from those. The distance to the next one
 * varies, so that work which comes in a rhythm is not met at the same beat. x86-64.
 */
#ifndef GOALLOC_TSC_H
#define GOALLOC_TSC_H

#include <stdbool.h>
#include <stdint.h>

/* One thread's, read by others. All atomic but `left`. */
struct tsc_sampler {
    uint64_t slices; /* all there were */
    uint64_t timed, ticks;
    uint32_t left; /* until one is timed */
};

enum { TSC_MEAN_DISTANCE = 8 };
/* No slice is that long; a thread that lost its processor in between is. About 0.1 ms. */
static const uint64_t tsc_interrupted_ticks = UINT64_C(1) << 18;

static inline uint64_t tsc_now(void) {
    return __builtin_ia32_rdtsc();
}

static inline void tsc_add(uint64_t *sum, uint64_t n) {
    __atomic_store_n(sum, *sum + n, __ATOMIC_RELAXED);
}

/* Before a slice: what tsc_end wants to be told. 0: it is not timed. */
static inline uint64_t tsc_begin(struct tsc_sampler *s) {
    tsc_add(&s->slices, 1);
    if (__builtin_expect(s->left != 0, 1)) {
        s->left--;
        return 0;
    }
    return tsc_now();
}

/* Behind it. */
static inline void tsc_end(struct tsc_sampler *s, uint64_t begun) {
    if (__builtin_expect(begun == 0, 1))
        return;
    uint64_t ticks = tsc_now() - begun;
    s->left = (uint32_t)(begun / 16 % (2 * TSC_MEAN_DISTANCE - 1));
    if (ticks >= tsc_interrupted_ticks)
        return;
    tsc_add(&s->timed, 1);
    tsc_add(&s->ticks, ticks);
}

/* Ticks of all slices; 0 while none has been timed. */
static inline double tsc_ticks(const struct tsc_sampler *s) {
    uint64_t timed = __atomic_load_n(&s->timed, __ATOMIC_RELAXED);
    double mean = timed == 0 ? 0 : (double)__atomic_load_n(&s->ticks, __ATOMIC_RELAXED) / (double)timed;
    return mean * (double)__atomic_load_n(&s->slices, __ATOMIC_RELAXED);
}

#endif
