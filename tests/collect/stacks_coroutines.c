/* SPDX-License-Identifier: MIT
 *
 * What lives on coroutines' stacks is kept while they are suspended, and no longer.
 */
#include "stacks.h"

/* Suspended twice, the second time with all done. */
static void suspended_objects_live(void) {
    coroutine_make(&shared, hold_and_wait);
    coroutine_enter(&shared);
    collect(COLLECTIONS);
    expect_all(&shared.hidden, "while the coroutine that holds them is suspended");
    coroutine_enter(&shared);
    collect(1);
    expect_all(&shared.hidden, "while the coroutine that holds them is suspended again");
    goalloc_stack_unregister(shared.stack);
    EXPECT(munmap(shared.memory, STACK_BYTES) == 0, "errno %d", errno);
    collect(COLLECTIONS);
    expect_none(&shared.hidden, "after their coroutine's stack was unregistered");
}

static void end_with_them(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    coroutine_leave(c);
    for (size_t i = 0; i < OBJECTS; i++)
        slots[i] = NULL;
}

/* It has ended, and its stack stays registered. */
static void ended_coroutines_hold_nothing(void) {
    coroutine_make(&shared, end_with_them);
    coroutine_enter(&shared);
    collect(1);
    expect_all(&shared.hidden, "while the coroutine that holds them is suspended");
    coroutine_enter(&shared);
    EXPECT(shared.ended, "the coroutine has not ended");
    collect(COLLECTIONS);
    expect_none(&shared.hidden, "after the coroutine that held them has ended");
    goalloc_stack_unregister(shared.stack);
}

static void collect_here(struct coroutine *c) {
    void *volatile slots[OBJECTS];
    make_all(&c->hidden, slots);
    collect(COLLECTIONS);
    expect_all(&c->hidden, "after a collection on the coroutine that holds them");
}

static void collecting_on_a_coroutine_keeps_both(void) {
    coroutine_make(&shared, collect_here);
    hold_own_and_enter(&shared);
    goalloc_stack_unregister(shared.stack);
}

/* The coroutine's stack is an array on the stack of the thread that goes on below it. */
static void stacks_may_lie_in_each_other(void) {
    char memory[STACK_BYTES];
    coroutine_make_on(&shared, collect_here, memory, sizeof memory);
    hold_own_and_enter(&shared);
    goalloc_stack_unregister(shared.stack);
}

/* ---- a register is all that holds the object, and swapcontext keeps it in a context that is not scanned */

static void hold_in_a_register(struct coroutine *c) {
    forget(&c->hidden);
    wipe();
    uint64_t *object = switch_holding(c->hidden.at[7], c);
    EXPECT(object[1] == 1007, "the object holds %llu", (unsigned long long)object[1]);
}

static void registers_of_suspended_ones_count(void) {
    coroutine_make(&shared, hold_in_a_register);
    coroutine_enter(&shared);
    collect(COLLECTIONS);
    expect_one(&shared.hidden, 7, "while a register holds it");
    coroutine_enter(&shared);
    EXPECT(shared.ended, "the coroutine has not ended");
    goalloc_stack_unregister(shared.stack);
}

/* ---- switches in assembly, between stacks that the test lays out itself */

void switch_stacks(void **save_sp, void *sp);
__asm__(".text\n"
        ".globl switch_stacks\n"
        ".type switch_stacks, @function\n"
        "switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size switch_stacks, .-switch_stacks\n"
        ".globl first_frame\n"
        ".type first_frame, @function\n"
        "first_frame:\n"
        "    movq %rbx, %rdi\n" /* the argument that the test has put there */
        "    call run_by_hand\n"
        "    ud2\n"
        ".size first_frame, .-first_frame\n");
void first_frame(void);
void run_by_hand(void *argument);

static struct {
    void *main_sp, *sp;
    struct goalloc_stack *stack;
    struct hidden hidden;
    bool ended;
} by_hand;

void run_by_hand(void *argument) {
    EXPECT(((uint64_t *)argument)[1] == 1003, "the argument holds %llu", (unsigned long long)((uint64_t *)argument)[1]);
    void *volatile slots[OBJECTS];
    make_all(&by_hand.hidden, slots);
    goalloc_stack_switch(by_hand.stack, NULL);
    switch_stacks(&by_hand.sp, by_hand.main_sp);
    EXPECT(((uint64_t *)slots[9])[1] == 1009, "an object holds %llu", (unsigned long long)((uint64_t *)slots[9])[1]);
    by_hand.ended = true;
    goalloc_stack_switch(by_hand.stack, NULL);
    switch_stacks(&by_hand.sp, by_hand.main_sp);
}

static __attribute__((noinline)) void lay_out_first_frame(char *memory, struct hidden *hidden) {
    forget(hidden);
    void **sp = (void **)(memory + STACK_BYTES) - 4;
    *--sp = (void *)first_frame;
    *--sp = NULL;
    *--sp = (void *)(hidden->at[3] ^ disguise); /* rbx */
    for (int i = 0; i < 4; i++)
        *--sp = NULL;
    by_hand.sp = sp;
}

static void hand_written_switches(void) {
    char *memory = map_stack();
    struct hidden hidden;
    lay_out_first_frame(memory, &hidden);
    by_hand.stack = goalloc_stack_register(memory, STACK_BYTES);
    collect(COLLECTIONS);
    expect_one(&hidden, 3, "while a coroutine that has yet to run has it for its argument");
    goalloc_stack_switch(NULL, by_hand.stack);
    switch_stacks(&by_hand.main_sp, by_hand.sp);
    collect(COLLECTIONS);
    expect_all(&by_hand.hidden, "while their coroutine is suspended");
    goalloc_stack_switch(NULL, by_hand.stack);
    switch_stacks(&by_hand.main_sp, by_hand.sp);
    EXPECT(by_hand.ended, "the coroutine has not ended");
    goalloc_stack_unregister(by_hand.stack);
}

/* ---- many */

enum { MANY = 3000, MANY_BYTES = 1024 };

/* Each of some stacks holds one in its last word. */
static __attribute__((noinline)) void lay_out_many(char *memory, struct hidden *hidden) {
    void *volatile slots[OBJECTS];
    make_all(hidden, slots);
    for (size_t i = 0; i < OBJECTS; i++) {
        *(void **)(memory + (i * 59 + 1) * MANY_BYTES - 8) = slots[i];
        slots[i] = NULL;
    }
}

static void many_stacks(void) {
    char *memory = calloc(MANY, MANY_BYTES);
    struct goalloc_stack **registered = calloc(MANY, sizeof *registered);
    struct hidden hidden;
    for (size_t i = 0; i < MANY; i++) { /* 1,237 and 3,000 have no common factor */
        size_t k = i * 1237 % MANY;
        registered[k] = goalloc_stack_register(memory + k * MANY_BYTES, MANY_BYTES);
        EXPECT(registered[k] != NULL, "out of memory");
    }
    lay_out_many(memory, &hidden);
    collect(COLLECTIONS);
    expect_all(&hidden, "while a registered stack holds each");
    for (size_t i = 0; i < MANY; i++)
        goalloc_stack_unregister(registered[i * 1783 % MANY]);
    collect(COLLECTIONS);
    expect_none(&hidden, "after the stacks that held them were unregistered");
    free(registered);
    free(memory);
}

const struct test coroutine_tests[] = {
    {"suspended_objects_live", suspended_objects_live, NULL},
    {"ended_coroutines_hold_nothing", ended_coroutines_hold_nothing, NULL},
    {"collecting_on_a_coroutine_keeps_both", collecting_on_a_coroutine_keeps_both, NULL},
    {"stacks_may_lie_in_each_other", stacks_may_lie_in_each_other, NULL},
    {"registers_of_suspended_ones_count", registers_of_suspended_ones_count, NULL},
    {"hand_written_switches", hand_written_switches, NULL},
    {"many_stacks", many_stacks, NULL},
    {0},
};
