/* SPDX-License-Identifier: MIT
 *
 * record.h: what a record (docs/record.md) must hold before anything is read from it.
 */
#ifndef SPANLAB_RECORD_H
#define SPANLAB_RECORD_H

#include <jansson.h>
#include <stdbool.h>

/* What the text lacks to be the record of a process that ended well; NULL when it lacks nothing. *out is the parsed record
 * (json_decref), NULL where the text is no JSON. iterations: those that must count; 0: any number. */
const char *record_defect(const char *text, bool memory, unsigned iterations, json_t **out);

#endif
