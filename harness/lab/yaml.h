/* SPDX-License-Identifier: MIT
 *
 * yaml.h: a text against a libcyaml schema.
 */
#ifndef SPANLAB_YAML_H
#define SPANLAB_YAML_H

#include <cyaml/cyaml.h>

/* What the schema's mapping describes, allocated; NULL after an error line "WHERE is not a WHAT: field, line and
 * column; HINT". */
void *yaml_load(const char *where, const char *what, const char *hint, const char *text,
                const cyaml_schema_value_t *schema);

#endif
