/* SPDX-License-Identifier: MIT
 *
 * stacks.h: what the cases of stacks have in common: objects that can be looked for, coroutines, threads.
 */
#ifndef TESTS_STACKS_H
#define TESTS_STACKS_H

#include "goalloc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifdef TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
enum { THREAD_SANITIZER = 1 };
#else
static inline void *__tsan_get_current_fiber(void) {
    return NULL;
}
static inline void *__tsan_create_fiber(unsigned flags) {
    (void)flags;
    return NULL;
}
static inline void __tsan_switch_to_fiber(void *fiber, unsigned flags) {
    (void)fiber, (void)flags;
}
enum { THREAD_SANITIZER = 0 };
#endif

enum { OBJECTS = 50, COLLECTIONS = 3, STACK_BYTES = 1 << 20 };

static const struct goalloc_type node_type = {32, 1, NULL};

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "stacks, line %d: expected %s; ", __LINE__, #condition);                                   \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* A case is a process of its own. */
struct test {
    const char *name;
    void (*run)(void);
    const char *words; /* of the line that it ends in; NULL: it ends well */
};
extern const struct test coroutine_tests[], thread_tests[], misuse_tests[]; /* to a name that is NULL */

/* ---- objects, and pointers to them that no scan recognises */

struct hidden {
    uintptr_t at[OBJECTS];
};
static const uintptr_t disguise = UINT64_C(0xa5a5a5a5a5a5a5a5);

void make_all(struct hidden *hidden, void *volatile *slots);
/* The same, and nothing holds them. */
void forget(struct hidden *hidden);
size_t count_live(const struct hidden *hidden);
void expect_all(const struct hidden *hidden, const char *when);
/* No other but, where GOALLOC_PAST_END is stacks, the one before it. */
void expect_one(const struct hidden *hidden, size_t one, const char *when);
void expect_none(const struct hidden *hidden, const char *when);
/* A number of collections; memory of what dies is taken again, so that what is lost does not go on looking as it did. */
void collect(unsigned times);
bool collects(void);
/* Overwrites what earlier calls have left below the caller's frame. */
void wipe(void);

/* ---- coroutines by swapcontext */

struct coroutine {
    ucontext_t context, back;
    struct goalloc_stack *stack;
    char *memory;
    void *fiber, *creator; /* ThreadSanitizer's */
    struct hidden hidden;
    void (*body)(struct coroutine *);
    bool ended;
};
extern struct coroutine shared;

char *map_stack(void);
void coroutine_make(struct coroutine *c, void (*body)(struct coroutine *));
void coroutine_make_on(struct coroutine *c, void (*body)(struct coroutine *), char *memory, size_t bytes);
void coroutine_enter(struct coroutine *c);
void coroutine_leave(struct coroutine *c);
/* A body that holds objects and is left twice. */
void hold_and_wait(struct coroutine *c);
/* Enters it to its end while the thread's own stack holds objects. */
void hold_own_and_enter(struct coroutine *c);
/* The same, as a thread. */
void *run_stopped_coroutine(void *coroutine);

/* In assembly: a register that no caller's frame has is all that holds the object. */
void *switch_holding(uintptr_t object, struct coroutine *c);
void *block_holding(uintptr_t object, void (*blocked)(void));

/* ---- threads. A gate is opened by one and waited for by another; it never closes. */

extern int gate;
void gate_open(int *gate, int to);
void gate_wait(int *gate, int until);
pthread_t start(void *(*run)(void *), void *argument);

#endif
