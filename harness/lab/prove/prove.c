/* SPDX-License-Identifier: MIT
 *
 * libspanlab-prove: preloaded by `spanlab exec` after the subject. Before main it checks from inside that malloc and
 * free resolve to the library that SPANLAB_PROVE_LIBRARY names, by device and inode, records it, and ends the process when
 * they do not: a program that brings its own allocator must not pass for a run on the subject. starts.c records what the
 * process starts, so that what never comes here is missed.
 */
#include "../image.h"
#include "record.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROVE_EXIT = 125, PROVE_TEXT_BYTES = 800 };

static void own_path(char *out, size_t size_bytes) {
    ssize_t n = readlink("/proc/self/exe", out, size_bytes - 1);
    snprintf(out + (n > 0 ? n : 0), size_bytes - (size_t)(n > 0 ? n : 0), "%s", n > 0 ? "" : "a program");
}

static _Noreturn void refuse(const char *reason) {
    char path[PROVE_TEXT_BYTES];
    own_path(path, sizeof path);
    /* spanlab exec prints what is recorded; standard error may lead anywhere by now. */
    if (!record_write('X', getpid(), path, reason))
        dprintf(STDERR_FILENO, "spanlab exec: %s did not run: %s\n", path, reason);
    _exit(PROVE_EXIT);
}

static _Noreturn void refuse_symbol(const char *symbol, const char *found, const char *expected) {
    char reason[PROVE_TEXT_BYTES];
    snprintf(reason, sizeof reason,
             "its %s is in %.200s, not in %.200s: this program brings its own allocator, or the library does not load",
             symbol, found, expected);
    refuse(reason);
}

static void prove(const char *symbol, const struct stat *expected, const char *path) {
    Dl_info info;
    struct stat found;
    void *address = dlsym(RTLD_DEFAULT, symbol);
    if (address == NULL || dladdr(address, &info) == 0 || info.dli_fname == NULL)
        refuse_symbol(symbol, "nothing known", path);
    const char *file = info.dli_fname;
    if (stat(file, &found) != 0 || found.st_dev != expected->st_dev || found.st_ino != expected->st_ino)
        refuse_symbol(symbol, file, path);
}

__attribute__((constructor)) static void prove_subject(void) {
    if (!record_begin())
        return;
    const char *path = record_library();
    struct stat expected;
    if (stat(path, &expected) != 0)
        refuse_symbol("malloc", "nothing", path);
    static const char *const symbols[] = {"malloc", "calloc", "realloc", "free"};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        prove(symbols[i], &expected, path);
    if (image_runs_go())
        refuse("it is a Go program, whose runtime has a heap of its own");
    if (!record_write('P', getpid(), NULL, NULL))
        refuse("it cannot reach the record of spanlab exec (another user, root folder or set of processes), so nothing "
               "would prove it");
}
