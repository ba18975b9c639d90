/* SPDX-License-Identifier: MIT
 *
 * proc: what the kernel says about this process: its mappings, its threads, what memory can be read. Every function is
 * async-signal-safe, allocates nothing and leaves errno as it found it.
 */
#ifndef GOALLOC_PROC_H
#define GOALLOC_PROC_H

#include "os/os.h"

/* Where the mapping that holds address begins and ends. False: none does, or /proc cannot be read. */
static bool os_mapping_of(uintptr_t address, uintptr_t *low, uintptr_t *high);

/* The signals that a thread of this process blocks (bit n - 1: signal n), and the letter of its state (proc(5)). False:
 * /proc cannot be read. */
static bool os_thread_status(int tid, uint64_t *blocked, char *state);

/* Can the word at address be read without a fault? */
static bool os_readable(uintptr_t address);

#endif
