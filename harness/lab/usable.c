/* SPDX-License-Identifier: MIT */
#include "usable.h"
#include "error.h"
#include "text.h"

#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROCESSORS = 8192, PATH_BYTES = 4096 };

/* Above this a limit of version 1 stands for none: it is the largest number of whole pages. */
static const double no_limit_bytes = 0x1p60;

/* Tests put a tree of their own in place of / for /proc/self/cgroup and /sys/fs/cgroup. */
static char *system_file(const char *path) {
    const char *root = getenv("SPANLAB_TEST_SYSTEM_ROOT");
    char *full = lab_printf("%s%s", root != NULL ? root : "", path), *text = text_read_file(full);
    free(full);
    if (text != NULL)
        text[strcspn(text, "\n")] = '\0';
    return text;
}

/* ---- control groups */

/* The group's folder below the mount point of a controller; version 2 has the empty name. NULL: it is in none. */
static char *group_of(const char *controller) {
    const char *root = getenv("SPANLAB_TEST_SYSTEM_ROOT");
    char *path = lab_printf("%s/proc/self/cgroup", root != NULL ? root : ""), *text = text_read_file(path);
    char *found = NULL, *rest;
    free(path);
    for (char *line = text == NULL ? NULL : strtok_r(text, "\n", &rest); line != NULL && found == NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':'), *group = names == NULL ? NULL : strchr(names + 1, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        struct text_list list = text_split(names + 1, ',');
        if (controller[0] == '\0' ? names[1] == '\0' : text_list_has(&list, controller))
            found = lab_strdup(group);
        text_list_free(&list);
    }
    free(text);
    return found;
}

/* Reads a number from the file of one folder; NAN: there is none, or no limit. */
typedef double (*limit_reader)(const char *folder);

/* The least over a group and all above it, as the kernel applies them. In a container the upper part of the path may not be
 * there, while its group lies at the mount point. */
static double least(const char *mount, const char *group, limit_reader read_limit) {
    char path[PATH_BYTES];
    double limit = NAN;
    size_t floor = strlen(mount);
    snprintf(path, sizeof path, "%s%s", mount, group);
    for (char *slash = path + strlen(path); slash != NULL && slash >= path + floor; slash = strrchr(path, '/')) {
        *slash = '\0';
        limit = fmin(limit, read_limit(path)); /* of NAN and a number the number */
        if (strlen(path) <= floor)
            break;
    }
    return limit;
}

static double number_in(const char *folder, const char *file) {
    char *path = lab_printf("%s/%s", folder, file), *text = system_file(path), *end;
    double number = text == NULL ? NAN : strtod(text, &end);
    if (text != NULL && end == text)
        number = NAN; /* "max" */
    free(text);
    free(path);
    return number;
}

/* "50000 100000": of each 100 ms half. */
static double quota_of_version_2(const char *folder) {
    char *path = lab_printf("%s/cpu.max", folder), *text = system_file(path);
    double quota, period;
    bool limited = text != NULL && sscanf(text, "%lf %lf", &quota, &period) == 2 && period > 0;
    free(text);
    free(path);
    return limited ? quota / period : NAN;
}

static double quota_of_version_1(const char *folder) {
    double quota = number_in(folder, "cpu.cfs_quota_us"), period = number_in(folder, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? quota / period : NAN;
}

static double memory_of_version_2(const char *folder) {
    return number_in(folder, "memory.max");
}

static double memory_of_version_1(const char *folder) {
    double limit = number_in(folder, "memory.limit_in_bytes");
    return limit < no_limit_bytes ? limit : NAN;
}

static double limit_of(const char *controller, const char *const *mounts_of_version_1, limit_reader version_1,
                       limit_reader version_2) {
    static const char *const mounts_of_version_2[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL};
    double limit = NAN;
    char *group = group_of("");
    for (size_t i = 0; group != NULL && mounts_of_version_2[i] != NULL; i++)
        limit = fmin(limit, least(mounts_of_version_2[i], group, version_2));
    free(group);
    group = group_of(controller);
    for (size_t i = 0; group != NULL && mounts_of_version_1[i] != NULL; i++)
        limit = fmin(limit, least(mounts_of_version_1[i], group, version_1));
    free(group);
    return limit;
}

/* ---- affinity, which a cpuset narrows */

static long processors(char **list) {
    cpu_set_t *set = CPU_ALLOC(MAX_PROCESSORS);
    size_t size_bytes = CPU_ALLOC_SIZE(MAX_PROCESSORS);
    long count = 0;
    *list = lab_strdup("");
    if (set == NULL || sched_getaffinity(0, size_bytes, set) != 0) {
        CPU_FREE(set);
        return sysconf(_SC_NPROCESSORS_ONLN);
    }
    for (int first = 0, last; first < MAX_PROCESSORS; first = last + 1) {
        for (last = first; last < MAX_PROCESSORS && CPU_ISSET_S(last, size_bytes, set); last++)
            count++;
        if (last == first)
            continue;
        char *longer = lab_printf("%s%s%d", *list, (*list)[0] != '\0' ? "," : "", first);
        free(*list);
        *list = last - first == 1 ? longer : lab_printf("%s-%d", longer, last - 1);
        if (last - first > 1)
            free(longer);
    }
    CPU_FREE(set);
    return count;
}

/* ---- facts */

void usable_add(json_t *facts) {
    static const char *const cpu_mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", NULL};
    static const char *const memory_mounts[] = {"/sys/fs/cgroup/memory", NULL};
    char *list;
    json_object_set_new(facts, "processors", json_integer(processors(&list)));
    json_object_set_new(facts, "processor_list", json_string(list));
    double quota = limit_of("cpu", cpu_mounts, quota_of_version_1, quota_of_version_2);
    double memory_bytes = limit_of("memory", memory_mounts, memory_of_version_1, memory_of_version_2);
    json_object_set_new(facts, "cpu_quota", isnan(quota) ? json_null() : json_real(quota));
    json_object_set_new(facts, "memory_limit_bytes",
                        isnan(memory_bytes) ? json_null() : json_integer((json_int_t)memory_bytes));
    free(list);
}

char *usable_text(const json_t *facts) {
    const json_t *recorded = json_object_get(facts, "processors"), *quota = json_object_get(facts, "cpu_quota");
    const json_t *memory = json_object_get(facts, "memory_limit_bytes");
    long long cores = json_integer_value(json_object_get(facts, "cores"));
    long long usable = recorded != NULL ? json_integer_value(recorded) : cores;
    const char *list = json_string_value(json_object_get(facts, "processor_list"));
    if (cores == 0)
        return lab_strdup("n/a");
    char *text = usable == cores ? lab_printf("%lld cores", cores)
                                 : lab_printf("%lld of %lld cores (%s)", usable, cores, list != NULL ? list : "?");
    if (json_is_number(quota)) {
        char *longer = lab_printf("%s, CPU quota %.2f processors", text, json_number_value(quota));
        free(text);
        text = longer;
    }
    if (json_is_integer(memory)) {
        char *longer = lab_printf("%s, memory limit %.0f MiB", text, (double)json_integer_value(memory) / (1 << 20));
        free(text);
        text = longer;
    }
    return text;
}

double usable_processors(const json_t *facts) {
    const json_t *usable = json_object_get(facts, "processors"), *quota = json_object_get(facts, "cpu_quota");
    double count = json_is_integer(usable) ? (double)json_integer_value(usable) : INFINITY;
    return json_is_number(quota) ? fmin(count, json_number_value(quota)) : count;
}
