/* SPDX-License-Identifier: MIT */
#include "store_file.h"
#include "command.h"
#include "error.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_MS = 10000 };

/* ---- one writer */

static int refuse_second(const char *dir, const char *path) {
    char *holder = text_read_file(path);
    if (holder != NULL)
        holder[strcspn(holder, "\n")] = '\0';
    int code = lab_error(LAB_USAGE, "%s is being measured by another spanlab (process %s): wait until it ends, or name another "
                                    "folder",
                         dir, holder != NULL && holder[0] != '\0' ? holder : "unknown");
    free(holder);
    return code;
}

/* The file may have been removed by its holder between open and flock: then another one has its name. */
static bool still_named(int fd, const char *path) {
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

int store_lock(const char *dir, int *lock) {
    char *path = lab_printf("%s/lock", dir);
    int code = LAB_OK;
    *lock = -1;
    while (*lock < 0 && code == LAB_OK) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            code = lab_error(LAB_DISK, "cannot write in %s (%s): make the folder writable, or name another one", dir,
                             strerror(errno));
        else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            code = errno == EWOULDBLOCK ? refuse_second(dir, path)
                                        : lab_error(LAB_DISK, "cannot lock %s: %s", path, strerror(errno));
        else if (still_named(fd, path))
            *lock = fd;
        if (fd >= 0 && *lock < 0)
            close(fd);
    }
    /* The number is for the line of a second process only: a full disk may keep it out. */
    if (*lock >= 0 && (ftruncate(*lock, 0) != 0 || dprintf(*lock, "%ld\n", (long)getpid()) < 0))
        errno = 0;
    free(path);
    return code;
}

void store_unlock(const char *dir, int lock) {
    if (lock < 0)
        return;
    char *path = lab_printf("%s/lock", dir);
    unlink(path);
    close(lock);
    free(path);
}

/* ---- is it whole? */

static int damaged(const char *dir, const char *what) {
    return lab_error(LAB_USAGE, "%s/run.sqlite is damaged (%s): restore a copy, or begin a new run with spanlab run", dir, what);
}

/* Why SQLite fails: the file, or the disk that it lies on. */
static int reading_failed(sqlite3 *db, const char *dir) {
    int primary = sqlite3_extended_errcode(db) & 0xff, system = sqlite3_system_errno(db);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR || primary == SQLITE_FORMAT)
        return damaged(dir, sqlite3_errmsg(db));
    return lab_error(LAB_DISK, "cannot read %s/run.sqlite (%s, %s): see to the disk and its limits, then try again", dir,
                     sqlite3_errmsg(db), system != 0 ? strerror(system) : "no more is known");
}

/* A write-ahead log holds what is not in the database yet. */
static bool has_log(const char *dir) {
    char *path = lab_printf("%s/run.sqlite-wal", dir);
    struct stat log;
    bool there = stat(path, &log) == 0 && log.st_size > 0;
    free(path);
    return there;
}

/* SQLite takes the rest of a page that is cut off for zeros. The header tells the size of a page and their number
 * (sqlite.org/fileformat2.html, 1.3); while there is a log the file may be behind it. */
static bool is_cut(const char *path, off_t size_bytes) {
    unsigned char header[100];
    FILE *f = fopen(path, "re");
    bool read = f != NULL && fread(header, sizeof header, 1, f) == 1;
    if (f != NULL)
        fclose(f);
    /* SQLite says what it is; a number that was not written together with the counter of changes is none (1.3.10). */
    if (!read || memcmp(header, "SQLite format 3", 16) != 0 || memcmp(header + 24, header + 92, 4) != 0)
        return false;
    off_t page_bytes = header[16] << 8 | header[17], pages = 0;
    for (int i = 28; i < 32; i++)
        pages = pages << 8 | header[i];
    page_bytes = page_bytes == 1 ? 65536 : page_bytes;
    return size_bytes < pages * page_bytes;
}

int store_look(const char *dir) {
    char *path = lab_printf("%s/run.sqlite", dir);
    struct stat file;
    int code = LAB_OK;
    if (stat(path, &file) != 0)
        code = lab_error(LAB_USAGE, "%s is not a run (%s): name a folder that holds run.sqlite", dir, strerror(errno));
    else if (!S_ISREG(file.st_mode))
        code = lab_error(LAB_USAGE, "%s is no file: name a folder that holds run.sqlite", path);
    else if (access(path, R_OK) != 0)
        code = lab_error(LAB_USAGE, "%s cannot be read (%s): change its permissions", path, strerror(errno));
    else if (file.st_size == 0)
        code = lab_error(LAB_USAGE, "%s is empty: begin a new run with spanlab run", path);
    else if (!has_log(dir) && is_cut(path, file.st_size))
        code = damaged(dir, "its end is cut off");
    free(path);
    return code;
}

/* The first column of a statement's first row: NULL when it fails, "" when it gives none. The caller's to free. */
static char *first_text(sqlite3 *db, const char *sql) {
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        return NULL;
    char *text = NULL;
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW || step == SQLITE_DONE) {
        const char *value = step == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
        text = lab_strdup(value != NULL ? value : "");
    }
    sqlite3_finalize(q);
    return text;
}

/* 0 when the statement gives this text, else LAB_USAGE after a line. */
static int expect_text(sqlite3 *db, const char *dir, const char *sql, const char *wanted, const char *otherwise) {
    char *text = first_text(db, sql);
    int code = LAB_OK;
    if (text == NULL)
        code = reading_failed(db, dir);
    else if (strcmp(text, wanted) != 0) {
        for (char *at = text; *at != '\0'; at++)
            *at = *at == '\n' ? ' ' : *at; /* one line */
        code = damaged(dir, otherwise != NULL ? otherwise : text);
    }
    free(text);
    return code;
}

static const char *const tables[] = {"meta", "cell", "planned", "invocation", "sample", "absent"};

/* Version 1 got these columns one after the other, without another number. */
static const struct {
    const char *table, *column, *definition;
} later_columns[] = {
    {"cell", "warmup", "INTEGER NOT NULL DEFAULT 1"},      {"cell", "iterations", "INTEGER NOT NULL DEFAULT 5"},
    {"cell", "timeout_s", "INTEGER NOT NULL DEFAULT 60"},  {"invocation", "peak_bytes", "INTEGER NOT NULL DEFAULT 0"},
    {"absent", "remedy", "TEXT NOT NULL DEFAULT ''"},
};

static int check_tables(sqlite3 *db, const char *dir) {
    int code = LAB_OK;
    for (size_t i = 0; code == LAB_OK && i < sizeof tables / sizeof *tables; i++) {
        char *sql = lab_printf("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='%s'", tables[i]);
        char *lacking = lab_printf("it has no table %s", tables[i]);
        code = expect_text(db, dir, sql, "1", lacking);
        free(sql);
        free(lacking);
    }
    return code;
}

/* Every column that is read anywhere. */
static int check_columns(sqlite3 *db, const char *dir) {
    static const char *const reads[] = {
        "SELECT key,value FROM meta",
        "SELECT id,subject,knobs,workload,params,threads,flavour,verdict,warmup,iterations,timeout_s FROM cell",
        "SELECT position,cell_id,mode,number,layout_seed FROM planned",
        ("SELECT id,position,cell_id,mode,number,attempt,session,started_at,wall_ns,peak_bytes,status,message,exit_code,signal,"
         "stderr_tail,reproduce,disturbed,disturbance,layout,checksum,record FROM invocation"),
        "SELECT invocation_id,iteration,warmup,wall_ns,cpu_ns,ops,zero_bytes FROM sample",
        "SELECT subject,reason,remedy FROM absent",
    };
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        sqlite3_stmt *q;
        if (sqlite3_prepare_v2(db, reads[i], -1, &q, NULL) != SQLITE_OK)
            return reading_failed(db, dir);
        sqlite3_finalize(q);
    }
    return LAB_OK;
}

/* ---- versions */

static bool number_of(const char *text, long *out) {
    char *end;
    *out = strtol(text, &end, 10);
    return end != text && *end == '\0' && *out >= 0;
}

/* What the file says, in the two places that say it; version 1 has the second only. */
static int read_version(sqlite3 *db, const char *dir, long *version) {
    char *stamp = first_text(db, "PRAGMA user_version"), *meta = first_text(db, "SELECT value FROM meta WHERE key='schema_version'");
    long a = 0, b = 0;
    int code = LAB_OK;
    if (stamp == NULL || meta == NULL)
        code = reading_failed(db, dir);
    else if (!number_of(stamp, &a) || (meta[0] != '\0' && !number_of(meta, &b)))
        code = damaged(dir, "its version is no number");
    *version = a > b ? a : b;
    if (code == LAB_OK && *version > STORE_VERSION)
        code = lab_error(LAB_USAGE, "%s was written by a newer spanlab (version %ld of its tables, %d is known here): use that spanlab",
                         dir, *version, STORE_VERSION);
    free(stamp);
    free(meta);
    return code;
}

static bool has_column(sqlite3 *db, const char *table, const char *column) {
    char *sql = lab_printf("SELECT count(*) FROM pragma_table_info('%s') WHERE name='%s'", table, column);
    char *count = first_text(db, sql);
    bool there = count != NULL && strcmp(count, "1") == 0;
    free(count);
    free(sql);
    return there;
}

static int migrate(sqlite3 *db, const char *dir) {
    /* Two sessions of version 1 could measure one position at once: each row stays, as an attempt of its own. */
    static const char unite[] =
        "UPDATE invocation SET attempt=(SELECT count(*) FROM invocation o WHERE o.position=invocation.position AND o.id<=invocation.id)"
        " WHERE position IN (SELECT position FROM invocation GROUP BY position, attempt HAVING count(*)>1);"
        "CREATE UNIQUE INDEX IF NOT EXISTS invocation_attempt ON invocation(position, attempt);"
        "CREATE INDEX IF NOT EXISTS invocation_cell ON invocation(cell_id, mode, status);"
        "UPDATE meta SET value='2' WHERE key='schema_version';"
        "PRAGMA user_version=2;";
    bool good = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; good && i < sizeof later_columns / sizeof *later_columns; i++) {
        if (has_column(db, later_columns[i].table, later_columns[i].column))
            continue;
        char *sql = lab_printf("ALTER TABLE %s ADD COLUMN %s %s", later_columns[i].table, later_columns[i].column,
                               later_columns[i].definition);
        good = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
        free(sql);
    }
    good = good && sqlite3_exec(db, unite, NULL, NULL, NULL) == SQLITE_OK;
    good = good && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (good)
        return LAB_OK;
    int code = lab_error(LAB_DISK, "cannot bring %s/run.sqlite to version %d (%s): it stays as it was", dir, STORE_VERSION,
                         sqlite3_errmsg(db));
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* nothing is lost when there is nothing to roll back */
    return code;
}

/* What a kill while the run was being created leaves. */
static int check_begun(sqlite3 *db, const char *dir) {
    char *begun = first_text(db, "SELECT count(*) FROM meta WHERE key='run_id' AND EXISTS (SELECT 1 FROM cell)");
    int code = LAB_OK;
    if (begun == NULL)
        code = reading_failed(db, dir);
    else if (strcmp(begun, "1") != 0)
        code = lab_error(LAB_USAGE, "%s was never begun: remove it, then start anew with spanlab run", dir);
    free(begun);
    return code;
}

/* Until the version is known: of any one that is. */
static int check_whole(sqlite3 *db, const char *dir, long *version) {
    int code = expect_text(db, dir, "PRAGMA integrity_check(1)", "ok", NULL);
    code = code ? code : check_tables(db, dir);
    return code ? code : read_version(db, dir, version);
}

static int check_content(sqlite3 *db, const char *dir) {
    int code = check_columns(db, dir);
    code = code ? code : check_begun(db, dir);
    return code ? code : expect_text(db, dir, "PRAGMA foreign_key_check", "", "its rows do not belong together");
}

int store_admit(sqlite3 *db, const char *dir) {
    long version = 0;
    int code = check_whole(db, dir, &version);
    if (code == LAB_OK && version < STORE_VERSION)
        code = migrate(db, dir);
    return code ? code : check_content(db, dir);
}

/* ---- reading */

static sqlite3 *connect(const char *name, int flags) {
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(name, &db, flags, NULL);
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_MS);
        code = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    }
    /* Other failures are told when the database is checked. */
    if ((code & 0xff) != SQLITE_CANTOPEN && (code & 0xff) != SQLITE_READONLY)
        return db;
    sqlite3_close(db);
    return NULL;
}

/* The path as a URI: what has a meaning there is written in hexadecimal. */
static char *uri_of(const char *path) {
    char *uri = lab_alloc(strlen(path) * 3 + sizeof "file:?immutable=1"), *at = stpcpy(uri, "file:");
    for (; *path != '\0'; path++)
        at += sprintf(at, strchr("%?#", *path) != NULL ? "%%%02x" : "%c", (unsigned char)*path);
    strcpy(at, "?immutable=1");
    return uri;
}

/* Only a writer can recover a log, and the log's index needs a writable folder. Where the folder is not writable and
 * there is no log, no other process writes. */
static sqlite3 *connect_to_read(const char *dir) {
    char *path = lab_printf("%s/run.sqlite", dir), *uri = uri_of(path);
    sqlite3 *db = connect(path, SQLITE_OPEN_READWRITE);
    if (db == NULL)
        db = connect(path, SQLITE_OPEN_READONLY);
    if (db == NULL && !has_log(dir))
        db = connect(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    if (db == NULL)
        lab_error(LAB_USAGE, "%s cannot be opened%s: copy the folder to where it can be written, and name the copy", path,
                  has_log(dir) ? ", since run.sqlite-wal holds what is not in it yet" : "");
    free(path);
    free(uri);
    return db;
}

/* An older run is brought to this version in memory: showing it does not change it. */
static sqlite3 *migrated_copy(sqlite3 *db, const char *dir) {
    sqlite3 *copy = NULL;
    int code = sqlite3_open_v2(":memory:", &copy, SQLITE_OPEN_READWRITE, NULL);
    sqlite3_backup *backup = code == SQLITE_OK ? sqlite3_backup_init(copy, "main", db, "main") : NULL;
    if (backup != NULL) {
        sqlite3_backup_step(backup, -1);
        code = sqlite3_backup_finish(backup);
    } else if (code == SQLITE_OK) {
        code = sqlite3_errcode(copy);
    }
    if (code != SQLITE_OK)
        damaged(dir, sqlite3_errstr(code));
    else if (migrate(copy, dir) == LAB_OK)
        return copy;
    sqlite3_close(copy);
    return NULL;
}

sqlite3 *store_read(const char *dir) {
    long version = 0;
    if (store_look(dir) != LAB_OK)
        return NULL;
    sqlite3 *db = connect_to_read(dir);
    if (db == NULL)
        return NULL;
    /* One transaction reads one state, while another process may go on writing. */
    int code = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ? LAB_OK : reading_failed(db, dir);
    code = code ? code : check_whole(db, dir, &version);
    if (code == LAB_OK && version < STORE_VERSION) {
        sqlite3 *copy = migrated_copy(db, dir);
        sqlite3_close(db);
        db = copy;
        code = copy != NULL ? LAB_OK : LAB_USAGE;
    }
    code = code ? code : check_content(db, dir);
    if (code == LAB_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}
