/* SPDX-License-Identifier: MIT
 *
 * What a thread learns of a live object while another sweeps its span, at the moment at which a sweep has done half of
 * its work, and over many cycles.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define _GNU_SOURCE
#define GOALLOC_VERSION "test"
#include "gc-greentea.h"
#include "tiny-on.h"
#ifndef TEST_PLACE_HEADER
#define TEST_PLACE_HEADER "place-sizeclass.h"
#endif
#include TEST_PLACE_HEADER

#include "axes.h"

#include "os/os.h"
#include "place/marked.h"

static void look_at(const struct span *s);
static void look_and_rotate(struct span *s, uint64_t *fresh) {
    look_at(s);
    place_rotate_bits(s, fresh);
    look_at(s);
}
#define place_rotate_bits(s, fresh) look_and_rotate(s, fresh)
#include "goalloc.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct goalloc_type type = {64, 1, NULL};
static void *young[1]; /* a root: younger than the last sweep, so that no bitmap has it; NULL: enough */
static unsigned looks, misses;

static void look_at(const struct span *s) {
    struct object o;
    if (young[0] == NULL || heap_span_of((uintptr_t)young[0]) != s)
        return;
    looks++;
    misses += !object_of((uintptr_t)young[0], &o);
}

static void make_young(void) {
    goalloc_store(&young[0], goalloc_new(&type, 1));
}

static void a_half_swept_span_has_its_objects(void **state) {
    (void)state;
    looks = misses = 0;
    make_young();
    goalloc_collect();
    assert_in_range(looks, 2, UINT32_MAX);
    assert_int_equal(misses, 0);
    goalloc_store(&young[0], NULL);
}

static void *observe(void *unused) {
    struct goalloc_object o;
    uintptr_t missed = 0;
    (void)unused;
    if (!goalloc_thread_attach())
        return NULL;
    for (void *object; (object = __atomic_load_n(&young[0], __ATOMIC_ACQUIRE)) != NULL; goalloc_safepoint())
        missed += !goalloc_object_of(object, &o);
    goalloc_thread_detach();
    return (void *)missed;
}

/* A thread that looks is stopped behind its look: a bitmap that it reads serves no other span meanwhile. */
static void observers_find_what_a_sweep_keeps(void **state) {
    (void)state;
    enum { CYCLES = 30 };
    pthread_t thread;
    void *missed;
    make_young();
    assert_int_equal(pthread_create(&thread, NULL, observe, NULL), 0);
    for (int i = 0; i < CYCLES; i++) {
        make_young();
        goalloc_collect();
    }
    goalloc_store(&young[0], NULL);
    pthread_join(thread, &missed);
    if (missed != NULL)
        fail_msg("expected a live object at each look, %lu found none", (unsigned long)(uintptr_t)missed);
}

static int begin(void **state) {
    (void)state;
    return goalloc_thread_attach() && goalloc_root_add(young, 1) == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_half_swept_span_has_its_objects),
        cmocka_unit_test(observers_find_what_a_sweep_keeps),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
