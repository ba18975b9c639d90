/* SPDX-License-Identifier: MIT
 * Corrupted runs and free blocks of list placement: see test_corruption.c. A run is looked at when it changes hands. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-manual.h"
#include "place-list.h"
#include "tiny-on.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "dies.h"
#include "dies_allocating.h"

enum { OBJECTS = 2000, BYTES = 256 };

static char *objects[OBJECTS];

static void half_free(void) {
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = goalloc_malloc(BYTES);
    for (int i = 0; i < OBJECTS; i += 2)
        goalloc_free(objects[i]);
}

static void take_all(void) {
    for (int i = 0; i < OBJECTS; i++)
        goalloc_malloc(BYTES);
}

/* A run with free blocks that no thread owns. */
static struct span *unowned(void) {
    half_free();
    goalloc_purge();
    struct span *s = heap.central[span_class_make(RUN_CLASS, true)].partial;
    assert_non_null(s);
    return s;
}

static void live_without_a_start(void) {
    struct span *s = unowned();
    run_live(s)[3] = ~run_starts(s)[3];
    take_all();
}

static void no_start_at_the_beginning(void) {
    run_clear(run_starts(unowned()), 0);
    take_all();
}

static void bits_of_another_kind(void) {
    unowned()->free_bits = (uint64_t *)objects[1];
    take_all();
}

static void link_written_over(void) {
    half_free();
    memset(objects[OBJECTS / 2], 0x55, 16);
    take_all();
}

static void length_written_over(void) {
    half_free();
    list_node((uintptr_t)objects[OBJECTS / 2])->left_units ^= 2;
    for (int i = 1; i < OBJECTS; i += 2)
        goalloc_free(objects[i]);
}

static const struct dying dyings[] = {
    {live_without_a_start, "corrupted run at 0x"},       {no_start_at_the_beginning, "does not begin with a start"},
    {bits_of_another_kind, "corrupted span record: "},   {link_written_over, "corrupted free "},
    {length_written_over, "corrupted free block at 0x"},
};

static void every_corruption_is_diagnosed(void **state) {
    (void)state;
    expect_deaths(dyings, sizeof dyings / sizeof *dyings);
}

static void a_sound_heap_is_not(void **state) {
    (void)state;
    unowned();
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
