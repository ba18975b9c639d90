/* SPDX-License-Identifier: MIT */
#include "measure.h"
#include "command.h"
#include "error.h"
#include "launch.h"
#include "progress.h"
#include "record.h"
#include "spawn.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process is disturbed when others took more than this from it. Two shared cores are never quite still: repeats are
 * limited to one per invocation and a tenth of the plan. */
/* (Within a few milliseconds one clock tick decides, so such short parts are not judged.) */
enum { DISTURBED_MIN_NS = 50000000, DISTURBED_STEAL_PERCENT = 3, DISTURBED_RUNQUEUE_PERCENT = 10, REPEAT_SHARE = 10 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig) {
    (void)sig;
    if (interrupted++ > 0)
        _exit(LAB_INTERRUPTED); /* the second time at once; the spawner ends what runs */
}

struct engine {
    struct store *store;
    struct catalog *catalog;
    const struct measure_options *options;
    struct spawner spawner;
    struct progress progress;
    char *result_path, *stdout_path, *stderr_path;
    long planned, done, repeats, failed;
    uint64_t start_ns;
    bool untimed;
};

static bool engine_tick(void *context) {
    struct engine *e = context;
    progress_tick(&e->progress);
    return interrupted == 0;
}

/* What a finished process left, judged. */
struct verdict {
    const char *status;
    char *message, *record, *checksum, *disturbance, *stderr_tail;
    bool disturbed;
    int exit_code, signal;
};

static json_int_t timed_ns(json_t *record) {
    json_int_t total = 0;
    size_t i;
    json_t *sample;
    json_array_foreach(json_object_get(record, "samples"), i, sample) total +=
        json_integer_value(json_object_get(sample, "wall_ns"));
    return total;
}

static bool is_disturbed(json_t *record) {
    json_t *d = json_object_get(record, "disturbance");
    json_int_t wall = timed_ns(record);
    if (wall < DISTURBED_MIN_NS)
        return false;
    return json_integer_value(json_object_get(d, "steal_ns")) > wall * DISTURBED_STEAL_PERCENT / 100 ||
           json_integer_value(json_object_get(d, "runqueue_ns")) > wall * DISTURBED_RUNQUEUE_PERCENT / 100;
}

/* "ok" is believed when all is there that is read from a record. */
static const char *judge_record(struct verdict *v, const char *path, const struct store_todo *t) {
    v->record = text_read_file(path);
    json_t *root;
    const char *defect = record_defect(v->record, t->memory, t->memory ? 1 : t->iterations, &root);
    const char *status = json_string_value(json_object_get(root, "status"));
    if (status == NULL) {
        v->message = lab_strdup("the process wrote no valid record");
        free(v->record);
        v->record = NULL;
        json_decref(root);
        return "failed";
    }
    bool ok = strcmp(status, "ok") == 0;
    const char *message = ok ? defect : json_string_value(json_object_get(root, "message"));
    const char *checksum = json_string_value(json_object_get(root, "checksum"));
    v->message = lab_strdup(message != NULL ? message : "");
    v->checksum = lab_strdup(checksum != NULL ? checksum : "");
    v->disturbance = json_dumps(json_object_get(root, "disturbance"), JSON_COMPACT);
    v->disturbed = is_disturbed(root);
    const char *known = ok && defect == NULL ? "ok" : strcmp(status, "oom") == 0 ? "oom" : "failed";
    json_decref(root);
    return known;
}

static const char *judge_signal(struct verdict *v, int signal_number, unsigned timeout_s, bool timed_out) {
    if (timed_out) {
        v->message = lab_printf("still running after %u s", timeout_s);
        return "timeout";
    }
    v->signal = signal_number;
    if (signal_number == SIGKILL) {
        v->message = lab_strdup("killed by the system (SIGKILL): out of memory, most likely");
        return "oom";
    }
    v->message = lab_printf("SIG%s: %s", sigabbrev_np(signal_number), strsignal(signal_number));
    return "crash";
}

static void judge(struct engine *e, struct verdict *v, const struct store_todo *t, const struct spawn_result *r) {
    *v = (struct verdict){.exit_code = -1};
    v->stderr_tail = text_read_tail(e->stderr_path, 4000);
    if (r->start_failed) {
        v->message = lab_printf("the program does not start: %s", strerror(r->start_errno));
        v->status = "failed";
        return;
    }
    if (WIFSIGNALED(r->wait_status)) {
        v->status = judge_signal(v, WTERMSIG(r->wait_status), t->timeout_s, r->timed_out);
        return;
    }
    v->exit_code = WEXITSTATUS(r->wait_status);
    v->status = judge_record(v, e->result_path, t);
    if (v->exit_code != 0 && strcmp(v->status, "ok") == 0) {
        v->status = "failed";
        free(v->message);
        v->message = lab_printf("exit code %d after a good record", v->exit_code);
    }
    if (v->record == NULL && v->stderr_tail[0] != '\0') {
        char *first = lab_printf("%.*s", (int)strcspn(v->stderr_tail, "\n"), v->stderr_tail);
        free(v->message);
        v->message = lab_printf("exit code %d: %s", v->exit_code, first);
        free(first);
    }
}

/* ---- what is no fault of the subject's */

/* errno where a file of the run cannot grow by what a record takes, else 0. */
static int no_room(const char *dir) {
    enum { PROBE_BYTES = 64 << 10 };
    char *path = lab_printf("%s/process-%ld-probe", dir, (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int code = fd < 0 ? errno : posix_fallocate(fd, 0, PROBE_BYTES);
    if (fd >= 0)
        close(fd);
    unlink(path);
    free(path);
    return code == ENOSPC || code == EDQUOT || code == EFBIG || code == EROFS || code == EIO ? code : 0;
}

/* The disk or a limit failed, not the subject: the process is not stored, and resume runs it again. 0: it may be judged. */
static int blame_host(struct engine *e, const struct verdict *v, const struct store_todo *t, const struct spawn_result *r) {
    enum { COULD_NOT_WRITE = 4 }; /* of a bench program: docs/record.md */
    const char *dir = e->store->dir;
    if (r->start_failed && r->start_step == SPAWN_FILES)
        return lab_error(LAB_DISK, "cannot write in %s (%s): everything measured before is kept; free some space, then spanlab "
                                   "resume %s",
                         dir, strerror(r->start_errno), dir);
    if (r->start_failed && r->start_step == SPAWN_PROCESS)
        return lab_error(LAB_CELL_FAILED, "no process can be started (%s): everything measured before is kept; end some others, "
                                          "then spanlab resume %s",
                         strerror(r->start_errno), dir);
    if (r->start_failed || r->timed_out || strcmp(v->status, "ok") == 0)
        return LAB_OK;
    if (v->signal == SIGXFSZ)
        return lab_error(LAB_DISK, "a file may not grow further (ulimit -f) while %s ran: everything measured before is kept; raise "
                                   "the limit, then spanlab resume %s",
                         t->subject, dir);
    int code = v->record == NULL ? no_room(dir) : 0;
    if (code != 0 || (v->record == NULL && v->exit_code == COULD_NOT_WRITE))
        return lab_error(LAB_DISK, "no room left in %s for the record of %s (%s): everything measured before is kept; free some "
                                   "space, then spanlab resume %s",
                         dir, t->subject, code != 0 ? strerror(code) : v->message, dir);
    return LAB_OK;
}

static void verdict_free(struct verdict *v) {
    free(v->message);
    free(v->record);
    free(v->checksum);
    free(v->disturbance);
    free(v->stderr_tail);
}

static int commit(struct engine *e, const struct store_todo *t, const struct launch *l, const char *started_at,
                  const struct spawn_result *r, const struct verdict *v) {
    struct store_outcome o = {.started_at = started_at,
                              .status = v->status,
                              .message = v->message,
                              .stderr_tail = strcmp(v->status, "ok") == 0 ? "" : v->stderr_tail,
                              .reproduce = l->reproduce,
                              .disturbance = v->disturbance != NULL ? v->disturbance : "{}",
                              .layout = l->layout,
                              .checksum = v->checksum,
                              .record = v->record,
                              .wall_ns = r->wall_ns,
                              .peak_bytes = r->peak_bytes,
                              .exit_code = v->exit_code,
                              .signal = v->signal,
                              .disturbed = v->disturbed};
    return store_commit(e->store, t, e->options->session, &o);
}

/* What a process that ended left: judged, stored, told. */
static int take_result(struct engine *e, struct store_todo *t, const struct launch *l, const char *started_at,
                       const struct spawn_result *r, bool *again) {
    struct verdict v;
    judge(e, &v, t, r);
    int code = blame_host(e, &v, t, r);
    if (code == LAB_OK) {
        code = commit(e, t, l, started_at, r, &v);
        bool ok = strcmp(v.status, "ok") == 0;
        /* A crash is run again for the value that its process owes; the crash itself stays and counts. Out of memory and a
         * failed proof would only happen again. */
        bool flaky = strcmp(v.status, "crash") == 0 || strcmp(v.status, "timeout") == 0;
        bool repeat = v.disturbed && !e->untimed && e->repeats < e->planned / REPEAT_SHARE;
        *again = t->attempt == 1 && (ok ? repeat : flaky);
        e->repeats += *again && ok;
        progress_end(&e->progress, t, v.status, v.message, r->wall_ns, l->reproduce, v.disturbed);
    }
    verdict_free(&v);
    return code;
}

/* Runs and commits one attempt. 0 or an enum lab_exit; *again: it should be repeated. */
static int run_attempt(struct engine *e, struct store_todo *t, bool *again) {
    struct catalog_subject *subject = catalog_find_subject(e->catalog, t->subject);
    if (subject == NULL || !subject->present)
        return lab_error(LAB_MISSING, "%s is no longer there: install it again, or begin a new run", t->subject);
    struct launch l;
    launch_make(&l, subject, t, e->options->seed, e->result_path);
    text_list_add_taken(&l.arguments, NULL);
    text_list_add_taken(&l.environment, NULL);
    unlink(e->result_path);
    struct spawn_request request = {l.arguments.items, l.environment.items,  e->stdout_path,
                                    e->stderr_path,    t->timeout_s * 1000u, t->layout_seed == 0};
    struct spawn_result result;
    char *started_at = text_now_utc();
    progress_begin(&e->progress, t);
    bool finished = spawner_run(&e->spawner, &request, engine_tick, e, &result);
    int code = finished ? take_result(e, t, &l, started_at, &result, again) : LAB_INTERRUPTED;
    free(started_at);
    l.arguments.count--; /* the NULLs */
    l.environment.count--;
    launch_free(&l);
    return code;
}

static int measure_one(struct engine *e, struct store_todo *t) {
    bool again = false;
    int code = run_attempt(e, t, &again);
    if (code == LAB_OK && again) {
        t->attempt = 2;
        code = run_attempt(e, t, &again);
    }
    return code;
}

static bool budget_spent(const struct engine *e) {
    return e->options->budget_s > 0 && (double)(text_now_ns() - e->start_ns) / 1e9 > e->options->budget_s;
}

static int measure_planned(struct engine *e) {
    struct store_todo t;
    while (interrupted == 0 && !budget_spent(e) && store_next(e->store, &t)) {
        int code = measure_one(e, &t);
        store_todo_free(&t);
        if (code != LAB_OK)
            return code;
    }
    return interrupted != 0 ? LAB_INTERRUPTED : LAB_OK;
}

/* With time left of a budget, the cell whose times spread most (relative to their mean) gets another process. Memory
 * figures hardly vary, so the time goes to throughput. */
static int measure_widest(struct engine *e) {
    static const char widest[] =
        "SELECT cell_id FROM (SELECT i.cell_id, i.id, avg(1.0*s.wall_ns/s.ops) v FROM invocation i JOIN sample s ON"
        " s.invocation_id=i.id WHERE i.status='ok' AND i.mode='throughput' AND s.warmup=0 AND s.ops>0 GROUP BY i.id)"
        " GROUP BY cell_id HAVING count(*)>1"
        " ORDER BY (avg(v*v)-avg(v)*avg(v))/(avg(v)*avg(v)*count(*)) DESC LIMIT 1";
    uint64_t random = e->options->seed;
    while (interrupted == 0 && e->options->budget_s > 0 && !budget_spent(e)) {
        long cell = store_count(e->store, widest);
        if (cell == 0)
            return LAB_OK;
        char *sql = lab_printf("SELECT max(number)+1 FROM planned WHERE mode='throughput' AND cell_id=%ld", cell);
        long number = store_count(e->store, sql);
        free(sql);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int code = store_extend(e->store, cell, false, (unsigned)number, e->options->fixed_layout ? 0 : random >> 1);
        progress_extend(&e->progress, cell);
        if (code == LAB_OK)
            code = measure_planned(e);
        if (code != LAB_OK)
            return code;
    }
    return interrupted != 0 ? LAB_INTERRUPTED : LAB_OK;
}

static void catch_interrupts(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Of a session that was killed a process may still run for a moment, and write: each session has files of its own. */
static void name_files(struct engine *e, const char *dir) {
    char *pattern = lab_printf("%s/process-*", dir);
    glob_t left;
    if (glob(pattern, 0, NULL, &left) == 0) {
        for (size_t i = 0; i < left.gl_pathc; i++)
            unlink(left.gl_pathv[i]);
        globfree(&left);
    }
    free(pattern);
    e->result_path = lab_printf("%s/process-%ld-result.json", dir, (long)getpid());
    e->stdout_path = lab_printf("%s/process-%ld-stdout.txt", dir, (long)getpid());
    e->stderr_path = lab_printf("%s/process-%ld-stderr.txt", dir, (long)getpid());
}

/* A process that failed has failed, whatever the one after it did; and so has one that did other work than the others. */
static bool anything_failed(struct store *s) {
    return store_count(s, "SELECT count(*) FROM invocation WHERE status<>'ok'") > 0 ||
           store_count(s, "SELECT count(*) FROM (SELECT 1 FROM invocation i JOIN cell c ON c.id=i.cell_id WHERE i.status='ok'"
                          " AND i.checksum<>'' GROUP BY c.workload, c.params HAVING count(DISTINCT i.checksum)>1)") > 0;
}

static int measure(struct store *s, struct catalog *catalog, const struct measure_options *options, bool untimed) {
    struct engine e = {
        .store = s, .catalog = catalog, .options = options, .start_ns = text_now_ns(), .untimed = untimed};
    name_files(&e, s->dir);
    e.planned = store_count(s, "SELECT count(*) FROM planned");
    interrupted = 0;
    catch_interrupts(on_interrupt);
    spawner_start(&e.spawner);
    progress_start(&e.progress, s, e.planned);
    e.progress.budget_s = options->budget_s;
    int code = measure_planned(&e);
    if (code == LAB_OK)
        code = measure_widest(&e);
    progress_stop(&e.progress);
    spawner_stop(&e.spawner);
    catch_interrupts(SIG_DFL);
    unlink(e.result_path);
    unlink(e.stdout_path);
    unlink(e.stderr_path);
    free(e.result_path);
    free(e.stdout_path);
    free(e.stderr_path);
    if (code == LAB_OK && anything_failed(s))
        code = LAB_CELL_FAILED;
    return code;
}

int measure_all(struct store *s, struct catalog *catalog, const struct measure_options *options) {
    return measure(s, catalog, options, false);
}

int measure_untimed(struct store *s, struct catalog *catalog, const struct measure_options *options) {
    return measure(s, catalog, options, true);
}
