/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "error.h"
#include "text.h"
#include "usable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xxhash.h>

char *host_first_line(const char *path) {
    char *text = text_read_file(path);
    if (text != NULL)
        text[strcspn(text, "\n")] = '\0';
    return text;
}

char *host_bracketed(const char *path) {
    char *line = host_first_line(path);
    char *open = line == NULL ? NULL : strchr(line, '[');
    char *choice = open == NULL ? NULL : lab_printf("%.*s", (int)strcspn(open + 1, "]"), open + 1);
    free(line);
    return choice;
}

/* The value of "key : value" or KEY=value in a file of such lines. */
static char *field(const char *path, const char *key) {
    char *text = text_read_file(path), *value = NULL;
    for (char *line = text; line != NULL && *line != '\0';
         line = strchr(line, '\n') == NULL ? NULL : strchr(line, '\n') + 1)
        if (strncmp(line, key, strlen(key)) == 0) {
            char *start = line + strlen(key) + strspn(line + strlen(key), " \t:=\"");
            value = lab_printf("%.*s", (int)strcspn(start, "\"\n"), start);
            break;
        }
    free(text);
    return value;
}

static json_t *taken(char *text) {
    json_t *json = text == NULL ? json_null() : json_string(text);
    free(text);
    return json;
}

json_t *host_facts(void) {
    struct utsname u;
    struct sysinfo info = {0};
    uname(&u);
    sysinfo(&info);
    json_t *facts = json_object();
    json_object_set_new(facts, "host_name", json_string(u.nodename));
    json_object_set_new(facts, "kernel", json_string(u.release));
    json_object_set_new(facts, "cpu", taken(field("/proc/cpuinfo", "model name")));
    json_object_set_new(facts, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    usable_add(facts);
    json_object_set_new(facts, "memory_bytes", json_integer((json_int_t)(info.totalram * info.mem_unit)));
    json_object_set_new(facts, "thp", taken(host_bracketed("/sys/kernel/mm/transparent_hugepage/enabled")));
    json_object_set_new(facts, "governor",
                        taken(host_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")));
    json_object_set_new(facts, "distribution", taken(field("/etc/os-release", "PRETTY_NAME")));
    json_object_set_new(facts, "hypervisor",
                        json_boolean(access("/sys/hypervisor", F_OK) == 0 ||
                                     strstr(text_read_tail("/proc/cpuinfo", 4000), " hypervisor ")));
    return facts;
}

char *host_identity(void) {
    struct utsname u;
    uname(&u);
    char *cpu = field("/proc/cpuinfo", "model name");
    json_t *facts = json_pack("{s:I}", "cores", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN));
    usable_add(facts);
    char *limits = usable_text(facts);
    char *identity = lab_printf("%s, Linux %s, %s, %s", u.nodename, u.release, cpu == NULL ? "?" : cpu, limits);
    json_decref(facts);
    free(limits);
    free(cpu);
    return identity;
}

static void add_hash(json_t *all, const char *path) {
    if (path == NULL || json_object_get(all, path) != NULL)
        return;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    XXH64_state_t *state = XXH64_createState();
    XXH64_reset(state, 0);
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        XXH64_update(state, block, n);
    fclose(f);
    char hex[32];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)XXH64_digest(state));
    XXH64_freeState(state);
    json_object_set_new(all, path, json_string(hex));
}

json_t *host_binaries(const struct catalog *catalog) {
    json_t *all = json_object();
    for (size_t i = 0; i < catalog->subject_count; i++) {
        add_hash(all, catalog->subjects[i].program);
        if (catalog->subjects[i].present)
            add_hash(all, catalog->subjects[i].library);
    }
    return all;
}
