/* SPDX-License-Identifier: MIT
 *
 * plugin: a shared library that the conformance program opens and closes. It allocates when it is loaded, frees when it
 * is unloaded, and has thread-local storage large enough that the loader takes it from the heap.
 */
#include <stdlib.h>
#include <string.h>

void *plugin_make(size_t size);
int plugin_use_tls(void);

static void *held;
static __thread unsigned char local[3000];

__attribute__((constructor)) static void plugin_loaded(void) {
    held = malloc(12345);
    if (held != NULL)
        memset(held, 1, 12345);
}

__attribute__((destructor)) static void plugin_unloaded(void) {
    free(held);
}

void *plugin_make(size_t size) {
    void *p = malloc(size);
    if (p != NULL)
        memset(p, 0x5a, size);
    return p;
}

int plugin_use_tls(void) {
    for (size_t i = 0; i < sizeof local; i++)
        if (local[i] != 0)
            return 1;
    memset(local, 7, sizeof local);
    return 0;
}
