/* SPDX-License-Identifier: MIT
 *
 * dies: actions that must end by abort with one line "goalloc: ..." that contains the words; each in a child of its
 * own. Included behind a unity header.
 */
#ifndef TESTS_DIES_H
#define TESTS_DIES_H

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct dying {
    void (*action)(void);
    const char *words;
};

/* What the action says on stderr goes to `said`; returns how its process ended. */
static int die_in_child(void (*action)(void), void (*on_abort)(int), char *said, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, on_abort);
        signal(SIGSEGV, SIG_DFL);
        alarm(300); /* a handler that waits for a lock of its own thread */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        action();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; used < size - 1 && (n = read(ends[0], said + used, size - 1 - used)) > 0;)
        used += (size_t)n;
    said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* on_abort: the program's handler of SIGABRT. */
static void expect_deaths_with(void (*on_abort)(int), const struct dying *dyings, size_t count) {
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        char said[600];
        int status = die_in_child(dyings[i].action, on_abort, said, sizeof said);
        bool one_line = strncmp(said, "goalloc: ", 9) == 0 && strchr(said, '\n') == said + strlen(said) - 1;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && one_line && strstr(said, dyings[i].words) != NULL)
            continue;
        print_error("case %zu, \"%s\": ends with status %#x and says: %s\n", i, dyings[i].words, (unsigned)status,
                    said);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

__attribute__((unused)) static void expect_deaths(const struct dying *dyings, size_t count) {
    expect_deaths_with(SIG_DFL, dyings, count);
}

#endif
