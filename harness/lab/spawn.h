/* SPDX-License-Identifier: MIT
 *
 * spawn.h: how measured processes are started: by spanlab-spawn, a small process of its own, because a child inherits its
 * parent's peak of resident memory across exec. Each gets a process group and a time limit.
 */
#ifndef SPANLAB_SPAWN_H
#define SPANLAB_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawner {
    int socket;
    pid_t pid;
};

struct spawn_request {
    char *const *argv; /* NULL-terminated */
    char *const *environment;
    const char *stdout_path, *stderr_path;
    uint32_t timeout_ms;
    bool no_aslr;
};

/* Where a start failed: at the program, at the files of its output, or before there was a process. */
enum spawn_step { SPAWN_PROGRAM, SPAWN_FILES, SPAWN_PROCESS };

struct spawn_result {
    int32_t wait_status;
    uint8_t timed_out, start_failed, start_step; /* enum spawn_step */
    int32_t start_errno;
    uint64_t wall_ns, peak_bytes; /* largest resident set of the process */
};

/* One message each way, at most this long. */
enum { SPAWN_MESSAGE_BYTES = 256 << 10 };

/* Starts spanlab-spawn; ends the program with a line when that fails. */
void spawner_start(struct spawner *s);
void spawner_stop(struct spawner *s);

/* Runs one process to its end. `tick` is called about ten times a second; when it returns false the process group is
 * killed and spawner_run returns false. NULL: the process is left to its end or its time limit. */
bool spawner_run(struct spawner *s, const struct spawn_request *request, bool (*tick)(void *), void *context,
                 struct spawn_result *result);

#endif
