/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <string.h>

/* A file as a NUL-terminated array of read-only bytes. */
#define EMBED(symbol, path)                                                                                            \
    __asm__(".section .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" SPANLAB_LAB_DIR "/" path "\"\n.byte 0\n" \
            ".previous\n");                                                                                            \
    extern const char symbol[]

EMBED(embedded_schema, "schema.sql");
EMBED(embedded_smoke, "matrices/smoke.yaml");
EMBED(embedded_quick, "matrices/quick.yaml");
EMBED(embedded_full, "matrices/full.yaml");
EMBED(embedded_placement, "matrices/placement.yaml");

const char *const embedded_matrix_names[] = {"smoke", "quick", "full", "placement", NULL};
static const char *const embedded_matrices[] = {embedded_smoke, embedded_quick, embedded_full, embedded_placement};

const char *embedded_matrix(const char *name) {
    for (unsigned i = 0; embedded_matrix_names[i] != NULL; i++)
        if (strcmp(name, embedded_matrix_names[i]) == 0)
            return embedded_matrices[i];
    return NULL;
}
