/* SPDX-License-Identifier: MIT
 *
 * stacks: what lives on coroutines' stacks, in signal handlers and on threads that are blocked outside is kept, and
 * nothing of it once that is over. Each case is a process of its own; in deterministic mode, what a collection leaves
 * is exact.
 *
 *   stacks [CASE]
 */
#include "stacks.h"

/* What the process writes to stderr goes to said; returns how it ended. */
static int run_apart(void (*run)(void), char *said, size_t size) {
    int ends[2], status;
    EXPECT(pipe(ends) == 0, "errno %d", errno);
    pid_t child = fork();
    EXPECT(child >= 0, "errno %d", errno);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(600); /* ends a child that hangs */
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; used < size - 1 && (n = read(ends[0], said + used, size - 1 - used)) > 0;)
        used += (size_t)n;
    said[used] = '\0';
    close(ends[0]);
    EXPECT(waitpid(child, &status, 0) == child, "errno %d", errno);
    return status;
}

static bool passes(const struct test *test) {
    char said[4096];
    int status = run_apart(test->run, said, sizeof said);
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const char *line = strstr(said, "goalloc: "); /* behind what a sanitizer has to say of stacks */
    bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && line != NULL &&
                (line == said || line[-1] == '\n') && strchr(line, '\n') == said + strlen(said) - 1;
    if (test->words == NULL ? well : died && strstr(said, test->words) != NULL)
        return true;
    fprintf(stderr, "%s: expected %s%s; it ends with status %#x and says: %s\n", test->name,
            test->words == NULL ? "a good end" : "one line with ", test->words == NULL ? "" : test->words,
            (unsigned)status, said);
    return false;
}

/* collects() would begin with the heap's first use, which is each case's to make. */
static bool build_collects(void) {
    return strncmp(goalloc_axes(), "nogc-", 5) != 0;
}

int main(int argc, char **argv) {
    const struct test *const lists[] = {coroutine_tests, thread_tests, misuse_tests};
    size_t failed = 0, run = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct test *test = lists[i]; test->name != NULL; test++) {
            if (argc > 1 && strcmp(argv[1], test->name) != 0)
                continue;
            if (test->words != NULL && !build_collects())
                continue; /* a heap that never collects looks at no stack */
            failed += !passes(test);
            run++;
        }
    printf("%zu of %zu cases failed\n", failed, run);
    return failed != 0 || run == 0;
}
