/* SPDX-License-Identifier: MIT
 *
 * wipe.h: tests that expect objects to die take what earlier calls have left on the stack off it first: a collector that
 * scans stacks conservatively keeps what a dead word points at.
 */
#ifndef SPANLAB_TESTS_WIPE_H
#define SPANLAB_TESTS_WIPE_H

#include <alloca.h>
#include <stddef.h>
#include <string.h>

/* Zeroes `bytes` bytes of the stack below the caller's frame. The compiler removes a memset of an array that no code reads, even
 * of a volatile one; the empty assembly counts as a reader. */
static __attribute__((noinline)) void wipe_below(size_t bytes) {
    char *below = alloca(bytes);
    memset(below, 0, bytes);
    __asm__ volatile("" : : "r"(below) : "memory");
}

#endif
