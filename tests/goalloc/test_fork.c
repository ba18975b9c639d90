/* SPDX-License-Identifier: MIT
 * What a thread may hold at the moment of fork: each test forces the moment. The child has to find every lock free and
 * every list whole. */
#include "unity_manual.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cache *cache_of_holder;
static atomic_int stage; /* of the test under way */
static atomic_bool prepared;

static void reach(int n) {
    atomic_store(&stage, n);
}

static void await(int n) {
    while (atomic_load(&stage) < n)
        sched_yield();
}

static void *prepare_in_thread(void *unused) {
    fork_prepare();
    atomic_store(&prepared, true);
    fork_parent();
    return unused;
}

/* A fork that waits for something is somewhere between its first lock and its last; one that does not may be over. */
static void await_fork_under_way(void) {
    while (!atomic_load(&prepared) && pthread_mutex_trylock(&forking.lock.mutex) == 0) {
        pthread_mutex_unlock(&forking.lock.mutex);
        sched_yield();
    }
    for (int i = 0; i < 1000; i++)
        sched_yield();
}

/* Runs a fork in another thread while the caller holds something, and lets go by `release`. */
static void expect_fork_waits(void (*release)(void *), void *held) {
    pthread_t forker;
    atomic_store(&prepared, false);
    assert_int_equal(pthread_create(&forker, NULL, prepare_in_thread, NULL), 0);
    await_fork_under_way();
    bool early = atomic_load(&prepared);
    release(held);
    assert_int_equal(pthread_join(forker, NULL), 0);
    assert_false(early);
}

static void unlock_lists(void *cache) {
    cache_unlock_lists(cache);
}

static void unlock(void *lock) {
    lock_release(lock);
}

static void *attach_and_wait(void *unused) {
    goalloc_free(goalloc_malloc(100));
    cache_of_holder = cache_self;
    reach(1);
    await(2);
    return unused;
}

/* As in cache_reclaim_from_idle: the lists of another thread are being changed. */
static void a_fork_waits_for_lists(void **state) {
    (void)state;
    pthread_t owner;
    reach(0);
    goalloc_free(goalloc_malloc(100));
    assert_int_equal(pthread_create(&owner, NULL, attach_and_wait, NULL), 0);
    await(1);
    assert_int_equal(cache_try_lists(cache_of_holder, CACHE_LISTS_RECLAIMERS), CACHE_LISTS_FREE);
    expect_fork_waits(unlock_lists, cache_of_holder);
    assert_int_equal(cache_of_holder->lists_locked, CACHE_LISTS_FREE);
    cache_lock_lists(cache_self); /* the owner's way to them */
    expect_fork_waits(unlock_lists, cache_self);
    reach(2);
    pthread_join(owner, NULL);
}

static void a_fork_waits_for_every_lock(void **state) {
    (void)state;
    struct lock *const locks[] = {&init_lock,     &cache_shared_lock,  &caches.lock,
                                  &heap.lock,     heap_central_lock(0), heap_central_lock(HEAP_CENTRAL_LOCKS - 1),
                                  &spanset_lock,  &gcbits.lock,         &meta.records_lock,
                                  &meta.lock};
    goalloc_free(goalloc_malloc(100));
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        lock_acquire(locks[i]);
        expect_fork_waits(unlock, locks[i]);
        assert_int_equal(pthread_mutex_trylock(&locks[i]->mutex), 0);
        lock_release(locks[i]);
    }
}

static int child_uses_heap(void) {
    static void *objects[2000];
    for (size_t i = 0; i < 2000; i++)
        if ((objects[i] = goalloc_malloc(1 + i * 3)) == NULL)
            return 1;
    for (size_t i = 0; i < 2000; i++)
        goalloc_free(objects[i]);
    for (struct cache *c = caches.all; c != NULL; c = c->next_all)
        if (c->lists_locked != CACHE_LISTS_FREE)
            return 2;
    char message[200];
    if (goalloc_check(message, sizeof message) != 0) {
        fprintf(stderr, "the child's heap: %s\n", message);
        return 3;
    }
    return 0;
}

static void expect_child_ends_well(pid_t pid) {
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A handler forks that has found its thread, the only one, inside the allocator: the fork passes, and what was held is
 * held on, by the code that goes on in parent and child. */
static void a_fork_passes_what_its_own_thread_holds(void **state) {
    (void)state;
    if (OS_THREAD_SANITIZER)
        skip(); /* it must know of forks */
    goalloc_free(goalloc_malloc(100));
    struct lock *const locks[] = {heap_central_lock(3), &heap.lock, &meta.records_lock, &meta.lock};
    fork_prepare_as(true);
    fork_parent();
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
        lock_acquire(locks[i]);
    cache_lock_lists(cache_self);
    fork_prepare_as(true);
    pid_t pid = (pid_t)syscall(SYS_fork); /* without the handlers, which the test calls itself */
    if (pid == 0)
        fork_child();
    else
        fork_parent();
    bool held = cache_self->lists_locked == CACHE_LISTS_OWNERS;
    cache_unlock_lists(cache_self);
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        held = held && pthread_mutex_trylock(&locks[i]->mutex) != 0;
        lock_release(locks[i]);
    }
    if (pid == 0)
        _exit(held ? child_uses_heap() : 4);
    assert_true(held);
    expect_child_ends_well(pid);
    assert_int_equal(child_uses_heap(), 0);
}

/* Threads allocate, free what others made, and end; their lists change all the while. */
static _Atomic(void *) mailboxes[64];
static atomic_bool stop;

static void *exchange(void *argument) {
    uint64_t n = (uintptr_t)argument;
    for (int i = 0; i < 3000 && !atomic_load(&stop); i++) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        goalloc_free(atomic_exchange(&mailboxes[n >> 33 & 63], goalloc_malloc(1 + (n >> 50) % 3000)));
    }
    return NULL;
}

static void *exchange_again(void *argument) {
    while (!atomic_load(&stop)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, exchange, argument) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

static void children_find_whole_lists(void **state) {
    (void)state;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_again, (void *)(i + 1)), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (size_t k = 0; k < 64; k++)
                goalloc_free(atomic_exchange(&mailboxes[k], NULL));
            _exit(child_uses_heap());
        }
        expect_child_ends_well(pid);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_passes_what_its_own_thread_holds), /* first: no other thread has been there */
        cmocka_unit_test(a_fork_waits_for_lists),
        cmocka_unit_test(a_fork_waits_for_every_lock),
        cmocka_unit_test(children_find_whole_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
