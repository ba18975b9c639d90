/* SPDX-License-Identifier: MIT
 *
 * explain: the card of a workload, the knobs of a subject, the text of a matrix.
 */
#include "catalog.h"
#include "command.h"
#include "embedded.h"
#include "error.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void explain_workload(const struct catalog_workload *w) {
    printf("%s: %s\n\n", w->name, w->summary);
    text_paragraph("models", w->models);
    text_paragraph("source", w->source);
    text_paragraph("hard for", w->bad_for);
    text_paragraph("one op", w->op);
    text_paragraph("flavours", w->manual && w->traced ? "manual, traced" : w->traced ? "traced" : "manual");
    puts("\nparameter         default      smoke  meaning");
    for (size_t i = 0; i < w->param_count; i++)
        printf("%-14s %10llu %10llu  %s\n", w->params[i].name, (unsigned long long)w->params[i].value,
               (unsigned long long)w->params[i].smoke, w->params[i].summary);
    printf("\ntry it: spanlab run -w %s -n 6\n", w->name);
}

static void explain_subject(const struct catalog_subject *s) {
    printf("%s: %s\n\n", s->name, s->summary);
    text_paragraph("flavour", s->flavour);
    text_paragraph("library", s->library != NULL ? s->library : s->preload ? "not found" : "none is preloaded");
    if (s->remedy[0] != '\0')
        text_paragraph("comes by", s->remedy);
    puts(s->knob_count == 0 ? "\nIt has no knobs here."
                            : "\nknob                    set by                        meaning");
    for (size_t i = 0; i < s->knob_count; i++)
        printf("%-23s %-29s %s\n", s->knobs[i].name, s->knobs[i].variable, s->knobs[i].summary);
    if (s->knob_count > 0)
        printf("\ntry it: spanlab run -m smoke -s '%s,%s|%s=VALUE'\n", s->name, s->name, s->knobs[0].name);
}

static int explain_unknown(const struct catalog *c, const char *name) {
    size_t n = 0;
    const char **names = lab_alloc((c->subject_count + c->workload_count + embedded_matrix_count) * sizeof *names);
    for (size_t i = 0; i < c->subject_count; i++)
        names[n++] = c->subjects[i].name;
    for (size_t i = 0; i < c->workload_count; i++)
        names[n++] = c->workloads[i].name;
    for (size_t i = 0; i < embedded_matrix_count; i++)
        names[n++] = embedded_matrix_names[i];
    int code = text_unknown("nothing is called", name, names, n, "spanlab list shows all");
    free(names);
    return code;
}

static int explain(int argc, const char **argv) {
    if (argc != 2 || strcmp(argv[1], "--help") == 0) {
        fputs("usage: spanlab explain WORKLOAD|SUBJECT|MATRIX\n", argc == 2 ? stdout : stderr);
        return argc == 2 ? LAB_OK : LAB_USAGE;
    }
    struct catalog c;
    catalog_load(&c);
    const struct catalog_workload *w = catalog_find_workload(&c, argv[1]);
    const struct catalog_subject *s = catalog_find_subject(&c, argv[1]);
    const char *matrix = embedded_matrix(argv[1]);
    if (w != NULL)
        explain_workload(w);
    else if (s != NULL)
        explain_subject(s);
    else if (matrix != NULL)
        fputs(matrix, stdout);
    else
        return explain_unknown(&c, argv[1]);
    return LAB_OK;
}

COMMAND(explain) = {"explain", "NAME", "the card of a workload, a subject's knobs, a matrix", 30, explain};
