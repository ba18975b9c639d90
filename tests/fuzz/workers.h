/* SPDX-License-Identifier: MIT
 *
 * workers.h: threads that run one operation at a time, in lockstep with the caller, so that an input leads to the same
 * order of events each time it is run.
 */
#ifndef FUZZ_WORKERS_H
#define FUZZ_WORKERS_H

enum { WORKERS = 3 };

/* Runs body(argument) on a worker, started when it is not running, and waits for it. Worker 0 is the caller itself. */
void worker_run(unsigned worker, void (*body)(void *), void *argument);
/* Lets a worker's thread end, if it is running. */
void worker_end(unsigned worker);
void workers_end(void);

#endif
