/* SPDX-License-Identifier: MIT
 *
 * field.h: one table says of each field of a file, and of each option that has the same meaning, its name, type and range.
 * What is read, what is refused and what the refusal says is allowed come from it.
 */
#ifndef SPANLAB_FIELD_H
#define SPANLAB_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_TEXT,   /* char *; least and most are bytes */
    FIELD_WHOLE,  /* unsigned */
    FIELD_NUMBER, /* double, any that is finite */
    FIELD_SWITCH, /* bool */
    FIELD_CHOICE, /* an enum */
    FIELD_TEXTS,  /* char **, and an unsigned that counts them */
    FIELD_WHOLES, /* unsigned *, likewise */
    FIELD_MAP,    /* a struct *; NULL when it is absent */
    FIELD_MAPS,   /* a struct *, and an unsigned that counts them */
};

struct field_choice {
    const char *name; /* NULL ends them */
    int value;
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_type type;
    bool needed;
    uint64_t least, most;           /* of one value */
    unsigned otherwise;             /* FIELD_WHOLE: when it is absent */
    unsigned count_least, count_most; /* of a list */
    size_t at, count_at;            /* in the struct */
    const struct field_choice *choices;
    const struct field *fields; /* of a map */
    size_t size_bytes;          /* of its struct */
};

/* "a whole number from 1 to 1024", "true or false"; the caller's to free. */
char *field_allowed(const struct field *f);
/* The same of one value of a list. */
char *field_one_allowed(const struct field *f);

/* The row of this name. */
const struct field *field_find(const struct field *table, const char *name);

/* Reads one value: decimal digits without sign, space, leading zero or exponent; a finite decimal number; true or false. */
bool field_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out);
bool field_number(const char *text, double *out);
bool field_switch(const char *text, bool *out);

#endif
