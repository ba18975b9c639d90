/* SPDX-License-Identifier: MIT
 *
 * libspanlab-prove: preloaded by `spanlab exec` after the subject. Before main it checks from inside that malloc and
 * free resolve to the library that SPANLAB_PROVE_LIBRARY names, by device and inode, and ends the process with one line
 * when they do not: a program that brings its own allocator must not pass for a run on the subject.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROVE_EXIT = 125 };

static void refuse(const char *symbol, const char *found, const char *expected) {
    dprintf(STDERR_FILENO,
            "spanlab exec: %s resolves to %s, not to %s: this program brings its own allocator, or the "
            "library does not load; nothing was run\n",
            symbol, found, expected);
    _exit(PROVE_EXIT);
}

static void prove(const char *symbol, const struct stat *expected, const char *path) {
    Dl_info info;
    struct stat found;
    void *address = dlsym(RTLD_DEFAULT, symbol);
    if (address == NULL || dladdr(address, &info) == 0 || info.dli_fname == NULL)
        refuse(symbol, "nothing known", path);
    const char *file = info.dli_fname;
    if (stat(file, &found) != 0)
        refuse(symbol, file, path);
    if (found.st_dev != expected->st_dev || found.st_ino != expected->st_ino)
        refuse(symbol, file, path);
}

__attribute__((constructor)) static void prove_subject(void) {
    const char *path = getenv("SPANLAB_PROVE_LIBRARY");
    struct stat expected;
    if (path == NULL)
        return;
    if (stat(path, &expected) != 0)
        refuse("malloc", "nothing", path);
    static const char *const symbols[] = {"malloc", "calloc", "realloc", "free"};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        prove(symbols[i], &expected, path);
}
