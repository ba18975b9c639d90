/* SPDX-License-Identifier: MIT
 *
 * collect.c: random object graphs against a shadow of them, mutated by several threads while the collector runs.
 * Nothing reachable may be lost: every node carries its number, and dead memory is poisoned (GODEBUG=clobberfree=1).
 * Everything unreachable must go: what survives two collections must be held by a word on a stack, which is named.
 *
 *   collect [--threads=N] [--operations=N] [--seed=N]
 */
#include "goalloc.h"
#include "wipe.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ThreadSanitizer holds signals back, also in a read; and it forbids threads in the child of a threaded process. */
#if defined(__SANITIZE_THREAD__)
enum { STOPS_BY_SIGNAL = 0 };
#else
enum { STOPS_BY_SIGNAL = 1 };
#endif

enum { ROOTS = 48, WALK = 12, SHARED = 16, LOOSE = 20000, STACK_BYTES = 64 << 10, PATIENCE_S = 600 };

struct node {
    uint64_t id, check;
    struct node *child[2];
};

/* ---- types: every path that an object with pointers can take, from a small slot to several oblets */

static const size_t sizes[] = {32, 48, 64, 208, 512, 600, 5000, 33000, 300000};
enum { KINDS = sizeof sizes / sizeof sizes[0], LONG_WORDS = 300000 / 512 + 1 };
static uint64_t long_masks[LONG_WORDS] = {12}; /* words 2 and 3 of the first 64 */
static struct goalloc_type types[KINDS];

static void make_types(void) {
    for (unsigned i = 0; i < KINDS; i++)
        types[i] = (struct goalloc_type){sizes[i], 12, sizes[i] > 512 ? long_masks : NULL};
}

/* ---- failing */

static uint64_t seed = 1, operations = 30000;
static unsigned threads = 1;

__attribute__((format(printf, 1, 2))) _Noreturn static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "FAILED: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (repeat with --threads=%u --operations=%llu --seed=%llu)\n", threads,
            (unsigned long long)operations, (unsigned long long)seed);
    va_end(args);
    _exit(1);
}

/* ---- one thread's graph, and its shadow in memory that the collector does not know */

struct shadow {
    int64_t child[2]; /* ids; -1: none */
    uint8_t kind;
};

struct mutator {
    uint64_t random, number;
    struct node **roots; /* registered */
    int64_t root_ids[ROOTS];
    struct shadow *shadow;
    int64_t made;
};

static uint64_t draw(struct mutator *m, uint64_t below) {
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % below;
}

static uint64_t check_of(const struct mutator *m, uint64_t id) {
    return (id + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ m->number;
}

static void expect_node(const struct mutator *m, const struct node *node, int64_t id) {
    if (id < 0) {
        if (node != NULL)
            fail("thread %llu: a pointer that should be NULL is %p", (unsigned long long)m->number, (const void *)node);
        return;
    }
    if (node == NULL || node->id != (uint64_t)id || node->check != check_of(m, (uint64_t)id))
        fail("thread %llu: node %lld at %p reads id %llx, check %llx: it was freed while reachable",
             (unsigned long long)m->number, (long long)id, (const void *)node,
             node != NULL ? (unsigned long long)node->id : 0, node != NULL ? (unsigned long long)node->check : 0);
}

/* Second children are known by pointers into them: any of their first four words. */
static size_t inside_bytes(unsigned k, int64_t id) {
    return k == 1 ? (size_t)id % 4 * 8 : 0;
}

static void link_child(struct node *from, unsigned k, struct node *to, int64_t to_id) {
    goalloc_store(&from->child[k], to != NULL ? (struct node *)((char *)to + inside_bytes(k, to_id)) : NULL);
}

static struct node *child_of(const struct node *node, unsigned k, int64_t child_id) {
    struct node *child = node->child[k];
    return child != NULL ? (struct node *)((char *)child - inside_bytes(k, child_id)) : NULL;
}

static struct node *make_node(struct mutator *m, unsigned kind, int64_t id) {
    struct node *node = goalloc_new(&types[kind], 1);
    if (node == NULL)
        fail("out of memory");
    const unsigned char *bytes = (const unsigned char *)node;
    for (size_t i = 0; i < sizes[kind]; i += 56)
        if (bytes[i] != 0)
            fail("a fresh object of %zu bytes is not zero at %zu", sizes[kind], i);
    node->id = (uint64_t)id;
    node->check = check_of(m, (uint64_t)id);
    memset((char *)node + sizeof *node, 0x55, sizes[kind] - sizeof *node);
    return node;
}

static void add(struct mutator *m) {
    unsigned kind = draw(m, 64) == 0 ? KINDS - 1 - (unsigned)draw(m, 2) : (unsigned)draw(m, KINDS - 2);
    int64_t id = m->made++;
    unsigned at = (unsigned)draw(m, ROOTS), from[2] = {(unsigned)draw(m, ROOTS), (unsigned)draw(m, ROOTS)};
    struct node *node = make_node(m, kind, id);
    m->shadow[id].kind = (uint8_t)kind;
    for (unsigned k = 0; k < 2; k++) {
        link_child(node, k, m->roots[from[k]], m->root_ids[from[k]]);
        m->shadow[id].child[k] = m->root_ids[from[k]];
    }
    goalloc_store(&m->roots[at], node);
    m->root_ids[at] = id;
}

/* A node some steps from a root, and its id; NULL where the walk ends. */
static struct node *walk(struct mutator *m, int64_t *id) {
    unsigned at = (unsigned)draw(m, ROOTS);
    struct node *node = m->roots[at];
    *id = m->root_ids[at];
    expect_node(m, node, *id);
    for (uint64_t steps = draw(m, WALK); node != NULL && steps > 0; steps--) {
        unsigned k = (unsigned)draw(m, 2);
        struct node *next = child_of(node, k, m->shadow[*id].child[k]);
        expect_node(m, next, m->shadow[*id].child[k]);
        if (next == NULL)
            break;
        *id = m->shadow[*id].child[k];
        node = next;
    }
    return node;
}

static void relink(struct mutator *m) {
    int64_t from_id, to_id;
    struct node *from = walk(m, &from_id), *to = walk(m, &to_id);
    if (from == NULL)
        return;
    unsigned k = (unsigned)draw(m, 2);
    link_child(from, k, to, to_id);
    m->shadow[from_id].child[k] = to != NULL ? to_id : -1;
}

/* Moves a node's children by a typed copy of the node into a fresh one. */
static void copy(struct mutator *m) {
    int64_t id;
    struct node *node = walk(m, &id);
    if (node == NULL)
        return;
    unsigned kind = m->shadow[id].kind, at = (unsigned)draw(m, ROOTS);
    struct node *fresh = goalloc_new(&types[kind], 1);
    if (fresh == NULL)
        fail("out of memory");
    goalloc_move(fresh, node, &types[kind], 1);
    goalloc_store(&m->roots[at], fresh);
    m->root_ids[at] = id; /* both carry the number; the children agree until one of them changes, so change none */
    goalloc_store(&m->roots[at], node);
}

static void drop(struct mutator *m) {
    unsigned at = (unsigned)draw(m, ROOTS);
    goalloc_store(&m->roots[at], NULL);
    m->root_ids[at] = -1;
}

static void verify_all(struct mutator *m) {
    unsigned char *seen = calloc(1, (size_t)m->made);
    struct node **stack = malloc(((size_t)m->made * 2 + ROOTS) * sizeof *stack);
    int64_t *ids = malloc(((size_t)m->made * 2 + ROOTS) * sizeof *ids);
    size_t depth = 0;
    for (unsigned i = 0; i < ROOTS; i++) {
        expect_node(m, m->roots[i], m->root_ids[i]);
        stack[depth] = m->roots[i];
        ids[depth++] = m->root_ids[i];
    }
    while (depth > 0) {
        struct node *node = stack[--depth];
        int64_t id = ids[depth];
        if (id < 0 || seen[id])
            continue;
        seen[id] = 1;
        for (unsigned k = 0; k < 2; k++) {
            stack[depth] = child_of(node, k, m->shadow[id].child[k]);
            expect_node(m, stack[depth], m->shadow[id].child[k]);
            ids[depth++] = m->shadow[id].child[k];
        }
    }
    free(seen), free(stack), free(ids);
}

/* ---- graphs that change hands: a list whose length and sum its head tells */

static struct {
    pthread_mutex_t lock;
    struct node *slots[SHARED];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct node *make_list(struct mutator *m) {
    struct node *head = NULL;
    uint64_t length = 1 + draw(m, 40), sum = 0;
    for (uint64_t i = 0; i < length; i++) {
        struct node *node = goalloc_new(&types[draw(m, 4)], 1);
        if (node == NULL)
            fail("out of memory");
        node->id = draw(m, 1000);
        sum += node->id;
        node->check = sum << 16 | (i + 1);
        goalloc_store(&node->child[0], head);
        head = node;
    }
    return head;
}

static void expect_list(const struct node *head) {
    uint64_t length = 0, sum = 0, told = head != NULL ? head->check : 0;
    for (; head != NULL; head = head->child[0]) {
        sum += head->id;
        length++;
    }
    if (told != (sum << 16 | length))
        fail("a list from another thread lost a node: %llu nodes of sum %llu, and it told %llx",
             (unsigned long long)length, (unsigned long long)sum, (unsigned long long)told);
}

static void exchange(struct mutator *m) {
    struct node *mine = make_list(m), *theirs;
    unsigned at = (unsigned)draw(m, SHARED);
    /* Whoever holds it may be stopped, and ThreadSanitizer builds stop a thread that waits here only if it polls. */
    while (pthread_mutex_trylock(&shared.lock) != 0)
        goalloc_safepoint();
    theirs = shared.slots[at];
    goalloc_store(&shared.slots[at], mine);
    pthread_mutex_unlock(&shared.lock);
    expect_list(theirs);
}

/* ---- a mutator's life */

static void *mutate(void *arg) {
    struct mutator *m = arg;
    if (!goalloc_thread_attach())
        fail("a thread cannot attach");
    for (unsigned i = 0; i < ROOTS; i++)
        m->root_ids[i] = -1;
    m->roots = calloc(ROOTS, sizeof *m->roots);
    m->shadow = malloc(operations * sizeof *m->shadow);
    if (goalloc_root_add(m->roots, ROOTS) != 0)
        fail("no memory for roots");
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t what = draw(m, 100);
        if (what < 50)
            add(m);
        else if (what < 80)
            relink(m);
        else if (what < 88)
            exchange(m);
        else if (what < 92)
            copy(m);
        else if (what < 99)
            drop(m);
        else
            goalloc_bytes(draw(m, 3000) + 1, false);
        if (draw(m, 5000) == 0)
            goalloc_collect();
        if (draw(m, 20000) == 0)
            verify_all(m);
    }
    verify_all(m);
    goalloc_root_remove(m->roots);
    free(m->roots), free(m->shadow);
    goalloc_thread_detach();
    return NULL;
}

static void run_mutators(void) {
    pthread_t ids[16];
    struct mutator m[16];
    memset(m, 0, sizeof m);
    for (unsigned i = 0; i < threads; i++) {
        m[i].number = i;
        m[i].random = seed * UINT64_C(0x2545f4914f6cdd1d) + i + 1;
        if (pthread_create(&ids[i], NULL, mutate, &m[i]) != 0)
            fail("cannot start a thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

/* ---- what is unreachable goes */

static uintptr_t hidden[LOOSE];

__attribute__((noinline)) static void make_loose(void) {
    for (unsigned i = 0; i < LOOSE; i++)
        hidden[i] = ~(uintptr_t)goalloc_new(&types[i % 5], 1);
}

__attribute__((noinline)) static void scrub_stack(void) {
    wipe_below(STACK_BYTES);
}

/* The word between this frame, as deep as the collections went, and the stack's top that points into the object, or one
 * past its end (GOALLOC_PAST_END). */
__attribute__((noinline, no_sanitize("address"))) static const uintptr_t *holder_of(const struct goalloc_object *object,
                                                                                    uintptr_t top) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    for (const uintptr_t *at = (const uintptr_t *)(here - STACK_BYTES / 2); (uintptr_t)at < top; at++)
        if (*at >= (uintptr_t)object->base && *at <= (uintptr_t)object->base + object->size_bytes)
            return at;
    return NULL;
}

static void expect_loose_freed(uintptr_t top) {
    make_loose();
    scrub_stack();
    goalloc_collect();
    scrub_stack();
    goalloc_collect();
    unsigned kept = 0, unexplained = 0;
    for (unsigned i = 0; i < LOOSE; i++) {
        struct goalloc_object object;
        if (!goalloc_object_of((void *)~hidden[i], &object))
            continue;
        kept++;
        const uintptr_t *holder = holder_of(&object, top);
        if (holder != NULL)
            printf("kept: the object at %p, by the stack word at %p\n", object.base, (const void *)holder);
        else
            unexplained++;
    }
    if (unexplained > 4 || kept > LOOSE / 100)
        fail("%u of %u unreachable objects outlived two collections, %u of them held by no stack word", kept, LOOSE,
             unexplained);
}

/* With nobody else allocating nothing is under way once a collection has returned, whoever of the collector's threads
 * ended it. */
static void expect_whole_collections(void) {
    for (unsigned i = 0; i < 300; i++) {
        goalloc_collect();
        if (__atomic_load_n(&goalloc_marking, __ATOMIC_RELAXED) != 0)
            fail("collection %u returned while marking", i);
    }
}

/* ---- threads that do not cooperate: one loops without a call, one sleeps in the kernel; both hold an object */

static _Atomic int spinning, spin_stop;

static void *spin(void *arg) {
    (void)arg;
    goalloc_thread_attach();
    struct node *volatile held = goalloc_new(&types[0], 1);
    held->id = 77;
    spinning = 1;
    while (!spin_stop)
        goalloc_safepoint(); /* ThreadSanitizer builds stop here only; elsewhere it is a load and a test */
    if (held->id != 77)
        fail("an object that only a looping thread's stack held was freed");
    goalloc_thread_detach();
    return NULL;
}

static int sleep_pipe[2];

static void *sleep_in_kernel(void *arg) {
    (void)arg;
    goalloc_thread_attach();
    struct node *volatile held = goalloc_new(&types[1], 1);
    held->id = 78;
    char byte;
    if (read(sleep_pipe[0], &byte, 1) != 1)
        fail("the read of a stopped thread was interrupted");
    if (held->id != 78)
        fail("an object that only a sleeping thread's stack held was freed");
    goalloc_thread_detach();
    return NULL;
}

static void collect_beside_others(void) {
    pthread_t spinner, sleeper;
    if (pipe(sleep_pipe) != 0 || pthread_create(&spinner, NULL, spin, NULL) != 0 ||
        (STOPS_BY_SIGNAL && pthread_create(&sleeper, NULL, sleep_in_kernel, NULL) != 0))
        fail("cannot start a thread");
    while (!spinning)
        usleep(100);
    for (unsigned i = 0; i < 20; i++) {
        make_loose();
        goalloc_collect();
    }
    spin_stop = 1;
    if (write(sleep_pipe[1], "x", 1) != 1)
        fail("cannot write to a pipe");
    pthread_join(spinner, NULL);
    if (STOPS_BY_SIGNAL)
        pthread_join(sleeper, NULL);
}

/* ---- signals, many, and handled on a stack of their own: whose words no collector may take for the thread's */

enum { OWN_STACK_BYTES = 64 << 10, SIGNAL_COLLECTIONS = 40 };
static _Atomic unsigned handled, collected;

static void on_signal(int number) {
    (void)number;
    handled++;
    for (volatile unsigned i = 0; i < 50000; i++)
        continue;
}

static void *work_among_signals(void *arg) {
    (void)arg;
    static char own_stack[OWN_STACK_BYTES];
    stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof own_stack};
    if (sigaltstack(&stack, NULL) != 0 || !goalloc_thread_attach())
        fail("no stack for signals");
    struct node *volatile held = goalloc_new(&types[0], 1);
    held->id = 79;
    spinning = 1;
    while (!spin_stop)
        goalloc_new(&types[0], 1);
    if (held->id != 79)
        fail("an object that only the stack of a thread among signals held was freed");
    goalloc_thread_detach();
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    return NULL;
}

static void *collect_meanwhile(void *arg) {
    (void)arg;
    goalloc_thread_attach();
    for (; !spin_stop; collected++)
        goalloc_collect();
    goalloc_thread_detach();
    return NULL;
}

static void signals_beside(void) {
    pthread_t worker, collector;
    struct sigaction action = {.sa_flags = SA_ONSTACK | SA_RESTART, .sa_handler = on_signal};
    spinning = spin_stop = 0;
    collected = 0;
    if (sigaction(SIGUSR1, &action, NULL) != 0 || pthread_create(&worker, NULL, work_among_signals, NULL) != 0)
        fail("cannot start a thread");
    while (!spinning)
        usleep(100);
    if (pthread_create(&collector, NULL, collect_meanwhile, NULL) != 0)
        fail("cannot start a thread");
    /* Now and then the collector's own, unasked. */
    for (unsigned i = 0; collected < SIGNAL_COLLECTIONS; i++) {
        unsigned seen = handled;
        pthread_kill(worker, i % 8 == 7 ? SIGURG : SIGUSR1);
        for (unsigned spin = 0; spin < 100 && handled == seen; spin++)
            usleep(10);
    }
    spin_stop = 1;
    pthread_join(worker, NULL);
    pthread_join(collector, NULL);
}

/* ---- threads that come and go while others collect, each with its objects on a list that outlives it */

static void *come_and_go(void *arg) {
    goalloc_thread_attach();
    for (unsigned i = 0; i < 50; i++) {
        struct node *node = goalloc_new(&types[i % 3], 1);
        node->id = i;
        goalloc_store(&node->child[0], *(struct node **)arg);
        goalloc_store(arg, node);
    }
    goalloc_thread_detach();
    return NULL;
}

static void threads_beside(void) {
    enum { LANES = 4, GENERATIONS = 60 };
    static struct node *lists[LANES];
    pthread_t lane[LANES], collector;
    spin_stop = 0;
    if (goalloc_root_add(lists, LANES) != 0 || pthread_create(&collector, NULL, collect_meanwhile, NULL) != 0)
        fail("cannot start a thread");
    for (unsigned generation = 0; generation < GENERATIONS; generation++) {
        for (unsigned i = 0; i < LANES; i++)
            if (pthread_create(&lane[i], NULL, come_and_go, &lists[i]) != 0)
                fail("cannot start a thread");
        for (unsigned i = 0; i < LANES; i++)
            pthread_join(lane[i], NULL);
    }
    spin_stop = 1;
    pthread_join(collector, NULL);
    for (unsigned i = 0; i < LANES; i++) {
        uint64_t expected = (uint64_t)GENERATIONS * 50;
        for (const struct node *node = lists[i]; node != NULL; node = node->child[0])
            if (node->id != --expected % 50)
                fail("a thread that has left made node %llu, which reads %llu", (unsigned long long)(expected % 50),
                     (unsigned long long)node->id);
        if (expected != 0)
            fail("%llu nodes of threads that have left are gone", (unsigned long long)expected);
    }
    goalloc_root_remove(lists);
}

/* ---- fork while other threads allocate: the child has a heap in order, and a collector of its own */

static void *churn(void *arg) {
    (void)arg;
    goalloc_thread_attach();
    while (!spin_stop)
        goalloc_new(&types[2], 1);
    goalloc_thread_detach();
    return NULL;
}

static void fork_beside_others(void) {
    pthread_t other;
    spin_stop = 0;
    if (pthread_create(&other, NULL, churn, NULL) != 0)
        fail("cannot start a thread");
    for (unsigned i = 0; i < 10; i++) {
        struct node *volatile held = goalloc_new(&types[3], 1);
        held->id = i;
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE_S); /* ends a child that hangs, before ctest ends the test and leaves the child */
            char message[256];
            for (unsigned k = 0; k < 3; k++) {
                make_loose();
                goalloc_collect();
            }
            if (goalloc_check(message, sizeof message) != 0)
                fail("in a forked child: %s", message);
            _exit(held->id == i ? 0 : 1);
        }
        int status = -1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            fail("a forked child ended with status %#x", (unsigned)status);
    }
    spin_stop = 1;
    pthread_join(other, NULL);
}

/* ---- */

static void read_option(const char *option) {
    unsigned long long value;
    if (sscanf(option, "--threads=%llu", &value) == 1 && value >= 1 && value <= 16)
        threads = (unsigned)value;
    else if (sscanf(option, "--operations=%llu", &value) == 1 && value >= 1)
        operations = value;
    else if (sscanf(option, "--seed=%llu", &value) == 1)
        seed = value;
    else {
        fprintf(stderr, "collect: '%s' is not understood; --threads=1..16 --operations=N --seed=N\n", option);
        exit(2);
    }
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        read_option(argv[i]);
    make_types();
    if (!goalloc_thread_attach() || goalloc_root_add(shared.slots, SHARED) != 0)
        fail("no memory to begin with");
    run_mutators();
    char message[256];
    if (goalloc_check(message, sizeof message) != 0)
        fail("%s", message);
    expect_whole_collections();
    expect_loose_freed((uintptr_t)__builtin_frame_address(0));
    collect_beside_others();
    threads_beside();
    if (STOPS_BY_SIGNAL) {
        signals_beside();
        fork_beside_others();
    }
    if (goalloc_check(message, sizeof message) != 0)
        fail("%s", message);
    goalloc_root_remove(shared.slots);
    goalloc_thread_detach();
    puts("ok");
    return 0;
}
