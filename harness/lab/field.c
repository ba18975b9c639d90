/* SPDX-License-Identifier: MIT */
#include "field.h"
#include "error.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *kind_allowed(const struct field *f, bool several) {
    unsigned long long least = f->least, most = f->most;
    if (f->type == FIELD_WHOLE || f->type == FIELD_WHOLES)
        return lab_printf("%s from %llu to %llu", several ? "whole numbers" : "a whole number", least, most);
    if (f->type == FIELD_MAP || f->type == FIELD_MAPS)
        return lab_strdup(several ? "maps of fields" : "a map of fields");
    return lab_printf("%s of %llu to %llu bytes", several ? "texts" : "a text", least, most);
}

static char *choices_allowed(const struct field_choice *c) {
    char *all = lab_strdup("");
    for (; c->name != NULL; c++) {
        char *longer = lab_printf("%s%s%s", all, all[0] == '\0' ? "" : c[1].name == NULL ? " or " : ", ", c->name);
        free(all);
        all = longer;
    }
    return all;
}

char *field_allowed(const struct field *f) {
    if (f->type != FIELD_TEXTS && f->type != FIELD_WHOLES && f->type != FIELD_MAPS)
        return field_one_allowed(f);
    char *each = kind_allowed(f, true), *text = lab_printf("a list of %u to %u %s", f->count_least, f->count_most, each);
    free(each);
    return text;
}

char *field_one_allowed(const struct field *f) {
    if (f->type == FIELD_SWITCH)
        return lab_strdup("true or false");
    if (f->type == FIELD_NUMBER)
        return lab_strdup("a decimal number");
    if (f->type == FIELD_CHOICE)
        return choices_allowed(f->choices);
    return kind_allowed(f, false);
}

const struct field *field_find(const struct field *table, const char *name) {
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

bool field_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out) {
    size_t digits = strspn(text, "0123456789");
    /* "010" is eight to some readers of YAML and ten to others. */
    if (digits == 0 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0 && *out >= least && *out <= most;
}

bool field_number(const char *text, double *out) {
    char *end;
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false; /* also what strtod knows besides: hexadecimal, inf, nan */
    *out = strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*out);
}

bool field_switch(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return false;
}
