/* SPDX-License-Identifier: MIT
 *
 * abi.h: the malloc ABI under the names the build asks for: plain (served by whatever is preloaded), or goalloc_ ones
 * with -DSTRESS_DIRECT, for sanitizer builds, which keep malloc to themselves. What is missing in a preloaded subject
 * is replaced: abi_offers says what is there.
 */
#ifndef STRESS_ABI_H
#define STRESS_ABI_H

#include <stdbool.h>
#include <stddef.h>

#ifdef STRESS_DIRECT

#include "goalloc.h"

#define abi_malloc             goalloc_malloc
#define abi_calloc             goalloc_calloc
#define abi_realloc            goalloc_realloc
#define abi_reallocarray       goalloc_reallocarray
#define abi_free               goalloc_free
#define abi_aligned_alloc      goalloc_aligned_alloc
#define abi_posix_memalign     goalloc_posix_memalign
#define abi_memalign           goalloc_memalign
#define abi_valloc             goalloc_valloc
#define abi_pvalloc            goalloc_pvalloc
#define abi_usable_size        goalloc_usable_size
#define abi_free_sized         goalloc_free_sized
#define abi_free_aligned_sized goalloc_free_aligned_sized

static inline bool abi_offers(const char *function) {
    (void)function;
    return true;
}

/* The subject's own look at its heap: the number of broken invariants. */
static inline int abi_check(char *message, size_t size) {
    return goalloc_check(message, size);
}

#else

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* C23's two are newer than the C library that we compile against. */
extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

#define abi_malloc             malloc
#define abi_calloc             calloc
#define abi_realloc            realloc
#define abi_reallocarray       reallocarray
#define abi_free               free
#define abi_aligned_alloc      aligned_alloc
#define abi_posix_memalign     posix_memalign
#define abi_memalign           memalign
#define abi_valloc             valloc
#define abi_pvalloc            pvalloc
#define abi_usable_size        malloc_usable_size
#define abi_free_sized         free_sized
#define abi_free_aligned_sized free_aligned_sized

/* Does the function come from the library that serves malloc? */
/* Subjects without such a function have nothing to say. */
static inline int abi_check(char *message, size_t size) {
    int (*check)(char *, size_t) = (int (*)(char *, size_t))dlsym(RTLD_DEFAULT, "goalloc_check");
    return check != NULL ? check(message, size) : 0;
}

static inline bool abi_offers(const char *function) {
    Dl_info of_malloc, of_function;
    void *address = dlsym(RTLD_DEFAULT, function);
    return address != NULL && dladdr(dlsym(RTLD_DEFAULT, "malloc"), &of_malloc) != 0 &&
           dladdr(address, &of_function) != 0 && strcmp(of_malloc.dli_fname, of_function.dli_fname) == 0;
}

#endif
#endif
