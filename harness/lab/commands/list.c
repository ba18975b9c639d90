/* SPDX-License-Identifier: MIT
 *
 * list: subjects, workloads, matrices.
 */
#include "catalog.h"
#include "command.h"
#include "embedded.h"
#include "error.h"
#include "matrix.h"

#include <stdio.h>
#include <string.h>

static void list_subjects(const struct catalog *c) {
    puts("Subjects");
    for (size_t i = 0; i < c->subject_count; i++) {
        const struct catalog_subject *s = &c->subjects[i];
        if (s->present)
            printf("  %-30s %s\n", s->name, s->summary);
        else
            printf("  %-30s n/a: %s%s%s\n", s->name, s->reason != NULL ? s->reason : "",
                   s->reason != NULL ? "; " : "", s->remedy);
    }
}

static void list_workloads(const struct catalog *c) {
    puts("\nWorkloads");
    for (size_t i = 0; i < c->workload_count; i++) {
        const struct catalog_workload *w = &c->workloads[i];
        printf("  %-16s %-15s %s\n", w->name, w->manual && w->traced ? "manual, traced" : w->traced ? "traced" : "manual",
               w->summary);
    }
}

static void list_matrices(void) {
    puts("\nMatrices (or the path of your own YAML file)");
    for (size_t i = 0; i < embedded_matrix_count; i++) {
        const struct matrix *m = matrix_load(embedded_matrix_names[i]);
        printf("  %-16s %s\n", embedded_matrix_names[i], m != NULL && m->summary != NULL ? m->summary : "");
    }
    puts("\nspanlab explain NAME tells more about any of them.");
}

static int list(int argc, const char **argv) {
    if (argc > 1)
        return strcmp(argv[1], "--help") == 0 ? (puts("usage: spanlab list"), LAB_OK)
                                              : lab_error(LAB_USAGE, "list takes no argument; spanlab explain %s tells more "
                                                                     "about one thing",
                                                          argv[1]);
    struct catalog c;
    catalog_load(&c);
    list_subjects(&c);
    list_workloads(&c);
    list_matrices();
    return LAB_OK;
}

COMMAND(list) = {"list", "", "subjects, workloads and matrices", 20, list};
