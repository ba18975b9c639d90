/* SPDX-License-Identifier: MIT
 *
 * crash.h: a crash is data. The handler prints the signal, where the workload was and a stack to standard error without
 * allocating, on a stack of its own, and dies of the same signal.
 */
#ifndef SPANLAB_CRASH_H
#define SPANLAB_CRASH_H

#include <stdbool.h>

/* Installs the handlers and the calling thread's alternate stack. False when memory for the stacks is missing. */
bool crash_open(void);

/* Gives the calling thread an alternate stack. Two per worker: a thread takes over while its predecessor still leaves. */
void crash_thread_stack(unsigned worker, unsigned slot);

#endif
