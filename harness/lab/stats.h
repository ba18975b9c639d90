/* SPDX-License-Identifier: MIT
 *
 * stats.h: what is computed from the invocations of a run. No distribution is assumed; everything random is seeded.
 */
#ifndef SPANLAB_STATS_H
#define SPANLAB_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_LEAST_FOR_INTERVAL = 6, /* the range of 6 covers the median with 96.9 %, that of 5 with 93.8 % */
    STATS_RESAMPLES = 10000,
    STATS_EXACT_UP_TO = 20,  /* values a side for which Mann-Whitney's p is exact */
    STATS_LEAST_CONTRASTS = 20,
    STATS_SPLITS_PER_CELL = 10, /* A/A contrasts a cell gives; six values have ten pairs of halves */
};

/* known false: too few values for an interval. */
struct stats_interval {
    double low, high;
    bool known;
};

struct stats_series {
    const double *values;
    size_t count;
};

/* xoshiro256** */
struct stats_random {
    uint64_t s[4];
};
struct stats_random stats_random_seed(uint64_t seed);
uint64_t stats_random_next(struct stats_random *r);
/* Uniform in 0 .. below-1. */
size_t stats_random_below(struct stats_random *r, size_t below);

/* NaN of nothing. */
double stats_median(const double *values, size_t count);

/* The value at `share` (0..1) of the sorted values, linear between neighbours. NaN of nothing. */
double stats_quantile(const double *values, size_t count, double share);

/* Order-statistic interval of the median: the narrowest symmetric ranks that cover it with at least 95 %. */
struct stats_interval stats_median_interval(const double *values, size_t count);

/* Two-sided p of Mann-Whitney's U given the ties; 1 when a side is empty. */
double stats_mann_whitney(struct stats_series x, struct stats_series y);

/* Holm's step-down, in place: raw p values become adjusted ones. NaN stays and does not count. */
void stats_holm(double *p, size_t count);

/* Percentile bootstrap (95 %) of median(x) / median(y). */
struct stats_interval stats_ratio_interval(struct stats_series x, struct stats_series y, uint64_t seed);

/* The same of median(x) - median(y). */
struct stats_interval stats_difference_interval(struct stats_series x, struct stats_series y, uint64_t seed);

/* The same of the geometric mean, over pairs, of median(x[i]) / median(y[i]). */
struct stats_interval stats_geomean_interval(const struct stats_series *x, const struct stats_series *y, size_t pairs,
                                             uint64_t seed);

/* 95th percentile of |ln(ratio)| of medians of random disjoint halves, pooled over cells, as a ratio less one (0.02: cells
 * that are the same differ by up to 2 %). NaN with fewer than STATS_LEAST_CONTRASTS; *contrasts (may be NULL) says how
 * many there were. */
double stats_noise_floor(const struct stats_series *cells, size_t count, uint64_t seed, size_t *contrasts);

#endif
