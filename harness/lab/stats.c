/* SPDX-License-Identifier: MIT */
#include "stats.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CONFIDENCE = 0.95;

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct stats_random stats_random_seed(uint64_t seed) {
    struct stats_random r;
    for (int i = 0; i < 4; i++)
        r.s[i] = splitmix(&seed);
    return r;
}

static uint64_t rotate(uint64_t x, int k) {
    return x << k | x >> (64 - k);
}

uint64_t stats_random_next(struct stats_random *r) {
    uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

size_t stats_random_below(struct stats_random *r, size_t below) {
    /* Multiply-shift: the bias is below/2^64, nothing for counts of invocations. */
    return (size_t)((unsigned __int128)stats_random_next(r) * below >> 64);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Ten values are typical, and the bootstrap sorts millions of times: insertion beats qsort there. */
static void sort(double *v, size_t n) {
    if (n > 64) {
        qsort(v, n, sizeof *v, ascending);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        double x = v[i];
        size_t j = i;
        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

static double *sorted_copy(const double *values, size_t count) {
    double *v = lab_alloc((count + 1) * sizeof *v);
    memcpy(v, values, count * sizeof *v);
    sort(v, count);
    return v;
}

static double sorted_median(const double *v, size_t n) {
    return n == 0 ? NAN : n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double stats_median(const double *values, size_t count) {
    if (count == 0)
        return NAN;
    double *v = sorted_copy(values, count), m = sorted_median(v, count);
    free(v);
    return m;
}

static double sorted_quantile(const double *v, size_t n, double share) {
    if (n == 0)
        return NAN;
    double place = share * (double)(n - 1);
    size_t below = (size_t)place, above = below + 1 < n ? below + 1 : below;
    return v[below] + (place - (double)below) * (v[above] - v[below]);
}

double stats_quantile(const double *values, size_t count, double share) {
    if (count == 0)
        return NAN;
    double *v = sorted_copy(values, count), q = sorted_quantile(v, count, share);
    free(v);
    return q;
}

/* How many values at each end lie outside: the largest k with 1 - 2 P(Binomial(n, 1/2) <= k) >= 95 %; -1: none. */
static long ranks_outside(size_t n) {
    double term = exp2(-(double)n), tail = 0;
    long k = -1;
    for (size_t i = 0; i < n / 2; i++) {
        tail += term;
        if (1 - 2 * tail < CONFIDENCE)
            break;
        k = (long)i;
        term *= (double)(n - i) / (double)(i + 1);
    }
    return k;
}

struct stats_interval stats_median_interval(const double *values, size_t count) {
    struct stats_interval interval = {NAN, NAN, false};
    long k = count < 1000
                 ? ranks_outside(count)
                 : (long)floor(((double)count - 1.959963985 * sqrt((double)count)) / 2) - 1; /* 2^-n is 0 there */
    if (count < STATS_LEAST_FOR_INTERVAL || k < 0)
        return interval;
    double *v = sorted_copy(values, count);
    interval = (struct stats_interval){v[k], v[count - 1 - (size_t)k], true};
    free(v);
    return interval;
}

struct ranked {
    double value;
    bool is_x;
    long twice_rank;
};

static int ranked_ascending(const void *a, const void *b) {
    return ascending(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

/* Pools both sides and gives each value twice its mid-rank, a whole number. Adds up t^3 - t over ties. */
static struct ranked *rank_pool(struct stats_series x, struct stats_series y, double *ties) {
    size_t n = x.count + y.count;
    struct ranked *pool = lab_alloc(n * sizeof *pool);
    for (size_t i = 0; i < n; i++)
        pool[i] =
            i < x.count ? (struct ranked){x.values[i], true, 0} : (struct ranked){y.values[i - x.count], false, 0};
    qsort(pool, n, sizeof *pool, ranked_ascending);
    *ties = 0;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && pool[to].value <= pool[from].value;)
            to++;
        for (size_t i = from; i < to; i++)
            pool[i].twice_rank = (long)(from + 1 + to);
        double t = (double)(to - from);
        *ties += t * t * t - t;
    }
    return pool;
}

/* Counts, over all choices of nx of the pool, those whose doubled rank sum is at most and at least what was seen. */
static double exact_p(const struct ranked *pool, size_t n, size_t nx, long seen) {
    size_t sums = n * (n + 1) + 1;
    double *ways = lab_alloc((nx + 1) * sums * sizeof *ways);
    memset(ways, 0, (nx + 1) * sums * sizeof *ways);
    ways[0] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t rank = (size_t)pool[i].twice_rank;
        for (size_t chosen = nx < i + 1 ? nx : i + 1; chosen > 0; chosen--)
            for (size_t s = sums; s-- > rank;)
                ways[chosen * sums + s] += ways[(chosen - 1) * sums + s - rank];
    }
    double all = 0, low = 0, high = 0;
    for (size_t s = 0; s < sums; s++) {
        double w = ways[nx * sums + s];
        all += w;
        low += (long)s <= seen ? w : 0;
        high += (long)s >= seen ? w : 0;
    }
    free(ways);
    return fmin(1, 2 * fmin(low, high) / all);
}

/* Normal approximation with the corrections for ties and continuity. */
static double normal_p(double nx, double ny, double rank_sum, double ties) {
    double n = nx + ny, u = rank_sum - nx * (nx + 1) / 2, mean = nx * ny / 2;
    double variance = nx * ny / 12 * (n + 1 - ties / (n * (n - 1)));
    if (variance <= 0)
        return 1;
    double z = (fabs(u - mean) - 0.5) / sqrt(variance);
    return z <= 0 ? 1 : erfc(z / sqrt(2));
}

double stats_mann_whitney(struct stats_series x, struct stats_series y) {
    if (x.count == 0 || y.count == 0)
        return 1;
    double ties;
    struct ranked *pool = rank_pool(x, y, &ties);
    long seen = 0;
    for (size_t i = 0; i < x.count + y.count; i++)
        seen += pool[i].is_x ? pool[i].twice_rank : 0;
    bool small = x.count <= STATS_EXACT_UP_TO && y.count <= STATS_EXACT_UP_TO;
    double p = small ? exact_p(pool, x.count + y.count, x.count, seen)
                     : normal_p((double)x.count, (double)y.count, (double)seen / 2, ties);
    free(pool);
    return p;
}

struct placed_p {
    double p;
    size_t place;
};

static int placed_ascending(const void *a, const void *b) {
    return ascending(&((const struct placed_p *)a)->p, &((const struct placed_p *)b)->p);
}

void stats_holm(double *p, size_t count) {
    struct placed_p *raw = lab_alloc((count + 1) * sizeof *raw);
    size_t tests = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(p[i]))
            raw[tests++] = (struct placed_p){p[i], i};
    qsort(raw, tests, sizeof *raw, placed_ascending);
    double least = 0;
    for (size_t i = 0; i < tests; i++) {
        least = fmax(least, fmin(1, raw[i].p * (double)(tests - i)));
        p[raw[i].place] = least;
    }
    free(raw);
}

static double resampled_median(struct stats_series s, double *scratch, struct stats_random *r) {
    for (size_t i = 0; i < s.count; i++)
        scratch[i] = s.values[stats_random_below(r, s.count)];
    sort(scratch, s.count);
    return sorted_median(scratch, s.count);
}

struct stats_interval stats_geomean_interval(const struct stats_series *x, const struct stats_series *y, size_t pairs,
                                             uint64_t seed) {
    struct stats_interval interval = {NAN, NAN, false};
    size_t widest = 0;
    for (size_t i = 0; i < pairs; i++) {
        if (x[i].count < STATS_LEAST_FOR_INTERVAL || y[i].count < STATS_LEAST_FOR_INTERVAL)
            return interval;
        widest = x[i].count > widest ? x[i].count : widest;
        widest = y[i].count > widest ? y[i].count : widest;
    }
    if (pairs == 0)
        return interval;
    double *scratch = lab_alloc(widest * sizeof *scratch), *ratios = lab_alloc(STATS_RESAMPLES * sizeof *ratios);
    struct stats_random r = stats_random_seed(seed);
    for (int b = 0; b < STATS_RESAMPLES; b++) {
        double logs = 0;
        for (size_t i = 0; i < pairs; i++) {
            double above = resampled_median(x[i], scratch, &r);
            /* A subject against itself is 1 by definition; drawn apart it would get an interval. */
            logs += x[i].values == y[i].values ? 0 : log(above / resampled_median(y[i], scratch, &r));
        }
        ratios[b] = exp(logs / (double)pairs);
    }
    sort(ratios, STATS_RESAMPLES);
    interval = (struct stats_interval){sorted_quantile(ratios, STATS_RESAMPLES, (1 - CONFIDENCE) / 2),
                                       sorted_quantile(ratios, STATS_RESAMPLES, (1 + CONFIDENCE) / 2), true};
    free(scratch);
    free(ratios);
    return interval;
}

struct stats_interval stats_ratio_interval(struct stats_series x, struct stats_series y, uint64_t seed) {
    return stats_geomean_interval(&x, &y, 1, seed);
}

struct stats_interval stats_difference_interval(struct stats_series x, struct stats_series y, uint64_t seed) {
    struct stats_interval interval = {NAN, NAN, false};
    if (x.count < STATS_LEAST_FOR_INTERVAL || y.count < STATS_LEAST_FOR_INTERVAL)
        return interval;
    double *scratch = lab_alloc((x.count > y.count ? x.count : y.count) * sizeof *scratch);
    double *differences = lab_alloc(STATS_RESAMPLES * sizeof *differences);
    struct stats_random r = stats_random_seed(seed);
    for (int b = 0; b < STATS_RESAMPLES; b++) {
        double above = resampled_median(x, scratch, &r);
        differences[b] = above - resampled_median(y, scratch, &r);
    }
    sort(differences, STATS_RESAMPLES);
    interval = (struct stats_interval){sorted_quantile(differences, STATS_RESAMPLES, (1 - CONFIDENCE) / 2),
                                       sorted_quantile(differences, STATS_RESAMPLES, (1 + CONFIDENCE) / 2), true};
    free(scratch);
    free(differences);
    return interval;
}

/* |ln ratio| of the medians of two random disjoint halves. */
static double split_contrast(struct stats_series s, double *scratch, struct stats_random *r) {
    memcpy(scratch, s.values, s.count * sizeof *scratch);
    for (size_t i = s.count - 1; i > 0; i--) {
        size_t j = stats_random_below(r, i + 1);
        double held = scratch[i];
        scratch[i] = scratch[j];
        scratch[j] = held;
    }
    size_t half = s.count / 2;
    return fabs(log(stats_median(scratch, half) / stats_median(scratch + half, half)));
}

double stats_noise_floor(const struct stats_series *cells, size_t count, uint64_t seed, size_t *contrasts) {
    double *all = lab_alloc((count * STATS_SPLITS_PER_CELL + 1) * sizeof *all);
    size_t n = 0;
    struct stats_random r = stats_random_seed(seed);
    for (size_t c = 0; c < count; c++) {
        if (cells[c].count < STATS_LEAST_FOR_INTERVAL)
            continue;
        double *scratch = lab_alloc(cells[c].count * sizeof *scratch);
        for (int i = 0; i < STATS_SPLITS_PER_CELL; i++)
            all[n++] = split_contrast(cells[c], scratch, &r);
        free(scratch);
    }
    double level = n < STATS_LEAST_CONTRASTS ? NAN : expm1(stats_quantile(all, n, 0.95));
    if (contrasts != NULL)
        *contrasts = n;
    free(all);
    return level;
}
