/* SPDX-License-Identifier: MIT */
#include "claims/recorded.h"
#include "command.h"
#include "error.h"
#include "text.h"
#include "whole.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *recorded_path(const char *folder, const struct claim *c) {
    return lab_printf("%s/%s.json", folder, c->id);
}

static double number_of(json_t *object, const char *key) {
    json_t *n = json_object_get(object, key);
    return json_is_number(n) ? json_number_value(n) : NAN;
}

static void figure_read(json_t *object, const struct claim *c, struct claim_figure *out) {
    const char *subject = json_string_value(json_object_get(object, "subject"));
    struct claim_value figure = {number_of(object, "value"), number_of(object, "low"), number_of(object, "high")};
    /* The verdict is what the claim makes of the figure; the one in the file is for readers and for the gate. */
    *out = (struct claim_figure){.figure = figure,
                                 .verdict = claim_judge(c, figure),
                                 .recorded = true,
                                 .subject = subject != NULL ? lab_strdup(subject) : NULL};
}

/* By subject, since a claim's list may have grown since. */
static void beside_read(json_t *list, const struct claim *c, struct claim_outcome *out) {
    out->beside = lab_alloc((c->beside_count + 1) * sizeof *out->beside);
    for (unsigned i = 0; i < c->beside_count; i++) {
        size_t at, length = strlen(c->beside[i]);
        json_t *item;
        figure_read(NULL, c, &out->beside[i]);
        json_array_foreach(list, at, item) {
            const char *subject = json_string_value(json_object_get(item, "subject"));
            if (subject != NULL && strncmp(subject, c->beside[i], length) == 0 && subject[length] == ' ')
                figure_read(item, c, &out->beside[i]);
        }
    }
}

static unsigned unreadable;

unsigned recorded_unreadable(void) {
    return unreadable;
}

/* NULL: nothing is recorded, or after an error line what is there is no record of this claim. */
static json_t *load(const char *path, const struct claim *c) {
    if (access(path, F_OK) != 0)
        return NULL;
    json_error_t error = {.line = 0};
    json_t *root = json_load_file(path, 0, &error);
    const char *id = json_string_value(json_object_get(root, "id"));
    if (id != NULL && strcmp(id, c->id) == 0 && json_is_string(json_object_get(root, "verdict")) &&
        json_is_object(json_object_get(root, "judge")))
        return root;
    lab_error(LAB_USAGE, "%s is no record of a claim (line %d: %s): spanlab claims run %s --record", path, error.line,
              root == NULL ? error.text : "it is not what --record writes", c->id);
    unreadable++;
    json_decref(root);
    return NULL;
}

bool recorded_read(const char *folder, const struct claim *c, struct claim_outcome *out) {
    struct claim_figure none = {.figure = claim_no_value, .verdict = claim_judge(c, claim_no_value)};
    *out = (struct claim_outcome){.judge = none, .transfers = none, .seconds = NAN, .peak_bytes = NAN};
    char *path = recorded_path(folder, c);
    json_t *root = load(path, c);
    free(path);
    if (root == NULL)
        return false;
    figure_read(json_object_get(root, "judge"), c, &out->judge);
    figure_read(json_object_get(root, "transfers"), c, &out->transfers);
    beside_read(json_object_get(root, "beside"), c, out);
    out->seconds = number_of(root, "seconds");
    out->peak_bytes = number_of(root, "peak_bytes");
    out->processes = (unsigned)json_integer_value(json_object_get(root, "processes"));
    if (c->judge != NULL)
        out->judge.verdict = verdict_of_name(json_string_value(json_object_get(root, "verdict")));
    json_decref(root);
    return true;
}

struct claim_outcome *recorded_all(const char *folder, const struct claims *all) {
    struct claim_outcome *outcomes = lab_alloc((all->count + 1) * sizeof *outcomes);
    for (size_t i = 0; i < all->count; i++)
        recorded_read(folder, all->items[i], &outcomes[i]);
    return outcomes;
}

static json_t *figure_json(const struct claim_figure *f) {
    if (f->subject == NULL)
        return json_null();
    json_t *figure = json_object();
    json_object_set_new(figure, "value", isnan(f->figure.value) ? json_null() : json_real(f->figure.value));
    if (!isnan(f->figure.low)) {
        json_object_set_new(figure, "low", json_real(f->figure.low));
        json_object_set_new(figure, "high", json_real(f->figure.high));
    }
    json_object_set_new(figure, "subject", json_string(f->subject));
    return figure;
}

static json_t *beside_json(const struct claim *c, const struct claim_outcome *o) {
    json_t *list = json_array();
    for (unsigned i = 0; o->beside != NULL && i < c->beside_count; i++)
        if (o->beside[i].missing == NULL)
            json_array_append_new(list, figure_json(&o->beside[i]));
    return list;
}

int recorded_write(const char *folder, const struct claim *c, const struct claim_outcome *o) {
    char *path = recorded_path(folder, c), *now = text_now_utc();
    mkdir(folder, 0755);
    json_t *root =
        json_pack("{s:s s:s s:s s:o s:o s:f s:o s:i s:s s:s}", "id", c->id, "verdict", verdict_name(o->judge.verdict),
                  "transfers_verdict", o->transfers.subject != NULL ? verdict_name(o->transfers.verdict) : "", "judge",
                  figure_json(&o->judge), "transfers", figure_json(&o->transfers), "seconds", o->seconds, "peak_bytes",
                  isnan(o->peak_bytes) ? json_null() : json_real(o->peak_bytes), "processes", (int)o->processes,
                  "recorded_at", now, "spanlab_version", SPANLAB_VERSION);
    if (c->beside_count != 0)
        json_object_set_new(root, "beside", beside_json(c, o));
    struct whole_file file;
    int code = whole_begin(&file, path);
    if (code == LAB_OK) {
        json_dumpf(root, file.out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        code = whole_end(&file);
    }
    json_decref(root);
    free(now);
    free(path);
    return code;
}
