/* SPDX-License-Identifier: MIT */
#include "text.h"
#include "command.h"
#include "error.h"

#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void text_list_add_taken(struct text_list *list, char *item) {
    list->items = lab_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

void text_list_add(struct text_list *list, const char *item) {
    text_list_add_taken(list, lab_strdup(item));
}

bool text_list_has(const struct text_list *list, const char *item) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return false;
}

void text_list_free(struct text_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

struct text_list text_split(const char *s, char separator) {
    struct text_list list = {0};
    while (*s != '\0') {
        size_t n = strcspn(s, (char[]){separator, '\0'});
        if (n > 0)
            text_list_add_taken(&list, lab_printf("%.*s", (int)n, s));
        s += n + (s[n] == separator);
    }
    return list;
}

bool settings_parse(const char *s, struct settings *out) {
    *out = (struct settings){0};
    struct text_list parts = text_split(s, ',');
    bool ok = true;
    for (size_t i = 0; ok && i < parts.count; i++) {
        char *equals = strchr(parts.items[i], '=');
        ok = equals != NULL && equals != parts.items[i] && equals[1] != '\0';
        if (!ok)
            break;
        *equals = '\0';
        ok = settings_get(out, parts.items[i]) == NULL;
        settings_set(out, parts.items[i], equals + 1);
    }
    text_list_free(&parts);
    if (!ok)
        settings_free(out);
    return ok;
}

void settings_set(struct settings *s, const char *name, const char *value) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0) {
            free(s->items[i].value);
            s->items[i].value = lab_strdup(value);
            return;
        }
    s->items = lab_realloc(s->items, (s->count + 1) * sizeof *s->items);
    s->items[s->count++] = (struct setting){lab_strdup(name), lab_strdup(value)};
}

const char *settings_get(const struct settings *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0)
            return s->items[i].value;
    return NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct setting *)a)->name, ((const struct setting *)b)->name);
}

char *settings_format(struct settings *s) {
    if (s->count > 1)
        qsort(s->items, s->count, sizeof *s->items, by_name);
    char *text = lab_strdup("");
    for (size_t i = 0; i < s->count; i++) {
        char *longer = lab_printf("%s%s%s=%s", text, i == 0 ? "" : ",", s->items[i].name, s->items[i].value);
        free(text);
        text = longer;
    }
    return text;
}

void settings_free(struct settings *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].name);
        free(s->items[i].value);
    }
    free(s->items);
    *s = (struct settings){0};
}

char *text_read_file(const char *path) {
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return NULL;
    size_t used = 0, room = 4096;
    char *text = lab_alloc(room);
    for (size_t n; (n = fread(text + used, 1, room - used - 1, f)) > 0;) {
        used += n;
        if (room - used < 2)
            text = lab_realloc(text, room *= 2);
    }
    fclose(f);
    text[used] = '\0';
    return text;
}

char *text_read_tail(const char *path, size_t bytes) {
    char *text = text_read_file(path);
    if (text == NULL)
        return lab_strdup("");
    size_t length = strlen(text);
    if (length > bytes)
        memmove(text, text + length - bytes, bytes + 1);
    return text;
}

char *text_shell_quote(const char *s) {
    if (*s != '\0' &&
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%") == strlen(s))
        return lab_strdup(s);
    char *quoted = lab_alloc(strlen(s) * 4 + 3), *at = quoted;
    *at++ = '\'';
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            at = stpcpy(at, "'\\''");
        else
            *at++ = *s;
    }
    strcpy(at, "'");
    return quoted;
}

/* Levenshtein's distance, for names of at most 63 characters. */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[64], n = strlen(b);
    if (n > 63)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), best = row[j] + 1;
            diagonal = row[j];
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[n];
}

const char *text_nearest(const char *typed, const char *const *known, size_t count) {
    const char *best = NULL;
    size_t least = strlen(typed) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(typed, known[i]);
        if (strncmp(known[i], typed, strlen(typed)) == 0)
            distance = 1;
        if (distance < least) {
            least = distance;
            best = known[i];
        }
    }
    return best;
}

int text_unknown(const char *what, const char *name, const char *const *known, size_t count, const char *remedy) {
    const char *near = text_nearest(name, known, count);
    if (near == NULL)
        return lab_error(LAB_USAGE, "%s '%s': %s", what, name, remedy);
    return lab_error(LAB_USAGE, "%s '%s': did you mean '%s'? %s", what, name, near, remedy);
}

const char *text_bin_dir(void) {
    static char path[PATH_MAX];
    if (path[0] != '\0')
        return path;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        lab_die(1, "/proc is not mounted, so spanlab cannot find its own programs: mount it");
    path[n] = '\0';
    return dirname(path);
}

char *text_now_utc(void) {
    time_t now = time(NULL);
    struct tm tm;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    return lab_strdup(text);
}

uint64_t text_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *text_duration(double seconds) {
    static char text[32];
    long s = seconds > 0 ? lround(fmin(seconds, 1e12)) : 0;
    if (s < 60)
        snprintf(text, sizeof text, "%lds", s);
    else if (s < 3600)
        snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
    return text;
}

double text_parse_duration(const char *s) {
    size_t number = strspn(s, "0123456789."); /* no sign, exponent, inf, nan and hexadecimal */
    char *end;
    double n = strtod(s, &end);
    if (number == 0 || end != s + number || !(n > 0))
        return -1;
    if (strcmp(end, "h") == 0)
        return n * 3600;
    if (strcmp(end, "m") == 0)
        return n * 60;
    return strcmp(end, "s") == 0 || *end == '\0' ? n : -1;
}

void text_paragraph(const char *label, const char *text) {
    enum { COLUMNS = 96, INDENT = 10 };
    printf("%-*s", INDENT, label);
    int column = INDENT;
    while (*text != '\0') {
        text += strspn(text, " \n");
        int n = (int)strcspn(text, " \n");
        if (column > INDENT && column + n >= COLUMNS) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        column += printf("%.*s ", n, text);
        text += n;
    }
    putchar('\n');
}
