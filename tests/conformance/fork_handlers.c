/* SPDX-License-Identifier: MIT
 *
 * fork_handlers: a library that is initialised before the allocator (nothing makes it wait) and whose fork handlers
 * allocate, free and resize, as those of runtimes and of TLS libraries do.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int fork_handlers_wrong; /* objects that did not hold what was written; the forking thread's */
int fork_handlers_run;   /* handlers that have run in this process */
int fork_handlers_rest;  /* set: they do nothing */

static char *kept;

static void use_heap_in_handler(void) {
    if (fork_handlers_rest)
        return;
    fork_handlers_run++;
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        char *p = malloc(size);
        if (p == NULL) {
            fork_handlers_wrong++;
            continue;
        }
        memset(p, 0x5a, size);
        free(kept);
        kept = realloc(p, size * 2);
        if (kept == NULL || kept[0] != 0x5a || kept[size - 1] != 0x5a)
            fork_handlers_wrong++;
    }
}

__attribute__((constructor)) static void register_first(void) {
    pthread_atfork(use_heap_in_handler, use_heap_in_handler, use_heap_in_handler);
}
