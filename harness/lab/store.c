/* SPDX-License-Identifier: MIT */
#include "store.h"
#include "command.h"
#include "embedded.h"
#include "error.h"
#include "store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESERVE_BYTES = 1 << 20, BUSY_MS = 10000 };

static int store_fail(struct store *s, const char *doing) {
    int primary = sqlite3_extended_errcode(s->db) & 0xff, system = sqlite3_system_errno(s->db);
    system = system != 0 ? system : errno;
    if (system == EFBIG)
        return lab_error(LAB_DISK,
                         "a file may not grow further (ulimit -f) while %s in %s: everything measured before is kept; raise the "
                         "limit, then spanlab resume %s",
                         doing, s->dir, s->dir);
    if (primary == SQLITE_FULL || system == ENOSPC || system == EDQUOT)
        return lab_error(LAB_DISK,
                         "no room left while %s in %s (%s): everything measured before is kept; free some space, "
                         "then spanlab resume %s",
                         doing, s->dir, sqlite3_errmsg(s->db), s->dir);
    return lab_error(LAB_DISK, "cannot go on %s in %s/run.sqlite (%s): everything measured before is kept; spanlab resume %s",
                     doing, s->dir, sqlite3_errmsg(s->db), s->dir);
}

static void make_reserve(struct store *s) {
    int fd = open(s->reserve, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return; /* a full disk shows itself soon enough */
    if (posix_fallocate(fd, 0, RESERVE_BYTES) != 0)
        unlink(s->reserve);
    close(fd);
}

static int store_pragmas(struct store *s) {
    /* FULL: a commit is on the disk before the next process starts. */
    if (sqlite3_exec(s->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", NULL, NULL, NULL) != SQLITE_OK)
        return store_fail(s, "opening the store");
    /* How tests fill the disk without filling one. */
    const char *limit = getenv("SPANLAB_TEST_MAX_PAGES");
    if (limit != NULL) {
        char *pragma = lab_printf("PRAGMA max_page_count=%d", atoi(limit));
        sqlite3_exec(s->db, pragma, NULL, NULL, NULL);
        free(pragma);
    }
    return LAB_OK;
}

static int store_connect(struct store *s, int flags) {
    char *path = lab_printf("%s/run.sqlite", s->dir);
    int code = sqlite3_open_v2(path, &s->db, flags, NULL);
    free(path);
    if (code != SQLITE_OK)
        return lab_error(LAB_USAGE, "%s is not a run (%s): name a folder that holds run.sqlite", s->dir,
                         sqlite3_errmsg(s->db));
    return sqlite3_busy_timeout(s->db, BUSY_MS) == SQLITE_OK ? LAB_OK : store_fail(s, "opening the store");
}

/* Binds by letter: i for long, t for text. */
static int store_run(struct store *s, const char *doing, const char *sql, const char *types, ...) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return store_fail(s, doing);
    va_list args;
    va_start(args, types);
    int bound = SQLITE_OK;
    for (int i = 0; types[i] != '\0' && bound == SQLITE_OK; i++) {
        if (types[i] == 'i')
            bound = sqlite3_bind_int64(statement, i + 1, va_arg(args, long));
        else {
            const char *text = va_arg(args, const char *);
            bound = sqlite3_bind_text(statement, i + 1, text != NULL ? text : "", -1, SQLITE_TRANSIENT);
        }
    }
    va_end(args);
    int code = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? LAB_OK : store_fail(s, doing);
}

static int store_exec(struct store *s, const char *doing, const char *sql) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? LAB_OK : store_fail(s, doing);
}

static int write_plan(struct store *s, const struct plan *plan) {
    const char *doing = "writing the plan";
    int code = LAB_OK;
    for (size_t i = 0; code == LAB_OK && i < plan->cell_count; i++) {
        const struct plan_cell *c = &plan->cells[i];
        code = store_run(s, doing,
                         "INSERT INTO cell (id,subject,knobs,workload,params,threads,flavour,verdict,warmup,iterations,"
                         "timeout_s) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                         "ittttitiiii", (long)i + 1, c->subject->name, c->knobs, c->workload->name, c->params,
                         (long)c->threads, c->subject->flavour, (long)(c->invocations >= 10), (long)c->warmup,
                         (long)c->iterations, (long)c->timeout_s);
    }
    for (size_t i = 0; code == LAB_OK && i < plan->invocation_count; i++) {
        const struct plan_invocation *p = &plan->order[i];
        code = store_run(s, doing, "INSERT INTO planned VALUES (?,?,?,?,?)", "iitii", (long)i + 1, (long)p->cell + 1,
                         p->memory ? "memory" : "throughput", (long)p->number, (long)p->layout_seed);
    }
    for (size_t i = 0; code == LAB_OK && i < plan->absent_count; i++)
        code = store_run(s, doing, "INSERT INTO absent VALUES (?,?,?)", "ttt", plan->absent[i].subject,
                         plan->absent[i].reason, plan->absent[i].remedy);
    return code;
}

void store_discard(struct store *s) {
    static const char *const files[] = {"", "-wal", "-shm", "-journal"};
    sqlite3_close(s->db);
    s->db = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = lab_printf("%s/run.sqlite%s", s->dir, files[i]);
        unlink(path);
        free(path);
    }
    store_close(s);
}

static int create_tables(struct store *s, const struct plan *plan) {
    int code = store_connect(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    code = code ? code : store_pragmas(s);
    code = code ? code : store_exec(s, "creating the tables", embedded_schema);
    code = code ? code : store_exec(s, "writing the plan", "BEGIN");
    code = code ? code : write_plan(s, plan);
    return code ? code : store_exec(s, "writing the plan", "COMMIT");
}

int store_create(struct store *s, const char *dir, const struct plan *plan) {
    *s = (struct store){.dir = lab_strdup(dir), .reserve = lab_printf("%s/reserve", dir), .lock = -1};
    char *there = lab_printf("%s/run.sqlite", dir);
    int code = store_lock(dir, &s->lock);
    if (code == LAB_OK && access(there, F_OK) == 0)
        code = lab_error(LAB_USAGE, "%s holds a run already: spanlab resume %s, or another folder", dir, dir);
    free(there);
    if (code != LAB_OK) {
        store_close(s);
        return code;
    }
    code = create_tables(s, plan);
    if (code == LAB_OK)
        make_reserve(s);
    else
        store_discard(s);
    return code;
}

int store_open(struct store *s, const char *dir) {
    *s = (struct store){.dir = lab_strdup(dir), .reserve = lab_printf("%s/reserve", dir), .lock = -1};
    int code = store_look(dir);
    code = code ? code : store_lock(dir, &s->lock);
    code = code ? code : store_connect(s, SQLITE_OPEN_READWRITE);
    code = code ? code : store_admit(s->db, dir);
    code = code ? code : store_pragmas(s);
    if (code == LAB_OK)
        make_reserve(s);
    else
        store_close(s);
    return code;
}

void store_close(struct store *s) {
    /* Without its log a run at rest is one file, which can be read where nothing can be written. A reader that is there at the
     * moment prevents it, and does not matter. */
    if (s->db != NULL) {
        sqlite3_busy_timeout(s->db, 0);
        sqlite3_exec(s->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    }
    sqlite3_close(s->db);
    if (s->lock >= 0)
        unlink(s->reserve);
    if (s->dir != NULL)
        store_unlock(s->dir, s->lock);
    free(s->dir);
    free(s->reserve);
    *s = (struct store){.lock = -1};
}

int store_set_meta(struct store *s, const char *key, const char *value) {
    return store_run(s, "writing the run's facts", "INSERT OR REPLACE INTO meta VALUES (?,?)", "tt", key, value);
}

/* For reading what was admitted when it was opened: what fails now is the disk. */
_Noreturn static void die_reading(struct store *s) {
    lab_die(LAB_DISK, "cannot read %s/run.sqlite (%s): everything measured before is kept; spanlab resume %s", s->dir,
            sqlite3_errmsg(s->db), s->dir);
}

static sqlite3_stmt *prepare(struct store *s, const char *sql) {
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        die_reading(s);
    return q;
}

/* Whether there is another row. */
static bool next_row(struct store *s, sqlite3_stmt *q) {
    int code = sqlite3_step(q);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        die_reading(s);
    return code == SQLITE_ROW;
}

void store_each(struct store *s, const char *sql, void (*take)(void *context, sqlite3_stmt *row), void *context) {
    sqlite3_stmt *q = prepare(s, sql);
    while (next_row(s, q))
        take(context, q);
    sqlite3_finalize(q);
}

static char *column(sqlite3_stmt *statement, int i) {
    const char *text = (const char *)sqlite3_column_text(statement, i);
    return lab_strdup(text != NULL ? text : "");
}

char *store_get_meta(struct store *s, const char *key) {
    sqlite3_stmt *q = prepare(s, "SELECT value FROM meta WHERE key=?");
    if (sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC) != SQLITE_OK)
        die_reading(s);
    char *value = next_row(s, q) ? column(q, 0) : NULL;
    sqlite3_finalize(q);
    return value;
}

long store_count(struct store *s, const char *sql) {
    sqlite3_stmt *q = prepare(s, sql);
    long n = next_row(s, q) ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return n;
}

bool store_next(struct store *s, struct store_todo *out) {
    static const char sql[] =
        "SELECT p.position, p.cell_id, p.mode, p.number, p.layout_seed, c.subject, c.knobs, c.workload, c.params, "
        "c.flavour,"
        " c.threads, c.warmup, c.iterations, c.timeout_s FROM planned p JOIN cell c ON c.id = p.cell_id"
        " WHERE NOT EXISTS (SELECT 1 FROM invocation i WHERE i.position = p.position)"
        " AND NOT " STORE_HOPELESS " ORDER BY p.position LIMIT 1";
    sqlite3_stmt *q = prepare(s, sql);
    bool found = next_row(s, q);
    if (found)
        *out = (struct store_todo){
            .position = sqlite3_column_int64(q, 0),
            .cell_id = sqlite3_column_int64(q, 1),
            .memory = sqlite3_column_bytes(q, 2) == 6, /* "memory" */
            .number = (unsigned)sqlite3_column_int(q, 3),
            .attempt = 1,
            .layout_seed = (uint64_t)sqlite3_column_int64(q, 4),
            .subject = column(q, 5),
            .knobs = column(q, 6),
            .workload = column(q, 7),
            .params = column(q, 8),
            .flavour = column(q, 9),
            .threads = (unsigned)sqlite3_column_int(q, 10),
            .warmup = (unsigned)sqlite3_column_int(q, 11),
            .iterations = (unsigned)sqlite3_column_int(q, 12),
            .timeout_s = (unsigned)sqlite3_column_int(q, 13),
        };
    sqlite3_finalize(q);
    return found;
}

void store_todo_free(struct store_todo *t) {
    free(t->subject);
    free(t->knobs);
    free(t->workload);
    free(t->params);
    free(t->flavour);
}

static int insert_samples(struct store *s, long invocation, const char *record) {
    json_t *root = json_loads(record, 0, NULL), *sample;
    size_t i;
    int code = LAB_OK;
    json_array_foreach(json_object_get(root, "samples"), i, sample) {
        code = store_run(s, "storing samples", "INSERT INTO sample VALUES (?,?,?,?,?,?,?)", "iiiiiii", invocation,
                         (long)i, /* as the record counts them */
                         (long)json_is_true(json_object_get(sample, "warmup")),
                         (long)json_integer_value(json_object_get(sample, "wall_ns")),
                         (long)json_integer_value(json_object_get(sample, "cpu_ns")),
                         (long)json_integer_value(json_object_get(sample, "ops")),
                         (long)json_integer_value(json_object_get(sample, "zero_bytes")));
        if (code != LAB_OK)
            break;
    }
    json_decref(root);
    return code;
}

static int try_commit(struct store *s, const struct store_todo *t, int session, const struct store_outcome *o) {
    int code = store_exec(s, "storing a result", "BEGIN IMMEDIATE");
    if (code == LAB_OK)
        code = store_run(
            s, "storing a result",
            "INSERT INTO invocation (position,cell_id,mode,number,attempt,session,started_at,wall_ns,peak_bytes,"
            "status,message,exit_code,signal,stderr_tail,reproduce,disturbed,disturbance,layout,checksum,record)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            "iitiiitiitt"
            "iittitttt",
            t->position, t->cell_id, t->memory ? "memory" : "throughput", (long)t->number, (long)t->attempt,
            (long)session, o->started_at, (long)o->wall_ns, (long)o->peak_bytes, o->status, o->message,
            (long)o->exit_code, (long)o->signal, o->stderr_tail, o->reproduce, (long)o->disturbed, o->disturbance,
            o->layout, o->checksum, o->record);
    if (code == LAB_OK && o->record != NULL && o->record[0] != '\0')
        code = insert_samples(s, (long)sqlite3_last_insert_rowid(s->db), o->record);
    if (code == LAB_OK)
        code = store_exec(s, "storing a result", "COMMIT");
    if (code != LAB_OK)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* fails where SQLite has rolled back itself */
    return code;
}

int store_commit(struct store *s, const struct store_todo *t, int session, const struct store_outcome *o) {
    errno = 0;
    int code = try_commit(s, t, session, o);
    if (code == LAB_OK)
        return LAB_OK;
    /* The reserve makes room for this last one; the run ends all the same. */
    if (unlink(s->reserve) == 0) {
        errno = 0;
        try_commit(s, t, session, o);
    }
    return LAB_DISK;
}

int store_extend(struct store *s, long cell_id, bool memory, unsigned number, uint64_t layout_seed) {
    return store_run(s, "extending the plan",
                     "INSERT INTO planned SELECT coalesce(max(position),0)+1,?,?,?,? FROM planned", "itii", cell_id,
                     memory ? "memory" : "throughput", (long)number, (long)layout_seed);
}
