/* SPDX-License-Identifier: MIT
 *
 * store_file.h: run.sqlite as a file: its lock, its integrity, and the version of its tables.
 */
#ifndef SPANLAB_STORE_FILE_H
#define SPANLAB_STORE_FILE_H

#include <sqlite3.h>

enum { STORE_VERSION = 2 }; /* user_version of schema.sql */

/* One process writes a run. 0 with *lock held until store_unlock or the process's end, however that comes; else an enum
 * lab_exit after a line. */
int store_lock(const char *dir, int *lock);
void store_unlock(const char *dir, int lock);

/* Is run.sqlite there and a file? 0 or LAB_USAGE after a line that says what it is. */
int store_look(const char *dir);
/* Is the database whole, and a run of a version known here? An older one is brought to this version. 0 or an enum
 * lab_exit after a line. */
int store_admit(sqlite3 *db, const char *dir);

/* A run to be read: admitted, and never written: an older one is brought to this version in memory. NULL after a line. */
sqlite3 *store_read(const char *dir);

#endif
