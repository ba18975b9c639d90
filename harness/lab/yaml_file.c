/* SPDX-License-Identifier: MIT */
#include "yaml_file.h"
#include "command.h"
#include "error.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { FILE_MAX_BYTES = 1 << 20, PLACE_BYTES = 200, TABLE_MAX_FIELDS = 64 };

char *yaml_read_file(const char *path, const char *what, size_t *length) {
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) != 0) {
        lab_error(LAB_USAGE, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    if (S_ISDIR(file.st_mode)) {
        close(fd);
        lab_error(LAB_USAGE, "%s is a folder: name the YAML file of a %s", path, what);
        return NULL;
    }
    char *text = lab_alloc(FILE_MAX_BYTES + 2);
    ssize_t n = 1;
    for (*length = 0; n > 0 && *length <= FILE_MAX_BYTES; *length += n > 0 ? (size_t)n : 0)
        n = read(fd, text + *length, FILE_MAX_BYTES + 1 - *length);
    int error = errno;
    close(fd);
    if (n >= 0 && *length <= FILE_MAX_BYTES)
        return text;
    free(text);
    if (n < 0)
        lab_error(LAB_USAGE, "%s cannot be read: %s", path, strerror(error));
    else
        lab_error(LAB_USAGE, "%s is larger than %d KiB: it is no %s", path, FILE_MAX_BYTES >> 10, what);
    return NULL;
}

/* ---- complaints */

struct reader {
    const char *where, *what, *hint;
    yaml_document_t document;
    char place[PLACE_BYTES]; /* "cells[1].threads" */
};

static bool complain(const struct reader *r, size_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool complain(const struct reader *r, size_t line, const char *format, ...) {
    va_list args;
    char *said = NULL;
    va_start(args, format);
    if (vasprintf(&said, format, args) < 0)
        lab_die(1, "out of memory");
    va_end(args);
    lab_error(LAB_USAGE, "%s is not a %s: line: %zu: %s; %s", r->where, r->what, line, said, r->hint);
    free(said);
    return false;
}

static bool is_null(const yaml_node_t *n) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
            strcmp((const char *)n->data.scalar.value, words[i]) == 0)
            return true;
    return false;
}

/* Names field, value and what is allowed, which is freed. */
static bool refuse(const struct reader *r, const yaml_node_t *n, char *allowed) {
    enum { SHOWN = 60 };
    char *value;
    if (n->type == YAML_SEQUENCE_NODE)
        value = lab_strdup("a list");
    else if (n->type == YAML_MAPPING_NODE)
        value = lab_strdup("a map");
    else if (is_null(n))
        value = lab_printf("%s", n->data.scalar.length == 0 ? "empty" : "null (a text would be quoted)");
    else
        value = lab_printf("'%.*s'%s", SHOWN, (const char *)n->data.scalar.value,
                           n->data.scalar.length > SHOWN ? " and so on" : "");
    complain(r, n->start_mark.line + 1, "%s is %s: it must be %s", r->place, value, allowed);
    free(allowed);
    free(value);
    return false;
}

/* ---- values */

static const char *scalar(const yaml_node_t *n) {
    bool text = n->type == YAML_SCALAR_NODE && !is_null(n);
    /* A NUL would end the text early. */
    bool whole = text && strlen((const char *)n->data.scalar.value) == n->data.scalar.length;
    return whole ? (const char *)n->data.scalar.value : NULL;
}

static bool read_one(const struct reader *r, const struct field *f, const yaml_node_t *n, char *at) {
    const char *text = scalar(n);
    uint64_t whole;
    if (text == NULL)
        return refuse(r, n, field_one_allowed(f));
    size_t length = n->data.scalar.length;
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_TEXTS:
        if (length < f->least || length > f->most)
            return refuse(r, n, field_one_allowed(f));
        *(char **)at = lab_strdup(text);
        return true;
    case FIELD_WHOLE:
    case FIELD_WHOLES:
        if (!field_whole(text, f->least, f->most, &whole))
            return refuse(r, n, field_one_allowed(f));
        *(unsigned *)at = (unsigned)whole;
        return true;
    case FIELD_NUMBER:
        return field_number(text, (double *)at) || refuse(r, n, field_one_allowed(f));
    case FIELD_SWITCH:
        return field_switch(text, (bool *)at) || refuse(r, n, field_one_allowed(f));
    case FIELD_CHOICE:
        for (const struct field_choice *c = f->choices; c->name != NULL; c++)
            if (strcmp(c->name, text) == 0) {
                memcpy(at, &c->value, sizeof c->value);
                return true;
            }
        return refuse(r, n, field_one_allowed(f));
    default:
        return refuse(r, n, field_one_allowed(f));
    }
}

static bool read_map(struct reader *r, const struct field *table, const yaml_node_t *n, char *into);

static size_t element_bytes(const struct field *f) {
    return f->type == FIELD_MAPS ? f->size_bytes : f->type == FIELD_TEXTS ? sizeof(char *) : sizeof(unsigned);
}

static bool read_list(struct reader *r, const struct field *f, const yaml_node_t *n, char *into) {
    if (n->type != YAML_SEQUENCE_NODE)
        return refuse(r, n, field_allowed(f));
    const yaml_node_item_t *first = n->data.sequence.items.start;
    size_t count = (size_t)(n->data.sequence.items.top - first), place = strlen(r->place);
    if (count < f->count_least || count > f->count_most) {
        char *allowed = field_allowed(f);
        complain(r, n->start_mark.line + 1, "%s is a list of %zu: it must be %s", r->place, count, allowed);
        free(allowed);
        return false;
    }
    char *items = lab_alloc(count * element_bytes(f));
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, first[i]);
        snprintf(r->place + place, sizeof r->place - place, "[%zu]", i + 1);
        char *at = items + i * element_bytes(f);
        good = f->type == FIELD_MAPS ? read_map(r, f->fields, item, at) : read_one(r, f, item, at);
        r->place[place] = '\0';
    }
    *(char **)(into + f->at) = items;
    *(unsigned *)(into + f->count_at) = (unsigned)count;
    return good;
}

static bool read_field(struct reader *r, const struct field *f, const yaml_node_t *n, char *into) {
    if (f->type == FIELD_TEXTS || f->type == FIELD_WHOLES || f->type == FIELD_MAPS)
        return read_list(r, f, n, into);
    if (f->type != FIELD_MAP)
        return read_one(r, f, n, into + f->at);
    if (n->type != YAML_MAPPING_NODE)
        return refuse(r, n, field_allowed(f));
    *(char **)(into + f->at) = lab_alloc(f->size_bytes);
    return read_map(r, f->fields, n, *(char **)(into + f->at));
}

/* ---- maps */

static bool unknown_field(const struct reader *r, const struct field *table, const yaml_node_t *key) {
    const char *names[TABLE_MAX_FIELDS], *name = scalar(key), *in = r->place;
    size_t n = 0;
    for (; table[n].name != NULL && n < TABLE_MAX_FIELDS; n++)
        names[n] = table[n].name;
    if (name == NULL)
        return complain(r, key->start_mark.line + 1, "a field's name must be a text");
    char *all = lab_strdup("");
    for (size_t i = 0; i < n; i++) {
        char *longer = lab_printf("%s%s%s", all, i == 0 ? "" : ", ", names[i]);
        free(all);
        all = longer;
    }
    const char *near = text_nearest(name, names, n);
    complain(r, key->start_mark.line + 1, "%s%sthere is no field '%.60s'%s%s%s: %s are allowed", in,
             in[0] != '\0' ? ": " : "", name, near != NULL ? " (did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?)" : "", all);
    free(all);
    return false;
}

static bool read_pair(struct reader *r, const struct field *table, const yaml_node_pair_t *pair, uint64_t *seen,
                      char *into) {
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    const char *name = scalar(key);
    const struct field *f = name == NULL ? NULL : field_find(table, name);
    if (f == NULL)
        return unknown_field(r, table, key);
    size_t place = strlen(r->place);
    snprintf(r->place + place, sizeof r->place - place, "%s%s", place > 0 ? "." : "", f->name);
    uint64_t bit = UINT64_C(1) << (f - table);
    bool good = (*seen & bit) == 0 ? read_field(r, f, yaml_document_get_node(&r->document, pair->value), into)
                                   : complain(r, key->start_mark.line + 1, "%s is there twice", r->place);
    *seen |= bit;
    r->place[place] = '\0';
    return good;
}

static bool read_map(struct reader *r, const struct field *table, const yaml_node_t *n, char *into) {
    uint64_t seen = 0;
    const char *in = r->place[0] != '\0' ? r->place : "the file";
    if (n->type != YAML_MAPPING_NODE)
        return complain(r, n->start_mark.line + 1, "%s must be a map of fields, as %s: …", in, table->name);
    for (const struct field *f = table; f->name != NULL; f++)
        if (f->type == FIELD_WHOLE)
            *(unsigned *)(into + f->at) = f->otherwise;
    for (const yaml_node_pair_t *pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++)
        if (!read_pair(r, table, pair, &seen, into))
            return false;
    for (const struct field *f = table; f->name != NULL; f++)
        if (f->needed && (seen & UINT64_C(1) << (f - table)) == 0) {
            char *allowed = field_allowed(f);
            complain(r, n->start_mark.line + 1, "Missing required mapping field: %s%s%s, %s", r->place,
                     r->place[0] != '\0' ? "." : "", f->name, allowed);
            free(allowed);
            return false;
        }
    return true;
}

/* ---- the document */

static bool syntax_fault(const struct reader *r, const yaml_parser_t *parser) {
    return complain(r, parser->problem_mark.line + 1, "%s%s%s",
                    parser->problem != NULL ? parser->problem : "it is too deep or too large",
                    parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
}

static void *read_document(struct reader *r, yaml_parser_t *parser, const struct field *table, size_t size_bytes) {
    if (!yaml_parser_load(parser, &r->document))
        return syntax_fault(r, parser), NULL;
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    char *into = lab_alloc(size_bytes);
    bool good = root != NULL && !is_null(root) ? read_map(r, table, root, into) : complain(r, 1, "it is empty");
    yaml_document_delete(&r->document);
    yaml_document_t second;
    if (good && !yaml_parser_load(parser, &second))
        return syntax_fault(r, parser), NULL;
    if (good && (root = yaml_document_get_root_node(&second)) != NULL)
        good = complain(r, root->start_mark.line + 1, "a second document begins, and one is allowed");
    return good ? into : NULL;
}

void *yaml_load(const char *where, const char *what, const char *hint, const char *text, size_t length,
                const struct field *table, size_t size_bytes) {
    struct reader r = {.where = where, .what = what, .hint = hint};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        lab_die(1, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    void *loaded = read_document(&r, &parser, table, size_bytes);
    yaml_parser_delete(&parser);
    return loaded;
}
