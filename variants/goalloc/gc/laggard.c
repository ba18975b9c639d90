/* SPDX-License-Identifier: MIT
 *
 * laggard: why a thread has not stopped for the collector, in one line. Included by world.c.
 */
#include "gc/gc.h"
#include "os/proc.h"

/* What the program has made of the signal; NULL: it is the collector's. */
static const char *laggard_handler(void) {
    struct sigaction now;
    if (sigaction(WORLD_SIGNAL, NULL, &now) != 0)
        return NULL;
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == world_on_signal)
        return NULL;
    if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN)
        return "the program ignores SIGURG, by which threads are stopped; leave the signal alone";
    if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL)
        return "the program has reset SIGURG, by which threads are stopped, to its default; leave the signal alone";
    return "the program has replaced the handler of SIGURG, by which threads are stopped; install yours before the "
           "heap's first use, and goalloc passes on to it what is not its own";
}

/* Of a thread whose handler is in place. state: '\0' when /proc does not tell. */
static const char *laggard_state(const struct gc_thread *t, uint64_t blocked, char state) {
    if (OS_THREAD_SANITIZER)
        return "ThreadSanitizer holds signals back; call goalloc_safepoint in loops that do not allocate";
    if (state == '\0')
        return "/proc does not say why; does it block SIGURG?";
    if (state == 'T' || state == 't')
        return "it is suspended, by SIGSTOP or by a debugger";
    if (state == 'D')
        return "it is in a system call that no signal interrupts";
    if ((blocked >> (WORLD_SIGNAL - 1) & 1) != 0)
        return "it blocks SIGURG, by which threads are stopped; unblock the signal, or bracket what it does by "
               "goalloc_blocked_enter and goalloc_blocked_leave";
    if (__atomic_load_n(&t->cache->front.busy, __ATOMIC_RELAXED) != 0)
        return "it is inside the allocator";
    return "it does not block SIGURG, whose handler is goalloc's; it may have had no processor";
}

_Noreturn static void laggard_die(const struct gc_thread *t) {
    uint64_t blocked = 0;
    char state = '\0';
    if (!os_thread_status(t->tid, &blocked, &state))
        state = '\0';
    const char *why = laggard_handler();
    os_die("thread %d has not stopped for the collector in %llu s: %s", t->tid,
           (unsigned long long)(world_patience_ns / 1000000000), why != NULL ? why : laggard_state(t, blocked, state));
}
