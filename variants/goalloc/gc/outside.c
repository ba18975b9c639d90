/* SPDX-License-Identifier: MIT
 *
 * outside: what the program tells of its threads: the stacks that they run on besides their own, and that one of them
 * is blocked where it uses nothing of the heap's. Such a thread counts as stopped from then on: no signal reaches it,
 * so no system call of its ends early, and no stop waits for it. Included by cycle.c.
 */
#include "gc/gc.h"

/* ---- stacks */

/* NULL is the calling thread's own. */
static struct goalloc_stack *stack_checked(struct gc_thread *t, struct goalloc_stack *s, const char *function) {
    if (s == NULL)
        return &t->own;
    if (!stack_is_registered(s))
        os_die("%s(%p): not a registered stack; give it what goalloc_stack_register returned, and nothing after "
               "goalloc_stack_unregister",
               function, (void *)s);
    return s;
}

/* Unlisted as yet; NULL: out of memory. */
static struct goalloc_stack *stack_make(uintptr_t low, uintptr_t top) {
    struct cache *c = typed_enter();
    if (c == NULL)
        return NULL;
    struct goalloc_stack *s = fixalloc_take(&stacks.records);
    if (s != NULL) {
        memset(s, 0, sizeof *s);
        s->low = low;
        s->top = top;
    }
    typed_leave(c);
    return s;
}

static void stack_unmake(struct goalloc_stack *s) {
    struct cache *c = typed_enter();
    fixalloc_give(&stacks.records, s);
    if (c != NULL)
        typed_leave(c);
}

struct goalloc_stack *goalloc_stack_register(void *memory, size_t size_bytes) {
    uintptr_t low = ((uintptr_t)memory + 7) & ~(uintptr_t)7, end = (uintptr_t)memory + size_bytes, top = end & ~(uintptr_t)7;
    if (memory == NULL || end < (uintptr_t)memory || top <= low)
        os_die("goalloc_stack_register(%p, %zu): no stack; give it the lowest address of its memory, and how many bytes "
               "it has",
               memory, size_bytes);
    struct goalloc_stack *s = stack_make(low, top);
    if (s == NULL)
        return typed_failed();
    world_lock_between();
    const struct goalloc_stack *other = stacks_overlapping(low, top);
    if (other != NULL)
        os_die("goalloc_stack_register(%p, %zu): the stack %p to %p is registered there already; call "
               "goalloc_stack_unregister before its memory is freed or used again",
               memory, size_bytes, (void *)other->low, (void *)other->top);
    bool ok = stacks_insert(s);
    if (ok)
        s->magic = stack_magic;
    lock_release(&world.lock);
    if (ok)
        return s;
    stack_unmake(s);
    return typed_failed();
}

void goalloc_stack_unregister(struct goalloc_stack *s) {
    if (s == NULL || !stack_is_registered(s))
        os_die("goalloc_stack_unregister(%p): not a registered stack; was it unregistered before?", (void *)s);
    cache_attach();
    world_lock_between();
    const struct gc_thread *runs = __atomic_load_n(&s->thread, __ATOMIC_ACQUIRE);
    if (runs != NULL)
        os_die("goalloc_stack_unregister(%p): thread %d runs on this stack; it must call goalloc_stack_switch and "
               "leave it first",
               (void *)s, runs->tid);
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        struct goalloc_stack *left = s; /* unless the thread has left another one meanwhile */
        __atomic_compare_exchange_n(&t->left, &left, &t->own, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    stacks_remove(s);
    s->magic = 0;
    lock_release(&world.lock);
    stack_unmake(s);
}

static void stack_check_leaving(struct gc_thread *t, struct goalloc_stack *from, uintptr_t sp) {
    if (from != t->current)
        os_die("goalloc_stack_switch: thread %d is to leave the stack %p to %p, but has switched to %p to %p before; "
               "call it once before each switch",
               t->tid, (void *)from->low, (void *)from->top, (void *)t->current->low, (void *)t->current->top);
    if (!stack_holds(from, sp) && !(from == &t->own && stacks_locate(t, sp) && t->stop_stack == from))
        os_die("goalloc_stack_switch: thread %d is to leave the stack %p to %p, but runs at %p; call it on the stack "
               "that is left, before the switch",
               t->tid, (void *)from->low, (void *)from->top, (void *)sp);
}

__attribute__((noinline)) static void stack_switch_spilled(struct goalloc_stack *from, struct goalloc_stack *to,
                                                           uintptr_t frame_end) {
    struct cache *c = cache_attach();
    if (c == NULL)
        os_die("goalloc_stack_switch: out of memory for the thread to take part; call goalloc_thread_attach before");
    struct gc_thread *t = gc_self;
    if (t->blocked != 0)
        os_die("goalloc_stack_switch: thread %d is between goalloc_blocked_enter and goalloc_blocked_leave", t->tid);
    from = stack_checked(t, from, "goalloc_stack_switch");
    to = stack_checked(t, to, "goalloc_stack_switch");
    stack_check_leaving(t, from, frame_end);
    cache_hold(c);
    stack_spill(from, (uintptr_t)__builtin_frame_address(0), frame_end);
    from->left_sp = frame_end;
    if (from != &t->own) /* release: whoever switches to it next finds where it ends */
        __atomic_store_n(&from->thread, NULL, __ATOMIC_RELEASE);
    struct gc_thread *other = __atomic_exchange_n(&to->thread, t, __ATOMIC_ACQ_REL);
    if (other != NULL && other != t)
        os_die("goalloc_stack_switch: thread %d is to switch to the stack %p to %p, which thread %d runs on", t->tid,
               (void *)to->low, (void *)to->top, other->tid);
    __atomic_store_n(&t->left, from, __ATOMIC_RELAXED);
    t->current = to;
    cache_unhold(c);
}

__attribute__((noinline)) void goalloc_stack_switch(struct goalloc_stack *from, struct goalloc_stack *to) {
    enum { CALL_BYTES = 16 }; /* the frame pointer and the return address */
    __builtin_unwind_init();
    stack_switch_spilled(from, to, (uintptr_t)__builtin_frame_address(0) + CALL_BYTES);
    world_keep_frame();
}

/* ---- blocked outside */

/* The thread counts as stopped from when this returns. A stop under way either holds it or has counted it among those
 * that it waits for, and signals it. */
static void blocked_begin(struct gc_thread *t) {
    t->parked = 1; /* what follows obeys without the signal */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_fetch_or(&t->cache->front.stop, WORLD_STOP_BLOCKED, __ATOMIC_RELAXED);
    for (;;) {
        /* Sequentially consistent, as world_stop's store of the epoch. */
        __atomic_store_n(&t->waiting, WORLD_WAITS, __ATOMIC_SEQ_CST);
        uint32_t epoch = __atomic_load_n(&world.epoch, __ATOMIC_SEQ_CST), expected = WORLD_WAITS;
        while (epoch % 2 == 1 && !world_asks(t, epoch) &&
               __atomic_load_n(&t->waiting, __ATOMIC_ACQUIRE) != WORLD_HELD &&
               __atomic_load_n(&world.epoch, __ATOMIC_ACQUIRE) == epoch)
            sched_yield(); /* the stopper is on its way through the threads */
        if (!world_asks(t, epoch) || !__atomic_compare_exchange_n(&t->waiting, &expected, WORLD_RUNS, false,
                                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            break;
        world_wait(t, epoch);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    t->parked = 0;
    /* A signal sent before is delivered by now: on the way out of a system call that it cannot harm. */
    syscall(SYS_gettid);
}

static void blocked_end(struct gc_thread *t) {
    world_end_wait(t);
    __atomic_fetch_and(&t->cache->front.stop, ~(uint32_t)WORLD_STOP_BLOCKED, __ATOMIC_RELAXED);
}

__attribute__((noinline)) static void blocked_enter_spilled(struct gc_thread *t, uintptr_t frame_end) {
    stacks_must_locate(t, frame_end);
    stack_spill(t->stop_stack, (uintptr_t)__builtin_frame_address(0), frame_end);
    t->blocked_sp = frame_end;
    t->blocked = 1;
    blocked_begin(t);
}

__attribute__((noinline)) void goalloc_blocked_enter(void) {
    enum { CALL_BYTES = 16 };
    struct gc_thread *t = gc_self;
    if (t == NULL)
        return;
    if (t->blocked != 0) {
        t->blocked++;
        return;
    }
    __builtin_unwind_init();
    blocked_enter_spilled(t, (uintptr_t)__builtin_frame_address(0) + CALL_BYTES);
    world_keep_frame();
}

static void blocked_leave_all(struct gc_thread *t) {
    blocked_end(t);
    t->blocked = 0; /* not before: until then a signal finds the thread where it blocked */
    if (cache_is_asked(t->cache))
        gc_park(t->cache);
}

void goalloc_blocked_leave(void) {
    struct gc_thread *t = gc_self;
    if (t == NULL)
        return;
    if (t->blocked == 0)
        os_die("goalloc_blocked_leave: thread %d has not called goalloc_blocked_enter before", t->tid);
    if (t->blocked > 1)
        t->blocked--;
    else
        blocked_leave_all(t);
}

/* A thread that ends, or detaches, is blocked no longer. */
static void gc_thread_leaves(void) {
    if (gc_self != NULL && gc_self->blocked != 0)
        blocked_leave_all(gc_self);
}

/* A thread that is blocked may fork. It takes part meanwhile. */
static __thread uint32_t blocked_before_fork;

static void gc_come_back_to_fork(void) {
    blocked_before_fork = gc_self != NULL ? gc_self->blocked : 0;
    gc_thread_leaves();
}

static void gc_go_back_from_fork(void) {
    struct gc_thread *t = gc_self;
    if (blocked_before_fork == 0)
        return;
    stacks_must_locate(t, t->blocked_sp);
    t->blocked = blocked_before_fork;
    blocked_begin(t);
}
