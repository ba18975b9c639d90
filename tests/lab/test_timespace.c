/* SPDX-License-Identifier: MIT
 *
 * Cost at a footprint, between measured settings, against cases worked out by hand.
 */
#include "timespace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near(double got, double want) {
    if (!(fabs(got - want) < 1e-12))
        fail_msg("%.15g instead of %.15g", got, want);
}

static void cost_is_linear_between_logarithms(void **state) {
    (void)state;
    static const struct timespace_point p[] = {{1.5, 8, NULL}, {3, 2, NULL}, {12, 1, NULL}};
    near(timespace_cost_at(p, 3, 1.5), 8);
    near(timespace_cost_at(p, 3, 3), 2);
    near(timespace_cost_at(p, 3, 12), 1);
    near(timespace_cost_at(p, 3, 1.5 * sqrt(2)), 4); /* half of the way from 1.5 to 3, so half of that from 8 to 2 */
    near(timespace_cost_at(p, 3, 6), sqrt(2));       /* half of the way from 3 to 12 */
}

static void nothing_is_said_beyond_what_was_measured(void **state) {
    (void)state;
    static const struct timespace_point p[] = {{1.5, 8, NULL}, {3, 2, NULL}};
    assert_true(isnan(timespace_cost_at(p, 2, 1.49)));
    assert_true(isnan(timespace_cost_at(p, 2, 3.01)));
    assert_true(isnan(timespace_cost_at(p, 0, 2)));
    near(timespace_cost_at(p, 1, 1.5), 8);
    assert_true(isnan(timespace_cost_at(p, 1, 2)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cost_is_linear_between_logarithms),
        cmocka_unit_test(nothing_is_said_beyond_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
