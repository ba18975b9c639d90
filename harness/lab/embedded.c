/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <string.h>

/* A file as a NUL-terminated array of read-only bytes. */
#define EMBED(symbol, path)                                                                                            \
    __asm__(".section .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" SPANLAB_LAB_DIR "/" path "\"\n.byte 0\n"  \
            ".previous\n");                                                                                            \
    extern const char symbol[]

EMBED(embedded_schema, "schema.sql");
EMBED(embedded_smoke, "matrices/smoke.yaml");
EMBED(embedded_quick, "matrices/quick.yaml");
EMBED(embedded_full, "matrices/full.yaml");

const char *const embedded_matrix_names[] = {"smoke", "quick", "full", NULL};

const char *embedded_matrix(const char *name) {
    if (strcmp(name, "smoke") == 0)
        return embedded_smoke;
    if (strcmp(name, "quick") == 0)
        return embedded_quick;
    if (strcmp(name, "full") == 0)
        return embedded_full;
    return NULL;
}
