/* SPDX-License-Identifier: MIT
 * Corrupted bitmaps of linear runs: see test_corruption.c. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-manual.h"
#include "place-linear.h"
#include "tiny-on.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "dies.h"
#include "dies_allocating.h"

enum { OBJECTS = 3000, BYTES = 256 };

static char *objects[OBJECTS];

/* Three of four dead, in every run; with holes those runs serve again. */
static struct span *with_holes(void) {
    goalloc_free(goalloc_malloc(16)); /* reads the knobs */
    lines_set(true, LINES_OF_128);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = goalloc_malloc(BYTES);
    for (int i = 0; i < OBJECTS; i++)
        if (i % 4 != 0)
            goalloc_free(objects[i]);
    struct span *s = cache_self->partial[span_class_make(RUN_CLASS, true)];
    assert_non_null(s);
    return s;
}

static void take_all(void) {
    for (int i = 0; i < OBJECTS; i++)
        goalloc_malloc(BYTES);
}

static void live_without_a_start(void) {
    struct span *s = with_holes();
    run_live(s)[3] = ~run_starts(s)[3];
    take_all();
}

static void no_start_at_the_beginning(void) {
    run_clear(run_starts(with_holes()), 0);
    take_all();
}

static void freed_by_others_and_not_live(void) {
    struct span *s = with_holes();
    span_remote_bits(s)[3] = ~run_live(s)[3];
    take_all();
}

static void bits_of_another_kind(void) {
    with_holes()->free_bits = (uint64_t *)objects[0];
    take_all();
}

static const struct dying dyings[] = {
    {live_without_a_start, "corrupted run at 0x"},
    {no_start_at_the_beginning, "does not begin with a start"},
    {freed_by_others_and_not_live, "freed by others that is not live"},
    {bits_of_another_kind, "corrupted span record: "},
};

static void every_corruption_is_diagnosed(void **state) {
    (void)state;
    expect_deaths(dyings, sizeof dyings / sizeof *dyings);
}

static void a_sound_heap_is_not(void **state) {
    (void)state;
    with_holes();
    take_all();
}

static void a_handler_of_the_death_may_allocate(void **state) {
    (void)state;
    expect_deaths_with(allocate_on_abort, dyings, sizeof dyings / sizeof *dyings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_corruption_is_diagnosed),
        cmocka_unit_test(a_handler_of_the_death_may_allocate),
        cmocka_unit_test(a_sound_heap_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
