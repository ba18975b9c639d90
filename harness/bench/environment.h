/* SPDX-License-Identifier: MIT
 *
 * environment.h: what about this process and machine moves results without being part of the cell: layout, page size,
 * huge pages. Main thread.
 */
#ifndef SPANLAB_ENVIRONMENT_H
#define SPANLAB_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct environment {
    size_t environment_bytes; /* of all variables with their terminators */
    size_t stack_offset_bytes, heap_offset_bytes; /* asked for by SPANLAB_STACK_OFFSET, SPANLAB_HEAP_OFFSET */
    bool aslr;
    char thp[16];                /* "madvise"; "" when the kernel does not say */
    char library_build_type[16]; /* of Google Benchmark */
    long page_bytes;
    uintptr_t stack_address, heap_address;
};

/* The value in bytes of a SPANLAB_*_OFFSET variable; 0 when unset, at most 64 KiB. */
size_t environment_offset_bytes(const char *variable);

/* Fills the whole structure; allocates one block from the heap under test, and keeps SPANLAB_HEAP_OFFSET bytes of it. */
void environment_read(struct environment *e);

#endif
