/* SPDX-License-Identifier: MIT
 *
 * What must not be done with stacks ends in one line that says what to do.
 */
#include "stacks.h"

/* ---- one line that says what to do */

static char some_stack[STACK_BYTES] __attribute__((aligned(4096)));

static void register_twice(void) {
    goalloc_stack_register(some_stack, sizeof some_stack);
    goalloc_stack_register(some_stack, sizeof some_stack);
}

static void register_overlapping(void) {
    goalloc_stack_register(some_stack + 8192, 8192);
    goalloc_stack_register(some_stack, 8200);
}

static void register_nothing(void) {
    goalloc_stack_register(NULL, 4096);
}

static void register_past_all_addresses(void) {
    goalloc_stack_register(some_stack, SIZE_MAX);
}

static void register_too_little(void) {
    goalloc_stack_register(some_stack + 1, 7);
}

static void unregister_memory(void) {
    goalloc_stack_register(some_stack, sizeof some_stack);
    goalloc_stack_unregister((struct goalloc_stack *)some_stack);
}

static void unregister_wild(void) {
    goalloc_stack_unregister((struct goalloc_stack *)(uintptr_t)0x12340);
}

static void unregister_null(void) {
    goalloc_stack_unregister(NULL);
}

static void unregister_twice(void) {
    struct goalloc_stack *s = goalloc_stack_register(some_stack, sizeof some_stack);
    goalloc_stack_unregister(s);
    goalloc_stack_unregister(s);
}

static void unregister_its_own(struct coroutine *c) {
    goalloc_stack_unregister(c->stack);
}

static void unregister_in_use(void) {
    coroutine_make(&shared, unregister_its_own);
    coroutine_enter(&shared);
}

static void free_while_registered(void) {
    coroutine_make(&shared, hold_and_wait);
    coroutine_enter(&shared);
    munmap(shared.memory, STACK_BYTES);
    goalloc_collect();
}

static void protect_while_registered(void) {
    coroutine_make(&shared, hold_and_wait);
    mprotect(shared.memory, STACK_BYTES, PROT_NONE);
    goalloc_collect();
}

static void switch_to_unknown(void) {
    goalloc_stack_switch(NULL, (struct goalloc_stack *)some_stack);
}

static void switch_from_another(void) {
    coroutine_make(&shared, hold_and_wait);
    goalloc_stack_switch(shared.stack, NULL);
}

static void say_it_too_late(struct coroutine *c) {
    goalloc_stack_switch(NULL, c->stack);
}

static void swap_silently(void) {
    __tsan_switch_to_fiber(shared.fiber, 0);
    swapcontext(&shared.back, &shared.context);
}

static void switch_too_late(void) {
    coroutine_make(&shared, say_it_too_late);
    swap_silently();
}

static void collect_on_it(struct coroutine *c) {
    (void)c;
    goalloc_collect();
}

static void collect_unannounced(void) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    coroutine_make(&shared, collect_on_it);
    swap_silently();
}

static void collect_on_an_unknown_stack(void) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    coroutine_make(&shared, collect_on_it);
    goalloc_stack_unregister(shared.stack);
    swap_silently();
}

static void wait_on_it(struct coroutine *c) {
    (void)c;
    gate_open(&gate, 1);
    for (;;)
        if (THREAD_SANITIZER)
            goalloc_safepoint();
}

static void *wait_on_an_unknown_stack(void *argument) {
    (void)argument;
    EXPECT(goalloc_thread_attach(), "out of memory");
    swap_silently();
    return NULL;
}

static void stop_on_an_unknown_stack(void) {
    coroutine_make(&shared, wait_on_it);
    goalloc_stack_unregister(shared.stack);
    start(wait_on_an_unknown_stack, NULL);
    gate_wait(&gate, 1);
    goalloc_collect();
}

static void *switch_to_shared(void *argument) {
    (void)argument;
    goalloc_stack_switch(NULL, shared.stack);
    return NULL;
}

static void switch_there_too(struct coroutine *c) {
    (void)c;
    pthread_join(start(switch_to_shared, NULL), NULL);
}

static void switch_to_one_in_use(void) {
    coroutine_make(&shared, switch_there_too);
    coroutine_enter(&shared);
}

static void leave_unentered(void) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    goalloc_blocked_leave();
}

static void allocate_blocked(void) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    goalloc_blocked_enter();
    for (int i = 0; i < 2; i++)
        goalloc_new(&node_type, 1);
}

static void allocate_bytes_blocked(void) {
    EXPECT(goalloc_bytes(24, false) != NULL, "out of memory");
    goalloc_blocked_enter();
    for (int i = 0; i < 2; i++)
        goalloc_bytes(24, false);
}

static void collect_blocked(void) {
    EXPECT(goalloc_thread_attach(), "out of memory");
    goalloc_blocked_enter();
    goalloc_collect();
}

static void switch_blocked(void) {
    coroutine_make(&shared, hold_and_wait);
    goalloc_blocked_enter();
    goalloc_stack_switch(NULL, shared.stack);
}

const struct test misuse_tests[] = {
    {"register_twice", register_twice, "is registered there already; call goalloc_stack_unregister"},
    {"register_overlapping", register_overlapping, "is registered there already; call goalloc_stack_unregister"},
    {"register_nothing", register_nothing, "no stack; give it the lowest address"},
    {"register_past_all_addresses", register_past_all_addresses, "no stack; give it the lowest address"},
    {"register_too_little", register_too_little, "no stack; give it the lowest address"},
    {"unregister_memory", unregister_memory, "not a registered stack"},
    {"unregister_wild", unregister_wild, "goalloc_stack_unregister(0x12340): not a registered stack"},
    {"unregister_null", unregister_null, "not a registered stack"},
    {"unregister_twice", unregister_twice, "not a registered stack; was it unregistered before?"},
    {"unregister_in_use", unregister_in_use, "runs on this stack"},
    {"free_while_registered", free_while_registered, "call goalloc_stack_unregister before its memory is freed"},
    {"protect_while_registered", protect_while_registered, "call goalloc_stack_unregister before its memory is freed"},
    {"switch_to_unknown", switch_to_unknown, "not a registered stack"},
    {"switch_from_another", switch_from_another, "call it once before each switch"},
    {"switch_too_late", switch_too_late, "call it on the stack that is left, before the switch"},
    {"switch_to_one_in_use", switch_to_one_in_use, "which thread"},
    {"collect_unannounced", collect_unannounced, "call goalloc_stack_switch before each switch to and from it"},
    {"collect_on_an_unknown_stack", collect_on_an_unknown_stack, "call goalloc_stack_register for it"},
    {"stop_on_an_unknown_stack", stop_on_an_unknown_stack, "call goalloc_stack_register for it"},
    {"leave_unentered", leave_unentered, "has not called goalloc_blocked_enter before"},
    {"allocate_blocked", allocate_blocked, "between goalloc_blocked_enter and goalloc_blocked_leave"},
    {"allocate_bytes_blocked", allocate_bytes_blocked, "between goalloc_blocked_enter and goalloc_blocked_leave"},
    {"collect_blocked", collect_blocked, "between goalloc_blocked_enter and goalloc_blocked_leave"},
    {"switch_blocked", switch_blocked, "between goalloc_blocked_enter and goalloc_blocked_leave"},
    {0},
};
