/* SPDX-License-Identifier: MIT
 * A program that runs with another's rights obeys no variable of its caller's: a copy of this one, setuid. */
#include "unity_collecting.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *const knobs[] = {"preset", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "deterministic", "clobberfree"};
static const char *const variables[][2] = {
    {"GOALLOC_PRESET", "faithful"}, {"GOGC", "7"},   {"GOMAXPROCS", "3"}, {"GOMEMLIMIT", "1GiB"},
    {"GOALLOC_DETERMINISTIC", "1"}, {"GODEBUG", "clobberfree=1"}};
enum { KNOBS = sizeof knobs / sizeof *knobs };

/* One line: is the process secure, then each knob's value. */
static int tell_knobs(void) {
    goalloc_bytes(16, true);
    printf("%d", getauxval(AT_SECURE) != 0);
    for (size_t i = 0; i < KNOBS; i++) {
        char value[64];
        if (goalloc_knob(knobs[i], value, sizeof value) != 0)
            return 1;
        printf(" %s=%s", knobs[i], value);
    }
    fflush(stdout);
    _exit(0); /* at the end a leak sanitizer would look at a process that it may not look at */
}

static void run(const char *program, char *out, size_t size) {
    char command[600];
    snprintf(command, sizeof command, "'%s' --tell", program);
    FILE *told = popen(command, "r");
    assert_non_null(told);
    out[0] = '\0';
    assert_non_null(fgets(out, (int)size, told));
    assert_int_equal(pclose(told), 0);
}

static bool copy_setuid(const char *to) {
    char command[600];
    snprintf(command, sizeof command, "cp /proc/%d/exe '%s'", (int)getpid(), to);
    return system(command) == 0 && chown(to, 65534, 65534) == 0 && chmod(to, 04755) == 0;
}

static void a_setuid_program_obeys_no_variable(void **state) {
    (void)state;
    char folder[] = "/tmp/goalloc-secure-XXXXXX", program[100], plain[400], bare[400], secure[400];
    char self[40];
    snprintf(self, sizeof self, "/proc/%d/exe", (int)getpid());
    if (geteuid() != 0)
        skip(); /* nobody else may give a file to another user */
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(program, sizeof program, "%s/copy", folder);
    bool copied = copy_setuid(program);
    run(self, bare, sizeof bare);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        setenv(variables[i][0], variables[i][1], 1);
    run(self, plain, sizeof plain);
    if (copied)
        run(program, secure, sizeof secure);
    unlink(program);
    rmdir(folder);
    assert_string_equal(plain, "0 preset=faithful GOGC=7 GOMAXPROCS=3 GOMEMLIMIT=1073741824 deterministic=1 "
                               "clobberfree=1");
    if (!copied || secure[0] != '1')
        skip(); /* the folder's mount has no setuid programs */
    assert_string_equal(secure + 1, bare + 1);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--tell") == 0)
        return tell_knobs();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setuid_program_obeys_no_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
