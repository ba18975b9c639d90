/* SPDX-License-Identifier: MIT
 *
 * spanlab-spawn: starts one process at a time for spanlab and tells how it ended. It stays small on purpose (see
 * spawn.h), and kills what it started when spanlab goes away.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET = 3, MAX_STRINGS = 4096 };

static char message[SPAWN_MESSAGE_BYTES];
static char *argv_list[MAX_STRINGS], *environment_list[MAX_STRINGS];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static char *take_list(char *at, char **list) {
    size_t n = 0;
    while (*at == '+' && n < MAX_STRINGS - 1) {
        list[n++] = at + 1;
        at += strlen(at) + 1;
    }
    list[n] = NULL;
    return at + 1;
}

/* What a child that does not get to its program tells. */
struct start_error {
    int step, code;
};

static void child(const char *out, const char *err, int no_aslr, int error_pipe) {
    setpgid(0, 0);
    int out_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644), err_fd = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int null_fd = open("/dev/null", O_RDONLY);
    struct start_error error = {SPAWN_FILES, errno};
    if (out_fd < 0 || err_fd < 0 || null_fd < 0)
        goto failed;
    dup2(null_fd, 0);
    dup2(out_fd, 1);
    dup2(err_fd, 2);
    if (no_aslr)
        personality(ADDR_NO_RANDOMIZE);
    for (int fd = 3; fd < 64; fd++)
        if (fd != error_pipe)
            close(fd);
    execve(argv_list[0], argv_list, environment_list);
    error = (struct start_error){SPAWN_PROGRAM, errno};
failed:
    if (write(error_pipe, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

/* Waits for the child, its time limit, a kill order or spanlab's end. */
static void await(pid_t pid, uint64_t deadline_ns, struct spawn_result *result) {
    int pidfd = pidfd_open(pid, 0);
    for (;;) {
        uint64_t now = now_ns();
        int wait_ms = now >= deadline_ns ? 0 : (int)((deadline_ns - now) / 1000000 + 1);
        struct pollfd fds[2] = {{pidfd, POLLIN, 0}, {SOCKET, POLLIN, 0}};
        int ready = poll(fds, 2, wait_ms);
        if (ready < 0)
            continue;
        if (fds[0].revents != 0)
            break;
        char order;
        bool gone = fds[1].revents != 0 && recv(SOCKET, &order, 1, 0) <= 0;
        if (ready == 0)
            result->timed_out = 1;
        kill(-pid, SIGKILL);
        if (gone) {
            waitpid(pid, NULL, 0);
            _exit(0);
        }
        deadline_ns = UINT64_MAX / 2;
    }
    close(pidfd);
    struct rusage used = {0};
    wait4(pid, &result->wait_status, 0, &used);
    result->peak_bytes = (uint64_t)used.ru_maxrss * 1024;
    kill(-pid, SIGKILL); /* whatever it left behind in its group */
}

static void run_one(void) {
    struct spawn_result result = {0};
    uint32_t timeout_ms;
    memcpy(&timeout_ms, message + 1, sizeof timeout_ms);
    int no_aslr = message[1 + sizeof timeout_ms] == '1';
    char *out = message + 2 + sizeof timeout_ms, *err = out + strlen(out) + 1;
    take_list(take_list(err + strlen(err) + 1, argv_list), environment_list);
    int error_pipe[2];
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        _exit(1);
    uint64_t start = now_ns();
    pid_t pid = fork();
    if (pid == 0)
        child(out, err, no_aslr, error_pipe[1]);
    close(error_pipe[1]);
    if (pid > 0) {
        setpgid(pid, pid); /* before any kill order can come, whoever runs first */
        await(pid, start + (uint64_t)timeout_ms * 1000000, &result);
    }
    result.wall_ns = now_ns() - start;
    struct start_error error = {SPAWN_PROCESS, pid < 0 ? errno : 0};
    if (pid < 0 || read(error_pipe[0], &error, sizeof error) == sizeof error) {
        result.start_failed = 1;
        result.start_step = (uint8_t)error.step;
        result.start_errno = error.code;
    }
    close(error_pipe[0]);
    send(SOCKET, &result, sizeof result, MSG_NOSIGNAL);
}

int main(void) {
    fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
    send(SOCKET, "H", 1, MSG_NOSIGNAL);
    for (;;) {
        ssize_t n = recv(SOCKET, message, sizeof message, 0);
        if (n <= 0)
            return 0;
        if (message[0] == 'R')
            run_one();
    }
}
