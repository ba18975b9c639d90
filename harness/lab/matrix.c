/* SPDX-License-Identifier: MIT */
#include "matrix.h"
#include "command.h"
#include "embedded.h"
#include "error.h"
#include "text.h"
#include "yaml_file.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOT_SAID = UINT_MAX, PROCESSES_MOST = 10000 };

#define ENTRY(field) offsetof(struct matrix_entry, field)
const struct field matrix_entry_fields[] = {
    {"workloads", FIELD_TEXTS, true, 1, 200, 0, 1, 1000, ENTRY(workloads), ENTRY(workloads_count), NULL, NULL, 0},
    {"subjects", FIELD_TEXTS, false, 1, 4096, 0, 1, 1000, ENTRY(subjects), ENTRY(subjects_count), NULL, NULL, 0},
    {"threads", FIELD_WHOLES, false, 1, MATRIX_THREADS_MOST, 0, 1, 100, ENTRY(threads), ENTRY(threads_count), NULL, NULL,
     0},
    {"params", FIELD_TEXT, false, 1, 1000, 0, 0, 0, ENTRY(params), 0, NULL, NULL, 0},
    {"smoke", FIELD_SWITCH, false, 0, 0, 0, 0, 0, ENTRY(smoke), 0, NULL, NULL, 0},
    {"invocations", FIELD_WHOLE, false, 0, PROCESSES_MOST, NOT_SAID, 0, 0, ENTRY(invocations), 0, NULL, NULL, 0},
    {"memory", FIELD_WHOLE, false, 0, PROCESSES_MOST, 0, 0, 0, ENTRY(memory), 0, NULL, NULL, 0},
    {"iterations", FIELD_WHOLE, false, 1, PROCESSES_MOST, 5, 0, 0, ENTRY(iterations), 0, NULL, NULL, 0},
    {"warmup", FIELD_WHOLE, false, 0, PROCESSES_MOST, 1, 0, 0, ENTRY(warmup), 0, NULL, NULL, 0},
    {"timeout", FIELD_WHOLE, false, 1, 86400, 60, 0, 0, ENTRY(timeout), 0, NULL, NULL, 0},
    {0},
};
static const struct field matrix_fields[] = {
    {"summary", FIELD_TEXT, false, 0, 500, 0, 0, 0, offsetof(struct matrix, summary), 0, NULL, NULL, 0},
    {"cells", FIELD_MAPS, true, 0, 0, 0, 1, 1000, offsetof(struct matrix, cells), offsetof(struct matrix, cells_count),
     NULL, matrix_entry_fields, sizeof(struct matrix_entry)},
    {0},
};

/* What was loaded last: a run's record holds what it ran, even if the file has changed, or was a pipe. */
static char *loaded_name, *loaded_text;

char *matrix_text(const char *name_or_path) {
    const char *embedded = embedded_matrix(name_or_path);
    if (embedded != NULL)
        return lab_strdup(embedded);
    if (loaded_name != NULL && strcmp(loaded_name, name_or_path) == 0)
        return lab_strdup(loaded_text);
    return text_read_file(name_or_path);
}

static void keep_text(const char *name, const char *text) {
    free(loaded_name);
    free(loaded_text);
    loaded_name = lab_strdup(name);
    loaded_text = lab_strdup(text);
}

static bool entry_is_sound(const char *where, struct matrix_entry *e, unsigned number) {
    struct settings params = {0};
    if (e->params != NULL && !settings_parse(e->params, &params)) {
        lab_error(LAB_USAGE, "%s: cells[%u].params is '%.60s': write name=number,name=number, each name once", where,
                  number, e->params);
        return false;
    }
    settings_free(&params);
    if (e->invocations == NOT_SAID)
        e->invocations = e->memory == 0 ? 5 : 0;
    if (e->invocations == 0 && e->memory == 0) {
        lab_error(LAB_USAGE, "%s: cells[%u].invocations and memory are both 0: one must be 1 or more", where, number);
        return false;
    }
    if (e->threads_count == 0) {
        e->threads = lab_alloc(sizeof *e->threads);
        e->threads[0] = 1;
        e->threads_count = 1;
    }
    return true;
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
    const char *embedded = embedded_matrix(name_or_path);
    size_t length = embedded != NULL ? strlen(embedded) : 0;
    if (embedded == NULL && access(name_or_path, F_OK) != 0) {
        no_matrix(name_or_path);
        return NULL;
    }
    char *text = embedded != NULL ? lab_strdup(embedded) : yaml_read_file(name_or_path, "matrix", &length);
    if (text == NULL)
        return NULL;
    struct matrix *m = yaml_load(name_or_path, "matrix", "spanlab explain quick shows one", text, length, matrix_fields,
                                 sizeof *m);
    bool good = m != NULL;
    for (unsigned i = 0; good && i < m->cells_count; i++)
        good = entry_is_sound(name_or_path, &m->cells[i], i + 1);
    if (good && embedded == NULL)
        keep_text(name_or_path, text);
    free(text);
    return good ? m : NULL;
}
