/* SPDX-License-Identifier: MIT */
#include "html.h"
#include "command.h"
#include "error.h"
#include "text.h"
#include "whole.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void html_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '>')
            fputs("&gt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc(*text, out);
    }
}

const char html_undrawn[] = "gnuplot drew nothing; run spanlab report again with gnuplot-nox installed.";

static struct html_drawings drawings;

struct html_drawings html_drawings_told(void) {
    struct html_drawings told = drawings;
    drawings = (struct html_drawings){0};
    return told;
}

/* gnuplot numbers its gradients and clip paths alike in every drawing; within one page they must differ. */
static void copy_svg(FILE *out, char *svg) {
    static int drawing;
    drawing++;
    char *at = strstr(svg, "<svg");
    if (at == NULL) {
        fprintf(out, "<p class=\"none\">%s</p>\n", html_undrawn);
        drawings.undrawn++;
        return;
    }
    while (*at != '\0') {
        if (strncmp(at, "gnuplot_plot_", 13) == 0 || strncmp(at, "gpDot", 5) == 0 || strncmp(at, "gpPt", 4) == 0 ||
            strncmp(at, "textbox", 7) == 0)
            fprintf(out, "d%d", drawing);
        fputc(*at++, out);
    }
}

/* The path of a file that holds the script; NULL after a line, which is said once. */
static char *write_script(int width, int height, const char *script) {
    char *path = whole_temporary_name("plot");
    int fd = mkostemp(path, O_CLOEXEC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    bool good = f != NULL;
    if (good) {
        fprintf(f, "set terminal svg size %d,%d dynamic font 'DejaVu Sans,Arial,12' background '#ffffff' noenhanced\n", width,
                height);
        fputs("set encoding utf8\nset border 3 lc rgb '#555555'\nset tics nomirror\nset grid lc rgb '#dddddd'\n", f);
        fputs(script, f);
        good = ferror(f) == 0;
        good &= fclose(f) == 0;
    }
    if (good)
        return path;
    if (drawings.code == LAB_OK)
        drawings.code = whole_temporary_error(path);
    if (fd >= 0)
        unlink(path);
    free(path);
    return NULL;
}

void html_plot(FILE *out, int width, int height, const char *script) {
    char *script_path = write_script(width, height, script);
    if (script_path == NULL)
        return;
    char *quoted = text_shell_quote(script_path);
    char *command = lab_printf("gnuplot %s 2>/dev/null", quoted), *svg = lab_strdup("");
    FILE *pipe = popen(command, "re");
    size_t used = 0, room = 1 << 16;
    svg = lab_realloc(svg, room);
    for (size_t n; pipe != NULL && (n = fread(svg + used, 1, room - used - 1, pipe)) > 0;) {
        used += n;
        if (room - used < 4096)
            svg = lab_realloc(svg, room *= 2);
    }
    svg[used] = '\0';
    if (pipe != NULL)
        pclose(pipe);
    fputs("<figure>", out);
    copy_svg(out, svg);
    fputs("</figure>\n", out);
    unlink(script_path);
    free(script_path);
    free(quoted);
    free(command);
    free(svg);
}

static size_t index_of(const struct run *r, const char *label) {
    size_t i = 0;
    while (i < r->subject_count && strcmp(r->subjects[i], label) != 0)
        i++;
    return i;
}

/* Shapes differ first, open and filled being two of them, then colours: 13 and 7 have no common divisor, so 91 subjects
 * differ, and the first 13 without looking at colour. Okabe and Ito's colours but yellow, which white swallows, in an
 * order that puts light next to dark: subjects of one shape have neighbouring colours. */
struct html_style html_style(const struct run *r, const char *label) {
    static const int markers[] = {7, 4, 9, 12, 11, 2, 6, 5, 8, 13, 10, 3, 1};
    static const char *const colours[] = {"#000000", "#E69F00", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#56B4E9"};
    size_t i = index_of(r, label);
    return (struct html_style){markers[i % (sizeof markers / sizeof *markers)],
                               colours[i % (sizeof colours / sizeof *colours)]};
}

void html_quoted(FILE *script, const char *text) {
    fputc('\'', script);
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text == '\n' ? ' ' : *text, '\0'}, script);
    fputc('\'', script);
}

void html_legend(const struct run *r, FILE *out) {
    enum { WIDTH = 1200, LINE_HEIGHT = 21, LETTER_WIDTH = 8, MOST_COLUMNS = 4 };
    size_t longest = 0;
    for (size_t i = 0; i < r->subject_count; i++)
        if (strlen(r->subjects[i]) > longest)
            longest = strlen(r->subjects[i]);
    size_t columns = WIDTH / (longest * LETTER_WIDTH + 40);
    columns = columns < 1 ? 1 : columns > MOST_COLUMNS ? MOST_COLUMNS : columns;
    size_t lines = (r->subject_count + columns - 1) / columns;
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    fputs("unset border\nunset tics\nunset grid\nset key off\nset margins 0,0,0,0\n", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct html_style style = html_style(r, r->subjects[i]);
        fputs("set label ", f);
        html_quoted(f, r->subjects[i]);
        fprintf(f, " at %g,%g left offset 1.2,-0.25 point pt %d ps 1 lw 1.5 lc rgb '%s'\n", (double)(i / lines) + 0.03,
                (double)lines - (double)(i % lines) - 0.5, style.marker, style.colour);
    }
    fprintf(f, "plot [0:%zu][0:%zu] NaN notitle\n", columns, lines);
    fclose(f);
    html_plot(out, WIDTH, (int)lines * LINE_HEIGHT + 4, script);
    free(script);
}

size_t html_value(char *out, size_t room, double value, const char *unit) {
    if (strcmp(unit, "bytes") == 0)
        return (size_t)snprintf(out, room, value >= 1 << 20 ? "%.1f MiB" : "%.0f KiB",
                                value >= 1 << 20 ? value / (1 << 20) : value / 1024);
    return (size_t)snprintf(out, room, value >= 1e5 ? "%.0f %s" : value >= 100 ? "%.1f %s" : "%.2f %s", value, unit);
}
