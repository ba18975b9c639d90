/* SPDX-License-Identifier: MIT
 * gcbits: bitmaps are zero and apart from one another, arenas rotate and are recycled, threads do not collide. */
#include "unity_traced.h"

enum { ARENA_WORDS = (GCBITS_ARENA_BYTES - GCBITS_HEADER_BYTES) / 8, THREADS = 4, EACH = 4000 };

static const struct gcbits_arena *arena_of_bits(const uint64_t *bits, struct gcbits_arena *list) {
    for (; list != NULL; list = list->next)
        if (bits >= list->bits && bits < list->bits + ARENA_WORDS)
            return list;
    return NULL;
}

static unsigned length(const struct gcbits_arena *list) {
    unsigned n = 0;
    for (; list != NULL; list = list->next)
        n++;
    return n;
}

static void whole_words_in_order(void **state) {
    (void)state;
    uint64_t *a = gcbits_take(1), *b = gcbits_take(64), *c = gcbits_take(65), *d = gcbits_take(1024),
             *e = gcbits_take(8);
    assert_ptr_equal(b, a + 1);
    assert_ptr_equal(c, b + 1);
    assert_ptr_equal(d, c + 2);
    assert_ptr_equal(e, d + 16);
}

static void a_full_arena_is_followed_by_another(void **state) {
    (void)state;
    uint64_t *last = gcbits_take(1);
    struct gcbits_arena *first = gcbits.next;
    while (arena_of_bits(last, first) == first) {
        assert_int_equal(*last, 0);
        *last = ~UINT64_C(0);
        last = gcbits_take(64);
    }
    assert_ptr_equal(gcbits.next->next, first);
    assert_int_equal(*last, 0);
}

/* What is taken now serves through the next epoch, and its arena is taken from again in the third. */
static void arenas_rotate(void **state) {
    (void)state;
    gcbits_next_epoch();
    uint64_t *bits = gcbits_take(64);
    *bits = ~UINT64_C(0);
    struct gcbits_arena *arena = gcbits.next;
    gcbits_next_epoch();
    assert_non_null(arena_of_bits(bits, gcbits.current));
    gcbits_next_epoch();
    assert_non_null(arena_of_bits(bits, gcbits.previous));
    assert_int_equal(*bits, ~UINT64_C(0));
    unsigned free_arenas = length(gcbits.free);
    gcbits_next_epoch();
    assert_int_equal(length(gcbits.free), free_arenas + 1);
    assert_null(gcbits.previous);
    size_t committed_bytes = meta_committed_bytes();
    while (gcbits.next != arena) {
        uint64_t *again = gcbits_take(ARENA_WORDS * 64);
        assert_non_null(again);
        for (unsigned i = 0; i < ARENA_WORDS; i++)
            assert_int_equal(again[i], 0);
    }
    assert_int_equal(meta_committed_bytes(), committed_bytes);
}

/* Every thread fills what it gets with its own number; nobody's words change. */
static void *take_and_fill(void *arg) {
    uint64_t **mine = arg, number = (uint64_t)(uintptr_t)arg;
    for (unsigned i = 0; i < EACH; i++) {
        mine[i] = gcbits_take(i % 1024 + 1);
        for (unsigned w = 0; w < gcbits_words(i % 1024 + 1); w++)
            mine[i][w] = mine[i][w] == 0 ? number : 0;
    }
    return NULL;
}

static void threads_get_bitmaps_of_their_own(void **state) {
    (void)state;
    static uint64_t *taken[THREADS][EACH];
    pthread_t threads[THREADS];
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, take_and_fill, taken[t]), 0);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < EACH; i++)
            for (unsigned w = 0; w < gcbits_words(i % 1024 + 1); w++)
                assert_int_equal(taken[t][i][w], (uintptr_t)taken[t]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_words_in_order),
        cmocka_unit_test(a_full_arena_is_followed_by_another),
        cmocka_unit_test(arenas_rotate),
        cmocka_unit_test(threads_get_bitmaps_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
