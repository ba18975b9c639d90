/* SPDX-License-Identifier: MIT
 *
 * plan: what a run with these options would measure, and what it would take.
 */
#include "command.h"
#include "options.h"
#include "run_dir.h"

static int plan(int argc, const char **argv) {
    struct run_options o;
    int code = options_parse(argc, argv, &o);
    if (code != LAB_OK)
        return code;
    struct catalog catalog;
    struct plan p;
    catalog_load(&catalog);
    code = plan_make(&o.request, &catalog, &p);
    if (code != LAB_OK)
        return code;
    plan_print(&p, stdout);
    return options_absent(&p, o.strict);
}

COMMAND(plan) = {"plan", "[OPTIONS]", "what a run would measure, and how long it would take", 40, plan};
