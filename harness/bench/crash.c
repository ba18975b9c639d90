/* SPDX-License-Identifier: MIT */
#include "crash.h"

#include "bench.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 64 << 10, STACK_SLOTS = 2, FRAMES = 64 };

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGABRT, "SIGABRT"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"},
};

static char *stacks; /* BENCH_MAX_THREADS * STACK_SLOTS of them, touched when used */

static void say(const char *text) {
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void say_number(uint64_t n, unsigned base) {
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    say(digits + at);
}

static const char *signal_name(int number) {
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (signals[i].number == number)
            return signals[i].name;
    return "signal";
}

static void crash_handler(int number, siginfo_t *info, void *context) {
    (void)context;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(number, &standard, NULL); /* a second fault in here must end the process */
    say("spanlab: ");
    say(signal_name(number));
    if (number != SIGABRT) {
        say(" at address 0x");
        say_number((uintptr_t)info->si_addr, 16);
    }
    const struct bench *b = bench_current;
    if (b != NULL && b->workload != NULL) {
        say(" in workload ");
        say(b->workload->name);
        say(", iteration ");
        say_number(b->iteration, 10);
    }
    say("\nspanlab: stack, innermost first:\n");
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    say("spanlab: end of stack\n");
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

void crash_thread_stack(unsigned worker, unsigned slot) {
    if (stacks == NULL)
        return;
    stack_t stack = {.ss_sp = stacks + ((size_t)worker * STACK_SLOTS + slot) * STACK_BYTES, .ss_size = STACK_BYTES};
    sigaltstack(&stack, NULL);
}

bool crash_open(void) {
    size_t size_bytes = (size_t)BENCH_MAX_THREADS * STACK_SLOTS * STACK_BYTES;
    void *base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return false;
    stacks = base;
    crash_thread_stack(0, 0);
    /* The first call loads the unwinder, which allocates; the handler must not. */
    void *frame;
    backtrace(&frame, 1);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action = {.sa_sigaction = crash_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaction(signals[i].number, &action, NULL);
    }
    return true;
}
