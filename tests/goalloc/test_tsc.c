/* SPDX-License-Identifier: MIT
 *
 * Sampling of short slices: how many are timed, that one which lost its processor does not count, and that the
 * reckoning is mean times number. Nothing here depends on how long anything takes.
 */
#include "os/tsc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void one_of_eight_is_timed(void **unused) {
    (void)unused;
    enum { SLICES = 80000 };
    struct tsc_sampler s = {0};
    unsigned begun = 0, longest = 0, since = 0;
    uint64_t state = 1;
    for (unsigned i = 0; i < SLICES; i++, since++) {
        uint64_t at = tsc_begin(&s);
        begun += at != 0;
        longest = since > longest ? since : longest;
        since = at != 0 ? 0 : since;
        /* As if the slice had lasted this long: the distance to the next one comes from the clock's low digits, and not
         * every machine's counts them all. An interrupted one sets it, too. */
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        tsc_end(&s, at != 0 ? tsc_now() - tsc_interrupted_ticks - (state >> 33) : 0);
    }
    assert_int_equal(s.slices, SLICES);
    assert_int_equal(s.timed, 0);
    /* The mean distance is 8, the longest 15. */
    assert_in_range(begun, SLICES / 12, SLICES / 5);
    assert_in_range(longest, 2, 2 * TSC_MEAN_DISTANCE - 1);
}

static void an_interrupted_slice_is_left_out(void **state) {
    (void)state;
    struct tsc_sampler s = {0};
    tsc_begin(&s);
    tsc_end(&s, tsc_now() - tsc_interrupted_ticks);
    assert_int_equal(s.slices, 1);
    assert_int_equal(s.timed, 0);
    assert_true(tsc_ticks(&s) == 0);
}

static void untimed_slices_count_as_the_mean(void **state) {
    (void)state;
    struct tsc_sampler s = {.slices = 100, .timed = 4, .ticks = 2000};
    assert_true(tsc_ticks(&s) == 50000);
    uint64_t before = s.ticks;
    tsc_end(&s, 0);
    assert_int_equal(s.ticks, before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_eight_is_timed),
        cmocka_unit_test(an_interrupted_slice_is_left_out),
        cmocka_unit_test(untimed_slices_count_as_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
