/* SPDX-License-Identifier: MIT
 *
 * quota: how many processors the control group lets the process use (Go 1.25 runtime/cgroup_linux.go,
 * internal/runtime/cgroup): the quota over its period, rounded up, and no fewer than two. As Go, it looks at the group
 * that the process is in, not at those above it; a hierarchy of the first version that governs the CPU comes before the
 * second version's.
 */
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTA_PATH_BYTES = 4096, QUOTA_LINE_BYTES = 4 * QUOTA_PATH_BYTES, QUOTA_LEAST_PROCS = 2 };

struct quota_group {
    bool first_version;
    char path[QUOTA_PATH_BYTES]; /* in its hierarchy, at first; then of its folder */
};

static bool quota_lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* /proc/self/cgroup: a line for each hierarchy, "number:controllers:path". */
static bool quota_find_group(FILE *cgroups, char *line, struct quota_group *group) {
    bool found = false;
    while (fgets(line, QUOTA_LINE_BYTES, cgroups) != NULL) {
        char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            return false;
        *controllers++ = *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        bool first = quota_lists(controllers, "cpu"), second = strcmp(line, "0") == 0;
        if ((!first && !second) || strlen(path) >= sizeof group->path)
            continue;
        strcpy(group->path, path);
        group->first_version = first;
        found = true;
        if (first)
            return true;
    }
    return found;
}

/* In mountinfo, a space in a name is \040. */
static void quota_unescape(char *name) {
    char *to = name;
    for (const char *from = name; *from != '\0'; to++) {
        unsigned code;
        if (sscanf(from, "\\%3o", &code) == 1 && code < 256) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* A line of /proc/self/mountinfo: five fields, of which the last is where it is mounted; after " - " the kind of file
 * system, its source and its options. */
static bool quota_is_mount(char *line, const struct quota_group *group, char *mounted) {
    char *rest = strstr(line, " - "), kind[32], options[1024];
    if (rest == NULL || sscanf(line, "%*s %*s %*s %*s %4095s", mounted) != 1 ||
        sscanf(rest + 3, "%31s %*s %1023s", kind, options) != 2)
        return false;
    if (group->first_version)
        return strcmp(kind, "cgroup") == 0 && quota_lists(options, "cpu");
    return strcmp(kind, "cgroup2") == 0;
}

static bool quota_find_folder(FILE *mounts, char *line, struct quota_group *group) {
    char mounted[QUOTA_PATH_BYTES];
    while (fgets(line, QUOTA_LINE_BYTES, mounts) != NULL) {
        if (!quota_is_mount(line, group, mounted))
            continue;
        quota_unescape(mounted);
        size_t length = strlen(mounted);
        if (length + strlen(group->path) >= sizeof group->path)
            return false;
        memmove(group->path + length, group->path, strlen(group->path) + 1);
        memcpy(group->path, mounted, length);
        return true;
    }
    return false;
}

/* A file's first line; false: it is not there. */
static bool quota_read(const struct quota_group *group, const char *file, char *out, size_t size) {
    char path[QUOTA_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", group->path, file);
    FILE *f = fopen(path, "re");
    bool ok = f != NULL && fgets(out, (int)size, f) != NULL;
    if (f != NULL)
        fclose(f);
    return ok;
}

/* Processors' worth of time; 0: no limit, or none to be made out. */
static double quota_of(const struct quota_group *group) {
    char line[64], period_line[64];
    long long quota, period = 0;
    if (!group->first_version) {
        if (!quota_read(group, "cpu.max", line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2)
            return 0;
    } else if (!quota_read(group, "cpu.cfs_quota_us", line, sizeof line) || sscanf(line, "%lld", &quota) != 1 ||
               !quota_read(group, "cpu.cfs_period_us", period_line, sizeof period_line) ||
               sscanf(period_line, "%lld", &period) != 1) {
        return 0;
    }
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

/* procs, or fewer when the group of the process has a quota. proc: "/proc/self". */
static unsigned quota_procs(const char *proc, unsigned procs) {
    static char line[QUOTA_LINE_BYTES]; /* at start, by one thread */
    struct quota_group group;
    int saved_errno = errno;
    char path[256];
    snprintf(path, sizeof path, "%s/cgroup", proc);
    FILE *cgroups = fopen(path, "re");
    snprintf(path, sizeof path, "%s/mountinfo", proc);
    FILE *mounts = fopen(path, "re");
    bool found = cgroups != NULL && mounts != NULL && quota_find_group(cgroups, line, &group) &&
                 quota_find_folder(mounts, line, &group);
    double quota = found ? quota_of(&group) : 0;
    if (cgroups != NULL)
        fclose(cgroups);
    if (mounts != NULL)
        fclose(mounts);
    errno = saved_errno;
    if (quota == 0 || quota > procs)
        return procs;
    unsigned whole = (unsigned)quota;
    whole += whole < quota;
    whole = whole < QUOTA_LEAST_PROCS ? QUOTA_LEAST_PROCS : whole;
    return whole < procs ? whole : procs;
}
