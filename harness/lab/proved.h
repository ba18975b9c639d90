/* SPDX-License-Identifier: MIT
 *
 * proved.h: what the processes of a `spanlab exec` recorded of themselves (prove/record.h), and which of them did not.
 */
#ifndef SPANLAB_PROVED_H
#define SPANLAB_PROVED_H

#include <sys/types.h>

struct proved {
    int fd;
    char *variable; /* how the processes are told of it, as NAME=value */
};

/* 0, or -1 with errno. */
int proved_open(struct proved *p);
void proved_close(struct proved *p);

/* The caller, a child of its own, is about to become this program. */
void proved_announce(const struct proved *p, const char *path);

/* Prints a line for each process that did not prove itself on the subject, at most ten; returns how many there are. Waits
 * for those that have only just been started. */
size_t proved_tell(const struct proved *p, const char *subject);

#endif
