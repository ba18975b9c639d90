/* SPDX-License-Identifier: MIT
 *
 * text.h: small things with strings and files. What returns char * is the caller's to free.
 */
#ifndef SPANLAB_TEXT_H
#define SPANLAB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing list of strings, freed with text_list_free. */
struct text_list {
    char **items;
    size_t count;
};
void text_list_add(struct text_list *list, const char *item);
void text_list_add_taken(struct text_list *list, char *item); /* item now belongs to the list */
bool text_list_has(const struct text_list *list, const char *item);
void text_list_free(struct text_list *list);
/* Splits at a separator; empty parts are left out. */
struct text_list text_split(const char *s, char separator);

/* name=value settings, "a=1,b=2". */
struct setting {
    char *name, *value;
};
struct settings {
    struct setting *items;
    size_t count;
};
/* Parses; false when a part has no '=', no name or no value, or a name comes twice. */
bool settings_parse(const char *s, struct settings *out);
void settings_set(struct settings *s, const char *name, const char *value);
const char *settings_get(const struct settings *s, const char *name);
/* "a=1,b=2", sorted by name. */
char *settings_format(struct settings *s);
void settings_free(struct settings *s);

/* The whole file, NUL-terminated; NULL when it cannot be read. */
char *text_read_file(const char *path);
/* The last `bytes` of a file, "" when it cannot be read. */
char *text_read_tail(const char *path, size_t bytes);
/* Single-quotes an argument for a shell where it needs it. */
char *text_shell_quote(const char *s);
/* The known name nearest to what was typed, NULL when none is near: for "did you mean". */
const char *text_nearest(const char *typed, const char *const *known, size_t count);
/* For a name that is none of those known: the error line "WHAT 'name': did you mean 'x'? REMEDY", or without the question
 * where none is near. Returns LAB_USAGE. */
int text_unknown(const char *what, const char *name, const char *const *known, size_t count, const char *remedy);
/* Directory of the running program: where the bench programs lie too. */
const char *text_bin_dir(void);
/* "2026-11-23T08:26:00Z". */
char *text_now_utc(void);
/* CLOCK_MONOTONIC in ns. */
uint64_t text_now_ns(void);
/* "1m48s", "2h05m", "12s" into a static buffer. */
const char *text_duration(double seconds);
/* On standard output: a label, then the text's words in lines of at most 96 columns. */
void text_paragraph(const char *label, const char *text);
/* Parses "30m", "2h", "90s", "45"; negative when malformed. Seconds. */
double text_parse_duration(const char *s);

#endif
