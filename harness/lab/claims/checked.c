/* SPDX-License-Identifier: MIT */
#include "claims/checked.h"
#include "error.h"
#include "text.h"
#include "whole.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHECK_TIMEOUT_MS = 120000 };

/* Lines "[       OK ] name". */
static unsigned passed(char *text, const char *pattern) {
    static const char mark[] = "[       OK ] ";
    unsigned count = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strncmp(line, mark, sizeof mark - 1) == 0)
            count += pattern == NULL || fnmatch(pattern, line + sizeof mark - 1, 0) == 0;
    return count;
}

char *checked_program(const char *name, char **missing) {
    const char *dir = getenv("SPANLAB_BENCH_DIR"); /* as catalog.c has it */
    char *path = lab_printf("%s/%s", dir != NULL && dir[0] != '\0' ? dir : text_bin_dir(), name);
    if (access(path, X_OK) != 0)
        *missing = lab_printf("%s is not built: it is one of the tests, so cmake needs -DSPANLAB_TESTS=ON", name);
    return path;
}

struct checked checked_tests(struct spawner *spawner, const struct claim_check *check) {
    struct checked out = {0};
    char *said = whole_temporary_name("check"), *path = checked_program(check->program, &out.missing);
    int fd = mkstemp(said);
    if (out.missing == NULL && fd < 0)
        lab_die(whole_temporary_error(said), "no test can be run without it");
    if (out.missing == NULL) {
        char *argv[] = {path, NULL}, *environment[] = {NULL};
        struct spawn_request request = {argv, environment, said, "/dev/null", CHECK_TIMEOUT_MS, false};
        struct spawn_result result;
        if (!spawner_run(spawner, &request, NULL, NULL, &result) || result.start_failed || result.timed_out)
            out.missing = lab_printf("%s did not run to its end", check->program);
        else if (WIFSIGNALED(result.wait_status))
            out.missing = lab_printf("%s died by SIG%s", check->program, sigabbrev_np(WTERMSIG(result.wait_status)));
        out.died = out.missing != NULL;
        out.seconds = (double)result.wall_ns / 1e9;
        out.peak_bytes = result.peak_bytes;
        char *text = text_read_file(said);
        out.passed = text != NULL ? passed(text, check->tests) : 0;
        free(text);
    }
    if (fd >= 0) {
        close(fd);
        unlink(said);
    }
    free(said);
    free(path);
    return out;
}
