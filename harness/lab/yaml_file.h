/* SPDX-License-Identifier: MIT
 *
 * yaml_file.h: a YAML file against a table of fields.
 */
#ifndef SPANLAB_YAML_FILE_H
#define SPANLAB_YAML_FILE_H

#include "field.h"

/* The whole file, NUL-terminated; NULL after an error line, also when it is a folder or larger than 1 MiB. */
char *yaml_read_file(const char *path, const char *what, size_t *length);

/* A struct of this size as the table fills it; NULL after an error line "WHERE is not a WHAT: line, field, value and what is
 * allowed; HINT". One document, no field twice, none that the table does not have. */
void *yaml_load(const char *where, const char *what, const char *hint, const char *text, size_t length,
                const struct field *table, size_t size_bytes);

#endif
