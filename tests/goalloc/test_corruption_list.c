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
#include <stdio.h>
#include <stdlib.h>
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

/* ---- what a free block says of its size, three times, whatever the fit, however the block comes to be used */

static struct {
    const char *fit, *coalesce;
    int use, place;
    uint64_t flip;
} lie;

static uint64_t *said_units(uintptr_t block) {
    struct list_node *node = list_node(block);
    return lie.place == 0 ? &node->left_units : lie.place == 1 ? &node->right_units : list_foot(block, BYTES / 16);
}

/* What waits on quick lists is entered among the others. */
static void coalesce_now(void) {
    cache_lock_lists(cache_self);
    pool_coalesce_all(&cache_self->pool.fit);
    cache_unlock_lists(cache_self);
}

static void size_lied_about(void) {
    setenv("GOALLOC_FIT", lie.fit, 1);
    setenv("GOALLOC_COALESCE", lie.coalesce, 1);
    half_free();
    coalesce_now();
    *said_units((uintptr_t)objects[OBJECTS / 2]) ^= lie.flip;
    if (lie.use == 0)
        take_all();
    else
        goalloc_free(objects[OBJECTS / 2 + lie.use]);
    coalesce_now();
}

static void a_size_written_over_is_found_when_it_is_used(void **state) {
    (void)state;
    static const char *const fits[] = {"segregated", "first", "next", "best"}, *const coalesce[] = {"now", "deferred"};
    static const uint64_t flips[] = {2, 16, 0x4000};
    for (int i = 0; i < 4 * 2 * 3 * 3 * 3; i++) {
        lie.fit = fits[i % 4];
        lie.coalesce = coalesce[i / 4 % 2];
        lie.use = i / 8 % 3 - 1; /* a neighbour is freed, or the block is wanted */
        lie.place = i / 24 % 3;
        lie.flip = flips[i / 72];
        char said[600];
        int status = die_in_child(size_lied_about, SIG_DFL, said, sizeof said);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strncmp(said, "goalloc: corrupted free ", 24) != 0)
            fail_msg("%s, %s, use %d, place %d, flip %#x: ends with status %#x and says: %s", lie.fit, lie.coalesce,
                     lie.use, lie.place, (unsigned)lie.flip, (unsigned)status, said);
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    }
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
        cmocka_unit_test(a_size_written_over_is_found_when_it_is_used),
        cmocka_unit_test(a_handler_of_the_death_may_allocate),
        cmocka_unit_test(a_sound_heap_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
