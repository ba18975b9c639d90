/* SPDX-License-Identifier: MIT
 *
 * threads: objects that change hands, threads that end, keys whose destructors allocate. cmocka's asserts work on the
 * main thread only: threads count what went wrong.
 */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { OBJECTS = 20000 };
static unsigned char *shared[OBJECTS];
static atomic_int wrong;

static size_t size_of(size_t i) {
    return i % 1000 == 0 ? 40000 + i * 7 : i % 50 == 0 ? 1000 + i % 7000 : 1 + i % 300;
}

static void start(pthread_t *thread, void *(*run)(void *), void *argument) {
    int error = pthread_create(thread, NULL, run, argument);
    if (error != 0)
        fail_msg("pthread_create: %s", strerror(error));
}

static void *fill_shared(void *unused) {
    for (size_t i = 0; i < OBJECTS; i++) {
        shared[i] = get(size_of(i));
        pattern_fill(shared[i], size_of(i), i);
    }
    return unused;
}

static void *free_shared(void *unused) {
    for (size_t i = 0; i < OBJECTS; i++) {
        if (!pattern_holds(shared[i], size_of(i), i))
            atomic_fetch_add(&wrong, 1);
        free(shared[i]);
    }
    return unused;
}

static void in_thread(void *(*run)(void *)) {
    pthread_t thread;
    start(&thread, run, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Allocated by a thread that is gone, freed by main and by other threads, whose slots must serve again. */
CASE(objects_outlive_their_thread) {
    atomic_store(&wrong, 0);
    for (int round = 0; round < 4; round++) {
        in_thread(fill_shared);
        if (round % 2)
            in_thread(free_shared);
        else
            free_shared(NULL);
        fill_shared(NULL);
        in_thread(free_shared);
    }
    assert_int_equal(atomic_load(&wrong), 0);
}

static _Atomic(unsigned char *) mailbox[256];
static atomic_bool producer_done;

static void *consume(void *unused) {
    size_t slot = 0;
    for (;;) {
        bool last = atomic_load(&producer_done);
        bool found = false;
        for (size_t i = 0; i < 256; i++) {
            slot = (slot + 1) % 256;
            unsigned char *p = atomic_exchange(&mailbox[slot], NULL);
            if (p == NULL)
                continue;
            found = true;
            size_t size = 8 + p[0];
            if (p[0] % 3 == 0) /* realloc by a thread that does not own it */
                p = opaque(realloc(p, size * 2));
            if (p == NULL || !pattern_holds(p + 1, size - 1, size))
                atomic_fetch_add(&wrong, 1);
            free(p);
        }
        if (!found && last)
            return unused;
        if (!found)
            sched_yield();
    }
}

/* The owner goes on allocating from the spans into which others free. */
CASE(frees_race_with_the_owner) {
    atomic_store(&wrong, 0);
    atomic_store(&producer_done, false);
    pthread_t consumers[2];
    for (int i = 0; i < 2; i++)
        start(&consumers[i], consume, NULL);
    for (size_t i = 0; i < 300000; i++) {
        size_t size = 8 + i % 256;
        unsigned char *p = get(size);
        assert_non_null(p);
        p[0] = (unsigned char)(size - 8);
        pattern_fill(p + 1, size - 1, size);
        free(atomic_exchange(&mailbox[i * 7 % 256], p));
    }
    atomic_store(&producer_done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(consumers[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

static pthread_key_t keys[3];
static atomic_int destructors_run;

/* Runs after main's last look at the thread, again and again: each call leaves a new object for the next one. */
static void use_heap_at_exit(void *value) {
    unsigned char *p = value;
    unsigned round = p[0];
    if (!pattern_holds(p + 1, 99, round))
        atomic_fetch_add(&wrong, 1);
    free(p);
    for (size_t size = 1; size < 3000; size = size * 2 + 1) {
        unsigned char *q = opaque(calloc(1, size));
        if (q == NULL || !all_zero(q, size))
            atomic_fetch_add(&wrong, 1);
        q = opaque(realloc(q, size * 3));
        free(q);
    }
    atomic_fetch_add(&destructors_run, 1);
    if (round + 1 >= 4)
        return;
    p = get(100);
    p[0] = (unsigned char)(round + 1);
    pattern_fill(p + 1, 99, round + 1);
    for (int i = 0; i < 3; i++)
        if (pthread_getspecific(keys[i]) == NULL) {
            pthread_setspecific(keys[i], p);
            return;
        }
    free(p);
}

static void *leave_key_values(void *unused) {
    for (int i = 0; i < 3; i++) {
        unsigned char *p = get(100);
        p[0] = 0;
        pattern_fill(p + 1, 99, 0);
        pthread_setspecific(keys[i], p);
    }
    return unused;
}

CASE(key_destructors_allocate_and_free) {
    atomic_store(&wrong, 0);
    atomic_store(&destructors_run, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_key_create(&keys[i], use_heap_at_exit), 0);
    for (int i = 0; i < 50; i++)
        in_thread(leave_key_values);
    for (int i = 0; i < 3; i++)
        pthread_key_delete(keys[i]);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&destructors_run) >= 150);
}

static void *short_life(void *argument) {
    unsigned char *objects[40];
    for (size_t i = 0; i < 40; i++) {
        objects[i] = get(i * i * 4 + 1);
        memset(objects[i], (int)i, i * i * 4 + 1);
    }
    for (size_t i = 1; i < 40; i++)
        free(objects[i]);
    *(void **)argument = objects[0]; /* one object outlives each thread */
    return NULL;
}

/* What a thread cached must serve again after it, or a server with short threads grows without end. */
CASE(a_thousand_short_threads) {
    static void *left[1000];
    size_t before = 0;
    for (size_t i = 0; i < 1000; i++) {
        if (i == 200)
            before = resident_bytes();
        pthread_t thread;
        start(&thread, short_life, &left[i]);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    size_t after = resident_bytes();
    for (size_t i = 0; i < 1000; i++)
        free(left[i]);
    rule("thread-leak", after < before + 32 * MIB, "800 more threads grew it from %zu to %zu bytes resident", before,
         after);
}

static pthread_barrier_t all_here;

static void *live_together(void *argument) {
    size_t tag = (size_t)argument;
    unsigned char *objects[200];
    pthread_barrier_wait(&all_here);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 200; i++) {
            objects[i] = get(1 + i * 5);
            pattern_fill(objects[i], 1 + i * 5, tag + i);
        }
        for (size_t i = 0; i < 200; i++) {
            if (!pattern_holds(objects[i], 1 + i * 5, tag + i))
                atomic_fetch_add(&wrong, 1);
            free(objects[i]);
        }
    }
    return NULL;
}

CASE(a_hundred_threads_at_once) {
    enum { COUNT = 100 };
    pthread_t threads[COUNT];
    atomic_store(&wrong, 0);
    pthread_barrier_init(&all_here, NULL, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        start(&threads[i], live_together, (void *)(i * 1000));
    for (size_t i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_here);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* The first requests of a process may come from many threads at once: run in a fresh process. */
CHILD(first_calls_race) {
    pthread_t threads[16];
    pthread_barrier_init(&all_here, NULL, 16);
    for (size_t i = 0; i < 16; i++)
        if (pthread_create(&threads[i], NULL, live_together, (void *)(i * 1000)) != 0)
            return 1;
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&wrong) != 0;
}

CASE(first_calls_of_many_threads_race) {
    char output[64];
    for (int i = 0; i < 10; i++)
        assert_int_equal(run_child("first_calls_race", output, sizeof output), 0);
}
