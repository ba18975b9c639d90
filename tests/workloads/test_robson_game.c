/* SPDX-License-Identifier: MIT
 *
 * test_robson_game.c: the least memory N(M, 2) that suffices for blocks of one and two words, M words live at most,
 * found by solving the game between a program and an allocator, both of them perfect. An allocator has lost a state if
 * the program can make a request there that has no place, or move to a lost state whatever the allocator answers; all
 * other states it can hold for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A state: two bits per word, so that a pair is not two neighbours. */
enum { FREE, ONE, PAIR, PAIR_END, WORDS_MAX = 11 };

static uint32_t states[1 << 15];
static size_t state_count;
static bool lost[1 << (2 * WORDS_MAX)];

static unsigned at(uint32_t state, unsigned word) {
    return state >> (2 * word) & 3;
}

static unsigned live_words(uint32_t state) {
    unsigned live = 0;
    for (unsigned word = 0; word < WORDS_MAX; word++)
        live += at(state, word) != FREE;
    return live;
}

static void list_states(uint32_t state, unsigned word, unsigned words, unsigned limit) {
    if (word == words) {
        if (live_words(state) <= limit)
            states[state_count++] = state;
        return;
    }
    list_states(state, word + 1, words, limit);
    list_states(state | (uint32_t)ONE << (2 * word), word + 1, words, limit);
    if (word + 2 <= words)
        list_states(state | (uint32_t)(PAIR | PAIR_END << 2) << (2 * word), word + 2, words, limit);
}

/* Has the allocator an answer to a request of one word, or of two, that it has not lost? */
static bool can_answer(uint32_t state, unsigned words, bool pair) {
    for (unsigned word = 0; word + pair < words; word++) {
        if (at(state, word) != FREE || (pair && at(state, word + 1) != FREE))
            continue;
        const uint32_t block = pair ? PAIR | PAIR_END << 2 : ONE;
        if (!lost[state | block << (2 * word)])
            return true;
    }
    return false;
}

static bool program_wins(uint32_t state, unsigned words, unsigned limit) {
    const unsigned live = live_words(state);
    for (unsigned word = 0; word < words; word++) {
        const unsigned what = at(state, word);
        if (what == ONE && lost[state & ~((uint32_t)3 << (2 * word))])
            return true;
        if (what == PAIR && lost[state & ~((uint32_t)15 << (2 * word))])
            return true;
    }
    return (live + 1 <= limit && !can_answer(state, words, false)) ||
           (live + 2 <= limit && !can_answer(state, words, true));
}

static bool suffices(unsigned words, unsigned limit) {
    state_count = 0;
    list_states(0, 0, words, limit);
    memset(lost, 0, sizeof lost);
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < state_count; i++)
            if (!lost[states[i]] && program_wins(states[i], words, limit))
                lost[states[i]] = changed = true;
    }
    return !lost[0];
}

/* Robson's bound for even M, (3M - 1) / 2 rounded down in general (of which the published source gives no checked
 * proof).
 */
static void the_least_memory_for_pairs(void **state) {
    static const unsigned least[] = {0, 1, 2, 4, 5, 7, 8, 10, 11};
    (void)state;
    for (unsigned limit = 1; limit < sizeof least / sizeof least[0]; limit++) {
        unsigned words = limit;
        while (words < WORDS_MAX && !suffices(words, limit))
            words++;
        print_message("N(%u, 2) = %u\n", limit, words);
        assert_true(suffices(words, limit));
        assert_int_equal(words, least[limit]);
        assert_int_equal(words, (3 * limit - 1) / 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_least_memory_for_pairs)};
    return cmocka_run_group_tests_name("workloads.robson_game", tests, NULL, NULL);
}
