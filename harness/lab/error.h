/* SPDX-License-Identifier: MIT
 *
 * error.h: bad input gets one line on stderr, "spanlab: what is wrong: what to do", and an exit code.
 */
#ifndef SPANLAB_ERROR_H
#define SPANLAB_ERROR_H

/* Prints the line; returns code, so that callers write `return lab_error(LAB_USAGE, "…")`. */
int lab_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the line and exits with code; for what no caller can go on from (out of memory, a broken installation). */
_Noreturn void lab_die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc, realloc and printf-to-heap that never return NULL. */
void *lab_alloc(unsigned long size_bytes);
void *lab_realloc(void *p, unsigned long size_bytes);
char *lab_strdup(const char *s);
char *lab_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
