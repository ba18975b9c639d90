/* SPDX-License-Identifier: MIT
 *
 * host.h: facts about the machine, and fingerprints of the programs and libraries of a run.
 */
#ifndef SPANLAB_HOST_H
#define SPANLAB_HOST_H

#include "catalog.h"

#include <jansson.h>

/* {"host_name", "kernel", "cpu", "cores", those of usable.h, "memory_bytes", "thp", "governor", "distribution", "virtual"};
 * null where it is not told. New reference. */
json_t *host_facts(void);

/* What makes two hosts the same for resuming: name, kernel, processor, cores, and what may be used of them under which limits. */
char *host_identity(void);

/* {path: xxh64 in hex} of every bench program and present library. New reference. */
json_t *host_binaries(const struct catalog *catalog);

/* First line of a file without its newline, NULL when unreadable. */
char *host_first_line(const char *path);

/* The bracketed choice of a file like /sys/kernel/mm/transparent_hugepage/enabled. */
char *host_bracketed(const char *path);

#endif
