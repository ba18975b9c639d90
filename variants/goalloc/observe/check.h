/* SPDX-License-Identifier: MIT
 *
 * check: what the parts of the heap check collect their findings in.
 */
#ifndef GOALLOC_CHECK_H
#define GOALLOC_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct check {
    char *message;
    size_t size;
    int broken;
};

/* The first finding is the message; later ones are counted. */
static inline void check_found(struct check *check, const char *what, uintptr_t where, size_t want, size_t have) {
    if (check->broken++ == 0 && check->size > 0)
        snprintf(check->message, check->size, "%s at %p: %zu is right, %zu is there", what, (void *)where, want, have);
}

static inline void check_equal(struct check *check, const char *what, uintptr_t where, size_t want, size_t have) {
    if (want != have)
        check_found(check, what, where, want, have);
}

#endif
