/* SPDX-License-Identifier: MIT
 *
 * format.h: a run as other tools read it. A format is one file with one FORMAT(name) = {...}.
 */
#ifndef SPANLAB_FORMAT_H
#define SPANLAB_FORMAT_H

#include "rundata.h"

#include <stdio.h>

struct format {
    const char *name;    /* "csv" */
    const char *summary; /* who reads it */
    void (*write)(const struct run *r, FILE *out);
};

#define FORMAT(id)                                                                                                     \
    static const struct format format_##id;                                                                           \
    static const struct format *const format_entry_##id __attribute__((used, section("spanlab_formats"))) =           \
        &format_##id;                                                                                                  \
    static const struct format format_##id

#endif
