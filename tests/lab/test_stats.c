/* SPDX-License-Identifier: MIT
 *
 * Statistics against figures that SciPy 1.17.1 and statsmodels 0.15.0 printed. The call stands above each figure:
 *   python -c 'import numpy as np, scipy.stats as st; print(CALL)'
 */
#include "stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SERIES(array) ((struct stats_series){array, sizeof array / sizeof *array})

static void near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.12g instead of %.12g", got, want);
}

static void median_is_the_middle(void **state) {
    (void)state;
    near(stats_median((double[]){3, 1, 2}, 3), 2, 0);
    near(stats_median((double[]){4, 1, 3, 2}, 4), 2.5, 0);
    assert_true(isnan(stats_median(NULL, 0)));
    near(stats_quantile((double[]){10, 0}, 2, 0.95), 9.5, 1e-12);
}

/* st.quantile_test(np.arange(1,n+1), p=.5).confidence_interval(0.95) */
static void order_statistics_have_the_binomials_ranks(void **state) {
    (void)state;
    static const struct {
        size_t n;
        double low, high;
    } want[] = {{6, 1, 6}, {10, 2, 9}, {15, 4, 12}, {20, 6, 15}, {30, 10, 21}};
    for (size_t c = 0; c < sizeof want / sizeof *want; c++) {
        double values[30];
        for (size_t i = 0; i < want[c].n; i++)
            values[i] = (double)(want[c].n - i);
        struct stats_interval got = stats_median_interval(values, want[c].n);
        assert_true(got.known);
        near(got.low, want[c].low, 0);
        near(got.high, want[c].high, 0);
    }
    assert_false(stats_median_interval((double[]){1, 2, 3, 4, 5}, 5).known);
}

static void mann_whitney_matches_scipy(void **state) {
    (void)state;
    /* st.mannwhitneyu(x, y, method='exact').pvalue */
    double x[] = {19, 22, 16, 29, 24, 27}, y[] = {20, 11, 17, 12, 25, 14, 18};
    near(stats_mann_whitney(SERIES(x), SERIES(y)), 0.07342657342657342, 1e-12);
    near(stats_mann_whitney(SERIES(y), SERIES(x)), 0.07342657342657342, 1e-12);
    /* st.permutation_test((x, y), lambda a, b, axis=-1: st.mannwhitneyu(a, b, axis=axis, method='asymptotic').statistic,
     *                     permutation_type='independent', n_resamples=np.inf).pvalue */
    double xt[] = {1, 2, 2, 3, 5, 5, 8}, yt[] = {2, 3, 3, 4, 5, 9};
    near(stats_mann_whitney(SERIES(xt), SERIES(yt)), 0.6048951048951049, 1e-12);
    /* st.mannwhitneyu([100+i*1.5 for i in range(20)], [104.23+i*1.7 for i in range(20)], method='exact').pvalue */
    double a[25], b[25];
    for (int i = 0; i < 20; i++) {
        a[i] = 100 + i * 1.5;
        b[i] = 104.23 + i * 1.7;
    }
    near(stats_mann_whitney((struct stats_series){a, 20}, (struct stats_series){b, 20}), 0.06343244610401354, 1e-12);
    /* st.mannwhitneyu([100+i*1.5 for i in range(25)], [106+i*1.5 for i in range(24)], method='asymptotic').pvalue */
    for (int i = 0; i < 25; i++) {
        a[i] = 100 + i * 1.5;
        b[i] = 106 + i * 1.5;
    }
    near(stats_mann_whitney((struct stats_series){a, 25}, (struct stats_series){b, 24}), 0.11391300009348412, 1e-12);
    double same[] = {7, 7, 7, 7};
    near(stats_mann_whitney(SERIES(same), SERIES(same)), 1, 0);
}

/* statsmodels.stats.multitest.multipletests([.01,.04,.03,.005,.03], method='holm')[1] */
static void holm_matches_statsmodels(void **state) {
    (void)state;
    double p[] = {.01, .04, NAN, .03, .005, .03}, want[] = {.04, .09, NAN, .09, .025, .09};
    stats_holm(p, 6);
    for (int i = 0; i < 6; i++)
        if (isnan(want[i]))
            assert_true(isnan(p[i]));
        else
            near(p[i], want[i], 1e-12);
}

/* st.bootstrap((x, y), lambda a, b, axis=-1: np.median(a, axis=axis) / np.median(b, axis=axis), n_resamples=100000,
 *              method='percentile', random_state=1).confidence_interval */
static void bootstrap_agrees_with_scipy(void **state) {
    (void)state;
    double x[] = {4.1, 4.0, 4.3, 4.2, 4.6, 3.9, 4.4, 4.05, 4.25, 4.15};
    double y[] = {5.0, 5.2, 4.9, 5.6, 5.1, 5.3, 4.8, 5.05, 5.15, 5.25};
    struct stats_interval got = stats_ratio_interval(SERIES(x), SERIES(y), 1);
    assert_true(got.known);
    near(got.low, 0.7809523809523808, 0.003);
    near(got.high, 0.8522167487684731, 0.003);
    struct stats_interval again = stats_ratio_interval(SERIES(x), SERIES(y), 1);
    assert_memory_equal(&got.low, &again.low, sizeof got.low);
    assert_false(stats_ratio_interval((struct stats_series){x, 5}, SERIES(y), 1).known);
    got = stats_ratio_interval(SERIES(x), SERIES(x), 1);
    near(got.low, 1, 0);
    near(got.high, 1, 0);
}

static void difference_of_medians_has_its_interval(void **state) {
    (void)state;
    double x[] = {61.2, 63.0, 60.4, 61.9, 62.2, 64.1}, y[] = {0.21, 0.19, 0.25, 0.20, 0.22, 0.18};
    struct stats_interval got = stats_difference_interval(SERIES(x), SERIES(y), 1);
    assert_true(got.known);
    /* The medians are 62.05 and 0.205; resampling moves the second by hundredths only. */
    assert_true(got.low > 60.4 - 0.25 && got.low < 61.9 && got.high > 62.2 - 0.25 && got.high < 64.1);
    assert_false(stats_difference_interval((struct stats_series){x, 5}, SERIES(y), 1).known);
    double same[] = {5, 5, 5, 5, 5, 5}, less[] = {3, 3, 3, 3, 3, 3};
    got = stats_difference_interval(SERIES(same), SERIES(less), 1);
    near(got.low, 2, 0);
    near(got.high, 2, 0);
}

static void noise_floor_needs_contrasts(void **state) {
    (void)state;
    double values[10] = {100, 101, 99, 100, 102, 98, 100, 101, 99, 100};
    struct stats_series cells[] = {SERIES(values), SERIES(values)};
    size_t contrasts;
    assert_true(isnan(stats_noise_floor(cells, 1, 1, &contrasts)));
    assert_int_equal(contrasts, 10);
    double level = stats_noise_floor(cells, 2, 1, &contrasts); /* the two sides of one contrast are enough */
    assert_int_equal(contrasts, 20);
    assert_true(level > 0 && level < 0.03);
    for (int i = 0; i < 10; i += 2)
        values[i] *= 1.5;
    assert_true(stats_noise_floor(cells, 2, 1, NULL) > 0.03);
}

/* Blackman and Vigna's xoshiro256** with the state 1, 2, 3, 4. */
static void generator_is_xoshiro(void **state) {
    (void)state;
    struct stats_random r = {{1, 2, 3, 4}};
    assert_int_equal(stats_random_next(&r), 11520);
    assert_int_equal(stats_random_next(&r), 0);
    assert_int_equal(stats_random_next(&r), 1509978240);
    assert_int_equal(stats_random_next(&r), 1215971899390074240);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_is_the_middle),
        cmocka_unit_test(order_statistics_have_the_binomials_ranks),
        cmocka_unit_test(mann_whitney_matches_scipy),
        cmocka_unit_test(holm_matches_statsmodels),
        cmocka_unit_test(bootstrap_agrees_with_scipy),
        cmocka_unit_test(difference_of_medians_has_its_interval),
        cmocka_unit_test(noise_floor_needs_contrasts),
        cmocka_unit_test(generator_is_xoshiro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
