/* SPDX-License-Identifier: MIT
 *
 * How many cycles classic-tiny-sizeclass|preset=faithful takes for a workload, against the least and the most of 20
 * runs of its twin on real Go: every golden cycles-*.txt names a workload with small parameters. With the world stopped
 * nothing depends on time, and one run says all. Collecting beside the program does, on both sides and by host: it is
 * run and judged only with --beside, on a host that is otherwise idle, by 20 runs of Go in turn with as many of
 * goalloc's, where scripts/go-subjects.sh has built real Go.
 */
#include "../goalloc/golden.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Go has objects of its own in its heap, some hundred KiB of the 4 MiB that a small program gets: its cycles come
 * sooner, by one in about thirty. */
enum { RUNS = 20, GOS_OWN = 30 };

/* Cycles that the program did not ask for. */
static int cycles_of(const char *program, const char *workload, const char *params, int stopped) {
    char command[1024], line[512];
    int n = snprintf(
        command, sizeof command,
        "GOALLOC_PRESET=faithful GOGC=100 GOMEMLIMIT=off GOMAXPROCS=2 GODEBUG=gctrace=1,gcstoptheworld=%d "
        "%s --spanlab-workload=%s --spanlab-params=%s --spanlab-warmup=0 --spanlab-iterations=1 2>&1 >/dev/null",
        stopped, program, workload, params);
    assert_true(n > 0 && (size_t)n < sizeof command);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    int cycles = 0;
    while (fgets(line, sizeof line, out) != NULL)
        cycles += strncmp(line, "gc ", 3) == 0 && strstr(line, "(forced)") == NULL;
    int status = pclose(out);
    if (status != 0)
        fail_msg("expected exit 0, there was wait status 0x%x, of: %s", (unsigned)status, command);
    return cycles;
}

static int by_size(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static bool judge_beside;

struct counts {
    int least, median, most;
};

static struct counts counts_of(int *cycles, int runs) {
    qsort(cycles, (size_t)runs, sizeof cycles[0], by_size);
    return (struct counts){cycles[0], cycles[runs / 2], cycles[runs - 1]};
}

/* Runs of goalloc; in turn with them as many of Go, whose counts replace those in *go: if it is asked. */
static struct counts run(const char *workload, const char *params, int stopped, int runs, bool ask_go,
                         struct counts *go) {
    int cycles[RUNS], cycles_of_go[RUNS];
    for (int i = 0; i < runs; i++) {
        cycles[i] = cycles_of(SPANLAB_BENCH, workload, params, stopped);
        cycles_of_go[i] = ask_go ? cycles_of(SPANLAB_GO, workload, params, stopped) : 0;
    }
    if (ask_go)
        *go = counts_of(cycles_of_go, runs);
    return counts_of(cycles, runs);
}

static void compare(const char *name) {
    FILE *golden = golden_open(name);
    char line[512], workload[64] = "", params[256] = "", mode[16];
    int compared = 0;
    while (golden_line(golden, line, sizeof line)) {
        struct counts go = {0};
        if (sscanf(line, "twin %63s %255s", workload, params) == 2)
            continue;
        assert_int_equal(sscanf(line, "%15s %d %d", mode, &go.least, &go.most), 3);
        int stopped = strcmp(mode, "stopped") == 0, runs = stopped ? 1 : RUNS;
        compared++;
        if (!stopped && !judge_beside)
            continue;
        bool ask_go = judge_beside && !stopped && access(SPANLAB_GO, X_OK) == 0;
        int cycles = run(workload, params, stopped, runs, ask_go, &go).median;
        print_message("%s, %s: %d cycles; real Go %d to %d%s\n", name, mode, cycles, go.least, go.most,
                      ask_go ? ", here and now" : "");
        go.least -= stopped ? (go.least + GOS_OWN - 1) / GOS_OWN : 0;
        if (cycles < go.least || cycles > go.most)
            fail_msg("%s, %s: expected %d to %d cycles, there were %d", name, mode, go.least, go.most, cycles);
    }
    assert_int_equal(compared, 2);
    fclose(golden);
}

static void test_cycles(void **state) {
    (void)state;
    const char *folder = getenv("SPANLAB_GOLDEN_DIR");
    DIR *dir = opendir(folder != NULL ? folder : SPANLAB_GOLDEN);
    assert_non_null(dir);
    unsigned twins = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end = strstr(entry->d_name, ".txt");
        if (strncmp(entry->d_name, "cycles-", 7) != 0 || end == NULL)
            continue;
        *end = '\0';
        compare(entry->d_name);
        twins++;
    }
    closedir(dir);
    assert_true(twins >= 3);
}

int main(int argc, char **argv) {
    judge_beside = argc > 1 && strcmp(argv[1], "--beside") == 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cycles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
