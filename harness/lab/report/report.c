/* SPDX-License-Identifier: MIT
 *
 * report: one self-contained page.
 */
#include "report.h"
#include "command.h"
#include "error.h"
#include "html.h"
#include "placement.h"
#include "text.h"
#include "usable.h"
#include "whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char style[] =
    "body{font:15px/1.45 'DejaVu Sans',Arial,sans-serif;max-width:1240px;margin:2em auto;padding:0 1em;color:#222}"
    "h1{font-size:1.5em;margin-bottom:.2em}h2{border-bottom:1px solid #ccc;padding-bottom:.2em;margin-top:2em}"
    "table{border-collapse:collapse;font-size:12px;margin:.6em 0}th,td{border:1px solid #ccc;padding:.25em .5em;text-align:left;"
    "vertical-align:top}th{background:#f3f3f3}td span{color:#555}.wide{overflow-x:auto}.wide td{font-size:11px}td.better{background:#e3f1e8}"
    "td.worse{background:#fbe9dd}td.bad{background:#f6d0d0;font-weight:bold}td.some{border:2px solid #b03030}td.none,.none{color:#777}"
    "figure{margin:0;overflow-x:auto}figure svg{max-width:100%;height:auto}.how{font-size:12px;color:#555}"
    ".key{display:inline-block;width:1.1em;height:.8em;border:1px solid #444;margin:0 .4em 0 1em}"
    "code{background:#f3f3f3;padding:0 .2em;overflow-wrap:anywhere}@media print{h2{break-before:auto}table{break-inside:avoid}}";

static const char *meta(const struct run *r, const char *key) {
    const char *s = json_string_value(json_object_get(r->meta, key));
    return s != NULL ? s : "n/a";
}

static void host_row(FILE *out, const char *title, json_t *value) {
    fprintf(out, "<tr><th>%s</th><td>", title);
    if (json_is_string(value))
        html_text(out, json_string_value(value));
    else if (json_is_integer(value))
        fprintf(out, "%lld", (long long)json_integer_value(value));
    else
        fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "n/a", out);
    fputs("</td></tr>\n", out);
}

static void machine_table(const struct run *r, FILE *out) {
    static const char *const keys[][2] = {{"host_name", "host"},       {"cpu", "processor"},
                                          {"cores", "cores"},          {"memory_bytes", "memory, bytes"},
                                          {"kernel", "kernel"},        {"distribution", "distribution"},
                                          {"hypervisor", "in a guest"}, {"thp", "transparent huge pages"},
                                          {"governor", "cpu governor"}, {"overcommit", "overcommit"}};
    fputs("<table>", out);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        host_row(out, keys[i][1], json_object_get(r->host, keys[i][0]));
    char *limits = usable_text(r->host);
    fputs("<tr><th>usable</th><td>", out);
    html_text(out, limits);
    fputs("</td></tr>\n", out);
    free(limits);
    for (size_t i = 0; i < r->row_count; i++)
        if (r->rows[i].shared) {
            fputs("<tr><th>threads take turns</th><td>", out);
            html_text(out, r->rows[i].label);
            fprintf(out, ": %u threads on %.3g processors</td></tr>\n", r->rows[i].threads, usable_processors(r->host));
        }
    fprintf(out, "<tr><th>processes</th><td>%ld of %ld, %ld failed; others took processor time from %ld (%ld waited for a "
                 "processor, %ld lost time to other guests of the host)</td></tr>\n",
            r->done, r->planned, r->failed, r->disturbed, r->disturbed - r->stolen, r->stolen);
    if (r->invalid > 0)
        fprintf(out, "<tr><th>invalid cells</th><td>%ld</td></tr>\n", r->invalid);
    fputs("<tr><th>command</th><td><code>", out);
    html_text(out, meta(r, "command"));
    fprintf(out, "</code></td></tr><tr><th>seed</th><td>%s</td></tr><tr><th>layout</th><td>%s</td></tr><tr><th>begun</th><td>%s</td>"
                 "</tr></table>\n",
            meta(r, "seed"),
            strcmp(meta(r, "fixed_layout"), "1") == 0 ? "fixed, without ASLR"
                                                      : "environment size and stack offset random per process, ASLR on",
            meta(r, "created_at"));
}

static struct run_cell *example(const struct run *r, const char *label) {
    for (size_t i = 0; i < r->cell_count; i++)
        if (strcmp(r->cells[i].label, label) == 0 && (r->cells[i].record != NULL || r->cells[i].memory_record != NULL))
            return &r->cells[i];
    return NULL;
}

static void subjects_table(const struct run *r, FILE *out) {
    fputs("<h3>Subjects, as they proved themselves from inside</h3>\n<table><tr><th>subject</th><th>version</th><th>library</th>"
          "<th>SHA-256</th><th>knobs in force</th><th>symbols proved</th><th>lacking</th></tr>\n",
          out);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct run_cell *c = example(r, r->subjects[i]);
        json_t *record = c == NULL ? NULL : c->record != NULL ? c->record : c->memory_record;
        json_t *s = json_object_get(record, "subject"), *proof = json_object_get(record, "proof"), *item;
        const char *version = json_string_value(json_object_get(s, "version"));
        const char *library = json_string_value(json_object_get(s, "library"));
        const char *sha = json_string_value(json_object_get(s, "sha256"));
        fputs("<tr><th>", out);
        html_text(out, r->subjects[i]);
        fputs("</th><td>", out);
        html_text(out, version != NULL ? version : "n/a");
        fputs("</td><td><code>", out);
        html_text(out, library != NULL ? library : "n/a");
        fprintf(out, "</code></td><td><code>%.12s</code></td><td>", sha != NULL ? sha : "n/a");
        const char *key;
        json_object_foreach(json_object_get(s, "knobs"), key, item) fprintf(out, "%s=%s ", key, json_string_value(item));
        fprintf(out, "</td><td>%zu</td><td>", json_object_size(json_object_get(proof, "symbols")));
        size_t k;
        json_array_foreach(json_object_get(proof, "lacking"), k, item) fprintf(out, "%s ", json_string_value(item));
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

/* Whether the cell has one. */
static bool problem(const struct run *r, const struct run_cell *c, FILE *out) {
    if (c->invalid) {
        fputs("<li>INVALID ", out);
        html_text(out, c->label);
        fputc(' ', out);
        html_text(out, r->rows[c->row].label);
        fputs(": its checksum differs from the other subjects'</li>\n", out);
    }
    if (c->failed > 0) {
        fputs("<li>FAILED ", out);
        html_text(out, c->label);
        fputc(' ', out);
        html_text(out, r->rows[c->row].label);
        fprintf(out, ": %ld of %ld processes; ", c->failed, c->processes);
        html_text(out, c->failure);
        fputs("<br><code>", out);
        html_text(out, c->reproduce);
        fputs("</code></li>\n", out);
    }
    return c->failed > 0 || c->invalid;
}

static void problems(const struct run *r, FILE *out) {
    fputs("<h3>What failed or is missing</h3>\n", out);
    bool any = r->absent_count > 0;
    fputs("<ul>", out);
    for (size_t i = 0; i < r->absent_count; i++)
        fprintf(out, "<li>n/a: %s, %s%s%s</li>\n", r->absent[i].subject, r->absent[i].reason,
                r->absent[i].remedy[0] != '\0' ? "; " : "", r->absent[i].remedy);
    for (size_t i = 0; i < r->cell_count; i++)
        any |= problem(r, &r->cells[i], out);
    fputs(any ? "</ul>\n" : "</ul><p>Nothing.</p>\n", out);
}

/* What the null workload says of the harness. */
static void harness_cost(const struct run *r, FILE *out) {
    for (size_t i = 0; i < r->cell_count; i++) {
        json_t *cost = json_object_get(r->cells[i].record, "harness_ns_per_op");
        if (strcmp(r->cells[i].workload, "null") != 0 || !json_is_number(cost))
            continue;
        const char *build = json_string_value(
            json_object_get(json_object_get(r->cells[i].record, "environment"), "library_build_type"));
        fprintf(out, "<p>Harness: driving the null workload through Google Benchmark (%s build) costs %.6f ns per operation beside the "
                     "%.2f ns of the empty loop itself.</p>\n",
                build != NULL ? build : "unknown", json_number_value(cost), run_median(&r->cells[i], "time"));
        return;
    }
}

void report_machine(const struct run *r, FILE *out) {
    fputs("<h2 id=\"machine\">Machine, versions, knobs, commands</h2>\n", out);
    harness_cost(r, out);
    machine_table(r, out);
    subjects_table(r, out);
    problems(r, out);
    fprintf(out, "<p>This page: <code>spanlab report %s</code>. One process again: the <code>reproduce</code> column of table "
                 "<code>invocation</code> in run.sqlite holds a shell line for each.</p>\n",
            r->dir);
    fputs("<h3>Matrix</h3>\n<pre><code>", out);
    html_text(out, meta(r, "matrix"));
    fputs("</code></pre>\n", out);
}

static void write_page(const struct run *r, FILE *out) {
    fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>spanlab %s</title>\n<style>%s</style></head>"
                 "<body>\n",
            r->id, style);
    fprintf(out, "<h1>spanlab: run %s</h1>\n<p>%ld of %ld processes, %ld failed, %zu subject%s, %zu row%s; spanlab %s. <a "
                 "href=\"#pareto\">time and memory</a> \302\267 <a href=\"#matrix\">all cells</a> \302\267 <a "
                 "href=\"#timelines\">over the operations</a> \302\267 <a "
                 "href=\"#timespace\">time and space of collectors</a> \302\267 <a href=\"#collectors\">collectors</a> \302\267 <a "
                 "href=\"#policies\">sawtooth and Robson</a> \302\267 %s<a href=\"#fragmentation\">what the memory is</a> \302\267 <a "
                 "href=\"#claims\">claims</a> \302\267 <a href=\"#machine\">machine and commands</a></p>\n",
            r->id, r->done, r->planned, r->failed, r->subject_count,
            r->subject_count == 1 ? "" : "s", r->row_count, r->row_count == 1 ? "" : "s", meta(r, "spanlab_version"),
            placement_any(r) ? "<a href=\"#placement\">policy and implementation</a> \302\267 " : "");
    report_pareto(r, out);
    report_matrix(r, out);
    report_timelines(r, out);
    report_timespace(r, out);
    report_collectors(r, out);
    report_policies(r, out);
    report_placement(r, out);
    report_fragmentation(r, out);
    report_claims(out);
    report_machine(r, out);
    fputs("</body></html>\n", out);
}

/* Whether there is a page with all its drawings. */
static bool drawn_before(const char *path) {
    char *text = text_read_file(path);
    bool drawn = text != NULL && strstr(text, "</html>") != NULL && strstr(text, html_undrawn) == NULL;
    free(text);
    return drawn;
}

/* A page without its drawings is better than none, and worse than the one with them. */
static int check_drawings(const char *path) {
    struct html_drawings drawings = html_drawings_told();
    if (drawings.code != LAB_OK)
        return drawings.code;
    if (drawings.undrawn > 0 && drawn_before(path))
        return lab_error(LAB_MISSING, "gnuplot does not draw, so %s is left as it was: install gnuplot-nox, then spanlab report again",
                         path);
    return LAB_OK;
}

static int write_file(const struct run *r, const char *path) {
    struct whole_file file;
    int code = whole_begin(&file, path);
    if (code != LAB_OK)
        return code;
    html_drawings_told(); /* of this page only */
    write_page(r, file.out);
    code = check_drawings(path);
    if (code == LAB_OK)
        return whole_end(&file);
    whole_abandon(&file);
    return code;
}

int report_write(const struct run *r) {
    char *dir = lab_printf("%s/report", r->dir), *path = lab_printf("%s/index.html", dir);
    int code = mkdir(dir, 0755) == 0 || errno == EEXIST
                   ? write_file(r, path)
                   : lab_error(LAB_DISK, "cannot make the folder %s: %s", dir, strerror(errno));
    free(path);
    free(dir);
    return code;
}
