/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one UTF-8 character that is none of control, 0 where there is none. */
static size_t printable(const unsigned char *s) {
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0x20 || s[0] == 0x7f || (s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : length;
}

/* One line, whatever names and values it quotes: what is no character becomes '?', and what is long is cut. */
static void print_line(const char *format, va_list args) {
    enum { LINE_BYTES = 4000 };
    char *said = NULL;
    fflush(stdout);
    if (vasprintf(&said, format, args) < 0)
        return;
    fputs("spanlab: ", stderr);
    size_t written = 0, n;
    for (const char *at = said; *at != '\0' && written < LINE_BYTES; at += n, written += n) {
        n = printable((const unsigned char *)at);
        fwrite(n > 0 ? at : "?", 1, n > 0 ? n : 1, stderr);
        n = n > 0 ? n : 1;
    }
    fputs(said[written] == '\0' ? "\n" : "…\n", stderr);
    free(said);
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
