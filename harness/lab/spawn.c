/* SPDX-License-Identifier: MIT */
#include "spawn.h"
#include "command.h"
#include "error.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void spawner_start(struct spawner *s) {
    int pair[2];
    int size_bytes = SPAWN_MESSAGE_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        lab_die(LAB_CELL_FAILED, "cannot make a socket pair: %s", strerror(errno));
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size_bytes, sizeof size_bytes);
    char *program = lab_printf("%s/spanlab-spawn", text_bin_dir());
    s->pid = fork();
    if (s->pid == 0) {
        dup2(pair[1], 3);
        setpgid(0, 0); /* Ctrl-C is for spanlab to deal with */
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    s->socket = pair[0];
    char hello;
    if (s->pid < 0 || recv(s->socket, &hello, 1, 0) != 1)
        lab_die(LAB_CELL_FAILED, "%s does not start: run make build", program);
    free(program);
}

void spawner_stop(struct spawner *s) {
    close(s->socket);
    waitpid(s->pid, NULL, 0);
}

static size_t put(char *message, size_t at, const void *data, size_t size_bytes) {
    if (at + size_bytes > SPAWN_MESSAGE_BYTES)
        lab_die(LAB_CELL_FAILED, "arguments and environment of a process exceed %d KiB: unset large variables",
                SPAWN_MESSAGE_BYTES >> 10);
    memcpy(message + at, data, size_bytes);
    return at + size_bytes;
}

/* Strings one after the other; an empty one would end a list, so each has a mark before it. */
static size_t put_list(char *message, size_t at, char *const *list) {
    for (; *list != NULL; list++) {
        at = put(message, at, "+", 1);
        at = put(message, at, *list, strlen(*list) + 1);
    }
    return put(message, at, "", 1);
}

static size_t write_request(char *message, const struct spawn_request *r) {
    size_t at = put(message, 0, "R", 1);
    at = put(message, at, &r->timeout_ms, sizeof r->timeout_ms);
    at = put(message, at, r->no_aslr ? "1" : "0", 1);
    at = put(message, at, r->stdout_path, strlen(r->stdout_path) + 1);
    at = put(message, at, r->stderr_path, strlen(r->stderr_path) + 1);
    at = put_list(message, at, r->argv);
    return put_list(message, at, r->environment);
}

bool spawner_run(struct spawner *s, const struct spawn_request *request, bool (*tick)(void *), void *context,
                 struct spawn_result *result) {
    char *message = lab_alloc(SPAWN_MESSAGE_BYTES);
    size_t length = write_request(message, request);
    if (send(s->socket, message, length, MSG_NOSIGNAL) != (ssize_t)length)
        lab_die(LAB_CELL_FAILED, "spanlab-spawn has ended: %s", strerror(errno));
    free(message);
    bool killed = false;
    for (;;) {
        struct pollfd fd = {s->socket, POLLIN, 0};
        int ready = poll(&fd, 1, 100);
        if (ready > 0)
            break;
        if (tick != NULL && !killed && !tick(context)) {
            killed = true;
            send(s->socket, "K", 1, MSG_NOSIGNAL);
        }
    }
    if (recv(s->socket, result, sizeof *result, 0) != sizeof *result)
        lab_die(LAB_CELL_FAILED, "spanlab-spawn ended while a process was running");
    return !killed;
}
