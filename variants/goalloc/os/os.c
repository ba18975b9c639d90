/* SPDX-License-Identifier: MIT */
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

static void *os_map(uintptr_t hint, size_t size_bytes, int protection, int flags, int *error) {
    int saved_errno = errno;
    void *p = mmap((void *)hint, size_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    *error = p == MAP_FAILED ? errno : 0;
    errno = saved_errno;
    return p == MAP_FAILED ? NULL : p;
}

static void *os_reserve_at(uintptr_t hint, size_t size_bytes, bool *taken) {
    int error;
    /* ThreadSanitizer turns an address that it wants for itself into 0, which must then not be insisted on. */
    void *p = os_map(hint, size_bytes, PROT_NONE, OS_THREAD_SANITIZER ? 0 : MAP_FIXED_NOREPLACE, &error);
    *taken = error == EEXIST;
    /* Kernels before 4.17 take the flag for a mere hint and may answer elsewhere. */
    if (p != NULL && (uintptr_t)p != hint) {
        os_unmap(p, size_bytes);
        *taken = true;
        return NULL;
    }
    return p;
}

static void *os_reserve(uintptr_t hint, size_t size_bytes) {
    int error;
    bool taken;
    return hint == 0 ? os_map(0, size_bytes, PROT_NONE, 0, &error) : os_reserve_at(hint, size_bytes, &taken);
}

static void *os_reserve_aligned(size_t size_bytes, size_t align_bytes) {
    size_t padded_bytes;
    if (__builtin_add_overflow(size_bytes, align_bytes, &padded_bytes))
        return NULL;
    char *p = os_reserve(0, padded_bytes);
    if (p == NULL)
        return NULL;
    uintptr_t base = ((uintptr_t)p + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1);
    size_t head_bytes = base - (uintptr_t)p;
    if (head_bytes > 0)
        os_unmap(p, head_bytes);
    if (padded_bytes - head_bytes > size_bytes)
        os_unmap((char *)base + size_bytes, padded_bytes - head_bytes - size_bytes);
    return (void *)base;
}

static void *os_map_lazy(size_t size_bytes) {
    int error;
    return os_map(0, size_bytes, PROT_READ | PROT_WRITE, 0, &error);
}

static void *os_map_readable(size_t size_bytes) {
    int error;
    return os_map(0, size_bytes, PROT_READ, 0, &error);
}

static size_t os_address_limit_bytes(void) {
    struct rlimit limit;
    /* A limit above what there are addresses for is none. */
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >> OS_ADDRESS_BITS != 0)
        return SIZE_MAX;
    return limit.rlim_cur;
}

static size_t os_memory_bytes(void) {
    struct sysinfo info;
    if (sysinfo(&info) != 0)
        return SIZE_MAX;
    return ((size_t)info.totalram + info.totalswap) * info.mem_unit;
}

static bool os_commit(void *base, size_t size_bytes) {
    int saved_errno = errno;
    bool ok = mprotect(base, size_bytes, PROT_READ | PROT_WRITE) == 0;
    errno = saved_errno;
    return ok;
}

static void os_prefer_huge_pages(void *base, size_t size_bytes) {
    int saved_errno = errno;
    madvise(base, size_bytes, MADV_HUGEPAGE);
    errno = saved_errno;
}

static void os_refuse_huge_pages(void *base, size_t size_bytes) {
    int saved_errno = errno;
    madvise(base, size_bytes, MADV_NOHUGEPAGE);
    errno = saved_errno;
}

static void os_populate(void *base, size_t size_bytes) {
    enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, which Debian 12's headers have and older ones do not */
    int saved_errno = errno;
    madvise(base, size_bytes, POPULATE_WRITE);
    errno = saved_errno;
}

static bool os_release(void *base, size_t size_bytes) {
    int saved_errno = errno;
    bool ok = madvise(base, size_bytes, MADV_DONTNEED) == 0;
    errno = saved_errno;
    return ok;
}

static bool os_move(void *from, size_t size_bytes, void *to) {
    enum { KEEP_MAPPED = 4 }; /* MREMAP_DONTUNMAP */
    if (OS_THREAD_SANITIZER)
        return false; /* it would believe the old accesses to the new place */
    int saved_errno = errno;
    bool ok = mremap(from, size_bytes, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED | KEEP_MAPPED, to) != MAP_FAILED;
    /* Whether the kernel had unmapped the new place before it gave up is not known. */
    if (!ok && mmap(to, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                    0) == MAP_FAILED)
        os_die("the OS has unmapped %zu bytes at %p and does not map them again", size_bytes, to);
    errno = saved_errno;
    return ok;
}

static void os_unmap(void *base, size_t size_bytes) {
    int saved_errno = errno;
    munmap(base, size_bytes);
    errno = saved_errno;
}

/* Taking away the right to write a page interrupts every processor that runs a thread of the process. */
static void os_barrier_by_page(void) {
    static _Alignas(OS_PAGE_BYTES) char page[OS_PAGE_BYTES];
    mprotect(page, sizeof page, PROT_READ | PROT_WRITE);
    __atomic_store_n(&page[0], 1, __ATOMIC_SEQ_CST);
    mprotect(page, sizeof page, PROT_READ);
}

static void os_barrier_all(void) {
    enum { EXPEDITED = 1 << 3, REGISTER = 1 << 4 }; /* of membarrier(2), Linux 4.14; headers may be older */
    int saved_errno = errno;
    if (syscall(SYS_membarrier, EXPEDITED, 0) != 0 &&
        (syscall(SYS_membarrier, REGISTER, 0) != 0 || syscall(SYS_membarrier, EXPEDITED, 0) != 0))
        os_barrier_by_page();
    errno = saved_errno;
}

static __thread bool os_thread_dies;
static void (*os_on_death)(void);

/* No handler is asked again. */
_Noreturn static void os_end_at_once(void) {
    sigset_t abort_signal;
    signal(SIGABRT, SIG_DFL);
    sigemptyset(&abort_signal);
    sigaddset(&abort_signal, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &abort_signal, NULL);
    raise(SIGABRT);
    _exit(134);
}

/* Another thread has found the heap broken, too: a handler of the program's may be writing down why. */
static void os_let_first_end(void) {
    for (int i = 0; i < 10; i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

/* The first death of a process is told, once. */
static void os_begin_death(void) {
    static uint32_t begun; /* atomic */
    if (os_thread_dies)
        os_end_at_once(); /* by its handler of SIGABRT */
    if (__atomic_exchange_n(&begun, 1, __ATOMIC_RELAXED) != 0) {
        os_let_first_end();
        os_end_at_once();
    }
    os_thread_dies = true;
    if (os_on_death != NULL)
        os_on_death();
}

_Noreturn static void os_die(const char *format, ...) {
    os_begin_death();
    char line[512];
    int used = snprintf(line, sizeof line, "goalloc: ");
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    va_end(args);
    size_t length = (size_t)used + (more < 0 ? 0 : (size_t)more);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0)
        _exit(134); /* nobody can read why; still do not go on */
    abort();
}
