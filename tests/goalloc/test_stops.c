/* SPDX-License-Identifier: MIT
 *
 * What a stop of the world waits for: not for a thread that waits or is blocked outside, nor for more than a piece of
 * work on a large block; and what it says of a thread that does not stop.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <string.h>
/* Long work inside the allocator: what it does at a time, and what the test does meanwhile. */
static void note_piece(const void *at, size_t size_bytes);
static inline void *set_and_note(void *to, int value, size_t size_bytes) {
    note_piece(to, size_bytes);
    return memset(to, value, size_bytes);
}
static inline void *move_and_note(void *to, const void *from, size_t size_bytes) {
    note_piece(to, size_bytes);
    return memmove(to, from, size_bytes);
}
#include <pthread.h>
/* Making a thread: what the test does meanwhile. */
static int make_thread_meanwhile(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
#define pthread_create(thread, attributes, run, arg) make_thread_meanwhile(thread, attributes, run, arg)
#define memset(to, value, size_bytes) set_and_note(to, value, size_bytes)
#define memmove(to, from, size_bytes) move_and_note(to, from, size_bytes)

#include "unity_collecting.h"

#include "alone.h"
#include "dies.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct goalloc_type node_type = {64, 1, NULL};

/* ---- stopping */

static void *wait_for_the_collector(void *begun_and_ended) {
    uint32_t *progress = begun_and_ended;
    if (!goalloc_thread_attach())
        return NULL;
    world_begin_wait(gc_self, (uintptr_t)__builtin_frame_address(0));
    __atomic_store_n(progress, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(progress, __ATOMIC_ACQUIRE) == 1)
        sched_yield();
    world_end_wait(gc_self);
    __atomic_store_n(progress, 3, __ATOMIC_RELEASE);
    goalloc_thread_detach();
    return NULL;
}

/* It stands still without having been asked, and cannot go on before the world does. */
static void test_who_waits_has_stopped(void **state) {
    (void)state;
    pthread_t thread;
    uint32_t progress = 0;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_the_collector, &progress), 0);
    while (__atomic_load_n(&progress, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    world_stop(gc_self);
    assert_int_equal(world.arrived, 0);
    assert_int_equal(world.spin, 1);
    __atomic_store_n(&progress, 2, __ATOMIC_RELEASE);
    while (__atomic_load_n(&world.sleepers, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
    assert_int_equal(__atomic_load_n(&progress, __ATOMIC_ACQUIRE), 2);
    world_start();
    pthread_join(thread, NULL);
    assert_int_equal(progress, 3);
    assert_int_equal(world.sleepers, 0);
}

/* ---- a thread's own wish to see to the collector lies in the same word as what others ask of it */

enum { WISHES = 300 };

static uint32_t own_word(void) {
    return __atomic_load_n(&cache_self->front.stop, __ATOMIC_ACQUIRE);
}

/* No other thread asks this one to stop. So no loop waits because of the wish, and the next poll fulfils it. */
static void test_a_wish_is_no_stop(void **state) {
    (void)state;
    cache_want_gc(cache_self);
    assert_false(cache_is_asked(cache_self));
    assert_false(gc_mark_should_leave(gc_self));
    cache_hold(cache_self); /* where a stop would be obeyed until it is over */
    cache_unhold(cache_self);
    assert_int_equal(own_word(), CACHE_WANTS_GC);
    goalloc_collect(); /* marks */
    goalloc_safepoint();
    assert_int_equal(own_word(), 0);
    cache_want_gc(cache_self);
    assert_non_null(goalloc_new(&node_type, 1)); /* by the way without a call, or by the long one: both look */
    assert_int_equal(own_word(), 0);
}

/* What is outside stays outside, whatever the thread wishes before and after. */
static void test_a_wish_and_a_block_keep_out_of_each_others_way(void **state) {
    (void)state;
    cache_want_gc(cache_self);
    goalloc_blocked_enter();
    assert_int_equal(own_word(), CACHE_WANTS_GC | WORLD_STOP_BLOCKED);
    goalloc_blocked_leave();
    assert_int_equal(own_word(), CACHE_WANTS_GC);
    goalloc_safepoint();
    assert_int_equal(own_word(), 0);
}

struct wishing {
    uint32_t stops, wishes; /* so far */
};

static void *wish_often(void *argument) {
    struct wishing *w = argument;
    if (!goalloc_thread_attach())
        abort(); /* who waits for its wishes would wait for ever */
    uint32_t lost = 0;
    while (__atomic_load_n(&w->stops, __ATOMIC_ACQUIRE) < WISHES) {
        cache_hold(cache_self);
        cache_want_gc(cache_self);
        __atomic_fetch_add(&w->wishes, 1, __ATOMIC_RELEASE); /* the next stop is asked for from here on */
        lost += (own_word() & CACHE_WANTS_GC) == 0;
        cache_unhold(cache_self);
        lost += (own_word() & CACHE_WANTS_GC) == 0;
        goalloc_safepoint();
        lost += (own_word() & CACHE_WANTS_GC) != 0;
    }
    goalloc_thread_detach();
    return (void *)(uintptr_t)lost;
}

/* Others ask for a stop while the thread wishes: each stop comes about, and each wish is there until it is fulfilled. */
static void test_wishes_and_stops_do_not_undo_each_other(void **state) {
    (void)state;
    pthread_t thread;
    struct wishing w = {0, 0};
    void *lost;
    assert_int_equal(pthread_create(&thread, NULL, wish_often, &w), 0);
    for (uint32_t i = 0, wishes = 0; i < WISHES; i++) {
        while (__atomic_load_n(&w.wishes, __ATOMIC_ACQUIRE) == wishes)
            sched_yield();
        wishes = __atomic_load_n(&w.wishes, __ATOMIC_ACQUIRE);
        world_stop(gc_self);
        world_start();
        __atomic_fetch_add(&w.stops, 1, __ATOMIC_RELEASE);
    }
    pthread_join(thread, &lost);
    if (lost != NULL)
        fail_msg("%lu of a thread's wishes were lost or stayed behind", (unsigned long)(uintptr_t)lost);
}

/* ---- threads that hold all signals back, and wait for libc: for what a thread may hold that has been stopped */

struct sleeping {
    FILE *stream;
    int tid; /* atomic; 0: not there yet */
    int child_status;
};

static void say_who_sleeps(struct sleeping *s) {
    __atomic_store_n(&s->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

/* signals: as the thread sleeps, it holds back at least these. */
static void await_sleep(const struct sleeping *s, uint64_t signals) {
    int tid;
    while ((tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE)) == 0)
        sched_yield();
    uint64_t blocked = 0;
    char state = '\0';
    do {
        sched_yield();
        assert_true(os_thread_status(tid, &blocked, &state));
    } while (state != 'S' || (blocked & signals) != signals);
}

static void *flush_all(void *sleeping) {
    say_who_sleeps(sleeping);
    fflush(NULL); /* holds the list of streams while it waits for one of them */
    return NULL;
}

static void *fork_attached(void *sleeping) {
    struct sleeping *s = sleeping;
    if (!goalloc_thread_attach())
        return NULL;
    say_who_sleeps(s);
    pid_t child = fork();
    if (child == 0)
        _exit(goalloc_bytes(100, true) == NULL);
    if (child < 0 || waitpid(child, &s->child_status, 0) != child)
        s->child_status = -1;
    goalloc_thread_detach();
    return NULL;
}

/* One that forks waits for the list of streams, another one for the first; who holds the list may have been stopped. */
static void test_who_waits_to_fork_has_stopped(void **state) {
    (void)state;
    struct sleeping sleeping[3] = {{.stream = tmpfile()}};
    pthread_t threads[3];
    assert_non_null(sleeping[0].stream);
    flockfile(sleeping[0].stream);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i == 0 ? flush_all : fork_attached, &sleeping[i]), 0);
        await_sleep(&sleeping[i], i == 0 ? 0 : UINT64_C(1) << (WORLD_SIGNAL - 1));
    }
    world_stop(gc_self);
    assert_int_equal(world.arrived, 0);
    world_start();
    goalloc_collect();
    funlockfile(sleeping[0].stream);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sleeping[i].child_status, 0);
    }
    fclose(sleeping[0].stream);
}

static enum { AT_ONCE, ON_DEMAND, BEING_MADE, DEMANDED } making; /* atomic */

static int make_thread_meanwhile(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg) {
    if (__atomic_load_n(&making, __ATOMIC_ACQUIRE) == ON_DEMAND)
        __atomic_store_n(&making, BEING_MADE, __ATOMIC_RELEASE);
    while (__atomic_load_n(&making, __ATOMIC_ACQUIRE) == BEING_MADE)
        sched_yield();
    return (pthread_create)(thread, attributes, run, arg);
}

static void *ends_at_once(void *unused) {
    return unused;
}

static void *make_one_of_the_collectors(void *made) {
    if (!goalloc_thread_attach())
        return NULL;
    __atomic_store_n(&making, ON_DEMAND, __ATOMIC_RELEASE);
    *(bool *)made = world_thread_start(ends_at_once, NULL);
    goalloc_thread_detach();
    return NULL;
}

static void test_who_makes_a_thread_has_stopped(void **state) {
    (void)state;
    bool made = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_one_of_the_collectors, &made), 0);
    while (__atomic_load_n(&making, __ATOMIC_ACQUIRE) != BEING_MADE)
        sched_yield();
    world_stop(gc_self);
    assert_int_equal(world.arrived, 0);
    world_start();
    __atomic_store_n(&making, DEMANDED, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(made);
}

/* ---- threads that are blocked outside */

static void *block_outside(void *begun_and_ended) {
    uint32_t *progress = begun_and_ended;
    if (!goalloc_thread_attach())
        return NULL;
    goalloc_blocked_enter();
    goalloc_blocked_enter();
    __atomic_store_n(progress, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(progress, __ATOMIC_ACQUIRE) == 1)
        sched_yield();
    goalloc_blocked_leave();
    __atomic_store_n(progress, 3, __ATOMIC_RELEASE);
    goalloc_blocked_leave();
    __atomic_store_n(progress, 4, __ATOMIC_RELEASE);
    goalloc_thread_detach();
    return NULL;
}

/* Nobody asks it to stop; the inner bracket's end changes nothing, and the outer's waits for the world. */
static void test_who_is_blocked_has_stopped(void **state) {
    (void)state;
    pthread_t thread;
    uint32_t progress = 0;
    assert_int_equal(pthread_create(&thread, NULL, block_outside, &progress), 0);
    while (__atomic_load_n(&progress, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    world_stop(gc_self);
    assert_int_equal(world.arrived, 0);
    __atomic_store_n(&progress, 2, __ATOMIC_RELEASE);
    while (__atomic_load_n(&world.sleepers, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
    assert_int_equal(__atomic_load_n(&progress, __ATOMIC_ACQUIRE), 3);
    world_start();
    pthread_join(thread, NULL);
    assert_int_equal(progress, 4);
    assert_int_equal(world.sleepers, 0);
}

/* ---- threads that do not stop: the reason is looked for */

static uint32_t never_stops;

static void *run_on(void *blocks) {
    if (!goalloc_thread_attach())
        return NULL;
    if (blocks != NULL) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGURG);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    }
    __atomic_store_n(&never_stops, 1, __ATOMIC_RELEASE);
    for (;;)
        continue;
}

static void wait_for_one_that_runs_on(void *blocks) {
    pthread_t thread;
    world_patience_ns = UINT64_C(1000000000); /* a minute is more than a test has */
    if (pthread_create(&thread, NULL, run_on, blocks) != 0)
        return;
    while (__atomic_load_n(&never_stops, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    world_stop(gc_self);
}

static void signal_is_blocked(void) {
    wait_for_one_that_runs_on(&never_stops);
}

static void signal_is_ignored(void) {
    signal(SIGURG, SIG_IGN);
    wait_for_one_that_runs_on(NULL);
}

static void signal_is_reset(void) {
    signal(SIGURG, SIG_DFL);
    wait_for_one_that_runs_on(NULL);
}

static void do_nothing(int number) {
    (void)number;
}

static void signal_is_replaced(void) {
    signal(SIGURG, do_nothing);
    wait_for_one_that_runs_on(NULL);
}

static void test_the_reason_for_waiting_is_told(void **state) {
    (void)state;
    if (OS_THREAD_SANITIZER)
        skip(); /* it holds all signals back */
    static const struct dying dyings[] = {
        {signal_is_blocked, "in 1 s: it blocks SIGURG"},
        {signal_is_ignored, "the program ignores SIGURG"},
        {signal_is_reset, "has reset SIGURG"},
        {signal_is_replaced, "has replaced the handler of SIGURG"},
    };
    expect_deaths(dyings, sizeof dyings / sizeof dyings[0]);
}

/* ---- large blocks: a stop waits for no more than a piece of the work on them */

enum { PIECE_BYTES = 256 << 10 /* Go's, malloc.go:1655 */, PIECES = 6, BLOCK_BYTES = PIECES * PIECE_BYTES };
static const struct goalloc_type word_type = {8, 1, NULL}, bytes_type = {8, 0, NULL};

static __thread bool in_pieces; /* what this thread does is looked at */
static size_t longest_bytes, done_bytes;
static uint32_t *piece_begun, *piece_allowed; /* NULL: nobody waits for another */

static void note_piece(const void *at, size_t size_bytes) {
    (void)at;
    if (!in_pieces || size_bytes <= GCBITS_ARENA_BYTES) /* the largest of other pieces: bitmaps */
        return;
    longest_bytes = size_bytes > longest_bytes ? size_bytes : longest_bytes;
    done_bytes += size_bytes;
    if (piece_begun == NULL || size_bytes > PIECE_BYTES)
        return;
    uint32_t piece = __atomic_add_fetch(piece_begun, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(piece_allowed, __ATOMIC_ACQUIRE) < piece)
        sched_yield();
}

static void begin_to_look(void) {
    longest_bytes = done_bytes = 0;
    in_pieces = true;
}

static void expect_pieces(const char *what, size_t expected_bytes) {
    in_pieces = false;
    if (done_bytes != expected_bytes || longest_bytes > PIECE_BYTES)
        fail_msg("%s: expected %zu bytes in pieces of %d or fewer; there were %zu, and %zu at once", what,
                 expected_bytes, PIECE_BYTES, done_bytes, longest_bytes);
}

/* By a thread of its own, whose stack nobody scans later: memory that the next block of this size is made of, full of
 * pointers to an object. *hidden is its address, inverted. */
static void *leave_used_memory(void *hidden) {
    if (!goalloc_thread_attach())
        return NULL;
    void **block = goalloc_new(&word_type, BLOCK_BYTES / 8), *decoy = goalloc_new(&node_type, 1);
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++)
        goalloc_store(&block[i], decoy);
    *(uintptr_t *)hidden = ~(uintptr_t)decoy;
    goalloc_thread_detach();
    return NULL;
}

struct making {
    const struct goalloc_type *type;
    void **made;
    uint32_t begun, allowed, ready;
};

static void *make_block(void *argument) {
    struct making *m = argument;
    if (!goalloc_thread_attach())
        return NULL;
    begin_to_look();
    void *block = m->type != NULL ? goalloc_new(m->type, BLOCK_BYTES / 8) : goalloc_bytes(BLOCK_BYTES, true);
    in_pieces = false;
    goalloc_store(m->made, block);
    __atomic_store_n(&m->ready, 1, __ATOMIC_RELEASE);
    goalloc_thread_detach();
    return NULL;
}

/* The world is stopped and started, a whole cycle passes, or marking begins or ends. */
static void act_within_piece(uint32_t piece, uint32_t marking_from, uint32_t marking_to) {
    world_stop(gc_self);
    world_start();
    if (piece == marking_from)
        begin_alone();
    else if (piece == marking_to)
        end_alone();
    else if (!gc_is_marking())
        goalloc_collect();
}

/* Within each piece the block's maker can do nothing for the block, which must live on; what the memory held before
 * keeps nothing alive, and is gone in the end. */
static void stop_within_each_piece(const struct goalloc_type *type, uint32_t marking_from, uint32_t marking_to) {
    static void *made;
    uintptr_t hidden_decoy = 0;
    pthread_t thread;
    goalloc_collect();
    assert_int_equal(pthread_create(&thread, NULL, leave_used_memory, &hidden_decoy), 0);
    pthread_join(thread, NULL);
    assert_int_equal(goalloc_root_add(&made, 1), 0);
    gc_settings.stop_the_world = 2; /* all is swept, too */
    struct making m = {.type = type, .made = &made};
    piece_begun = &m.begun;
    piece_allowed = &m.allowed;
    goalloc_collect();
    if (marking_from == 0 && marking_to != 0)
        begin_alone(); /* it is born black */
    assert_int_equal(pthread_create(&thread, NULL, make_block, &m), 0);
    for (uint32_t piece = 1; piece <= PIECES; piece++) {
        while (__atomic_load_n(&m.begun, __ATOMIC_ACQUIRE) < piece && !__atomic_load_n(&m.ready, __ATOMIC_ACQUIRE))
            sched_yield();
        if (__atomic_load_n(&m.ready, __ATOMIC_ACQUIRE))
            break;
        act_within_piece(piece, marking_from, marking_to);
        __atomic_store_n(&m.allowed, piece, __ATOMIC_RELEASE);
    }
    pthread_join(thread, NULL);
    piece_begun = piece_allowed = NULL;
    gc_settings.stop_the_world = 1;
    expect_pieces("a new block", BLOCK_BYTES);
    assert_int_equal(m.begun, PIECES);
    struct goalloc_object o;
    assert_true(goalloc_object_of(made, &o));
    assert_ptr_equal(o.base, made);
    assert_int_equal(o.size_bytes, BLOCK_BYTES);
    assert_false(goalloc_object_of((void *)~hidden_decoy, &o));
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++)
        assert_null(((void **)made)[i]);
    goalloc_root_remove(&made);
    made = NULL;
}

static void test_zeroing_holds_no_stop_up(void **state) {
    (void)state;
    const struct goalloc_type *const types[] = {&word_type, NULL};
    for (size_t i = 0; i < 2; i++) {
        stop_within_each_piece(types[i], 0, 0);
        stop_within_each_piece(types[i], 0, 3);
        stop_within_each_piece(types[i], 2, 4);
    }
}

/* Outside the allocator a signal stops them anywhere; where signals wait, polls between pieces do. */
static void test_moves_and_clears_come_in_pieces(void **state) {
    (void)state;
    enum { ODD_BYTES = BLOCK_BYTES - 4096 - 8 };
    char *bytes = goalloc_bytes(BLOCK_BYTES, true);
    void **words = goalloc_new(&word_type, BLOCK_BYTES / 8);
    assert_non_null(bytes);
    assert_non_null(words);
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++) {
        ((uint64_t *)bytes)[i] = i;
        goalloc_store(&words[i], (void *)(i + 1)); /* no pointers: below GC_LEAST_ADDRESS or outside the heap */
    }
    begin_to_look();
    goalloc_move(bytes + 4096, bytes, &bytes_type, ODD_BYTES / 8); /* upwards, over itself */
    expect_pieces("a move upwards", ODD_BYTES);
    begin_to_look();
    goalloc_move(bytes, bytes + 4096 + 8, &bytes_type, (ODD_BYTES - 8) / 8); /* and downwards, by a word more */
    expect_pieces("a move downwards", ODD_BYTES - 8);
    goalloc_move(words + 512, words, &word_type, ODD_BYTES / 8);
    goalloc_move(words, words + 512 + 1, &word_type, (ODD_BYTES - 8) / 8);
    for (size_t i = 0; i < (ODD_BYTES - 8) / 8; i++) {
        assert_int_equal(((uint64_t *)bytes)[i], i + 1);
        assert_int_equal((uintptr_t)words[i], i + 2);
    }
    begin_to_look();
    goalloc_clear(bytes, &bytes_type, ODD_BYTES / 8);
    expect_pieces("a clear", ODD_BYTES);
    goalloc_clear(words, &word_type, ODD_BYTES / 8);
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++) {
        assert_int_equal(((uint64_t *)bytes)[i] == 0, i < ODD_BYTES / 8);
        assert_int_equal(words[i] == NULL, i < ODD_BYTES / 8);
    }
    goalloc_clear(bytes, &bytes_type, 0);
    goalloc_move(bytes, bytes, &bytes_type, 0);
}

int main(void) {
    if (!goalloc_thread_attach())
        return 1;
    world_patience_ns = UINT64_C(20000000000); /* what must not be waited for is waited for in vain */
    gc_settings.stop_the_world = 1; /* no cycle makes threads, which would mark when a test does not expect it */
    scavenger.made = true; /* nor one that gives back what a block is to be made of: it would need no zeroing */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_has_stopped),
        cmocka_unit_test(test_a_wish_is_no_stop),
        cmocka_unit_test(test_a_wish_and_a_block_keep_out_of_each_others_way),
        cmocka_unit_test(test_wishes_and_stops_do_not_undo_each_other),
        cmocka_unit_test(test_who_waits_to_fork_has_stopped),
        cmocka_unit_test(test_who_makes_a_thread_has_stopped),
        cmocka_unit_test(test_who_is_blocked_has_stopped),
        cmocka_unit_test(test_the_reason_for_waiting_is_told),
        cmocka_unit_test(test_zeroing_holds_no_stop_up),
        cmocka_unit_test(test_moves_and_clears_come_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
