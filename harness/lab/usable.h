/* SPDX-License-Identifier: MIT
 *
 * usable.h: how much of the machine this process and those that it starts may use.
 */
#ifndef SPANLAB_USABLE_H
#define SPANLAB_USABLE_H

#include <jansson.h>

/* Adds to the facts of a host: "processors" that may be used (affinity and cpuset), "processor_list" of them, "cpu_quota" of
 * the control group in processors, "memory_limit_bytes" of it; null where there is none. */
void usable_add(json_t *facts);

/* Of such facts, as recorded: "1 of 2 cores (0), CPU quota 0.50 processors, memory limit 512 MiB"; the caller's to free. */
char *usable_text(const json_t *facts);

/* How many processors' time the processes could have; what is not recorded is taken to be no limit. */
double usable_processors(const json_t *facts);

#endif
