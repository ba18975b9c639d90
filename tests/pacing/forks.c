/* SPDX-License-Identifier: MIT
 *
 * forks: what a fork takes beside threads that allocate, on a build that collects, and whether its children are sound.
 * Times are shown and judge nothing. forks [COUNT]: so many forks.
 */
#include "goalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ALLOCATING = 3, KEPT = 4096, DEPTH = 16, MOST_FORKS = 100000 };

struct node {
    struct node *next;
    uint64_t check;
    char payload[48];
};
static const struct goalloc_type node_type = {sizeof(struct node), 1, NULL}, slot_type = {8, 1, NULL};

static atomic_bool stop;
static struct node *shared[KEPT]; /* lists that the forking thread has made; children read and change them */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct node *push(struct node *head) {
    struct node *n = goalloc_new(&node_type, 1);
    if (n == NULL)
        return NULL;
    n->check = (uintptr_t)n ^ UINT64_C(0x5bd1e995);
    goalloc_store((void **)&n->next, head);
    return n;
}

/* Of a list of DEPTH nodes, each as it was made; false: one is not. */
static bool sound(const struct node *n) {
    unsigned length = 0;
    for (; n != NULL; n = n->next, length++)
        if (n->check != ((uintptr_t)n ^ UINT64_C(0x5bd1e995)))
            return false;
    return length == DEPTH;
}

static void renew(struct node **slot) {
    struct node *head = NULL;
    for (unsigned i = 0; i < DEPTH; i++)
        if ((head = push(head)) == NULL)
            abort();
    goalloc_store((void **)slot, head);
}

/* A list at a time lives, in a table of its own; all others die. */
static void *allocate(void *seed) {
    uint64_t n = (uintptr_t)seed;
    if (!goalloc_thread_attach())
        abort();
    struct node **own = goalloc_new(&slot_type, KEPT);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        renew(&own[n >> 40 & (KEPT - 1)]);
        if (own[n >> 20 & (KEPT - 1)] != NULL && !sound(own[n >> 20 & (KEPT - 1)]))
            abort();
    }
    goalloc_thread_detach();
    return NULL;
}

/* A thread of the heap's that is in libc most of the time, with libc's locks. */
static void *use_libc(void *unused) {
    if (!goalloc_thread_attach())
        abort();
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        char *line = NULL;
        size_t size = 0;
        FILE *file = fopen("/proc/self/status", "r");
        while (file != NULL && getline(&line, &size, file) > 0)
            free(malloc(strlen(line)));
        if (file != NULL)
            fclose(file);
        free(line);
        fflush(NULL);
        goalloc_bytes(100, false);
    }
    goalloc_thread_detach();
    return unused;
}

/* In the child: 0, or what is wrong. */
static int use_heap(void) {
    alarm(300);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < KEPT; i++) {
            if (!sound(shared[i]))
                return 1 + round;
            if (i % 2 == 0)
                renew(&shared[i]);
        }
        goalloc_collect();
    }
    char message[300];
    if (goalloc_check(message, sizeof message) == 0)
        return 0;
    fprintf(stderr, "forks: the child's heap: %s\n", message);
    return 3;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What the kernel takes, at the same moments: no handler runs. */
static uint64_t bare_fork_ns(void) {
    uint64_t begun_ns = now_ns();
    pid_t pid = (pid_t)syscall(SYS_fork);
    if (pid == 0)
        syscall(SYS_exit_group, 0);
    uint64_t took_ns = now_ns() - begun_ns;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return took_ns;
}

static void print_times(const char *what, uint64_t *times_ns, unsigned count) {
    qsort(times_ns, count, sizeof times_ns[0], compare);
    printf("%s: p50 %.3f ms, p99 %.3f ms, longest %.3f ms\n", what, (double)times_ns[count / 2] / 1e6,
           (double)times_ns[count * 99 / 100] / 1e6, (double)times_ns[count - 1] / 1e6);
}

int main(int argc, char **argv) {
    static uint64_t times_ns[MOST_FORKS], bare_ns[MOST_FORKS];
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100, marking = 0, wrong = 0;
    if (count == 0 || count > MOST_FORKS || !goalloc_thread_attach() || goalloc_root_add(shared, KEPT) != 0)
        return 2;
    for (unsigned i = 0; i < KEPT; i++)
        renew(&shared[i]);
    pthread_t threads[ALLOCATING + 1];
    for (uintptr_t i = 0; i <= ALLOCATING; i++)
        if (pthread_create(&threads[i], NULL, i < ALLOCATING ? allocate : use_libc, (void *)(i + 1)) != 0)
            return 2;
    for (unsigned i = 0; i < count; i++) {
        bool before = __atomic_load_n(&goalloc_marking, __ATOMIC_RELAXED) != 0;
        uint64_t begun_ns = now_ns();
        pid_t pid = fork();
        if (pid == 0)
            _exit(i % 10 == 0 ? use_heap() : 0);
        times_ns[i] = now_ns() - begun_ns;
        marking += before && __atomic_load_n(&goalloc_marking, __ATOMIC_RELAXED) != 0;
        int status = -1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "forks: expected that child %u ends with 0, there was wait status 0x%x\n", i,
                    (unsigned)status);
            wrong++;
        }
        bare_ns[i] = bare_fork_ns();
        if (!sound(shared[i % KEPT]))
            return 1;
        renew(&shared[i % KEPT]);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i <= ALLOCATING; i++)
        pthread_join(threads[i], NULL);
    printf("%u forks, %u of them with marking under way before and after\n", count, marking);
    print_times("fork     ", times_ns, count);
    print_times("bare fork", bare_ns, count);
    return wrong != 0;
}
