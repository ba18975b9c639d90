/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_LINE_BYTES = 1024, RECORD_TEXT_BYTES = 4096 };

/* Of this process as it was started. */
static struct {
    char library[RECORD_TEXT_BYTES], preload[2 * RECORD_TEXT_BYTES], file[RECORD_TEXT_BYTES];
    char path[64];
    unsigned long long device, inode;
    bool begun;
} own;

static bool keep(char *out, size_t size_bytes, const char *variable) {
    const char *value = getenv(variable);
    if (value == NULL || strlen(value) >= size_bytes)
        return false;
    strcpy(out, value);
    return true;
}

bool record_begin(void) {
    own.begun = keep(own.library, sizeof own.library, RECORD_LIBRARY) &&
                keep(own.file, sizeof own.file, RECORD_FILE) && keep(own.preload, sizeof own.preload, "LD_PRELOAD") &&
                sscanf(own.file, "%63[^:]:%llu:%llu", own.path, &own.device, &own.inode) == 3;
    if (!own.begun)
        own.library[0] = '\0';
    return own.begun;
}

const char *record_library(void) {
    return own.library;
}

static size_t put(char *line, size_t at, const char *text) {
    for (; *text != '\0' && at < RECORD_LINE_BYTES - 2; text++)
        line[at++] = *text == '\n' || *text == '\t' ? ' ' : *text;
    return at;
}

static size_t put_number(char *line, size_t at, long number) {
    char digits[24];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (n < sizeof digits)
        line[at++] = digits[n++];
    return at;
}

bool record_write(char event, long pid, const char *path, const char *reason) {
    if (!own.begun)
        return false;
    char line[RECORD_LINE_BYTES] = {event, ' '};
    size_t at = put_number(line, 2, pid);
    if (path != NULL) {
        line[at++] = ' ';
        /* Room is kept for the reason, which is short. */
        char cut[RECORD_LINE_BYTES / 2];
        snprintf(cut, sizeof cut, "%s", path);
        at = put(line, at, cut);
        line[at++] = '\t';
        at = put(line, at, reason != NULL ? reason : "");
    }
    line[at++] = '\n';
    struct stat there;
    int fd = open(own.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    /* In another /proc the number may be another process's. */
    bool ours = fd >= 0 && fstat(fd, &there) == 0 && there.st_dev == own.device && there.st_ino == own.inode;
    bool written = ours && write(fd, line, at) == (ssize_t)at;
    if (fd >= 0)
        close(fd);
    return written;
}

static const char *value_in(char *const *environment, const char *name) {
    size_t n = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return *environment + n + 1;
    return NULL;
}

static bool same_value(char *const *environment, const char *name, const char *wanted) {
    const char *value = value_in(environment, name);
    return value != NULL && strcmp(value, wanted) == 0;
}

const char *record_environment_problem(char *const *environment) {
    const char *preload = value_in(environment, "LD_PRELOAD");
    if (preload == NULL)
        return "it was started without LD_PRELOAD in its environment";
    /* Libraries that the program adds before or behind ours are judged inside the process. */
    if (strstr(preload, own.preload) == NULL)
        return "it was started with another LD_PRELOAD";
    if (!same_value(environment, RECORD_LIBRARY, own.library) || !same_value(environment, RECORD_FILE, own.file))
        return "it was started without the " RECORD_LIBRARY " and " RECORD_FILE " that spanlab exec sets";
    return NULL;
}
