/* SPDX-License-Identifier: MIT
 *
 * report: prints a run's tables and draws its page again.
 */
#include "report.h"
#include "command.h"
#include "error.h"
#include "options.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int report(int argc, const char **argv) {
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") == 0)) {
        fputs("usage: spanlab report [RUN]      RUN: a folder with run.sqlite; results/latest by default\n",
              argc == 2 ? stdout : stderr);
        return argc == 2 ? LAB_OK : LAB_USAGE;
    }
    char *dir = options_run_dir(argc == 2 ? argv[1] : NULL);
    if (dir == NULL)
        return LAB_USAGE;
    struct run *r = run_load(dir);
    int code = LAB_USAGE;
    if (r != NULL) {
        table_print(r, stdout);
        code = report_write(r);
        if (code == LAB_OK)
            printf("%s/report/index.html\n", dir);
        code = code ? code : run_told(r);
        run_free(r);
    }
    free(dir);
    return code;
}

COMMAND(report) = {"report", "[RUN]", "print the tables of a run and draw its page again", 80, report};
