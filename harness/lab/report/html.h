/* SPDX-License-Identifier: MIT
 *
 * html.h: pieces of the report.
 */
#ifndef SPANLAB_HTML_H
#define SPANLAB_HTML_H

#include "rundata.h"

#include <stdio.h>

/* Text with <, > and & made safe. */
void html_text(FILE *out, const char *text);

/* Draws a gnuplot script as SVG into the page; `data` are the script's inline data blocks. The sentence html_undrawn
 * instead when gnuplot fails. */
void html_plot(FILE *out, int width, int height, const char *script);
extern const char html_undrawn[];

/* How the drawings went since this was last asked: LAB_DISK after a line where gnuplot's script could not be written, and
 * how many gnuplot did not draw. */
struct html_drawings {
    int code;
    size_t undrawn;
};
struct html_drawings html_drawings_told(void);

/* How a subject of the run is drawn: no two of the first 91 alike, and distinct to colour-blind readers. */
struct html_style {
    int marker; /* gnuplot's point type */
    const char *colour;
};
struct html_style html_style(const struct run *r, const char *label);

/* Text as gnuplot's string: nothing in it is special. */
void html_quoted(FILE *script, const char *text);

/* A drawing that names every subject of the run in full beside its marker. A key within a plot drops what has no room.
 */
void html_legend(const struct run *r, FILE *out);

/* A value with its unit, "21.4 MiB"; what snprintf returns. */
size_t html_value(char *out, size_t room, double value, const char *unit);

/* Sections. */
void report_pareto(const struct run *r, FILE *out);
void report_matrix(const struct run *r, FILE *out);
void report_timelines(const struct run *r, FILE *out);
void report_policies(const struct run *r, FILE *out);
void report_placement(const struct run *r, FILE *out); /* nothing where no row has models of policies */
void report_timespace(const struct run *r, FILE *out);
void report_collectors(const struct run *r, FILE *out);
void report_fragmentation(const struct run *r, FILE *out);
void report_claims(FILE *out); /* nothing where no verdicts are recorded in results/ */
void report_machine(const struct run *r, FILE *out);

#endif
