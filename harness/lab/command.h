/* SPDX-License-Identifier: MIT
 *
 * command.h: a subcommand of spanlab is one file with one COMMAND(name) = {...}; main finds it in a linker section.
 */
#ifndef SPANLAB_COMMAND_H
#define SPANLAB_COMMAND_H

/* What spanlab exits with (and make turns into 2). */
enum lab_exit {
    LAB_OK = 0,
    LAB_CELL_FAILED = 1,
    LAB_USAGE = 2,
    LAB_MISSING = 3, /* --strict and something is not there */
    LAB_DISK = 4,
    LAB_VERDICT = 5,
    LAB_INTERRUPTED = 130,
};

struct command {
    const char *name;
    const char *arguments; /* "[RUN] [--png]" */
    const char *summary;   /* one line for --help */
    int order;             /* place in --help */
    /* argv[0] is the command's name. Returns an enum lab_exit. */
    int (*run)(int argc, const char **argv);
};

#define COMMAND(id)                                                                                                    \
    static const struct command command_##id;                                                                         \
    static const struct command *const command_entry_##id __attribute__((used, section("spanlab_commands"))) =        \
        &command_##id;                                                                                                 \
    static const struct command command_##id

#endif
