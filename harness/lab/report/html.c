/* SPDX-License-Identifier: MIT */
#include "html.h"
#include "error.h"
#include "text.h"

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

/* gnuplot numbers its gradients and clip paths alike in every drawing; within one page they must differ. */
static void copy_svg(FILE *out, char *svg) {
    static int drawing;
    drawing++;
    char *at = strstr(svg, "<svg");
    if (at == NULL) {
        fputs("<p class=\"none\">gnuplot drew nothing; run spanlab report again with gnuplot-nox installed.</p>\n", out);
        return;
    }
    while (*at != '\0') {
        if (strncmp(at, "gnuplot_plot_", 13) == 0 || strncmp(at, "gpDot", 5) == 0 || strncmp(at, "gpPt", 4) == 0 ||
            strncmp(at, "textbox", 7) == 0)
            fprintf(out, "d%d", drawing);
        fputc(*at++, out);
    }
}

void html_plot(FILE *out, int width, int height, const char *script) {
    char script_path[] = "/tmp/spanlab-XXXXXX";
    int fd = mkstemp(script_path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL) {
        fputs("<p class=\"none\">No temporary file could be made for gnuplot.</p>\n", out);
        return;
    }
    fprintf(f, "set terminal svg size %d,%d dynamic font 'DejaVu Sans,Arial,12' background '#ffffff'\n", width, height);
    fputs("set encoding utf8\nset border 3 lc rgb '#555555'\nset tics nomirror\nset grid lc rgb '#dddddd'\n", f);
    fputs(script, f);
    fclose(f);
    char *command = lab_printf("gnuplot %s 2>/dev/null", script_path), *svg = lab_strdup("");
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
    free(command);
    free(svg);
}

static size_t index_of(const struct run *r, const char *label) {
    size_t i = 0;
    while (i < r->subject_count && strcmp(r->subjects[i], label) != 0)
        i++;
    return i;
}

const char *html_colour(const struct run *r, const char *label) {
    static const char *const colours[] = {"#000000", "#D55E00", "#E69F00", "#0072B2", "#009E73",
                                          "#CC79A7", "#56B4E9", "#7F7F7F", "#8B4513", "#5D3A9B"};
    return colours[index_of(r, label) % (sizeof colours / sizeof *colours)];
}

int html_marker(const struct run *r, const char *label) {
    static const int markers[] = {2, 7, 6, 5, 9, 13, 11, 4, 8, 12};
    return markers[index_of(r, label) % (sizeof markers / sizeof *markers)];
}

char *html_short(const char *label) {
    char *name = lab_strdup(label), *tail = strstr(name, "-sizeclass");
    if (tail != NULL)
        memmove(tail, tail + 10, strlen(tail + 10) + 1);
    return name;
}
