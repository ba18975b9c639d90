/* SPDX-License-Identifier: MIT */
#include "claims/recorded.h"
#include "command.h"
#include "error.h"
#include "text.h"

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
    double value = number_of(object, "value");
    /* The verdict is what the claim makes of the figure; the one in the file is for readers and for the gate. */
    *out = (struct claim_figure){.value = value,
                                 .verdict = claim_judge(c, value),
                                 .recorded = true,
                                 .subject = subject != NULL ? lab_strdup(subject) : NULL};
}

bool recorded_read(const char *folder, const struct claim *c, struct claim_outcome *out) {
    struct claim_figure none = {.value = NAN, .verdict = claim_judge(c, NAN)};
    *out = (struct claim_outcome){.judge = none, .transfers = none, .seconds = NAN};
    char *path = recorded_path(folder, c);
    json_error_t error;
    json_t *root = access(path, F_OK) == 0 ? json_load_file(path, 0, &error) : NULL;
    bool good = root != NULL;
    if (!good && access(path, F_OK) == 0)
        lab_error(LAB_USAGE, "%s is no record of a claim (line %d: %s): spanlab claims run %s --record", path,
                  error.line, error.text, c->id);
    if (good) {
        figure_read(json_object_get(root, "judge"), c, &out->judge);
        figure_read(json_object_get(root, "transfers"), c, &out->transfers);
        out->seconds = number_of(root, "seconds");
        out->processes = (unsigned)json_integer_value(json_object_get(root, "processes"));
        const char *verdict = json_string_value(json_object_get(root, "verdict"));
        if (verdict != NULL && c->judge != NULL)
            out->judge.verdict = verdict_of_name(verdict);
    }
    json_decref(root);
    free(path);
    return good;
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
    return json_pack("{s:o s:s}", "value", isnan(f->value) ? json_null() : json_real(f->value), "subject", f->subject);
}

int recorded_write(const char *folder, const struct claim *c, const struct claim_outcome *o) {
    char *path = recorded_path(folder, c), *now = text_now_utc();
    mkdir(folder, 0755);
    json_t *root =
        json_pack("{s:s s:s s:s s:o s:o s:f s:i s:s s:s}", "id", c->id, "verdict", verdict_name(o->judge.verdict),
                  "transfers_verdict", o->transfers.subject != NULL ? verdict_name(o->transfers.verdict) : "", "judge",
                  figure_json(&o->judge), "transfers", figure_json(&o->transfers), "seconds", o->seconds, "processes",
                  (int)o->processes, "recorded_at", now, "spanlab_version", SPANLAB_VERSION);
    int code = LAB_OK;
    if (json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0)
        code = lab_error(LAB_DISK, "cannot write %s: %s", path, strerror(errno));
    json_decref(root);
    free(now);
    free(path);
    return code;
}
