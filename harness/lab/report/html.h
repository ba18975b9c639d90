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

/* Draws a gnuplot script as SVG into the page; `data` are the script's inline data blocks. A sentence instead when gnuplot
 * fails. */
void html_plot(FILE *out, int width, int height, const char *script);

/* Colour (Okabe and Ito's, told apart by colour-blind readers) and gnuplot point type of subject i of the run. */
const char *html_colour(const struct run *r, const char *label);
int html_marker(const struct run *r, const char *label);
/* A subject's short name for legends. */
char *html_short(const char *label);

/* Sections. */
void report_pareto(const struct run *r, FILE *out);
void report_matrix(const struct run *r, FILE *out);
void report_timelines(const struct run *r, FILE *out);
void report_fragmentation(const struct run *r, FILE *out);
void report_machine(const struct run *r, FILE *out);

#endif
