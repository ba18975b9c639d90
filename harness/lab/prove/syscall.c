/* SPDX-License-Identifier: MIT
 *
 * syscall(): watched for the two calls that start a program. Declared without "...", with what comes in registers, and ended
 * by a call in tail position: no frame of ours lies between the program and a call that returns twice (clone, vfork), and
 * what lies on its stack stays as it is.
 */
#include "starts.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

/* On x86-64 the seventh, f, is on the stack and is found there by the real one. */
#if defined(__x86_64__)
#define PARAMETERS long number, long a, long b, long c, long d, long e
#define ARGUMENTS  number, a, b, c, d, e
#else
#define PARAMETERS long number, long a, long b, long c, long d, long e, long f
#define ARGUMENTS  number, a, b, c, d, e, f
#endif

long syscall(PARAMETERS); /* not by unistd.h, which has it variadic */

static long (*real)(PARAMETERS);

__attribute__((constructor)) static void find_real_syscall(void) {
    if (real == NULL)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "syscall");
}

__attribute__((noinline)) static bool may_start(long number, long a, long b, long c, long d) {
    char path[1024];
    bool at = number == SYS_execveat;
    const char *name = (const char *)(at ? b : a);
    if (!at || name[0] == '/' || a == AT_FDCWD)
        snprintf(path, sizeof path, "%s", name);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%ld%s%s", a, name[0] != '\0' ? "/" : "", name);
    return starts_announce(path, (char *const *)(at ? d : c));
}

long syscall(PARAMETERS) {
    if (__builtin_expect(real == NULL, 0))
        find_real_syscall();
    if (__builtin_expect(number == SYS_execve || number == SYS_execveat, 0))
        return may_start(number, a, b, c, d) ? starts_came_back(real(ARGUMENTS)) : -1;
    return real(ARGUMENTS);
}
