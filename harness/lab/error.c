/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(const char *format, va_list args) {
    fflush(stdout);
    fputs("spanlab: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int lab_error(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
    return code;
}

_Noreturn void lab_die(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
    exit(code);
}

void *lab_alloc(unsigned long size_bytes) {
    void *p = calloc(1, size_bytes == 0 ? 1 : size_bytes);
    if (p == NULL)
        lab_die(1, "out of memory (%lu bytes)", size_bytes);
    return p;
}

void *lab_realloc(void *p, unsigned long size_bytes) {
    p = realloc(p, size_bytes == 0 ? 1 : size_bytes);
    if (p == NULL)
        lab_die(1, "out of memory (%lu bytes)", size_bytes);
    return p;
}

char *lab_strdup(const char *s) {
    return strcpy(lab_alloc(strlen(s) + 1), s);
}

char *lab_printf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        lab_die(1, "out of memory");
    va_end(args);
    return text;
}
