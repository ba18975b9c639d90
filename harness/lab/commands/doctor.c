/* SPDX-License-Identifier: MIT
 *
 * doctor: is everything here to measure with, and is this machine fit for it? Each line: ok, warn or missing, and what to
 * do.
 */
#include "catalog.h"
#include "command.h"
#include "error.h"
#include "host.h"
#include "probe.h"
#include "text.h"
#include "usable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int missing;

static void line(const char *state, const char *what, const char *detail) {
    printf("%-8s %-28s %s\n", state, what, detail);
}

static bool on_path(const char *program) {
    struct text_list dirs = text_split(getenv("PATH") != NULL ? getenv("PATH") : "", ':');
    bool found = false;
    for (size_t i = 0; !found && i < dirs.count; i++) {
        char *path = lab_printf("%s/%s", dirs.items[i], program);
        found = access(path, X_OK) == 0;
        free(path);
    }
    text_list_free(&dirs);
    return found;
}

static void check_program(const char *program, const char *needed_for, const char *package, bool required) {
    if (on_path(program)) {
        line("ok", program, needed_for);
        return;
    }
    char *detail = lab_printf("%s; apt-get install %s", needed_for, package);
    line(required ? "missing" : "warn", program, detail);
    missing += required;
    free(detail);
}

static void check_subject(const struct catalog_subject *s) {
    if (!s->present) {
        char *detail = lab_printf("n/a: %s%s%s", s->reason != NULL ? s->reason : "", s->reason != NULL ? "; " : "",
                                  s->remedy);
        line(s->reason != NULL ? "FAILED" : "missing", s->name, detail);
        missing += s->reason != NULL;
        free(detail);
        return; /* a peer that is not installed stops nothing */
    }
    json_t *record = probe_subject(s, "");
    const char *status = json_string_value(json_object_get(record, "status"));
    json_t *subject = json_object_get(record, "subject"), *proof = json_object_get(record, "proof");
    const char *version = json_string_value(json_object_get(subject, "version"));
    if (status == NULL || strcmp(status, "ok") != 0) {
        const char *message = json_string_value(json_object_get(record, "message"));
        line("FAILED", s->name, message != NULL ? message : "the null workload gave no record");
        missing++;
    } else {
        char *detail = lab_printf("version %s, %zu symbols proved", version != NULL ? version : "not told",
                                  json_object_size(json_object_get(proof, "symbols")));
        line("ok", s->name, detail);
        free(detail);
    }
    json_decref(record);
}

static void check_steal(void) {
    char *stat = text_read_file("/proc/stat");
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    if (stat == NULL || sscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait,
                               &irq, &softirq, &steal) != 8) {
        line("warn", "steal time", "not told");
    } else {
        double busy = (double)(user + nice + system + irq + softirq + steal);
        char *detail = lab_printf("%.1f %% of busy time since boot went to other guests", 100 * (double)steal / (busy + 1));
        line((double)steal > 0.02 * busy ? "warn" : "ok", "steal time", detail);
        free(detail);
    }
    free(stat);
}

static void check_processors(const json_t *facts) {
    char *limits = usable_text(facts);
    double cores = (double)json_integer_value(json_object_get(facts, "cores"));
    bool all = usable_processors(facts) >= cores;
    char *detail = lab_printf("%s%s", limits, all ? "" : ": cells of more threads than that take turns, and are marked");
    line(all ? "ok" : "warn", "processors", detail);
    free(detail);
    free(limits);
}

static void check_limits(const json_t *facts) {
    char *limits = usable_limits_text(facts);
    bool none = limits[0] == '\0';
    char *detail = none ? lab_strdup("none that matters")
                        : lab_printf("%s: figures are of processes under these", limits);
    line(none ? "ok" : "warn", "resource limits", detail);
    free(detail);
    free(limits);
}

static void check_load(void) {
    double load[1] = {0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (getloadavg(load, 1) != 1)
        return;
    char *detail = lab_printf("%.2f on %ld cores%s", load[0], cores,
                              load[0] > 0.5 ? ": wait until it is below 0.5, or expect disturbed processes" : "");
    line(load[0] > 0.5 ? "warn" : "ok", "load", detail);
    free(detail);
}

static void check_setting(const char *what, char *value, const char *good, const char *otherwise) {
    if (value == NULL) {
        line("ok", what, "not told on this machine; recorded as n/a");
        return;
    }
    bool fine = good == NULL || strstr(good, value) != NULL;
    char *detail = fine ? lab_strdup(value) : lab_printf("%s: %s", value, otherwise);
    line(fine ? "ok" : "warn", what, detail);
    free(detail);
    free(value);
}

static void check_disk(void) {
    struct statvfs fs;
    if (statvfs(".", &fs) != 0)
        return;
    double free_gib = (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30);
    char *detail = lab_printf("%.1f GiB free here; a quick run takes a few MiB", free_gib);
    line(free_gib < 0.2 ? "warn" : "ok", "disk", detail);
    free(detail);
}

static void check_temporary(void) {
    const char *named = getenv("TMPDIR"), *folder = named != NULL && named[0] != '\0' ? named : "/tmp";
    bool fine = access(folder, W_OK | X_OK) == 0;
    char *detail = lab_printf("%s %s", folder,
                              fine ? "can be written" : "cannot be written: set TMPDIR to a folder that can, for report, heapmap "
                                                        "and claims");
    line(fine ? "ok" : "missing", "temporary files", detail);
    missing += !fine;
    free(detail);
}

static int doctor(int argc, const char **argv) {
    if (argc > 1)
        return strcmp(argv[1], "--help") == 0 ? (puts("usage: spanlab doctor"), LAB_OK)
                                              : lab_error(LAB_USAGE, "doctor takes no argument, but got '%s'", argv[1]);
    missing = 0;
    puts("Programs");
    check_program("gnuplot", "draws the report", "gnuplot-nox", true);
    check_program("valgrind", "counts instructions (scripts/instructions.sh)", "valgrind", false);
    check_program("go", "oracle of later work; 1.21 or newer fetches 1.25.3 by GOTOOLCHAIN", "golang", false);
    puts("\nSubjects (each proves itself in a process of its own)");
    struct catalog c;
    catalog_load(&c);
    for (size_t i = 0; i < c.subject_count; i++)
        check_subject(&c.subjects[i]);
    puts("\nMachine");
    char *host = host_identity();
    line("ok", "host", host);
    free(host);
    json_t *facts = host_facts();
    const char *overcommit = json_string_value(json_object_get(facts, "overcommit"));
    check_processors(facts);
    check_limits(facts);
    check_load();
    check_steal();
    check_setting("transparent huge pages", host_bracketed("/sys/kernel/mm/transparent_hugepage/enabled"), "madvise never",
                  "resident memory then depends on the kernel's mood; try madvise");
    check_setting("cpu governor", host_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "performance",
                  "times vary with frequency; cpupower frequency-set -g performance");
    check_setting("perf_event_paranoid", host_first_line("/proc/sys/kernel/perf_event_paranoid"), NULL, "");
    check_setting("overcommit_memory", overcommit == NULL ? NULL : lab_strdup(overcommit), "0 1",
                  "reserving address space counts as memory; large reservations may fail");
    json_decref(facts);
    check_disk();
    check_temporary();
    printf("\n%s\n", missing == 0 ? "Fit to measure: spanlab run -m smoke" : "Something is missing: see the lines above.");
    return missing == 0 ? LAB_OK : LAB_MISSING;
}

COMMAND(doctor) = {"doctor", "", "what is missing here, and is this machine fit to measure on", 10, doctor};
