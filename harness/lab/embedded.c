/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <string.h>

/* A file as a NUL-terminated array of read-only bytes. */
#define EMBED(symbol, path)                                                                                            \
    __asm__(".section .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" SPANLAB_LAB_DIR "/" path "\"\n.byte 0\n" \
            ".previous\n");                                                                                            \
    extern const char symbol[]

EMBED(embedded_schema, "schema.sql");

/* matrices.inc: MATRIX(symbol, "name") for each file of matrices/, written by CMake. */
#define MATRIX(symbol, name) EMBED(symbol, "matrices/" name ".yaml");
#include "matrices.inc"
#undef MATRIX

#define MATRIX(symbol, name) name,
const char *const embedded_matrix_names[] = {
#include "matrices.inc"
};
#undef MATRIX

#define MATRIX(symbol, name) symbol,
static const char *const embedded_matrices[] = {
#include "matrices.inc"
};
#undef MATRIX

const size_t embedded_matrix_count = sizeof embedded_matrices / sizeof *embedded_matrices;

const char *embedded_matrix(const char *name) {
    for (size_t i = 0; i < embedded_matrix_count; i++)
        if (strcmp(name, embedded_matrix_names[i]) == 0)
            return embedded_matrices[i];
    return NULL;
}
