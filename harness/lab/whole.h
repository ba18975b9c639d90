/* SPDX-License-Identifier: MIT
 *
 * whole.h: a file that others read is replaced by a whole one or not at all: it is written beside its place, brought to
 * the disk and renamed. Temporary files go where TMPDIR says.
 */
#ifndef SPANLAB_WHOLE_H
#define SPANLAB_WHOLE_H

#include <stdio.h>

struct whole_file {
    FILE *out;
    char *path, *beside; /* beside NULL: a pipe or device is written as it is */
};

/* 0, or LAB_DISK after a line. */
int whole_begin(struct whole_file *w, const char *path);
/* Puts the file in its place; 0, or LAB_DISK after a line, and then what was there stays. Frees w in both cases. */
int whole_end(struct whole_file *w);
/* What was there stays. */
void whole_abandon(struct whole_file *w);

/* "TMPDIR/spanlab-WHAT-XXXXXX" for mkstemp and mkdtemp, /tmp without TMPDIR. The caller's to free. */
char *whole_temporary_name(const char *what);
/* The line that says that the name could not be made; LAB_DISK. */
int whole_temporary_error(const char *name);

#endif
