/* SPDX-License-Identifier: MIT
 *
 * count_calls.c: preloaded over libc, counts the blocks that a program allocates and frees, and writes both counts to
 * the file named by COUNT_CALLS when the program ends: a witness of operation counts that no workload can influence.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static atomic_ullong allocated, freed;

void *malloc(size_t size) {
    atomic_fetch_add_explicit(&allocated, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    atomic_fetch_add_explicit(&allocated, 1, memory_order_relaxed);
    return __libc_calloc(count, size);
}

/* One block goes, another comes, wherever it lies. */
void *realloc(void *p, size_t size) {
    if (p != NULL)
        atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&allocated, 1, memory_order_relaxed);
    return __libc_realloc(p, size);
}

void free(void *p) {
    if (p != NULL)
        atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    __libc_free(p);
}

__attribute__((destructor)) static void report(void) {
    const unsigned long long counts[] = {atomic_load(&allocated), atomic_load(&freed)};
    const char *path = getenv("COUNT_CALLS");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%llu %llu\n", counts[0], counts[1]);
    fclose(file);
}
