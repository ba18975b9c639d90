/* SPDX-License-Identifier: MIT */
#include "ask.h"
#include "error.h"
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MAX_BYTES = 1 << 20 };

/* What comes through one pipe. */
struct stream {
    int fd;
    char *text;
    size_t used, room;
};

/* False: its end. */
static bool take(struct stream *s) {
    char block[4096];
    ssize_t n = read(s->fd, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    size_t keep = s->used + (size_t)n <= ASK_MAX_BYTES ? (size_t)n : ASK_MAX_BYTES - s->used;
    if (s->used + keep + 1 > s->room)
        s->text = lab_realloc(s->text, s->room = 2 * (s->used + keep + 1));
    memcpy(s->text + s->used, block, keep);
    s->used += keep;
    return true;
}

/* To the end of both; false when that takes longer than the limit. */
static bool take_all(struct stream *streams, uint64_t deadline_ns) {
    struct pollfd fds[2] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        uint64_t now = text_now_ns();
        if (now >= deadline_ns)
            return false;
        if (poll(fds, 2, (int)((deadline_ns - now) / 1000000 + 1)) <= 0)
            continue;
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !take(&streams[i]))
                fds[i].fd = -1;
    }
    return true;
}

/* errno goes through the error pipe, which the program's start closes. */
static _Noreturn void become(char *const *argv, char *const *environment, int out, int err, int error_pipe) {
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* what spanlab was given is not for it */
    signal(SIGPIPE, SIG_DFL);
    if (null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2)
        execve(argv[0], argv, environment);
    int error = errno;
    if (write(error_pipe, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

/* 0 or an errno. */
static int start(pid_t *pid, char *const *argv, const char *preload, int out, int err) {
    struct text_list extra = {0};
    if (preload != NULL)
        text_list_add_taken(&extra, lab_printf("LD_PRELOAD=%s", preload));
    struct text_list environment = launch_environment(NULL, &extra);
    text_list_add_taken(&environment, NULL);
    int error_pipe[2], error = 0;
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return errno;
    fflush(NULL);
    *pid = fork();
    if (*pid == 0)
        become(argv, environment.items, out, err, error_pipe[1]);
    if (*pid < 0)
        error = errno;
    close(error_pipe[1]);
    if (*pid > 0 && read(error_pipe[0], &error, sizeof error) == sizeof error)
        waitpid(*pid, NULL, 0);
    close(error_pipe[0]);
    environment.count--; /* the NULL */
    text_list_free(&environment);
    text_list_free(&extra);
    return error;
}

struct answer ask(char *const *argv, const char *preload, unsigned limit_s) {
    struct answer a = {.status = -1};
    struct stream streams[2] = {{.text = lab_strdup(""), .room = 1}, {.text = lab_strdup(""), .room = 1}};
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    pid_t pid = -1;
    bool piped = pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0;
    a.start_error = piped ? start(&pid, argv, preload, out[1], err[1]) : errno;
    close(out[1]);
    close(err[1]);
    if (a.start_error == 0) {
        streams[0].fd = out[0];
        streams[1].fd = err[0];
        if (!take_all(streams, text_now_ns() + UINT64_C(1000000000) * limit_s))
            kill(pid, SIGKILL);
        while (waitpid(pid, &a.status, 0) < 0 && errno == EINTR)
            ;
    }
    close(out[0]);
    close(err[0]);
    streams[0].text[streams[0].used] = '\0';
    streams[1].text[streams[1].used] = '\0';
    a.out = streams[0].text;
    a.err = streams[1].text;
    return a;
}

void answer_free(struct answer *a) {
    free(a->out);
    free(a->err);
}

char *answer_failure(const struct answer *a) {
    if (a->start_error != 0)
        return lab_printf("it cannot be started: %s", strerror(a->start_error));
    size_t length = strlen(a->err);
    while (length > 0 && a->err[length - 1] == '\n')
        length--;
    size_t from = length;
    while (from > 0 && a->err[from - 1] != '\n')
        from--;
    char *how = WIFSIGNALED(a->status) ? lab_printf("SIG%s", sigabbrev_np(WTERMSIG(a->status)))
                                       : lab_printf("exit code %d", WEXITSTATUS(a->status));
    char *text = lab_printf("%s%s%.*s", how, length > 0 ? ": " : "", (int)(length - from), a->err + from);
    free(how);
    return text;
}
