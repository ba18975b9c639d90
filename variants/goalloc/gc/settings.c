/* SPDX-License-Identifier: MIT
 *
 * settings: what the environment says, under Go's names where Go has them; a malformed value ends the process at start
 * in one line, as in Go.
 */
#include "gc/gc.h"
#include "gc/quota.c"
#include "os/knob.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t settings_number(const char *variable, const char *value, int64_t least, int64_t most) {
    char *end;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || number < least || number > most)
        os_die("%s is '%.64s': set it to a number from %lld to %lld", variable, value, (long long)least,
               (long long)most);
    return number;
}

static int64_t settings_integer(const char *variable, int64_t least, int64_t most, int64_t otherwise) {
    const char *value = knob_text(variable);
    return value == NULL || *value == '\0' ? otherwise : settings_number(variable, value, least, most);
}

/* Go mgcpacer.go:1307 readGOGC: a number, or off. */
static int64_t settings_percent(void) {
    const char *value = knob_text("GOGC");
    if (value != NULL && strcmp(value, "off") == 0)
        return -1;
    if (value == NULL || *value == '\0')
        return 100;
    char *end;
    long long number = strtoll(value, &end, 10);
    if (*end != '\0' || number < 0 || number > INT32_MAX)
        os_die("GOGC is '%.64s': set it to a percentage of the live heap, or to off", value);
    return number;
}

/* Go mgcpacer.go:1357 readGOMEMLIMIT. */
static uint64_t settings_memory_limit(void) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    const char *value = knob_text("GOMEMLIMIT");
    if (value == NULL || *value == '\0' || strcmp(value, "off") == 0)
        return UINT64_MAX;
    char *unit;
    unsigned long long number = strtoull(value, &unit, 10);
    unsigned shift = *unit == '\0' ? 0 : 100;
    for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i]) == 0)
            shift = i * 10;
    if (value[0] < '0' || value[0] > '9' || shift == 100 || number > (uint64_t)INT64_MAX >> shift)
        os_die("GOMEMLIMIT is '%.64s': set it to a number of bytes with B, KiB, MiB, GiB or TiB, or to off", value);
    return number << shift;
}

/* Those that the process may use. */
static unsigned settings_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static unsigned settings_procs(void) {
    unsigned procs = settings_processors();
    if (gc_settings.container_procs)
        procs = quota_procs("/proc/self", procs);
    return (unsigned)settings_integer("GOMAXPROCS", 1, 1024, procs);
}

/* Names that Go knows and this runtime does not are passed over, as Go does with names that it does not know. */
static void settings_debug_word(const char *name, size_t length, const char *value) {
    if (length == 7 && strncmp(name, "gctrace", 7) == 0)
        gc_settings.trace = settings_number("gctrace in GODEBUG", value, 0, 2) != 0;
    else if (length == 14 && strncmp(name, "gcstoptheworld", 14) == 0)
        gc_settings.stop_the_world = (unsigned)settings_number("gcstoptheworld in GODEBUG", value, 0, 2);
    else if (length == 11 && strncmp(name, "gccheckmark", 11) == 0)
        gc_settings.checkmark = settings_number("gccheckmark in GODEBUG", value, 0, 1) != 0;
    else if (length == 11 && strncmp(name, "clobberfree", 11) == 0)
        gc_settings.clobber = settings_number("clobberfree in GODEBUG", value, 0, 1) != 0;
    else if (length == 17 && strncmp(name, "containermaxprocs", 17) == 0)
        gc_settings.container_procs = settings_number("containermaxprocs in GODEBUG", value, 0, 1) != 0;
    else if (length == 9 && strncmp(name, "scavtrace", 9) == 0)
        gc_settings.scavtrace = settings_number("scavtrace in GODEBUG", value, 0, 1) != 0;
}

static void settings_debug(void) {
    const char *value = knob_text("GODEBUG");
    while (value != NULL && *value != '\0') {
        size_t length = strcspn(value, ",");
        const char *equals = memchr(value, '=', length);
        char number[16];
        if (equals != NULL && length - (size_t)(equals + 1 - value) < sizeof number) {
            size_t digits = length - (size_t)(equals + 1 - value);
            memcpy(number, equals + 1, digits);
            number[digits] = '\0';
            settings_debug_word(value, (size_t)(equals - value), number);
        }
        value += length + (value[length] == ',');
    }
}

static const char *const settings_queues[] = {"fifo", "lifo", "address", "laps", "random", NULL};
static const char *const settings_versions[] = {"1.26", "1.25", NULL};
static const char *const settings_kernels[] = {"portable", "avx2", NULL};

static bool settings_vector(void) {
    bool runs = marker_vector_runs(), vector = knob_choice("GOALLOC_KERNEL", settings_kernels, heap.tuned && runs) != 0;
    if (vector && !runs)
        os_die("GOALLOC_KERNEL is 'avx2', which %s: leave it unset, or set it to portable",
               OS_THREAD_SANITIZER ? "the thread sanitizer does not understand" : "this processor does not have");
    return vector;
}

/* The faithful preset is Go 1.25.3's. */
static void settings_greentea(void) {
    enum { GO_1_26, GO_1_25 };
    gc_settings.queue =
        (enum gc_queue)knob_choice("GOALLOC_QUEUE", settings_queues, heap.tuned ? GC_QUEUE_LAPS : GC_QUEUE_FIFO);
    gc_settings.long_queue =
        knob_choice("GOALLOC_GREENTEA", settings_versions, heap.tuned ? GO_1_26 : GO_1_25) == GO_1_26;
    gc_settings.stay = knob_switch("GOALLOC_STAY", heap.tuned);
    gc_settings.vector = AXIS_INLINE_MARKS && settings_vector();
}

static void settings_read(void) {
    gc_settings.percent = settings_percent();
    gc_settings.memory_limit_bytes = settings_memory_limit();
    gc_settings.early = knob_switch("GOALLOC_EARLY", heap.tuned);
    gc_settings.spend = knob_switch("GOALLOC_SPEND", heap.tuned);
    gc_settings.deterministic = settings_integer("GOALLOC_DETERMINISTIC", 0, 1, 0) != 0;
    gc_settings.stress_every = (uint64_t)settings_integer("GOALLOC_GCSTRESS", 0, INT32_MAX, 0);
    gc_settings.container_procs = true;
    settings_debug();
    gc_settings.procs = settings_procs();
    settings_greentea();
    if (gc_settings.deterministic && gc_settings.stop_the_world == 0)
        gc_settings.stop_the_world = 1;
}

static bool gc_knob(const char *name, char *out, size_t size) {
    if (strcmp(name, "GOGC") == 0)
        snprintf(out, size, gc_settings.percent < 0 ? "off" : "%lld", (long long)gc_settings.percent);
    else if (strcmp(name, "GOMAXPROCS") == 0)
        snprintf(out, size, "%u", gc_settings.procs);
    else if (strcmp(name, "GOMEMLIMIT") == 0)
        snprintf(out, size, gc_settings.memory_limit_bytes == UINT64_MAX ? "off" : "%llu",
                 (unsigned long long)gc_settings.memory_limit_bytes);
    else if (strcmp(name, "early") == 0)
        snprintf(out, size, "%s", knob_switch_name(gc_settings.early));
    else if (strcmp(name, "spend") == 0)
        snprintf(out, size, "%s", knob_switch_name(gc_settings.spend));
    else if (strcmp(name, "gcstoptheworld") == 0)
        snprintf(out, size, "%u", gc_settings.stop_the_world);
    else if (strcmp(name, "gccheckmark") == 0)
        snprintf(out, size, "%d", gc_settings.checkmark);
    else if (strcmp(name, "clobberfree") == 0)
        snprintf(out, size, "%d", gc_settings.clobber);
    else if (strcmp(name, "deterministic") == 0)
        snprintf(out, size, "%d", gc_settings.deterministic);
    else if (AXIS_INLINE_MARKS && strcmp(name, "queue") == 0)
        snprintf(out, size, "%s", settings_queues[gc_settings.queue]);
    else if (AXIS_INLINE_MARKS && strcmp(name, "greentea") == 0)
        snprintf(out, size, "%s", settings_versions[gc_settings.long_queue ? 0 : 1]);
    else if (AXIS_INLINE_MARKS && strcmp(name, "stay") == 0)
        snprintf(out, size, "%s", knob_switch_name(gc_settings.stay));
    else if (AXIS_INLINE_MARKS && strcmp(name, "kernel") == 0)
        snprintf(out, size, "%s", settings_kernels[gc_settings.vector]);
    else
        return false;
    return true;
}
