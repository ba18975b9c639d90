/* SPDX-License-Identifier: MIT
 *
 * test_robson.c: plays workloads/robson.c, the very file, against allocators on an array of words, where everything
 * that it does can be seen. The adversary must force the bound, stay within its limit, and do by hand what it does
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../workloads/robson.c"

/* ---- the heap: an array of words; a byte per word says how long the block is that begins there, or that it is taken
 */

enum { GRANULE_BYTES = 16, MODEL_WORDS = 1 << 15, INSIDE = 0xff, EVENTS_MAX = 64, SCRATCH_MAX = 16, COUNTERS_MAX = 8 };

static alignas(MODEL_WORDS *GRANULE_BYTES) char memory[MODEL_WORDS * GRANULE_BYTES];

static struct model {
    uint64_t (*place)(uint64_t words);
    uint8_t state[MODEL_WORDS]; /* 0 free, INSIDE, else 1 + log2 of the block that begins here */
    uint64_t used_words;        /* above the last word that ever was taken */
    uint64_t random;            /* scattered: state of its generator */
    uint64_t bump_words;        /* never_again: below the next block */
    uint64_t live_words, most_live_words, limit_words;
    uint64_t allocations, collections;
    uint64_t twice; /* the allocation that is answered with the block before it; 0: none */
    char *last;
    int events[EVENTS_MAX]; /* size at an allocation, minus (1 + address) at a free, 0 at a collection */
    unsigned event_count;
} model;

static void event(int what) {
    if (model.event_count < EVENTS_MAX)
        model.events[model.event_count++] = what;
}

/* How many words are free from here on, at most so many: a hole that is large enough need not be measured. */
static uint64_t hole_after(uint64_t word, uint64_t most_words) {
    const uint64_t most = word + most_words < MODEL_WORDS ? word + most_words : MODEL_WORDS;
    uint64_t end = word;
    while (end < most && model.state[end] == 0)
        end++;
    return end - word;
}

static uint64_t first_fit(uint64_t words) {
    for (uint64_t at = 0; at < MODEL_WORDS; at++) {
        const uint64_t hole = hole_after(at, words);
        if (hole >= words)
            return at;
        at += hole;
    }
    fail_msg("the model's memory of %d words is full: expected room for %d", MODEL_WORDS, (int)words);
    return 0;
}

/* The smallest hole that fits, the lowest of equals. The last one, which no block follows, reaches to the end of
 * memory: it is the choice only where no other fits. */
static uint64_t best_fit(uint64_t words) {
    uint64_t best = MODEL_WORDS, best_hole = UINT64_MAX, at = 0;
    for (uint64_t hole; at < model.used_words; at += hole + 1) {
        hole = hole_after(at, model.used_words - at);
        if (at + hole == model.used_words)
            break;
        if (hole < words || hole >= best_hole)
            continue;
        best = at;
        best_hole = hole;
    }
    best = best < MODEL_WORDS ? best : at;
    if (best + words > MODEL_WORDS)
        fail_msg("the model's memory of %d words is full: expected room for %d", MODEL_WORDS, (int)words);
    return best;
}

/* First fit among the multiples of the size: the addresses a buddy system may give out. */
static uint64_t aligned_first_fit(uint64_t words) {
    for (uint64_t at = 0; at + words <= MODEL_WORDS; at += words)
        if (hole_after(at, words) >= words)
            return at;
    fail_msg("the model's memory of %d words is full: expected room for %d", MODEL_WORDS, (int)words);
    return 0;
}

/* Up to three words beyond where first fit would go, at random. */
static uint64_t scattered(uint64_t words) {
    return first_fit(words + 3) + rng_splitmix(&model.random) % 4;
}

static uint64_t never_again(uint64_t words) {
    model.bump_words += words;
    assert_true(model.bump_words <= MODEL_WORDS);
    return model.bump_words - words;
}

void *model_allocate(size_t size_bytes) {
    assert_int_equal(size_bytes % GRANULE_BYTES, 0);
    if (model.twice != 0 && model.allocations + 1 == model.twice) {
        model.allocations++;
        return model.last;
    }
    const uint64_t words = size_bytes / GRANULE_BYTES, at = model.place(words);
    for (uint64_t i = 0; i < words; i++) {
        assert_int_equal(model.state[at + i], 0);
        model.state[at + i] = INSIDE;
    }
    model.state[at] = (uint8_t)(1 + log2_of(words));
    model.used_words = at + words > model.used_words ? at + words : model.used_words;
    model.live_words += words;
    model.most_live_words = model.live_words > model.most_live_words ? model.live_words : model.most_live_words;
    assert_true(model.live_words <= model.limit_words);
    model.allocations++;
    event((int)words);
    return model.last = memory + at * GRANULE_BYTES;
}

void model_free(void *p) {
    const uint64_t at = (uint64_t)((char *)p - memory) / GRANULE_BYTES;
    if (model.twice != 0 && (model.state[at] == 0 || model.state[at] == INSIDE))
        return; /* was handed out twice */
    assert_true(model.state[at] != 0 && model.state[at] != INSIDE);
    const uint64_t words = UINT64_C(1) << (model.state[at] - 1);
    memset(model.state + at, 0, words);
    memset(memory + at * GRANULE_BYTES, 0xa5, words * GRANULE_BYTES); /* what is read back must have been live */
    model.live_words -= words;
    event(-(int)(1 + at));
}

void model_collect(void) {
    model.collections++;
    event(0);
}

/* ---- the harness, as far as the workload uses it */

struct bench {
    uint64_t limit_words, largest_words;
    void *scratch[SCRATCH_MAX];
    unsigned scratch_count;
    const char *names[COUNTERS_MAX];
    double values[COUNTERS_MAX];
    unsigned counter_count;
    uint64_t ops, checksum;
};

bool bench_sampling;

void bench_point_slow(struct bench_thread *t) {
    (void)t;
}

uint64_t bench_param(const struct bench *b, const char *name) {
    return strcmp(name, "limit") == 0     ? b->limit_words
           : strcmp(name, "largest") == 0 ? b->largest_words
                                          : GRANULE_BYTES;
}

void *bench_scratch(struct bench *b, size_t size_bytes) {
    assert_true(b->scratch_count < SCRATCH_MAX);
    return b->scratch[b->scratch_count++] = calloc(1, size_bytes);
}

void bench_counter(struct bench *b, const char *name, double value) {
    b->names[b->counter_count] = name;
    b->values[b->counter_count++] = value;
}

void bench_parallel(struct bench *b, unsigned threads, void (*body)(struct bench_thread *, void *), void *arg) {
    struct bench_thread t = {.bench = b};
    assert_int_equal(threads, 1);
    body(&t, arg);
    if (model.twice == 0)
        assert_int_equal(t.live_bytes, model.live_words * GRANULE_BYTES);
    b->ops = t.ops;
    b->checksum = t.checksum;
}

_Noreturn void bench_fail(struct bench *b, const char *format, ...) {
    (void)b;
    fprintf(stderr, "bench_fail: %s\n", format);
    abort();
}

_Noreturn void bench_out_of_memory(struct bench *b, size_t request_bytes) {
    bench_fail(b, "out of memory");
    (void)request_bytes;
}

/* ---- one game */

struct game {
    uint64_t used_words, allocations, checksum;
    double range_words, bound_words, footprint_words, held_words, ratio, footprint_ratio;
};

static uint64_t hand_out_twice; /* for the next game: struct model, twice */

static double counter(const struct bench *b, const char *name) {
    for (unsigned i = 0; i < b->counter_count; i++)
        if (strcmp(b->names[i], name) == 0)
            return b->values[i];
    fail_msg("no counter %s", name);
    return 0;
}

static struct game play(uint64_t (*place)(uint64_t words), uint64_t limit_words, uint64_t largest_words) {
    struct bench b = {.limit_words = limit_words, .largest_words = largest_words};
    model = (struct model){.place = place, .limit_words = limit_words, .twice = hand_out_twice};
    void *state = robson_setup(&b);
    robson_run(&b, state);
    if (hand_out_twice == 0)
        assert_int_equal(model.most_live_words, limit_words);
    assert_int_equal(b.ops, model.allocations);
    assert_int_equal(b.ops, 2 * limit_words);
    assert_int_equal(model.collections, log2_of(largest_words));
    const struct game game = {.used_words = model.used_words,
                              .allocations = b.ops,
                              .checksum = b.checksum,
                              .range_words = counter(&b, "range_words"),
                              .bound_words = counter(&b, "robson_bound_words"),
                              .footprint_words = counter(&b, "footprint_words"),
                              .held_words = counter(&b, "held_words"),
                              .ratio = counter(&b, "robson_ratio"),
                              .footprint_ratio = counter(&b, "footprint_over_bound")};
    robson_teardown(&b, state);
    assert_true(model.live_words == 0 || hand_out_twice != 0);
    for (unsigned i = 0; i < b.scratch_count; i++)
        free(b.scratch[i]);
    return game;
}

/* ---- tests */

/* M = 16, n = 2. Sixteen words; words 0, 2 ... 14 stay, for even and odd ones block alike; eight words may be asked
 * for: four pairs, of which none fits into a hole, but the first one takes the last, word 15: 15-16, 17-18, 19-20,
 * 21-22. */
static void first_fit_by_hand(void **state) {
    (void)state;
    const struct game game = play(first_fit, 16, 2);
    unsigned e = 0;
    for (int i = 0; i < 16; i++)
        assert_int_equal(model.events[e++], 1);
    for (int address = 1; address < 16; address += 2)
        assert_int_equal(model.events[e++], -(1 + address));
    assert_int_equal(model.events[e++], 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(model.events[e++], 2);
    /* Twenty blocks; replacements of the first make them 32. */
    for (int i = 0; i < 12; i++) {
        assert_int_equal(model.events[e++], -(1 + 0));
        assert_int_equal(model.events[e++], 1);
    }
    assert_int_equal(game.used_words, 23);
    assert_int_equal(game.range_words, 23);
    assert_int_equal(game.bound_words, 23);
}

/* The published value of N(16, 2); the others by the formula, worked out apart from the code. */
static void the_bound_is_the_published_one(void **state) {
    (void)state;
    static const struct {
        uint64_t limit_words, largest_words;
        double bound_words;
    } cases[] = {{16, 2, 23}, {4, 2, 5}, {8, 2, 11}, {8, 4, 13}, {64, 8, 153}, {1024, 256, 4865}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(play(first_fit, cases[i].limit_words, cases[i].largest_words).bound_words,
                         cases[i].bound_words);
}

static uint64_t (*const models[])(uint64_t) = {first_fit, best_fit, aligned_first_fit, scattered, never_again};
enum { MODELS = sizeof models / sizeof models[0] };

static void every_model_needs_the_bound(void **state) {
    (void)state;
    for (size_t m = 0; m < MODELS; m++)
        for (uint64_t largest = 2; largest <= 64; largest *= 2)
            for (uint64_t limit = 2 * largest; limit <= 256; limit += 2 * largest) {
                const struct game game = play(models[m], limit, largest);
                if (game.range_words < game.bound_words)
                    fail_msg("model %zu, M = %d, n = %d: expected %g words at least, there are %g", m, (int)limit,
                             (int)largest, game.bound_words, game.range_words);
                assert_true(game.ratio == game.range_words / game.bound_words);
                assert_true((double)game.used_words >= game.range_words);
            }
}

/* All that is asked for, laid side by side: who reuses nothing needs no more than who must. */
static void reusing_nothing_costs_the_bound(void **state) {
    (void)state;
    for (uint64_t largest = 2; largest <= 64; largest *= 2) {
        const struct game game = play(never_again, 4 * largest, largest);
        assert_int_equal(game.range_words, game.bound_words + (double)largest - 1);
    }
}

/* TAOCP 2.5, exercise 43: first fit never needs more than M H_n / ln 2. */
static void first_fit_stays_below_its_bound(void **state) {
    (void)state;
    double harmonic = 1;
    for (uint64_t n = 2, largest = 2; n <= 64; n++) {
        harmonic += 1 / (double)n;
        if (n < largest)
            continue;
        for (uint64_t limit = 2 * largest; limit <= 256; limit += 2 * largest)
            assert_true((double)play(first_fit, limit, largest).used_words <= (double)limit * harmonic / 0.69314718056);
        largest *= 2;
    }
}

/* A slot in n words, n words in a page at most: no page holds two slots for the price of one. */
static void blocks_within_a_page_hold_the_bound_in_pages(void **state) {
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        const struct game game = play(models[m], 1024, 128);
        assert_true(game.held_words >= game.bound_words);
        assert_true(game.footprint_words >= game.range_words);
        assert_int_equal((uint64_t)game.footprint_words * GRANULE_BYTES % (uint64_t)sysconf(_SC_PAGESIZE), 0);
        assert_true(game.footprint_ratio == game.footprint_words / game.bound_words);
    }
}

/* Cells are compared by these, though each allocator saw blocks of other sizes. */
static void all_models_return_one_checksum(void **state) {
    (void)state;
    const struct game first = play(first_fit, 256, 16);
    for (size_t m = 1; m < MODELS; m++)
        assert_int_equal(play(models[m], 256, 16).checksum, first.checksum);
    assert_true(play(first_fit, 256, 32).checksum != first.checksum);
    assert_true(play(first_fit, 288, 16).checksum != first.checksum);
}

static void a_block_handed_out_twice_is_noticed(void **state) {
    (void)state;
    const struct game sound = play(first_fit, 256, 16);
    for (hand_out_twice = 2; hand_out_twice <= 256; hand_out_twice += 7)
        assert_true(play(first_fit, 256, 16).checksum != sound.checksum);
    hand_out_twice = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_fit_by_hand),
        cmocka_unit_test(the_bound_is_the_published_one),
        cmocka_unit_test(every_model_needs_the_bound),
        cmocka_unit_test(reusing_nothing_costs_the_bound),
        cmocka_unit_test(first_fit_stays_below_its_bound),
        cmocka_unit_test(blocks_within_a_page_hold_the_bound_in_pages),
        cmocka_unit_test(all_models_return_one_checksum),
        cmocka_unit_test(a_block_handed_out_twice_is_noticed),
    };
    return cmocka_run_group_tests_name("workloads.robson", tests, NULL, NULL);
}
