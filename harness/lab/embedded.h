/* SPDX-License-Identifier: MIT
 *
 * embedded.h: data files that are part of the program.
 */
#ifndef SPANLAB_EMBEDDED_H
#define SPANLAB_EMBEDDED_H

#include <stddef.h>

/* The SQL of a store's tables, NUL-terminated. */
extern const char embedded_schema[];

/* Text of a built-in matrix, or NULL when there is none of that name. */
const char *embedded_matrix(const char *name);

/* Names of the built-in matrices, one per file of matrices/, in alphabetical order. */
extern const char *const embedded_matrix_names[];
extern const size_t embedded_matrix_count;

#endif
