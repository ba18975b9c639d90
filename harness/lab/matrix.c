/* SPDX-License-Identifier: MIT */
#include "matrix.h"
#include "command.h"
#include "embedded.h"
#include "error.h"
#include "text.h"
#include "yaml.h"

#include <stdlib.h>
#include <string.h>

static const cyaml_schema_value_t text_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 200)};
static const cyaml_schema_value_t number_schema = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned)};

static const cyaml_schema_field_t entry_fields[] = {
    CYAML_FIELD_SEQUENCE("workloads", CYAML_FLAG_POINTER, struct matrix_entry, workloads, &text_schema, 1, 1000),
    CYAML_FIELD_SEQUENCE("subjects", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct matrix_entry, subjects,
                         &text_schema, 1, 1000),
    CYAML_FIELD_SEQUENCE("threads", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct matrix_entry, threads,
                         &number_schema, 1, 100),
    CYAML_FIELD_STRING_PTR("params", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct matrix_entry, params, 1, 1000),
    CYAML_FIELD_BOOL("smoke", CYAML_FLAG_OPTIONAL, struct matrix_entry, smoke),
    CYAML_FIELD_UINT("invocations", CYAML_FLAG_OPTIONAL, struct matrix_entry, invocations),
    CYAML_FIELD_UINT("memory", CYAML_FLAG_OPTIONAL, struct matrix_entry, memory),
    CYAML_FIELD_UINT("iterations", CYAML_FLAG_OPTIONAL, struct matrix_entry, iterations),
    CYAML_FIELD_UINT("timeout", CYAML_FLAG_OPTIONAL, struct matrix_entry, timeout),
    CYAML_FIELD_INT("warmup", CYAML_FLAG_OPTIONAL, struct matrix_entry, warmup),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t entry_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct matrix_entry, entry_fields)};
static const cyaml_schema_field_t matrix_fields[] = {
    CYAML_FIELD_STRING_PTR("summary", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct matrix, summary, 0, 500),
    CYAML_FIELD_SEQUENCE("cells", CYAML_FLAG_POINTER, struct matrix, cells, &entry_schema, 1, 1000),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t matrix_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct matrix, matrix_fields)};

char *matrix_text(const char *name_or_path) {
    const char *embedded = embedded_matrix(name_or_path);
    if (embedded != NULL)
        return lab_strdup(embedded);
    return text_read_file(name_or_path);
}

static bool entry_is_sound(const char *where, const struct matrix_entry *e, unsigned number) {
    for (unsigned i = 0; i < e->threads_count; i++)
        if (e->threads[i] == 0 || e->threads[i] > 1024) {
            lab_error(LAB_USAGE, "%s: entry %u of cells: threads is %u: 1 to 1024 are allowed", where, number,
                      e->threads[i]);
            return false;
        }
    struct settings params;
    bool ok = e->params == NULL || settings_parse(e->params, &params);
    if (!ok)
        lab_error(LAB_USAGE, "%s: entry %u of cells: params is '%s': write name=number,name=number", where, number,
                  e->params);
    else if (e->params != NULL)
        settings_free(&params);
    return ok;
}

static void fill_defaults(struct matrix_entry *e, const char *text) {
    static const unsigned one_thread = 1;
    if (e->threads_count == 0) {
        e->threads = lab_alloc(sizeof *e->threads);
        e->threads[0] = one_thread;
        e->threads_count = 1;
    }
    if (e->invocations == 0 && e->memory == 0)
        e->invocations = 5;
    if (e->iterations == 0)
        e->iterations = 5;
    if (e->timeout == 0)
        e->timeout = 60;
    /* 0 is a choice, and what an absent field reads as. */
    if (e->warmup == 0 && strstr(text, "warmup") == NULL)
        e->warmup = 1;
}

static void no_matrix(const char *name) {
    const char *near = text_nearest(name, embedded_matrix_names, embedded_matrix_count);
    if (near != NULL) {
        lab_error(LAB_USAGE, "there is no matrix '%s': did you mean '%s'?", name, near);
        return;
    }
    char *all = lab_strdup("");
    for (size_t i = 0; i < embedded_matrix_count; i++) {
        char *longer = lab_printf("%s%s, ", all, embedded_matrix_names[i]);
        free(all);
        all = longer;
    }
    lab_error(LAB_USAGE, "there is no matrix '%s': use %sor the path of a YAML file", name, all);
    free(all);
}

struct matrix *matrix_load(const char *name_or_path) {
    char *text = matrix_text(name_or_path);
    if (text == NULL) {
        no_matrix(name_or_path);
        return NULL;
    }
    struct matrix *m = yaml_load(name_or_path, "matrix", "spanlab explain quick shows one", text, &matrix_schema);
    if (m == NULL) {
        free(text);
        return NULL;
    }
    for (unsigned i = 0; i < m->cells_count; i++) {
        if (!entry_is_sound(name_or_path, &m->cells[i], i + 1)) {
            free(text);
            return NULL;
        }
        fill_defaults(&m->cells[i], text);
    }
    free(text);
    return m;
}
