/* SPDX-License-Identifier: MIT
 *
 * usable.h: how much of the machine this process and those that it starts may use.
 */
#ifndef SPANLAB_USABLE_H
#define SPANLAB_USABLE_H

#include <jansson.h>

/* Adds to the facts of a host: "processors" that may be used (affinity and cpuset), "processor_list" of them, "cpu_quota" of
 * the control group in processors, "memory_limit_bytes" of it; the soft limits of getrlimit "address_space_limit_bytes",
 * "data_limit_bytes", "stack_limit_bytes", "processor_time_limit_seconds", "process_limit", "open_file_limit",
 * "locked_memory_limit_bytes"; null where there is none. "overcommit" is the kernel's mode; where it is "2" there are
 * "overcommit_ratio" (percent) and "overcommit_kbytes", too. */
void usable_add(json_t *facts);

/* The same facts, as far as they are recorded, out of others. */
void usable_copy(json_t *to, const json_t *facts);

/* Of such facts, as recorded: "1 of 2 cores (0), CPU quota 0.50 processors, memory limit 512 MiB, address space limit 300000 KiB";
 * limits that matter to no run are left out. The caller's to free. */
char *usable_text(const json_t *facts);

/* The limits of getrlimit and strict overcommit out of it; "": none matters. The caller's to free. */
char *usable_limits_text(const json_t *facts);

/* How many processors' time the processes could have; what is not recorded is taken to be no limit. */
double usable_processors(const json_t *facts);

#endif
