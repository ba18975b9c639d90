/* SPDX-License-Identifier: MIT */
#include "claims/page.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char claims_begin_marker[] = "<!-- claims: written by spanlab claims report --write README.md -->";
const char claims_end_marker[] = "<!-- end of claims -->";

/* What stands for {name}; NULL: no such name. */
static const char *filled(const struct claim *c, const struct claim_outcome *o, const char *name, size_t length,
                          char room[CLAIM_NUMBER_ROOM]) {
    static const char *const names[] = {"value", "published", "transfers"};
    const double values[] = {o->judge.figure.value, c->published, o->transfers.figure.value};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0)
            return claim_number(values[i], room);
    return NULL;
}

char *claim_quote(const struct claim *c, const struct claim_outcome *o) {
    if (c->quote == NULL || isnan(o->judge.figure.value))
        return NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (const char *at = c->quote; *at != '\0'; at++) {
        char room[CLAIM_NUMBER_ROOM];
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        const char *value = end != NULL ? filled(c, o, at + 1, (size_t)(end - at - 1), room) : NULL;
        if (value == NULL) {
            fputc(*at, out);
            continue;
        }
        fputs(value, out);
        at = end;
    }
    fclose(out);
    return text;
}

char *claim_processes(const struct claim_outcome *o) {
    if (isnan(o->peak_bytes))
        return lab_printf("%u processes", o->processes);
    return lab_printf("%u processes of up to %.0f MiB", o->processes, o->peak_bytes / (1 << 20));
}

void claims_count(const struct claims *all, const struct claim_outcome *outcomes, FILE *out) {
    size_t counts[VERDICT_UNTESTED + 1] = {0};
    for (size_t i = 0; i < all->count; i++)
        counts[outcomes[i].judge.verdict]++;
    fprintf(out, "%zu claims:", all->count);
    const char *comma = " ";
    for (size_t v = 0; v <= VERDICT_UNTESTED; v++)
        if (counts[v] != 0) {
            fprintf(out, "%s%zu %s", comma, counts[v], verdict_name((enum verdict)v));
            comma = ", ";
        }
    fputc('\n', out);
}

/* A cell of a Markdown table. */
static void cell(FILE *out, const char *text) {
    fputs(" ", out);
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputs(" |", out);
}

static void row(FILE *out, const struct claim *c, const struct claim_outcome *o) {
    char *value = claim_figure_text(o->judge.figure), *transfers = claim_figure_text(o->transfers.figure);
    char *figure = claim_says(c);
    char *verdict =
        lab_printf("%s%s%s", verdict_name(o->judge.verdict),
                   c->qualification != NULL && o->judge.verdict == VERDICT_REPRODUCED ? ": " : "",
                   c->qualification != NULL && o->judge.verdict == VERDICT_REPRODUCED ? c->qualification : "");
    fputs("|", out);
    cell(out, c->id);
    cell(out, c->title);
    cell(out, figure);
    cell(out, c->judge != NULL ? value : c->reason);
    cell(out, verdict);
    cell(out, c->transfers != NULL ? transfers : "");
    fputs("\n", out);
    free(value);
    free(transfers);
    free(figure);
    free(verdict);
}

char *claims_markdown(const struct claims *all, const struct claim_outcome *outcomes) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "%s\n", claims_begin_marker);
    claims_count(all, outcomes, out);
    fputs("\n| claim | | published | measured | verdict | goalloc |\n|---|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < all->count; i++)
        row(out, all->items[i], &outcomes[i]);
    fprintf(out, "%s\n", claims_end_marker);
    fclose(out);
    return text;
}
