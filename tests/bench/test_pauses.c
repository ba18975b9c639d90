/* SPDX-License-Identifier: MIT
 *
 * Percentiles and minimum mutator utilisation, against cases worked out by hand. Times are in units of our own.
 */
#include "pauses.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void percentile_is_the_nearest_rank(void **state) {
    (void)state;
    uint64_t hundred[100], four[] = {10, 20, 30, 40}, one[] = {7};
    for (unsigned i = 0; i < 100; i++)
        hundred[i] = i + 1;
    assert_int_equal(pauses_percentile(hundred, 100, 0.5), 50);
    assert_int_equal(pauses_percentile(hundred, 100, 0.99), 99);
    assert_int_equal(pauses_percentile(hundred, 100, 1), 100);
    assert_int_equal(pauses_percentile(four, 4, 0.5), 20);
    assert_int_equal(pauses_percentile(four, 4, 0.51), 30);
    assert_int_equal(pauses_percentile(four, 4, 0.99), 40);
    assert_int_equal(pauses_percentile(one, 1, 0.5), 7);
    assert_int_equal(pauses_percentile(one, 1, 0.0001), 7);
}

static void near(double got, double want) {
    if (!(fabs(got - want) < 1e-12))
        fail_msg("%.15g instead of %.15g", got, want);
}

#define MMU(pauses, begun, ended, window) pauses_mmu(pauses, sizeof pauses / sizeof *pauses, begun, ended, window)

static void utilisation_is_that_of_the_worst_window(void **state) {
    (void)state;
    /* |..##......####....#..| of 0 to 22 */
    static const struct traced_pause p[] = {{2, 2}, {10, 4}, {18, 1}};
    near(MMU(p, 0, 22, 4), 0); /* one pause fills it */
    near(MMU(p, 0, 22, 2), 0);
    near(MMU(p, 0, 22, 5), 1 - 4.0 / 5);   /* no window of 5 meets two */
    near(MMU(p, 0, 22, 9), 1 - 5.0 / 9);   /* 10 to 19 */
    near(MMU(p, 0, 22, 12), 1 - 6.0 / 12); /* 2 to 14 */
    near(MMU(p, 0, 22, 17), 1 - 7.0 / 17); /* 2 to 19 */
    near(MMU(p, 0, 22, 22), 1 - 7.0 / 22); /* all of it */
    assert_true(isnan(MMU(p, 0, 22, 23)));
    assert_true(isnan(MMU(p, 0, 22, 0)));
}

static void windows_lie_within_the_section(void **state) {
    (void)state;
    /* Pauses that stick out count as far as they lie inside. */
    static const struct traced_pause p[] = {{5, 10}, {28, 10}};
    near(MMU(p, 12, 30, 10), 1 - 3.0 / 10); /* 12 to 22 */
    near(MMU(p, 12, 30, 18), 1 - 5.0 / 18);
    near(MMU(p, 12, 30, 2), 0);
    near(MMU(p, 16, 27, 5), 1); /* between them */
    near(pauses_mmu(NULL, 0, 0, 100, 10), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentile_is_the_nearest_rank),
        cmocka_unit_test(utilisation_is_that_of_the_worst_window),
        cmocka_unit_test(windows_lie_within_the_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
