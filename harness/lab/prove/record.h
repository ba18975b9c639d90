/* SPDX-License-Identifier: MIT
 *
 * record.h: what preloaded processes write for `spanlab exec` to read: one line per event into a file that it keeps open.
 *
 *   P PID                 this image has proved itself from inside
 *   X PID PATH\tREASON    it has not, and ended
 *   E PID PATH\tREASON    PID is about to become PATH; REASON: why that could not prove itself, "" when none is known
 *   F PID                 it did not become it
 *   S PID PATH\tREASON    the same of a process that was made by posix_spawn, written after the fact
 *   U PID PATH\tREASON    PID starts a PATH that cannot prove itself, by a call that does not tell its number
 */
#ifndef SPANLAB_PROVE_RECORD_H
#define SPANLAB_PROVE_RECORD_H

#include <stdbool.h>

/* What `spanlab exec` sets for the processes: the file that must serve malloc, and "PATH:DEVICE:INODE" of the records. */
#define RECORD_LIBRARY "SPANLAB_PROVE_LIBRARY"
#define RECORD_FILE    "SPANLAB_PROVE_RECORD"

/* Keeps what the environment says now: the program may change it. False: this is no process of `spanlab exec`. */
bool record_begin(void);
/* "" in a process that is none of `spanlab exec`. */
const char *record_library(void);

/* Appends one line. False: the file cannot be reached from here. Neither allocates nor locks: a child of vfork calls it. */
bool record_write(char event, long pid, const char *path, const char *reason);

/* Why a program that is started with this environment would not prove itself; NULL when it would. */
const char *record_environment_problem(char *const *environment);

#endif
