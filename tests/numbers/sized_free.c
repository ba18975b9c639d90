/* SPDX-License-Identifier: MIT
 *
 * sized_free plain|sized SIZE COUNT: COUNT times jemalloc allocates SIZE bytes and frees them, by free(pointer) or by
 * sdallocx(pointer, size), which need not look the size up. Its instructions are counted by callgrind (claim JE-04).
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char library_name[] = "libjemalloc.so.2";

static void *need(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (function != NULL)
        return function;
    fprintf(stderr, "sized_free: %s has no %s\n", library_name, name);
    exit(1);
}

int main(int argc, char **argv) {
    bool sized = argc == 4 && strcmp(argv[1], "sized") == 0;
    if (argc != 4 || (!sized && strcmp(argv[1], "plain") != 0)) {
        fprintf(stderr, "usage: sized_free plain|sized SIZE COUNT\n");
        return 2;
    }
    size_t size_bytes = strtoul(argv[2], NULL, 10);
    unsigned long count = strtoul(argv[3], NULL, 10);
    void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "sized_free: %s; install libjemalloc2\n", dlerror());
        return 1;
    }
    void *(*allocate)(size_t);
    void (*plain_free)(void *);
    void (*sized_free)(void *, size_t, int);
    *(void **)&allocate = need(library, "malloc");
    *(void **)&plain_free = need(library, "free");
    *(void **)&sized_free = need(library, "sdallocx");
    for (unsigned long i = 0; i < count; i++) {
        volatile char *block = allocate(size_bytes);
        if (block == NULL)
            return 1;
        block[0] = 1;
        if (sized)
            sized_free((void *)block, size_bytes, 0);
        else
            plain_free((void *)block);
    }
    return 0;
}
