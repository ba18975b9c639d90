/* SPDX-License-Identifier: MIT
 *
 * ask.h: a program is run for what it says.
 */
#ifndef SPANLAB_ASK_H
#define SPANLAB_ASK_H

#include <stdbool.h>

struct answer {
    char *out, *err; /* of both the first MiB */
    int start_error; /* errno, when it was not started */
    int status;      /* of wait; -1 when it was not started, or ran past the limit */
};

/* Runs argv (NULL-terminated) without input, in the caller's environment without allocators' variables, under LD_PRELOAD
 * where preload is not NULL, for at most limit_s seconds. */
struct answer ask(char *const *argv, const char *preload, unsigned limit_s);
void answer_free(struct answer *a);

/* "exit code 3: its last line", for an error line. The caller's to free. */
char *answer_failure(const struct answer *a);

#endif
