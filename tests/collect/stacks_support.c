/* SPDX-License-Identifier: MIT */
#include "stacks.h"
#include "wipe.h"

static __attribute__((noinline)) void *make(struct hidden *hidden, size_t i) {
    uint64_t *object = goalloc_new(&node_type, 1);
    EXPECT(object != NULL, "out of memory");
    object[1] = 1000 + i;
    hidden->at[i] = (uintptr_t)object ^ disguise;
    return object;
}

__attribute__((noinline)) void make_all(struct hidden *hidden, void *volatile *slots) {
    for (size_t i = 0; i < OBJECTS; i++)
        slots[i] = make(hidden, i);
}

/* Other threads may be allocating, and observers are as of a moment ago, which ThreadSanitizer does not take. */
static bool is_there(void *object, size_t i) {
    struct goalloc_object o;
    if (!THREAD_SANITIZER && (!goalloc_object_of(object, &o) || o.base != object))
        return false;
    return ((uint64_t *)object)[1] == 1000 + i;
}

__attribute__((noinline)) size_t count_live(const struct hidden *hidden) {
    size_t live = 0;
    for (size_t i = 0; i < OBJECTS; i++)
        live += is_there((void *)(hidden->at[i] ^ disguise), i);
    return live;
}

/* Overwrites what earlier calls have left below the caller's frame. */
__attribute__((noinline)) void wipe(void) {
    wipe_below(16384);
}

static __attribute__((noinline)) void collect_and_take(unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        goalloc_collect();
        for (unsigned k = 0; k < 4 * OBJECTS; k++)
            EXPECT(goalloc_new(&node_type, 1) != NULL, "out of memory");
    }
}

/* Memory of what died is taken again, so that what was lost does not go on looking as it did. */
__attribute__((noinline)) void collect(unsigned times) {
    wipe();
    collect_and_take(times);
}

bool collects(void) {
    struct goalloc_gc_sums sums;
    return goalloc_read_gc(&sums);
}

void expect_one(const struct hidden *hidden, size_t one, const char *when) {
    size_t live = count_live(hidden), least = collects() ? 1 : OBJECTS, most = collects() ? 2 : OBJECTS;
    EXPECT(is_there((void *)(hidden->at[one] ^ disguise), one), "object %zu is gone %s", one, when);
    EXPECT(THREAD_SANITIZER || (live >= least && live <= most), "%zu objects are there instead of %zu to %zu %s", live,
           least, most, when);
}

void expect_all(const struct hidden *hidden, const char *when) {
    size_t live = count_live(hidden);
    EXPECT(live == OBJECTS, "%zu of %d objects are there %s", live, OBJECTS, when);
}

void expect_none(const struct hidden *hidden, const char *when) {
    size_t live = count_live(hidden);
    EXPECT(live == 0 || !collects() || THREAD_SANITIZER, "%zu of %d objects are still there %s", live, OBJECTS, when);
}

__attribute__((noinline)) void forget(struct hidden *hidden) {
    void *volatile slots[OBJECTS];
    make_all(hidden, slots);
    for (size_t i = 0; i < OBJECTS; i++)
        slots[i] = NULL;
}

/* ---- coroutines by swapcontext */

struct coroutine shared;

void coroutine_leave(struct coroutine *c) {
    goalloc_stack_switch(c->stack, NULL);
    __tsan_switch_to_fiber(c->creator, 0);
    swapcontext(&c->context, &c->back);
}

void coroutine_enter(struct coroutine *c) {
    c->creator = __tsan_get_current_fiber();
    goalloc_stack_switch(NULL, c->stack);
    __tsan_switch_to_fiber(c->fiber, 0);
    swapcontext(&c->back, &c->context);
}

static struct coroutine *coroutine_started;

static void coroutine_main(void) {
    struct coroutine *c = coroutine_started;
    c->body(c);
    wipe();
    c->ended = true;
    coroutine_leave(c);
}

char *map_stack(void) {
    char *memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(memory != MAP_FAILED, "errno %d", errno);
    return memory;
}

void coroutine_make_on(struct coroutine *c, void (*body)(struct coroutine *), char *memory, size_t bytes) {
    *c = (struct coroutine){.memory = memory, .body = body, .fiber = __tsan_create_fiber(0)};
    getcontext(&c->context);
    c->context.uc_stack.ss_sp = memory;
    c->context.uc_stack.ss_size = bytes;
    makecontext(&c->context, coroutine_main, 0);
    c->stack = goalloc_stack_register(memory, bytes);
    EXPECT(c->stack != NULL, "out of memory");
    coroutine_started = c;
}

void coroutine_make(struct coroutine *c, void (*body)(struct coroutine *)) {
    coroutine_make_on(c, body, map_stack(), STACK_BYTES);
}

void hold_and_wait(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    coroutine_leave(c);
    for (size_t i = 0; i < OBJECTS; i++)
        EXPECT(((uint64_t *)slots[i])[1] == 1000 + i, "object %zu holds %llu", i,
               (unsigned long long)((uint64_t *)slots[i])[1]);
    coroutine_leave(c);
}

__attribute__((noinline)) void hold_own_and_enter(struct coroutine *c) {
    struct hidden hidden;
    void *volatile slots[OBJECTS];
    make_all(&hidden, slots);
    coroutine_enter(c);
    EXPECT(c->ended, "the coroutine has not ended");
    expect_all(&hidden, "after a collection on a coroutine while the thread's own stack holds them");
    slots[0] = NULL;
}

/* ---- a register is all that holds the object, and swapcontext keeps it in a context that is not scanned */

void stacks_to_back(struct coroutine *c);
/* The first argument, a hidden pointer, is shown in %rbx alone, and returned at the end; the second is in %r12. */
#define HOLD_IN_RBX                                                                                                    \
    "    pushq %rbx\n"                                                                                                 \
    "    pushq %r12\n"                                                                                                 \
    "    subq $8, %rsp\n"                                                                                              \
    "    movq %rsi, %r12\n"                                                                                            \
    "    movq %rdi, %rbx\n"                                                                                            \
    "    movabsq $0xa5a5a5a5a5a5a5a5, %rax\n"                                                                          \
    "    xorq %rax, %rbx\n"
#define RETURN_HELD                                                                                                    \
    "    movq %rbx, %rax\n"                                                                                            \
    "    addq $8, %rsp\n"                                                                                              \
    "    popq %r12\n"                                                                                                  \
    "    popq %rbx\n"                                                                                                  \
    "    ret\n"
__asm__(".text\n"
        ".globl switch_holding\n"
        ".type switch_holding, @function\n"
        "switch_holding:\n"
        HOLD_IN_RBX
        "    movq %r12, %rdi\n"
        "    call stacks_to_back\n"
        RETURN_HELD
        ".size switch_holding, .-switch_holding\n"
        ".globl block_holding\n"
        ".type block_holding, @function\n"
        "block_holding:\n"
        HOLD_IN_RBX
        "    call goalloc_blocked_enter\n"
        "    call *%r12\n"
        "    call goalloc_blocked_leave\n"
        RETURN_HELD
        ".size block_holding, .-block_holding\n");

void stacks_to_back(struct coroutine *c) {
    coroutine_leave(c);
}

/* ---- threads. A gate is opened by one and waited for by another. */

/* Never back: who is late opens nothing. */
void gate_open(int *gate, int to) {
    int now = __atomic_load_n(gate, __ATOMIC_RELAXED);
    while (now < to && !__atomic_compare_exchange_n(gate, &now, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
}

void gate_wait(int *gate, int until) {
    while (__atomic_load_n(gate, __ATOMIC_ACQUIRE) < until) {
        goalloc_safepoint();
        sched_yield();
    }
}

pthread_t start(void *(*run)(void *), void *argument) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, argument);
    EXPECT(error == 0, "pthread_create says %d", error);
    return thread;
}

int gate;

void *run_stopped_coroutine(void *argument) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    hold_own_and_enter(argument);
    return NULL;
}
