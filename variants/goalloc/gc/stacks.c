/* SPDX-License-Identifier: MIT
 *
 * stacks: which stacks there are, on which of them a thread has stopped, and what of them is scanned. A thread has its
 * own, from the system, and may run on others that the program has registered: of a coroutine, a fibre (Go has its
 * goroutines' stacks in its heap, stack.go, and needs none of this). The program says when it switches (outside.c), so
 * that two questions have answers at any moment: where the stack ends that a thread has left, and which stack the
 * thread is on. The second is answered by the stack pointer, since a stop may come between the announcement of a switch
 * and the switch.
 */
#include "gc/gc.h"
#include "os/proc.h"

#include <signal.h>

enum {
    STACK_PAGE_BYTES = OS_PAGE_BYTES,
    STACK_RED_ZONE_BYTES = 128, /* below the stack pointer; a function that calls none may keep values there */
    STACK_FRESH_BYTES = 4096,   /* what is scanned of a stack before its first use: its first frame may lie there */
};
static const uint64_t stack_magic = UINT64_C(0x6b636174735f6f67);

/* The registered ones by address, under the world's lock. */
static struct {
    struct goalloc_stack **all;
    size_t count, capacity;
    struct fixalloc records;
} stacks = {.records = {.size_bytes = (sizeof(struct goalloc_stack) + 63) / 64 * 64}};

/* ---- the list of registered ones */

/* The index of the first one that ends above address. */
static size_t stacks_index(uintptr_t address) {
    size_t low = 0, high = stacks.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stacks.all[middle]->top > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The registered stack that has part of [low, top); NULL: none has. */
static struct goalloc_stack *stacks_overlapping(uintptr_t low, uintptr_t top) {
    size_t i = stacks_index(low);
    return i < stacks.count && stacks.all[i]->low < top ? stacks.all[i] : NULL;
}

/* False: out of memory. */
static bool stacks_grow(void) {
    enum { FIRST = 64 };
    size_t capacity = stacks.capacity == 0 ? FIRST : stacks.capacity * 2;
    struct goalloc_stack **all = meta_alloc(capacity * sizeof *all, 8);
    if (all == NULL)
        return false;
    if (stacks.count != 0)
        memcpy(all, stacks.all, stacks.count * sizeof *all);
    stacks.all = all;
    stacks.capacity = capacity;
    return true;
}

static bool stacks_insert(struct goalloc_stack *s) {
    if (stacks.count == stacks.capacity && !stacks_grow())
        return false;
    size_t i = stacks_index(s->low);
    memmove(&stacks.all[i + 1], &stacks.all[i], (stacks.count - i) * sizeof stacks.all[0]);
    stacks.all[i] = s;
    stacks.count++;
    return true;
}

static void stacks_remove(const struct goalloc_stack *s) {
    size_t i = stacks_index(s->low);
    stacks.count--;
    memmove(&stacks.all[i], &stacks.all[i + 1], (stacks.count - i) * sizeof stacks.all[0]);
}

/* Any address. */
static bool stack_is_registered(const struct goalloc_stack *s) {
    return fixalloc_may_hold(&stacks.records, s) && s->magic == stack_magic;
}

/* ---- where a thread is */

static bool stack_holds(const struct goalloc_stack *s, uintptr_t sp) {
    return sp >= s->low && sp < s->top;
}

/* Of two stacks that hold sp, the one that lies in the other: a coroutine's may be an array on its creator's. */
static struct goalloc_stack *stack_inner(struct goalloc_stack *a, struct goalloc_stack *b, uintptr_t sp) {
    if (b == NULL || !stack_holds(b, sp))
        return a;
    return a == NULL || b->top - b->low < a->top - a->low ? b : a;
}

/* The stack of the thread's that holds sp; NULL: none does. */
static struct goalloc_stack *stacks_of(struct gc_thread *t, uintptr_t sp) {
    struct goalloc_stack *s = stack_holds(&t->own, sp) ? &t->own : NULL;
    struct goalloc_stack *left = __atomic_load_n(&t->left, __ATOMIC_RELAXED);
    if (left == NULL) /* it has never been elsewhere */
        return s;
    return stack_inner(stack_inner(s, t->current, sp), left, sp);
}

/* The first thread's stack may grow as far as a limit allows that can be raised: its end is looked up again. Those of
 * other threads have the size they began with. */
static bool stacks_look_again(struct gc_thread *t, uintptr_t sp) {
    uintptr_t low, high;
    if (t->tid != getpid() || sp >= t->own.top || !os_mapping_of(sp, &low, &high) || high < t->own.top)
        return false;
    t->own.low = low;
    return true;
}

/* The lowest word of a signal handler's stack that is an address in s, which the interrupted stack pointer is not
 * below: the kernel has saved that one there. 0: there is none. */
__attribute__((no_sanitize("address", "thread"))) static uintptr_t
stacks_interrupted_at(const struct goalloc_stack *s, uintptr_t from, uintptr_t end) {
    uintptr_t lowest = 0;
    for (uintptr_t at = from & ~(uintptr_t)7; at < end; at += 8) {
        uintptr_t word = *(const uintptr_t *)at;
        if (stack_holds(s, word) && (lowest == 0 || word < lowest))
            lowest = word;
    }
    if (lowest == 0)
        return 0;
    return lowest - s->low > STACK_RED_ZONE_BYTES ? lowest - STACK_RED_ZONE_BYTES : s->low;
}

/* In a signal handler of the program's that has a stack of its own, [low, top) (sigaltstack). The registers that it
 * interrupted are on that. */
static bool stacks_locate_in_handler(struct gc_thread *t, uintptr_t sp, uintptr_t top) {
    struct goalloc_stack *s = t->current;
    uintptr_t at = stacks_interrupted_at(s, sp, top);
    if (at == 0) /* it was about to be switched to */
        at = s->left_sp != 0 ? s->left_sp : s != &t->own ? s->top : 0;
    if (at == 0)
        return false;
    t->stop_stack = s;
    t->stop_sp = at;
    t->handler_sp = sp;
    t->handler_top = top;
    return true;
}

/* Notes on which stack the thread stops at sp; alternate is what sigaltstack tells of it. False: on one that is not
 * known. Async-signal-safe; the thread itself. */
static bool stacks_locate_with(struct gc_thread *t, uintptr_t sp, const stack_t *alternate) {
    uintptr_t low = (uintptr_t)alternate->ss_sp, top = (low + alternate->ss_size) & ~(uintptr_t)7;
    if ((alternate->ss_flags & SS_DISABLE) == 0 && sp >= low && sp < top)
        return stacks_locate_in_handler(t, sp, top);
    struct goalloc_stack *s = stacks_of(t, sp);
    if (s == NULL && stacks_look_again(t, sp))
        s = &t->own;
    if (s == NULL)
        return false;
    t->stop_stack = s;
    t->stop_sp = sp;
    t->handler_sp = t->handler_top = 0;
    return true;
}

static bool stacks_locate(struct gc_thread *t, uintptr_t sp) {
    stack_t alternate = {.ss_flags = SS_DISABLE};
    syscall(SYS_sigaltstack, NULL, &alternate); /* cannot fail: the address is good */
    return stacks_locate_with(t, sp, &alternate);
}

_Noreturn static void stacks_die_unknown(const struct gc_thread *t, uintptr_t sp) {
    const struct goalloc_stack *s = stacks_overlapping(sp, sp + 1);
    if (s != NULL)
        os_die("thread %d runs on the registered stack %p to %p and has not said so: call goalloc_stack_switch before "
               "each switch to and from it",
               t->tid, (void *)s->low, (void *)s->top);
    os_die("thread %d runs on a stack that goalloc does not know (stack pointer %p; the thread's own is %p to %p): call "
           "goalloc_stack_register for it, and goalloc_stack_switch before each switch to and from it",
           t->tid, (void *)sp, (void *)t->own.low, (void *)t->own.top);
}

static void stacks_must_locate(struct gc_thread *t, uintptr_t sp) {
    if (GOALLOC_UNLIKELY(!stacks_locate(t, sp)))
        stacks_die_unknown(t, sp);
}

/* ---- registers. A function that begins with __builtin_unwind_init keeps them in its frame; the frame goes when it
 * returns, and what it held of its caller's is copied: [sp, frame_end), the end of it where that is much. */

__attribute__((no_sanitize("address", "thread"))) static void stack_spill(struct goalloc_stack *s, uintptr_t sp,
                                                                          uintptr_t frame_end) {
    uintptr_t words = (frame_end - sp) / sizeof s->spilled[0];
    s->spilled_words = words < GC_SPILLED_WORDS ? (uint32_t)words : GC_SPILLED_WORDS;
    const uintptr_t *from = (const uintptr_t *)frame_end - s->spilled_words;
    for (uint32_t i = 0; i < s->spilled_words; i++)
        s->spilled[i] = from[i];
}

/* ---- scanning: the world is stopped */

static uint64_t stack_mark_range(struct gc_work *w, uintptr_t from, uintptr_t end) {
    from &= ~(uintptr_t)7;
    if (from >= end)
        return 0;
    mark_conservatively(w, (const uintptr_t *)from, (const uintptr_t *)end);
    return end - from;
}

static void stack_mark_spilled(struct gc_work *w, const struct goalloc_stack *s) {
    mark_conservatively(w, s->spilled, s->spilled + s->spilled_words);
}

/* What a thread has running: where it stopped, its signal handler's stack, and its own when it is on another. */
static uint64_t stacks_mark_thread(struct gc_work *w, struct gc_thread *t, uint32_t epoch) {
    struct goalloc_stack *s = t->stop_stack;
    uint64_t bytes = stack_mark_range(w, t->stop_sp, s->top) + stack_mark_range(w, t->handler_sp, t->handler_top);
    s->run_epoch = epoch;
    if (t->blocked != 0)
        stack_mark_spilled(w, s);
    if (s == &t->own || t->own.left_sp == 0)
        return bytes;
    stack_mark_spilled(w, &t->own);
    return bytes + stack_mark_range(w, t->own.left_sp, t->own.top);
}

/* The program may have freed it, which would end in a fault that tells nothing. */
static void stack_check_readable(const struct goalloc_stack *s, uintptr_t from) {
    for (uintptr_t at = from & ~(uintptr_t)7; at < s->top; at = (at | (STACK_PAGE_BYTES - 1)) + 1)
        if (!os_readable(at))
            os_die("the registered stack %p to %p cannot be read at %p: call goalloc_stack_unregister before its memory "
                   "is freed",
                   (void *)s->low, (void *)s->top, (void *)at);
}

/* Registered stacks on which no thread has stopped. */
static uint64_t stacks_mark_suspended(struct gc_work *w, uint32_t epoch) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < stacks.count; i++) {
        struct goalloc_stack *s = stacks.all[i];
        if (s->run_epoch == epoch)
            continue;
        uintptr_t from = s->left_sp;
        if (from == 0)
            from = s->top - s->low > STACK_FRESH_BYTES ? s->top - STACK_FRESH_BYTES : s->low;
        stack_check_readable(s, from);
        stack_mark_spilled(w, s);
        bytes += stack_mark_range(w, from, s->top);
    }
    return bytes;
}

/* The thread has ended: nothing will go on where it was. The world's lock is held. */
static void stacks_forget_thread(const struct gc_thread *t) {
    struct goalloc_stack *s = t->current;
    if (s == &t->own)
        return;
    s->left_sp = s->top;
    s->spilled_words = 0;
    __atomic_store_n(&s->thread, NULL, __ATOMIC_RELEASE);
}
