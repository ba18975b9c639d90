/* SPDX-License-Identifier: MIT
 *
 * exec: any program on a malloc subject, proved.
 */
#include "catalog.h"
#include "command.h"
#include "error.h"
#include "launch.h"
#include "plan.h"
#include "text.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: spanlab exec SUBJECT[|KNOB=V,…] -- PROGRAM [ARGUMENT…]\n"
                            "Runs a program on a malloc subject; ends with 125 and one line when the subject would not serve "
                            "it.\n";

/* Where libc itself lies: what "glibc" is proved by. */
static const char *libc_path(void) {
    Dl_info info;
    void *address = dlsym(RTLD_NEXT, "malloc");
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fname : NULL;
}

static int find(struct catalog *c, const char *name, struct catalog_subject **out) {
    if (strchr(name, ':') != NULL)
        return (*out = catalog_add_user(c, name)) != NULL ? LAB_OK : LAB_USAGE;
    *out = catalog_find_subject(c, name);
    if (*out == NULL)
        return catalog_unknown(c, "subject", name);
    if (strcmp((*out)->flavour, "manual") != 0)
        return lab_error(LAB_USAGE, "%s is a traced build: only malloc subjects can be put under a program", name);
    if (!(*out)->present)
        return lab_error(LAB_MISSING, "%s is not installed: %s", name, (*out)->remedy);
    return LAB_OK;
}

static struct text_list variables_for(const struct catalog_subject *s, const char *knobs) {
    struct text_list variables = launch_subject_variables(s, knobs), out = {0};
    char *prover = lab_printf("%s/../lib/libspanlab-prove.so", text_bin_dir());
    for (size_t i = 0; i < variables.count; i++)
        if (strncmp(variables.items[i], "LD_PRELOAD=", 11) != 0)
            text_list_add(&out, variables.items[i]);
    text_list_add_taken(&out, lab_printf("LD_PRELOAD=%s%s%s", s->preload ? s->library : "", s->preload ? ":" : "", prover));
    text_list_add_taken(&out, lab_printf("SPANLAB_PROVE_LIBRARY=%s", s->library != NULL ? s->library : libc_path()));
    /* Python's own pool would serve most of its requests. */
    text_list_add(&out, "PYTHONMALLOC=malloc");
    text_list_free(&variables);
    free(prover);
    return out;
}

static int exec(int argc, const char **argv) {
    if (argc >= 2 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout), LAB_OK;
    if (argc < 3)
        return fputs(usage, stderr), LAB_USAGE;
    int program = strcmp(argv[2], "--") == 0 ? 3 : 2;
    if (program >= argc)
        return fputs(usage, stderr), LAB_USAGE;
    struct catalog c;
    struct catalog_subject *s;
    catalog_load(&c);
    char *name = lab_printf("%.*s", (int)strcspn(argv[1], "|"), argv[1]);
    int code = find(&c, name, &s);
    if (code != LAB_OK)
        return code;
    const char *knobs = strchr(argv[1], '|') != NULL ? strchr(argv[1], '|') + 1 : "";
    struct text_list variables = variables_for(s, knobs);
    struct text_list environment = launch_environment(&c, &variables);
    text_list_add_taken(&environment, NULL);
    execvpe(argv[program], (char *const *)argv + program, environment.items);
    return lab_error(LAB_USAGE, "cannot run %s: %s", argv[program], strerror(errno));
}

COMMAND(exec) = {"exec", "SUBJECT -- PROGRAM …", "run any program on a malloc subject, proved", 70, exec};
