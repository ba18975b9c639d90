/* SPDX-License-Identifier: MIT
 *
 * main: finds the subcommand and hands over.
 */
#include "command.h"
#include "error.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SPANLAB_VERSION
#error "compile with -DSPANLAB_VERSION=\"...\""
#endif

extern const struct command *const __start_spanlab_commands[];
extern const struct command *const __stop_spanlab_commands[];

static size_t command_count(void) {
    return (size_t)(__stop_spanlab_commands - __start_spanlab_commands);
}

static int by_order(const void *a, const void *b) {
    return (*(const struct command *const *)a)->order - (*(const struct command *const *)b)->order;
}

static int print_help(FILE *out) {
    size_t n = command_count();
    const struct command **sorted = lab_alloc(n * sizeof *sorted);
    memcpy(sorted, __start_spanlab_commands, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_order);
    fputs("spanlab: a laboratory for memory allocators\n\n"
          "usage: spanlab COMMAND [OPTIONS]      spanlab COMMAND --help tells the options\n\n",
          out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %-8s %s\n", sorted[i]->name, sorted[i]->summary);
    fputs("\nexit: 0 ok, 1 cell failed, 2 usage, 3 missing, 4 disk, 5 verdict, 130 stopped\n"
          "first steps: spanlab doctor, then spanlab run -m smoke\n",
          out);
    free(sorted);
    return LAB_OK;
}

int main(int argc, char **argv) {
    command_inherited_sigpipe = signal(SIGPIPE, SIG_IGN); /* `spanlab list | head` is no failure */
    if (argc < 2)
        return print_help(stderr), LAB_USAGE;
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print_help(stdout);
    if (strcmp(name, "--version") == 0)
        return puts("spanlab " SPANLAB_VERSION), LAB_OK;
    for (size_t i = 0; i < command_count(); i++)
        if (strcmp(__start_spanlab_commands[i]->name, name) == 0)
            return __start_spanlab_commands[i]->run(argc - 1, (const char **)argv + 1);
    return lab_error(LAB_USAGE, "there is no command '%s': spanlab --help lists them", name);
}
