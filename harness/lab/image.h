/* SPDX-License-Identifier: MIT
 *
 * image.h: whether the loader of a program file would read LD_PRELOAD, told from the file. Part of spanlab and of what it
 * preloads, where it may run between vfork and exec: it allocates nothing.
 */
#ifndef SPANLAB_IMAGE_H
#define SPANLAB_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

/* Why the program at this path (or the interpreter that its first line names) cannot run on a preloaded library, as half a
 * sentence that begins with "it"; NULL when the file shows no reason, or cannot be read. loader: the path of the loader
 * that reads our LD_PRELOAD. */
const char *image_problem(const char *path, const char *loader);

/* The loader that the running program was started by; "" when it is linked statically. */
const char *image_own_loader(void);

/* Does the running program hold Go's runtime, which has a heap of its own? */
bool image_runs_go(void);

#endif
