/* SPDX-License-Identifier: MIT
 *
 * sized_free plain|sized|delete SIZE COUNT: COUNT times jemalloc allocates SIZE bytes and frees them, by free(pointer),
 * by sdallocx(pointer, size, 0) or by C++'s operator delete(pointer, size); the last two need not look the size up.
 * Its instructions are counted by callgrind (claims JE-04 and JE-04b). It starts itself again with jemalloc preloaded:
 * the library's thread-local storage is not to be had later.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char library_name[] = "libjemalloc.so.2", again_name[] = "SIZED_FREE_AGAIN";

static int start_again(char **argv) {
    if (getenv(again_name) == NULL && setenv("LD_PRELOAD", library_name, 1) == 0 && setenv(again_name, "1", 1) == 0)
        execv(argv[0], argv);
    fprintf(stderr, "sized_free: %s cannot be preloaded: apt-get install libjemalloc2\n", library_name);
    return 1;
}

static void (*sdallocx_of_jemalloc)(void *, size_t, int);
static void (*delete_of_jemalloc)(void *, size_t);

static bool find(void) {
    *(void **)&sdallocx_of_jemalloc = dlsym(RTLD_DEFAULT, "sdallocx");
    *(void **)&delete_of_jemalloc = dlsym(RTLD_DEFAULT, "_ZdlPvm");
    return sdallocx_of_jemalloc != NULL && delete_of_jemalloc != NULL;
}

int main(int argc, char **argv) {
    static const char *const modes[] = {"plain", "sized", "delete"};
    unsigned mode = 0;
    while (argc == 4 && mode < 3 && strcmp(argv[1], modes[mode]) != 0)
        mode++;
    if (argc != 4 || mode == 3) {
        fprintf(stderr, "usage: sized_free plain|sized|delete SIZE COUNT\n");
        return 2;
    }
    if (!find())
        return start_again(argv);
    size_t size_bytes = strtoul(argv[2], NULL, 10);
    /* The first of a page goes the long way when its size is said, in case it is one that a profile keeps apart. */
    void *volatile first = malloc(size_bytes);
    (void)first;
    for (unsigned long left = strtoul(argv[3], NULL, 10); left > 0; left--) {
        volatile char *block = malloc(size_bytes);
        if (block == NULL)
            return 1;
        block[0] = 1;
        if (mode == 0)
            free((void *)block);
        else if (mode == 1)
            sdallocx_of_jemalloc((void *)block, size_bytes, 0);
        else
            delete_of_jemalloc((void *)block, size_bytes);
    }
    return 0;
}
