/* SPDX-License-Identifier: MIT
 *
 * registry.h: the workloads and peers linked into this program. WORKLOAD() and PEER() put a pointer each into a linker
 * section; these are its bounds. Read-only, callable from any thread.
 */
#ifndef SPANLAB_REGISTRY_H
#define SPANLAB_REGISTRY_H

#include "peer.h"
#include "workload.h"

/* Entry i in the order of linking; NULL past the last. */
const struct workload *registry_workload(size_t i);
const struct peer *registry_peer(size_t i);

/* NULL when there is none of that name (and, for workloads, of this program's flavour). */
const struct workload *registry_find_workload(const char *name);
const struct peer *registry_find_peer(const char *name);

#endif
