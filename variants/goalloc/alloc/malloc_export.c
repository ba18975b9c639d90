/* SPDX-License-Identifier: MIT
 *
 * malloc_export: the malloc ABI under its own names, for the shared library only. Aliases cost nothing per call.
 */
#include <dlfcn.h>

#define MALLOC_EXPORT(name) __attribute__((alias("goalloc_" #name), visibility("default"), used))

/* Declared here, not by headers: this file defines them. */
void *malloc(size_t) MALLOC_EXPORT(malloc);
void *calloc(size_t, size_t) MALLOC_EXPORT(calloc);
void *realloc(void *, size_t) MALLOC_EXPORT(realloc);
void *reallocarray(void *, size_t, size_t) MALLOC_EXPORT(reallocarray);
void free(void *) MALLOC_EXPORT(free);
void free_sized(void *, size_t) MALLOC_EXPORT(free_sized);
void free_aligned_sized(void *, size_t, size_t) MALLOC_EXPORT(free_aligned_sized);
void *aligned_alloc(size_t, size_t) MALLOC_EXPORT(aligned_alloc);
int posix_memalign(void **, size_t, size_t) MALLOC_EXPORT(posix_memalign);
void *memalign(size_t, size_t) MALLOC_EXPORT(memalign);
void *valloc(size_t) MALLOC_EXPORT(valloc);
void *pvalloc(size_t) MALLOC_EXPORT(pvalloc);
int malloc_trim(size_t) __attribute__((alias("goalloc_trim"), visibility("default"), used));
size_t malloc_usable_size(void *) __attribute__((alias("goalloc_usable_size"), visibility("default"), used));

/* ---- registering fork handlers: everybody's pthread_atfork comes here (glibc nptl/pthread_atfork.c), however early */

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
    __attribute__((visibility("default"), used));

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library) {
    int (*libc)(void (*)(void), void (*)(void), void (*)(void), void *);
    *(void **)&libc = dlsym(RTLD_NEXT, "__register_atfork");
    if (libc == NULL)
        return ENOSYS;
    fork_register(); /* ours comes by here, too */
    /* The list of handlers grows by malloc, under a lock that fork takes when it already has ours. */
    lock_acquire(&forking.lock);
    int error = libc(prepare, parent, child, library);
    lock_release(&forking.lock);
    return error;
}
