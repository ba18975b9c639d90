/* SPDX-License-Identifier: MIT
 *
 * conformance: the rules of C17, C23 and POSIX for the malloc ABI, checked on whatever library is preloaded.
 *
 *   SPANLAB_SUBJECT=NAME SPANLAB_LIBRARY=BASENAME LD_PRELOAD=... conformance [CASE-PATTERN]
 *
 * SPANLAB_SUBJECT names the subject, for the known deviations (default glibc); SPANLAB_LIBRARY the file that must serve
 * malloc (default: libc's): a preload that did not happen fails the first case. Exit: number of failed cases.
 */
#include "conformance.h"
#include "deviations.h"

#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern const struct CMUnitTest *const __start_conformance_cases[];
extern const struct CMUnitTest *const __stop_conformance_cases[];
extern const struct child_entry *const __start_conformance_children[];
extern const struct child_entry *const __stop_conformance_children[];

static const char *subject_name(void) {
    const char *name = getenv("SPANLAB_SUBJECT");
    return name != NULL ? name : "glibc";
}

bool subject_is_goalloc(void) {
    return strncmp(subject_name(), "goalloc", 7) == 0;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The file that a function, as this program sees it, comes from; NULL when there is none. */
static const char *object_of_function(const char *function) {
    void *address = dlsym(RTLD_DEFAULT, function);
    Dl_info info;
    if (address == NULL || dladdr(address, &info) == 0)
        return NULL;
    return base_name(info.dli_fname);
}

bool subject_has(const char *function) {
    const char *of_malloc = object_of_function("malloc"), *of_function = object_of_function(function);
    return of_malloc != NULL && of_function != NULL && strcmp(of_malloc, of_function) == 0;
}

CASE(malloc_is_served_by_the_subject) {
    const char *expected = getenv("SPANLAB_LIBRARY");
    if (expected == NULL)
        expected = "libc.so.6";
    const char *actual = object_of_function("malloc");
    assert_non_null(actual);
    assert_string_equal(actual, base_name(expected));
    static const char *const core[] = {"free",           "calloc",        "realloc",
                                       "posix_memalign", "aligned_alloc", "malloc_usable_size"};
    for (size_t i = 0; i < sizeof core / sizeof *core; i++)
        if (!subject_has(core[i]))
            fail_msg("%s does not come from %s", core[i], actual);
}

CASE(goalloc_exports_the_whole_abi) {
    if (!subject_is_goalloc())
        skip();
    static const char *const abi[] = {
        "malloc",     "calloc",        "realloc",           "reallocarray",       "free",
        "free_sized", "aligned_alloc", "posix_memalign",    "free_aligned_sized", "memalign",
        "valloc",     "pvalloc",       "malloc_usable_size", "malloc_trim"};
    for (size_t i = 0; i < sizeof abi / sizeof *abi; i++)
        if (!subject_has(abi[i]))
            fail_msg("goalloc lacks %s", abi[i]);
}

static const struct deviation *find_deviation(const char *rule_name) {
    for (const struct deviation *d = deviations; d->subject != NULL; d++)
        if (strcmp(d->subject, subject_name()) == 0 && strcmp(d->rule, rule_name) == 0)
            return d;
    return NULL;
}

bool rule(const char *name, bool holds, const char *format, ...) {
    if (holds)
        return true;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const struct deviation *known = find_deviation(name);
    if (known == NULL)
        fail_msg("%s breaks the rule %s: %s", subject_name(), name, message);
    /* Once per rule: a case may ask thousands of times. */
    static const struct deviation *last_told;
    if (known != last_told)
        print_message("    known deviation of %s from %s: %s (%s)\n", subject_name(), name, known->reason, message);
    last_told = known;
    return false;
}

void survivable(const char *name) {
    const struct deviation *known = find_deviation(name);
    if (known == NULL)
        return;
    print_message("    known deviation of %s from %s: %s\n", subject_name(), name, known->reason);
    skip();
}

int run_child(const char *name, char *output, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    char child_flag[] = "--child", child_name[64];
    snprintf(child_name, sizeof child_name, "%s", name);
    char *argv[] = {(char[]){"conformance"}, child_flag, child_name, NULL};
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(ends[0], output + length, size - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

size_t resident_bytes(void) {
    unsigned long total_pages = 0, resident_pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%lu %lu", &total_pages, &resident_pages), 2);
    fclose(statm);
    return resident_pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int run_as_child(const char *name) {
    for (const struct child_entry *const *c = __start_conformance_children; c < __stop_conformance_children; c++)
        if (strcmp((*c)->name, name) == 0)
            return (*c)->run();
    fprintf(stderr, "conformance: no child '%s'\n", name);
    return 2;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return run_as_child(argv[2]);
    static struct CMUnitTest tests[128];
    size_t count = 0;
    for (const struct CMUnitTest *const *c = __start_conformance_cases; c < __stop_conformance_cases; c++)
        if (count < sizeof tests / sizeof *tests)
            tests[count++] = **c;
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(subject_name(), tests, count, NULL, NULL);
}
