/* SPDX-License-Identifier: MIT */
#include "claims/counted.h"
#include "error.h"
#include "launch.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_TIMEOUT_MS = 600000 };

static bool go_on(void *context) {
    (void)context;
    return true;
}

/* The number behind "Collected :" of callgrind's last words; NAN: there is none. */
static double collected(const char *text) {
    const char *found = strstr(text, "Collected");
    found = found != NULL ? strchr(found, ':') : NULL;
    char *end;
    double n = found != NULL ? strtod(found + 1, &end) : NAN;
    return found != NULL && end != found + 1 && n > 0 ? n : NAN;
}

/* callgrind's arguments before the program's. */
static struct text_list under_callgrind(const struct launch *l, const char *within) {
    struct text_list argv = {0};
    text_list_add(&argv, "/usr/bin/env");
    text_list_add(&argv, "valgrind");
    text_list_add(&argv, "--tool=callgrind");
    text_list_add(&argv, "--callgrind-out-file=/dev/null");
    if (within != NULL)
        text_list_add_taken(&argv, lab_printf("--toggle-collect=%s", within));
    for (size_t i = 0; i < l->arguments.count; i++)
        text_list_add(&argv, l->arguments.items[i]);
    return argv;
}

/* Instructions of one process; NAN after filling in out->missing. */
static double count_once(struct spawner *spawner, const struct catalog_subject *subject, struct store_todo *todo,
                         const char *within, const char *folder, struct counted *out) {
    char *record = lab_printf("%s/record", folder), *said = lab_printf("%s/said", folder);
    struct launch l;
    launch_make(&l, subject, todo, 1, record);
    struct text_list argv = under_callgrind(&l, within);
    text_list_add_taken(&argv, NULL);
    text_list_add_taken(&l.environment, NULL);
    struct spawn_request request = {argv.items, l.environment.items, "/dev/null", said, COUNT_TIMEOUT_MS, true};
    struct spawn_result result;
    bool finished = spawner_run(spawner, &request, go_on, NULL, &result);
    bool good =
        finished && !result.start_failed && WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 0;
    char *text = text_read_tail(said, 4000);
    double count = good ? collected(text) : NAN;
    if (isnan(count))
        out->missing = WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 127
                           ? lab_strdup("valgrind is not installed: apt-get install valgrind")
                           : lab_printf("%s under callgrind failed: %.200s", todo->workload, text);
    out->seconds += (double)result.wall_ns / 1e9;
    out->processes++;
    unlink(record);
    unlink(said);
    argv.count--; /* the NULLs */
    l.environment.count--;
    text_list_free(&argv);
    launch_free(&l);
    free(text);
    free(record);
    free(said);
    return count;
}

struct counted counted_instructions(struct spawner *spawner, const struct catalog_subject *subject, const char *knobs,
                                    const char *workload, const char *params, const struct claim_count *count) {
    struct counted out = {.per_operation = NAN};
    char folder[] = "/tmp/spanlab-count-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        out.missing = lab_strdup("no folder can be made in /tmp");
        return out;
    }
    double counts[2] = {NAN, NAN};
    const unsigned operations[2] = {count->from, count->to};
    for (int i = 0; i < 2 && out.missing == NULL; i++) {
        char *all =
            lab_printf("%s%s%s=%u", params != NULL ? params : "", params != NULL ? "," : "", count->per, operations[i]);
        struct store_todo todo = {.threads = 1,
                                  .iterations = 1,
                                  .subject = subject->name,
                                  .knobs = (char *)knobs,
                                  .workload = (char *)workload,
                                  .params = all,
                                  .flavour = subject->flavour};
        counts[i] = count_once(spawner, subject, &todo, count->within, folder, &out);
        free(all);
    }
    if (out.missing == NULL)
        out.per_operation = (counts[1] - counts[0]) / (count->to - count->from);
    rmdir(folder);
    return out;
}
