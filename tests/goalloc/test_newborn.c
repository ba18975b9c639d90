/* SPDX-License-Identifier: MIT
 *
 * Green Tea follows pointers from object to object of a page while a thread allocates on that page. The marker looks up
 * once which slots are marked, so it may read an object that was born after that. Such an object lies where a free block
 * or a dead object lay before. These tests force that order of events, object by object, and let the two threads race.
 * The marker must read what the thread stored before it stored the pointer, and nothing older. In a ThreadSanitizer build
 * the same tests show that the sanitizer sees the order of the two (OS_LOAD_POINTER).
 */
#define _GNU_SOURCE
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h> /* uses the builtin, so it comes before the macro */
#endif

static void marker_is_about_to_read(void);
/* Following asks for one line ahead before it reads each object: that is where the test steps in. */
#define __builtin_prefetch(address, ...) ((void)(address), marker_is_about_to_read())

#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-greentea.h"
#include "tiny-off.h"
#ifndef TEST_PLACE_HEADER
#define TEST_PLACE_HEADER "place-list.h"
#endif
#include TEST_PLACE_HEADER
#include "goalloc.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "rng.h"

enum { CHAIN = 300, ROUNDS = OS_THREAD_SANITIZER ? 60 : 300, LONGEST_WORDS = INLINE_MARKS_MAX_OBJECT_BYTES / 8 };

/* What one round has: a chain of objects of one page. The first word of each leads to the next one, the other pointers
 * lead into `target`. Dead objects are full of pointers into `decoy`. */
static struct {
    uintptr_t first;                              /* the chain's first object, made before marking */
    uintptr_t expected[CHAIN * LONGEST_WORDS];    /* pointers into target, in the order of the chain */
    unsigned count, lengths[CHAIN + 1], objects;  /* lengths[i]: pointers of the first i objects */
    uintptr_t beyond;                             /* the first that did not fit onto the page; 0: none */
} chain;
static char *target, *decoy;
static void *kept[2];
static const struct goalloc_type pointer_type = {8, 1, NULL};
enum { POINTED_BYTES = 40960 };

static struct rng rng;
static bool lockstep;
static __thread bool follows;
/* The handshake is relaxed: the sanitizer must not take it for the order that the pointer itself has to give. */
static uint32_t asked, answered;
enum { ENDED = -1 }; /* an answer: no object follows */
enum turn { ALLOCATE, FOLLOW, COMPARE };
static uint32_t turn; /* who may go on; acquire and release */

/* Awake for a moment, then asleep: beside other programs a thread that only yields waits for whole time slices. */
static void wait_while(const uint32_t *word, uint32_t value, int order) {
    for (unsigned spins = 0; spins < 1000; spins++)
        if (__atomic_load_n(word, __ATOMIC_RELAXED) != value)
            break;
    while (__atomic_load_n(word, __ATOMIC_RELAXED) == value)
        os_wait_while(word, value, 0);
    if (order == __ATOMIC_ACQUIRE)
        (void)__atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set_and_wake(uint32_t *word, uint32_t value, int order) {
    if (order == __ATOMIC_RELEASE)
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
    else
        __atomic_store_n(word, value, __ATOMIC_RELAXED);
    os_wake_all(word);
}

static void wait_for_turn(enum turn mine) {
    for (uint32_t now; (now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != (uint32_t)mine;)
        wait_while(&turn, now, __ATOMIC_ACQUIRE);
}

static void give_turn(enum turn next) {
    set_and_wake(&turn, next, __ATOMIC_RELEASE);
}

/* The allocating thread is none of cmocka's. */
static void require(bool condition, const char *what) {
    if (!condition)
        os_die("test_newborn: %s", what);
}

static void *into(char *object) {
    return object + rng_below(&rng, POINTED_BYTES / 8) * 8;
}

static void marker_is_about_to_read(void) {
    if (!follows || __atomic_load_n(&answered, __ATOMIC_RELAXED) == (uint32_t)ENDED)
        return;
    /* Marks have been looked up, so objects born from now on are new to the marker. */
    if (!lockstep && asked != 0)
        return;
    uint32_t before = asked;
    set_and_wake(&asked, before + 1, __ATOMIC_RELAXED);
    wait_while(&answered, before, __ATOMIC_RELAXED);
}

/* Slots of a page have one size; blocks of a run any. */
static unsigned words_of_object(unsigned round) {
    static const unsigned sizes[] = {16, 32, 48, 64, 96, 128, 256, 512};
    unsigned any = 2 + (unsigned)rng_below(&rng, round % 2 == 0 ? 6 : LONGEST_WORDS - 1);
    return PLACE_SLOTS ? sizes[round % (sizeof sizes / sizeof *sizes)] / 8 : any;
}

static uint64_t random_mask(unsigned words) {
    uint64_t all = words == 64 ? UINT64_MAX : (UINT64_C(1) << words) - 1;
    return (rng_next(&rng) & all) | 1;
}

/* Leaves pages of dead objects behind. */
static void litter(unsigned round) {
    for (unsigned i = 0; i < 2 * CHAIN; i++) {
        unsigned words = words_of_object(round);
        struct goalloc_type type = {words * 8, UINT64_MAX >> (64 - words), NULL};
        void **dead = goalloc_new(&type, 1);
        require(dead != NULL, "out of memory");
        for (unsigned word = 0; word < words; word++)
            goalloc_store(&dead[word], into(decoy));
    }
    goalloc_collect();
}

static uintptr_t new_link(unsigned round) {
    unsigned words = words_of_object(round);
    struct goalloc_type type = {words * 8, random_mask(words), NULL};
    void **link = goalloc_new(&type, 1);
    require(link != NULL, "out of memory");
    for (uint64_t mask = type.pointer_mask & ~UINT64_C(1); mask != 0; mask &= mask - 1) {
        void *value = into(target);
        chain.expected[chain.count++] = (uintptr_t)value;
        goalloc_store(&link[place_lowest(mask)], value);
    }
    chain.lengths[++chain.objects] = chain.count;
    return (uintptr_t)link;
}

/* One object more; false: the page has no room for it, or it is enough. */
static bool lengthen(unsigned round, uintptr_t *last) {
    if (chain.objects == CHAIN)
        return false;
    unsigned count = chain.count, objects = chain.objects;
    uintptr_t next = new_link(round);
    if (mark_page_base(next) != mark_page_base(chain.first)) {
        chain.count = count;
        chain.objects = objects;
        chain.beyond = next;
        return false;
    }
    goalloc_store((void **)*last, (void *)next);
    *last = next;
    return true;
}

/* The chain's first object, with room for others behind it on its page. */
static void begin_chain(unsigned round) {
    do {
        chain.count = chain.objects = 0;
        chain.beyond = 0;
        chain.first = new_link(round);
    } while (chain.first % GOALLOC_PAGE_BYTES > GOALLOC_PAGE_BYTES / 2);
}

/* In lockstep by one object each time that the marker asks; else, once it has asked, as fast as it goes. Ends when the
 * marker asks for more than the page has room for; then the marker has reached the last object. */
static void grow_chain(unsigned round) {
    uintptr_t last = chain.first;
    bool more = true;
    for (uint32_t done = 0; more; done++) {
        wait_while(&asked, done, __ATOMIC_RELAXED);
        more = lengthen(round, &last);
        set_and_wake(&answered, more ? done + 1 : (uint32_t)ENDED, __ATOMIC_RELAXED);
        while (!lockstep && more)
            more = lengthen(round, &last);
    }
}

/* No cycle was under way, so no sweep comes to clear the marks of what was born black. */
static void forget_marks(uintptr_t address) {
    const struct span *s = address != 0 ? heap_span_of(address) : NULL;
    for (size_t i = 0; s != NULL && i < s->npages; i++)
        memset(tea_marks_of(s->base + i * GOALLOC_PAGE_BYTES), 0, INLINE_MARKS_BYTES);
}

static void *allocate(void *unused) {
    (void)unused;
    require(goalloc_thread_attach(), "out of memory");
    kept[0] = target = goalloc_new(&pointer_type, POINTED_BYTES / 8);
    kept[1] = decoy = goalloc_new(&pointer_type, POINTED_BYTES / 8);
    require(goalloc_root_add(kept, 2) == 0, "out of memory");
    for (unsigned round = 0; round < ROUNDS; round++) {
        litter(round);
        begin_chain(round);
        goalloc_marking = GOALLOC_SHADES_OLD; /* what is born from now on is black, as in a cycle */
        gc_self->assist_bytes = INT64_MAX / 2;
        asked = answered = 0;
        give_turn(FOLLOW);
        grow_chain(round);
        wait_for_turn(ALLOCATE);
        goalloc_marking = 0;
        forget_marks(chain.first);
        forget_marks(chain.beyond);
        give_turn(COMPARE);
        wait_for_turn(ALLOCATE);
    }
    goalloc_root_remove(kept);
    goalloc_thread_detach();
    return NULL;
}

static unsigned follow_chain(struct tea_own *own, uintptr_t *found) {
    uintptr_t page = mark_page_base(chain.first);
    uint8_t span_class = tea_queued_class(page);
    const struct mark_class class = mark_classes[span_class];
    const struct span *s = PLACE_SLOTS ? NULL : tea_queued_span(page);
    unsigned slot = tea_slot_of(&class, chain.first);
    uint64_t from[TEA_WORDS] = {0};
    from[slot / 64] = UINT64_C(1) << slot % 64;
    struct gc_work w = {0};
    return tea_follow(&w, page, class, s, tea_pointer_bits(s, page, span_class), from, own, found, false);
}

/* Objects of the chain whose pointers, and no others, were found. */
static unsigned followed_objects(const uintptr_t *found, unsigned count, unsigned round) {
    unsigned objects = 0;
    while (objects < chain.objects && chain.lengths[objects] < count)
        objects++;
    if (chain.lengths[objects] != count)
        fail_msg("round %u: %u pointers were found, which is no whole number of objects", round, count);
    for (unsigned i = 0; i < count; i++)
        if (found[i] != chain.expected[i])
            fail_msg("round %u: pointer %u of %u is %p; the thread had stored %p", round, i, count, (void *)found[i],
                     (void *)chain.expected[i]);
    return objects;
}

static void follow_while_allocating(bool in_lockstep) {
    pthread_t thread;
    unsigned long long newborn = 0;
    lockstep = in_lockstep;
    turn = ALLOCATE;
    rng_seed(&rng, 1, 0);
    assert_int_equal(pthread_create(&thread, NULL, allocate, NULL), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        static struct tea_own own;
        uintptr_t found[KERNEL_FOUND + TEA_AHEAD];
        wait_for_turn(FOLLOW);
        follows = true;
        unsigned count = follow_chain(&own, found);
        follows = false;
        give_turn(ALLOCATE);
        wait_for_turn(COMPARE);
        unsigned objects = followed_objects(found, count, round);
        /* Slots that looked alike are followed once more when one has changed: by then what was born since is marked. */
        if (lockstep && !PLACE_SLOTS && chain.lengths[objects] != chain.lengths[chain.objects])
            fail_msg("round %u: of %u objects the marker followed %u; it had waited for each", round, chain.objects,
                     objects);
        newborn += objects;
        give_turn(ALLOCATE);
    }
    pthread_join(thread, NULL);
    print_message("%llu objects in %u rounds\n", newborn, ROUNDS);
    if (lockstep && newborn < 2ull * ROUNDS)
        fail_msg("%llu objects were followed in %u rounds, and at least two of each were expected", newborn, ROUNDS);
}

static void the_marker_reads_what_was_stored_before_the_pointer(void **state) {
    (void)state;
    follow_while_allocating(true);
}

static void also_when_both_run_freely(void **state) {
    (void)state;
    follow_while_allocating(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_marker_reads_what_was_stored_before_the_pointer),
        cmocka_unit_test(also_when_both_run_freely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
