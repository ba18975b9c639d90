/* SPDX-License-Identifier: MIT */
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls by number: sanitizers replace the functions, and signal handlers must not run their code. */

struct proc_reader {
    int fd;
    size_t at, end;
    char buffer[1024];
};

static bool proc_open(struct proc_reader *r, const char *path) {
    r->at = r->end = 0;
    r->fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    return r->fd >= 0;
}

/* The next character; -1 at the end. */
static int proc_next(struct proc_reader *r) {
    while (r->at == r->end) {
        long n = syscall(SYS_read, r->fd, r->buffer, sizeof r->buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        r->at = 0;
        r->end = (size_t)n;
    }
    return (unsigned char)r->buffer[r->at++];
}

/* A hexadecimal number; *behind gets the character that ends it. */
static uint64_t proc_hex(struct proc_reader *r, int *behind) {
    uint64_t value = 0;
    for (;;) {
        int c = proc_next(r);
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
        *behind = c;
        if (digit == 16)
            return value;
        value = value << 4 | digit;
    }
}

static void proc_skip_line(struct proc_reader *r, int c) {
    while (c != '\n' && c >= 0)
        c = proc_next(r);
}

static bool proc_find_mapping(struct proc_reader *r, uintptr_t address, uintptr_t *low, uintptr_t *high) {
    for (int c = 0; c >= 0; proc_skip_line(r, c)) {
        *low = proc_hex(r, &c);
        if (c != '-')
            return false;
        *high = proc_hex(r, &c);
        if (address >= *low && address < *high)
            return true;
    }
    return false;
}

static bool os_mapping_of(uintptr_t address, uintptr_t *low, uintptr_t *high) {
    int saved_errno = errno;
    struct proc_reader r;
    bool found = false;
    if (proc_open(&r, "/proc/self/maps")) {
        found = proc_find_mapping(&r, address, low, high);
        syscall(SYS_close, r.fd);
    }
    errno = saved_errno;
    return found;
}

/* The reader stands behind the label of the line that begins with it. False: there is no such line. */
static bool proc_find_line(struct proc_reader *r, const char *label) {
    for (int c = 0; c >= 0; proc_skip_line(r, c)) {
        const char *at = label;
        while ((c = proc_next(r)) == *at)
            if (*++at == '\0')
                return true;
    }
    return false;
}

static bool proc_read_status(struct proc_reader *r, uint64_t *blocked, char *state) {
    int behind;
    if (!proc_find_line(r, "State:\t"))
        return false;
    *state = (char)proc_next(r);
    proc_skip_line(r, 0);
    if (!proc_find_line(r, "SigBlk:\t"))
        return false;
    *blocked = proc_hex(r, &behind);
    return true;
}

static bool os_thread_status(int tid, uint64_t *blocked, char *state) {
    int saved_errno = errno;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    struct proc_reader r;
    bool ok = false;
    if (proc_open(&r, path)) {
        ok = proc_read_status(&r, blocked, state);
        syscall(SYS_close, r.fd);
    }
    errno = saved_errno;
    return ok;
}

/* The kernel copies the set before it looks at what is to be done with it, and refuses that. */
static bool os_readable(uintptr_t address) {
    enum { NOTHING_TO_DO = -1, SET_BYTES = 8 };
    int saved_errno = errno;
    bool readable = syscall(SYS_rt_sigprocmask, NOTHING_TO_DO, address, NULL, SET_BYTES) == 0 || errno != EFAULT;
    errno = saved_errno;
    return readable;
}
