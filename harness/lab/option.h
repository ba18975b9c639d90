/* SPDX-License-Identifier: MIT
 *
 * option.h: the options of a command, read and checked by one table of theirs.
 */
#ifndef SPANLAB_OPTION_H
#define SPANLAB_OPTION_H

#include "field.h"

enum option_type {
    OPTION_TEXT,     /* char *; not empty */
    OPTION_EMPTY_IS_NONE, /* char *; make hands over what may be empty */
    OPTION_LIST,     /* char *; names separated by commas, none of them empty */
    OPTION_WHOLE,    /* uint64_t, in the range */
    OPTION_WHOLES,   /* char *; whole numbers in the range, separated by commas */
    OPTION_DURATION, /* double, seconds */
    OPTION_FLAG,     /* int */
};

struct option_row {
    const char *name; /* NULL ends a table */
    char letter;      /* '\0': none */
    enum option_type type;
    void *into; /* what it sets when it is given */
    uint64_t least, most;
    const char *summary, *value; /* for --help */
};

enum { OPTION_MAX_BUDGET_HOURS = 10000 };

/* Reads argv by the table; what is no option goes to *rest, ended by NULL, at most so many. --help prints and exits. 0, or
 * LAB_USAGE after a line that names option, value and what is allowed. No option is given twice. */
int options_read(int argc, const char **argv, const char *synopsis, const struct option_row *table, size_t rest_most,
                 const char ***rest);

#endif
