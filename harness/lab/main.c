/* SPDX-License-Identifier: MIT
 *
 * main: finds the subcommand and hands over.
 */
#include "command.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- standard files */

/* A file that is opened must not get the number of one that the caller has closed: what is printed would go into it. Of
 * the wrong direction, so that its use fails as it would without. */
static void hold_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            _exit(LAB_DISK);
}

/* `spanlab list | head` is no failure. */
static bool reader_has_gone(void) {
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

/* However the program ends: what it printed is where it was to go, or the exit code says that it is not. */
static void finish_output(int code, void *context) {
    (void)context;
    errno = 0;
    bool good = ferror(stdout) == 0;
    good &= fflush(stdout) == 0;
    if (good || reader_has_gone())
        return;
    fprintf(stderr, "spanlab: cannot write standard output (%s): send it somewhere else\n",
            errno != 0 ? strerror(errno) : "no room left");
    _exit(code == LAB_OK ? LAB_DISK : code);
}

/* A caught signal makes the write fail, and unlike an ignored one is not handed on to the programs that spanlab starts. */
static void take_note(int number) {
    (void)number;
}

static void catch_write_signals(void) {
    static const int numbers[] = {SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before, action = {.sa_handler = take_note, .sa_flags = SA_RESTART};
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

int main(int argc, char **argv) {
    hold_standard_files();
    catch_write_signals();
    on_exit(finish_output, NULL);
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
