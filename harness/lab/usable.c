/* SPDX-License-Identifier: MIT */
#include "usable.h"
#include "error.h"
#include "matrix.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_PROCESSORS = 8192, PATH_BYTES = 4096 };

/* Above this a limit of version 1 stands for none: it is the largest number of whole pages. */
static const double no_limit_bytes = 0x1p60;

/* Tests put a tree of their own in place of / for /proc/self/cgroup, /sys/fs/cgroup and /proc/sys/vm. */
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

/* ---- limits of resources, which the processes of a run inherit */

/* A usual shell's; a thread's stack is as large, too. */
static const int64_t usual_stack_bytes = INT64_C(8) << 20;

/* Fewer than this a program does not expect. */
enum { USUAL_OPEN_FILES = 256 };

struct resource_limit {
    int resource;
    const char *key, *title;
    enum { BYTES, SECONDS, NUMBER } unit;
    int64_t matters_below;
};

static const struct resource_limit resource_limits[] = {
    {RLIMIT_AS, "address_space_limit_bytes", "address space limit", BYTES, INT64_MAX},
    {RLIMIT_DATA, "data_limit_bytes", "data limit", BYTES, INT64_MAX},
    {RLIMIT_STACK, "stack_limit_bytes", "stack limit", BYTES, 0 /* see shown_stack */},
    {RLIMIT_CPU, "processor_time_limit_seconds", "processor time limit", SECONDS, INT64_MAX},
    /* It counts threads, too, and those of the user's other programs; a cell may have this many of its own. */
    {RLIMIT_NPROC, "process_limit", "process limit", NUMBER, 2 * MATRIX_THREADS_MOST},
    {RLIMIT_NOFILE, "open_file_limit", "open file limit", NUMBER, USUAL_OPEN_FILES},
    /* Nothing that is measured locks memory: this one is recorded and never shown. */
    {RLIMIT_MEMLOCK, "locked_memory_limit_bytes", "locked memory limit", BYTES, 0},
};
enum { RESOURCE_LIMITS = sizeof resource_limits / sizeof resource_limits[0] };

/* The soft limit, since it is what the kernel applies; null: none. */
static json_t *limit_in_force(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return json_null();
    return json_integer(limit.rlim_cur > INT64_MAX ? INT64_MAX : (json_int_t)limit.rlim_cur);
}

/* Without a limit of the stack the kernel lays mappings out from below, and a thread's stack has another size. */
static bool shown_stack(const json_t *limit) {
    return json_is_null(limit) || (json_is_integer(limit) && json_integer_value(limit) != usual_stack_bytes);
}

/* Not what older runs lack. */
static bool is_shown(const struct resource_limit *r, const json_t *limit) {
    return r->resource == RLIMIT_STACK ? shown_stack(limit)
                                       : json_is_integer(limit) && json_integer_value(limit) < r->matters_below;
}

/* Exact, since other limits are other runs. */
static char *bytes_text(const char *title, int64_t bytes) {
    if (bytes % (1 << 20) == 0)
        return lab_printf("%s %" PRId64 " MiB", title, bytes >> 20);
    return bytes % 1024 == 0 ? lab_printf("%s %" PRId64 " KiB", title, bytes >> 10)
                             : lab_printf("%s %" PRId64 " B", title, bytes);
}

static char *limit_text(const struct resource_limit *r, const json_t *limit) {
    if (json_is_null(limit))
        return lab_printf("no %s", r->title);
    if (r->unit == BYTES)
        return bytes_text(r->title, json_integer_value(limit));
    return lab_printf("%s %" JSON_INTEGER_FORMAT "%s", r->title, json_integer_value(limit), r->unit == SECONDS ? " s" : "");
}

/* ---- strict overcommit: what may be promised is bounded for all processes together, and a reservation may count */

static void add_overcommit(json_t *facts) {
    static const char *const bounds[] = {"overcommit_ratio", "overcommit_kbytes"};
    char *mode = system_file("/proc/sys/vm/overcommit_memory");
    json_object_set_new(facts, "overcommit", mode == NULL ? json_null() : json_string(mode));
    for (size_t i = 0; mode != NULL && strcmp(mode, "2") == 0 && i < 2; i++) {
        double bound = number_in("/proc/sys/vm", bounds[i]);
        json_object_set_new(facts, bounds[i], isnan(bound) ? json_null() : json_integer((json_int_t)bound));
    }
    free(mode);
}

/* NULL: not in force. Of both bounds that one holds which is not 0; older runs have neither. */
static char *overcommit_text(const json_t *facts) {
    const char *mode = json_string_value(json_object_get(facts, "overcommit"));
    const json_t *ratio = json_object_get(facts, "overcommit_ratio");
    json_int_t kbytes = json_integer_value(json_object_get(facts, "overcommit_kbytes"));
    if (mode == NULL || strcmp(mode, "2") != 0)
        return NULL;
    if (kbytes != 0)
        return bytes_text("strict overcommit at", (int64_t)kbytes << 10);
    return json_is_integer(ratio) ? lab_printf("strict overcommit at %" JSON_INTEGER_FORMAT " %% of memory", json_integer_value(ratio))
                                  : lab_strdup("strict overcommit");
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
    for (size_t i = 0; i < RESOURCE_LIMITS; i++)
        json_object_set_new(facts, resource_limits[i].key, limit_in_force(resource_limits[i].resource));
    add_overcommit(facts);
    free(list);
}

void usable_copy(json_t *to, const json_t *facts) {
    static const char *const others[] = {"processors", "processor_list",   "cpu_quota",        "memory_limit_bytes",
                                         "overcommit", "overcommit_ratio", "overcommit_kbytes"};
    enum { OTHERS = sizeof others / sizeof others[0] };
    for (size_t i = 0; i < OTHERS + RESOURCE_LIMITS; i++) {
        const char *key = i < OTHERS ? others[i] : resource_limits[i - OTHERS].key;
        if (json_object_get(facts, key) != NULL)
            json_object_set(to, key, json_object_get(facts, key));
    }
}

/* Takes both; part NULL: there is none. */
static char *with_part(char *text, char *part) {
    if (part == NULL)
        return text;
    char *longer = lab_printf("%s%s%s", text, text[0] != '\0' ? ", " : "", part);
    free(text);
    free(part);
    return longer;
}

char *usable_limits_text(const json_t *facts) {
    char *text = lab_strdup("");
    for (size_t i = 0; i < RESOURCE_LIMITS; i++) {
        const json_t *limit = json_object_get(facts, resource_limits[i].key);
        if (is_shown(&resource_limits[i], limit))
            text = with_part(text, limit_text(&resource_limits[i], limit));
    }
    return with_part(text, overcommit_text(facts));
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
    if (json_is_number(quota))
        text = with_part(text, lab_printf("CPU quota %.2f processors", json_number_value(quota)));
    if (json_is_integer(memory))
        text = with_part(text, lab_printf("memory limit %.0f MiB", (double)json_integer_value(memory) / (1 << 20)));
    char *limits = usable_limits_text(facts);
    if (limits[0] != '\0')
        return with_part(text, limits);
    free(limits);
    return text;
}

double usable_processors(const json_t *facts) {
    const json_t *usable = json_object_get(facts, "processors"), *quota = json_object_get(facts, "cpu_quota");
    double count = json_is_integer(usable) ? (double)json_integer_value(usable) : INFINITY;
    return json_is_number(quota) ? fmin(count, json_number_value(quota)) : count;
}
