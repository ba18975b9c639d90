/* SPDX-License-Identifier: MIT
 *
 * Coroutines between threads, signal handlers with stacks of their own, stacks that grow, threads blocked outside.
 */
#include "stacks.h"

static void *resume_elsewhere(void *argument) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    coroutine_enter(argument);
    gate_open(&gate, 1);
    gate_wait(&gate, 2);
    goalloc_thread_detach();
    return NULL;
}

static void leave_twice(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    coroutine_leave(c);
    expect_all(&c->hidden, "in the thread that has resumed their coroutine");
    collect(COLLECTIONS);
    expect_all(&c->hidden, "after a collection there");
    coroutine_leave(c);
    expect_all(&c->hidden, "back in the first thread");
}

static void coroutines_migrate(void) {
    coroutine_make(&shared, leave_twice);
    coroutine_enter(&shared);
    collect(1);
    pthread_t thread = start(resume_elsewhere, &shared);
    gate_wait(&gate, 1);
    collect(COLLECTIONS); /* both threads are on their own stacks, the coroutine is suspended */
    expect_all(&shared.hidden, "after another thread has left their coroutine");
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
    collect(1);
    expect_all(&shared.hidden, "after the thread that left their coroutine has ended");
    coroutine_enter(&shared);
    EXPECT(shared.ended, "the coroutine has not ended");
    goalloc_stack_unregister(shared.stack);
}

static void hold_while_others_collect(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    gate_open(&gate, 1);
    gate_wait(&gate, 2);
    expect_all(&c->hidden, "on a coroutine that was stopped");
}

static void stopped_on_a_coroutine(void) {
    coroutine_make(&shared, hold_while_others_collect);
    pthread_t thread = start(run_stopped_coroutine, &shared);
    gate_wait(&gate, 1);
    collect(COLLECTIONS);
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
    goalloc_stack_unregister(shared.stack);
}

/* Stops meet every moment of a switch. */
static void switch_on(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) < 2)
        coroutine_leave(c);
    expect_all(&c->hidden, "on a coroutine that was switched to and from");
}

static void *switch_again_and_again(void *argument) {
    struct coroutine *c = argument;
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    EXPECT(goalloc_thread_attach(), "out of memory");
    make_all(&hidden, slots);
    while (!c->ended) {
        coroutine_enter(c);
        gate_open(&gate, 1);
        goalloc_safepoint();
    }
    expect_all(&hidden, "on the stack of a thread that has switched from and to it");
    return NULL;
}

static void switches_may_be_stopped_anywhere(void) {
    coroutine_make(&shared, switch_on);
    pthread_t thread = start(switch_again_and_again, &shared);
    gate_wait(&gate, 1);
    for (int i = 0; i < 100; i++)
        goalloc_collect();
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
    goalloc_stack_unregister(shared.stack);
}

static void *hold_on_a_given_stack(void *argument) {
    struct hidden *hidden = argument;
    void *volatile slots[OBJECTS];
    EXPECT(goalloc_thread_attach(), "out of memory");
    make_all(hidden, slots);
    gate_open(&gate, 1);
    gate_wait(&gate, 2);
    expect_all(hidden, "on a stack that the program has given the thread");
    return NULL;
}

static void given_stacks(void) {
    struct hidden *hidden = malloc(sizeof *hidden);
    pthread_attr_t attributes;
    pthread_t thread;
    char *memory = map_stack();
    EXPECT(mprotect(memory, 4096, PROT_NONE) == 0, "errno %d", errno); /* a guard within it */
    pthread_attr_init(&attributes);
    EXPECT(pthread_attr_setstack(&attributes, memory, STACK_BYTES) == 0, "the stack is refused");
    int error = pthread_create(&thread, &attributes, hold_on_a_given_stack, hidden);
    EXPECT(error == 0, "pthread_create says %d", error);
    gate_wait(&gate, 1);
    collect(COLLECTIONS);
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
    collect(COLLECTIONS);
    expect_none(hidden, "after their thread has ended");
    free(hidden);
}

/* ---- a thread ends on a coroutine */

static void end_the_thread(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    goalloc_thread_detach();
    goalloc_thread_attach();
    goalloc_thread_detach();
    gate_open(&gate, 1);
    pthread_exit(NULL);
}

static void *enter_and_end(void *argument) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    coroutine_enter(argument);
    return NULL;
}

static void threads_may_end_on_a_coroutine(void) {
    if (THREAD_SANITIZER)
        return; /* it lets no thread end on a fiber */
    coroutine_make(&shared, end_the_thread);
    pthread_t thread = start(enter_and_end, &shared);
    pthread_join(thread, NULL);
    EXPECT(gate == 1, "the coroutine has not run");
    collect(COLLECTIONS);
    expect_none(&shared.hidden, "after their thread has ended on the coroutine that held them");
    goalloc_stack_unregister(shared.stack);
}

/* ---- signal handlers on stacks of their own */

static struct hidden handlers_hidden;

static void collect_in_handler(int number) {
    (void)number;
    void *volatile slots[OBJECTS];
    make_all(&handlers_hidden, slots);
    collect(COLLECTIONS);
    expect_all(&handlers_hidden, "in a signal handler that has collected");
}

static void wait_in_handler(int number) {
    (void)number;
    void *volatile slots[OBJECTS];
    make_all(&handlers_hidden, slots);
    gate_open(&gate, 1);
    gate_wait(&gate, 2);
    expect_all(&handlers_hidden, "in a signal handler that was stopped");
}

static void handle_on(char *memory, size_t bytes, void (*handler)(int)) {
    stack_t alternate = {.ss_sp = memory, .ss_size = bytes};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    EXPECT(sigaltstack(&alternate, NULL) == 0, "errno %d", errno);
    EXPECT(sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
}

static __attribute__((noinline)) void hold_and_raise(const char *where) {
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    make_all(&hidden, slots);
    raise(SIGUSR1);
    expect_all(&hidden, where);
    slots[0] = NULL;
}

static void handlers_may_collect(void) {
    if (THREAD_SANITIZER)
        return; /* no handler is to allocate: this is no asynchronous one */
    handle_on(map_stack(), STACK_BYTES, collect_in_handler);
    hold_and_raise("where a handler on another stack has interrupted the thread");
}

/* Its stack lies on the thread's, above where the thread is interrupted. */
static void handlers_stacks_may_lie_on_the_threads(void) {
    if (THREAD_SANITIZER)
        return; /* as above */
    char memory[STACK_BYTES];
    handle_on(memory, sizeof memory, collect_in_handler);
    hold_and_raise("where a handler on the thread's own stack has interrupted it");
    stack_t off = {.ss_flags = SS_DISABLE};
    sigaltstack(&off, NULL);
}

static void *be_interrupted(void *argument) {
    (void)argument;
    EXPECT(goalloc_thread_attach(), "out of memory");
    handle_on(map_stack(), STACK_BYTES, wait_in_handler);
    hold_and_raise("where a handler that was stopped has interrupted the thread");
    return NULL;
}

static void handlers_may_be_stopped(void) {
    if (THREAD_SANITIZER)
        return; /* as above */
    pthread_t thread = start(be_interrupted, NULL);
    gate_wait(&gate, 1);
    collect(COLLECTIONS);
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
}

static void raise_on_it(struct coroutine *c) {
    (void)c;
    hold_and_raise("on a coroutine where a handler on another stack has interrupted it");
}

static void handlers_may_interrupt_coroutines(void) {
    if (THREAD_SANITIZER)
        return; /* as above */
    handle_on(map_stack(), STACK_BYTES, collect_in_handler);
    coroutine_make(&shared, raise_on_it);
    hold_own_and_enter(&shared);
    goalloc_stack_unregister(shared.stack);
}

/* ---- the first thread's stack grows past what its limit was */

static __attribute__((noinline)) void go_deep(size_t bytes, void (*there)(void)) {
    volatile char frame[4096];
    frame[0] = (char)bytes;
    if (bytes > sizeof frame)
        go_deep(bytes - sizeof frame, there);
    else
        there();
    frame[1] = frame[0];
}

static void hold_and_collect(void) {
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    make_all(&hidden, slots);
    collect(COLLECTIONS);
    expect_all(&hidden, "far down the first thread's stack");
    slots[0] = NULL;
}

static struct hidden deep_hidden;

static void hold_and_be_stopped(void) {
    void *volatile slots[OBJECTS];
    make_all(&deep_hidden, slots);
    gate_open(&gate, 1);
    while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) < 2)
        if (THREAD_SANITIZER)
            goalloc_safepoint();
    expect_all(&deep_hidden, "far down the first thread's stack, where a signal has stopped it");
    slots[0] = NULL;
}

static void *collect_when_asked(void *argument) {
    (void)argument;
    EXPECT(goalloc_thread_attach(), "out of memory");
    gate_wait(&gate, 1);
    collect(COLLECTIONS);
    gate_open(&gate, 2);
    goalloc_thread_detach();
    return NULL;
}

/* Below the caller's frame: past the limit the kernel adds no page. */
static __attribute__((noinline)) void touch_below(void) {
    volatile char below[128 << 10];
    for (size_t i = 0; i < sizeof below; i += 1024)
        below[i] = 0;
}

static void attach_under(rlim_t bytes) {
    struct rlimit limit, before;
    touch_below();
    EXPECT(getrlimit(RLIMIT_STACK, &before) == 0, "errno %d", errno);
    limit = before;
    limit.rlim_cur = bytes;
    EXPECT(setrlimit(RLIMIT_STACK, &limit) == 0, "errno %d", errno);
    EXPECT(goalloc_thread_attach(), "out of memory");
    EXPECT(setrlimit(RLIMIT_STACK, &before) == 0, "errno %d", errno);
}

static void limits_may_be_raised(void) {
    attach_under(256 << 10);
    go_deep(4 << 20, hold_and_collect);
    pthread_t thread = start(collect_when_asked, NULL);
    go_deep(5 << 20, hold_and_be_stopped);
    pthread_join(thread, NULL);
}

static void attach_and_collect(void) {
    attach_under(256 << 10);
    hold_and_collect();
}

static void limits_may_be_below_what_is_used(void) {
    go_deep(2 << 20, attach_and_collect);
}

/* ---- blocked outside */

static int pipe_ends[2];

static void poll_the_pipe(void) {
    struct pollfd ends = {.fd = pipe_ends[0], .events = POLLIN};
    gate_open(&gate, 1);
    int ready = poll(&ends, 1, -1);
    EXPECT(ready == 1, "poll returns %d, errno %d", ready, errno);
}

struct blocked_thread {
    struct hidden held, registers;
};

static void *block_outside(void *argument) {
    struct blocked_thread *b = argument;
    void *volatile slots[OBJECTS];
    EXPECT(goalloc_thread_attach(), "out of memory");
    make_all(&b->held, slots);
    forget(&b->registers);
    wipe();
    uint64_t *object = block_holding(b->registers.at[5], poll_the_pipe);
    EXPECT(object[1] == 1005, "the object holds %llu", (unsigned long long)object[1]);
    expect_all(&b->held, "after their thread was blocked outside");
    goalloc_thread_detach();
    return NULL;
}

/* No signal: poll, which SA_RESTART does not restart, goes on. */
static void blocked_threads_are_left_alone(void) {
    struct blocked_thread *b = malloc(sizeof *b);
    EXPECT(pipe(pipe_ends) == 0, "errno %d", errno);
    pthread_t thread = start(block_outside, b);
    gate_wait(&gate, 1);
    for (int i = 0; i < 20; i++)
        collect(1);
    expect_all(&b->held, "while their thread is blocked outside");
    expect_one(&b->registers, 5, "while a register holds it");
    EXPECT(write(pipe_ends[1], "x", 1) == 1, "errno %d", errno);
    pthread_join(thread, NULL);
    free(b);
}

/* Enters as stops begin, so that some are under way. */
static void *block_again_and_again(void *argument) {
    (void)argument;
    EXPECT(goalloc_thread_attach(), "out of memory");
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    make_all(&hidden, slots);
    gate_open(&gate, 1);
    while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) < 2) {
        goalloc_blocked_enter();
        struct pollfd none = {.fd = -1};
        int ready = poll(&none, 1, 1);
        EXPECT(ready == 0, "poll returns %d, errno %d", ready, errno);
        goalloc_blocked_leave();
        EXPECT(goalloc_new(&node_type, 1) != NULL, "out of memory");
    }
    expect_all(&hidden, "on a thread that was blocked outside now and then");
    goalloc_thread_detach();
    return NULL;
}

static void no_call_ends_early(void) {
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(block_again_and_again, NULL);
    gate_wait(&gate, 1);
    for (int i = 0; i < 100; i++)
        goalloc_collect();
    gate_open(&gate, 2);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* SA_RESTART: these need no bracket. */
static void *read_the_pipe(void *argument) {
    (void)argument;
    EXPECT(goalloc_thread_attach(), "out of memory");
    gate_open(&gate, 1);
    char c;
    ssize_t n = read(pipe_ends[0], &c, 1);
    EXPECT(n == 1, "read returns %zd, errno %d", n, errno);
    goalloc_thread_detach();
    return NULL;
}

static void reading_is_restarted(void) {
    if (THREAD_SANITIZER)
        return; /* it holds signals back, and the reader is not to poll */
    EXPECT(pipe(pipe_ends) == 0, "errno %d", errno);
    pthread_t thread = start(read_the_pipe, NULL);
    gate_wait(&gate, 1);
    for (int i = 0; i < 20; i++)
        collect(1);
    EXPECT(write(pipe_ends[1], "x", 1) == 1, "errno %d", errno);
    pthread_join(thread, NULL);
}

static void brackets_nest(void) {
    goalloc_blocked_enter(); /* not attached: nothing */
    goalloc_blocked_leave();
    EXPECT(goalloc_thread_attach(), "out of memory");
    for (int i = 0; i < 3; i++)
        goalloc_blocked_enter();
    for (int i = 0; i < 3; i++)
        goalloc_blocked_leave();
    collect(COLLECTIONS);
}

static void *end_blocked(void *argument) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    void *volatile slots[OBJECTS];
    make_all(argument, slots);
    goalloc_blocked_enter();
    goalloc_blocked_enter();
    return NULL;
}

static void *detach_blocked(void *argument) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    void *volatile slots[OBJECTS];
    make_all(argument, slots);
    goalloc_blocked_enter();
    goalloc_thread_detach();
    EXPECT(goalloc_thread_attach(), "out of memory");
    EXPECT(goalloc_new(&node_type, 1) != NULL, "out of memory");
    goalloc_thread_detach();
    return NULL;
}

static void threads_may_end_blocked(void) {
    struct hidden *hidden = malloc(sizeof *hidden);
    void *(*const ways[])(void *) = {end_blocked, detach_blocked};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        pthread_t thread = start(ways[i], hidden);
        pthread_join(thread, NULL);
        collect(COLLECTIONS);
        expect_none(hidden, "after their thread has ended");
    }
    free(hidden);
}

static void *fork_blocked(void *argument) {
    (void)argument;
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    EXPECT(goalloc_thread_attach(), "out of memory");
    make_all(&hidden, slots);
    goalloc_blocked_enter();
    pid_t child = fork();
    int status = 0;
    if (child != 0)
        EXPECT(waitpid(child, &status, 0) == child, "errno %d", errno);
    goalloc_blocked_leave();
    EXPECT(status == 0, "the child ends with status %#x", (unsigned)status);
    collect(COLLECTIONS);
    expect_all(&hidden, child != 0 ? "in the parent" : "in the child");
    if (child == 0)
        _exit(0);
    goalloc_thread_detach();
    return NULL;
}

static void blocked_threads_may_fork(void) {
    if (THREAD_SANITIZER)
        return; /* it lets the child of a threaded process, which collects, start no thread */
    pthread_t thread = start(fork_blocked, NULL);
    while (pthread_tryjoin_np(thread, NULL) != 0)
        goalloc_collect();
}

static void block_on_it(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    goalloc_blocked_enter();
    gate_open(&gate, 1);
    while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    goalloc_blocked_leave();
    expect_all(&c->hidden, "on a coroutine that was blocked outside");
}

static void coroutines_may_block(void) {
    coroutine_make(&shared, block_on_it);
    pthread_t thread = start(run_stopped_coroutine, &shared);
    gate_wait(&gate, 1);
    collect(COLLECTIONS);
    expect_all(&shared.hidden, "while their coroutine is blocked outside");
    gate_open(&gate, 2);
    pthread_join(thread, NULL);
    goalloc_stack_unregister(shared.stack);
}

const struct test thread_tests[] = {
    {"coroutines_migrate", coroutines_migrate, NULL},
    {"stopped_on_a_coroutine", stopped_on_a_coroutine, NULL},
    {"switches_may_be_stopped_anywhere", switches_may_be_stopped_anywhere, NULL},
    {"given_stacks", given_stacks, NULL},
    {"threads_may_end_on_a_coroutine", threads_may_end_on_a_coroutine, NULL},
    {"handlers_may_collect", handlers_may_collect, NULL},
    {"handlers_stacks_may_lie_on_the_threads", handlers_stacks_may_lie_on_the_threads, NULL},
    {"handlers_may_be_stopped", handlers_may_be_stopped, NULL},
    {"handlers_may_interrupt_coroutines", handlers_may_interrupt_coroutines, NULL},
    {"limits_may_be_raised", limits_may_be_raised, NULL},
    {"limits_may_be_below_what_is_used", limits_may_be_below_what_is_used, NULL},
    {"blocked_threads_are_left_alone", blocked_threads_are_left_alone, NULL},
    {"no_call_ends_early", no_call_ends_early, NULL},
    {"reading_is_restarted", reading_is_restarted, NULL},
    {"brackets_nest", brackets_nest, NULL},
    {"threads_may_end_blocked", threads_may_end_blocked, NULL},
    {"blocked_threads_may_fork", blocked_threads_may_fork, NULL},
    {"coroutines_may_block", coroutines_may_block, NULL},
    {0},
};
