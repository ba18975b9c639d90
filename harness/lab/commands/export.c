/* SPDX-License-Identifier: MIT
 *
 * export: a run as other tools read it.
 */
#include "command.h"
#include "error.h"
#include "format.h"
#include "option.h"
#include "options.h"
#include "whole.h"

#include <stdlib.h>
#include <string.h>

extern const struct format *const __start_spanlab_formats[];
extern const struct format *const __stop_spanlab_formats[];

static const struct format *find(const char *name) {
    for (const struct format *const *f = __start_spanlab_formats; f < __stop_spanlab_formats; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

static int unknown(const char *name) {
    char *known = lab_strdup("");
    for (const struct format *const *f = __start_spanlab_formats; f < __stop_spanlab_formats; f++) {
        char *more = lab_printf("%s%s%s (%s)", known, known[0] != '\0' ? ", " : "", (*f)->name, (*f)->summary);
        free(known);
        known = more;
    }
    int code = name == NULL ? lab_error(LAB_USAGE, "which format? --format=%s", known)
                            : lab_error(LAB_USAGE, "there is no format '%s': %s", name, known);
    free(known);
    return code;
}

static int write_run(const struct run *r, const struct format *f, const char *path) {
    struct whole_file file;
    if (path == NULL) {
        f->write(r, stdout); /* main says when it is full */
        return run_told(r);
    }
    int code = whole_begin(&file, path);
    if (code != LAB_OK)
        return code;
    f->write(r, file.out);
    code = whole_end(&file);
    return code ? code : run_told(r);
}

static int export(int argc, const char **argv) {
    char *format = NULL, *output = NULL;
    const char **rest;
    const struct option_row options[] = {
        {"format", 'f', OPTION_TEXT, &format, 0, 0, "gbench, go or csv", "FORMAT"},
        {"output", 'o', OPTION_TEXT, &output, 0, 0, "file instead of standard output", "FILE"},
        {0}};
    int parsed = options_read(argc, argv, "[RUN] --format=FORMAT", options, 1, &rest);
    if (parsed != LAB_OK)
        return parsed;
    const struct format *f = format == NULL ? NULL : find(format);
    if (f == NULL)
        return unknown(format);
    char *dir = options_run_dir(rest[0]);
    struct run *r = dir == NULL ? NULL : run_load(dir);
    int code = r == NULL ? LAB_USAGE : write_run(r, f, output);
    if (r != NULL)
        run_free(r);
    free(dir);
    return code;
}

COMMAND(export) = {"export", "[RUN] --format=…", "Google Benchmark JSON, Go benchmark text, tidy CSV", 90, export};
