/* SPDX-License-Identifier: MIT
 *
 * rng.h: the one random number generator, for workloads and tests.
 */
#ifndef SPANLAB_RNG_H
#define SPANLAB_RNG_H

#include <stdint.h>

/* ---- random numbers: xoshiro256** (Blackman and Vigna), seeded through splitmix64; streams are independent. */
struct rng {
    uint64_t s[4];
};

static inline uint64_t rng_splitmix(uint64_t *x) {
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void rng_seed(struct rng *r, uint64_t seed, uint64_t stream) {
    uint64_t x = seed ^ (stream * UINT64_C(0xd1342543de82ef95));
    for (int i = 0; i < 4; i++)
        r->s[i] = rng_splitmix(&x);
}

static inline uint64_t rng_next(struct rng *r) {
    uint64_t result = r->s[1] * 5;
    result = ((result << 7) | (result >> 57)) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = (r->s[3] << 45) | (r->s[3] >> 19);
    return result;
}

/* Uniform in [0, n), n > 0, by multiply-shift; the bias is below n / 2^64. */
static inline uint64_t rng_below(struct rng *r, uint64_t n) {
    return (uint64_t)(((unsigned __int128)rng_next(r) * n) >> 64);
}

/* Uniform in [low, high]. */
static inline uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high) {
    return low + rng_below(r, high - low + 1);
}

#endif
