/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include "flavour.h"

#include <string.h>

/* Weak: a program without workloads or peers has no such section. */
extern const struct workload *const __start_spanlab_workloads[] __attribute__((weak));
extern const struct workload *const __stop_spanlab_workloads[] __attribute__((weak));
extern const struct peer *const __start_spanlab_peers[] __attribute__((weak));
extern const struct peer *const __stop_spanlab_peers[] __attribute__((weak));

const struct workload *registry_workload(size_t i) {
    const struct workload *const *entry = __start_spanlab_workloads;
    for (; entry < __stop_spanlab_workloads; entry++)
        if (((*entry)->flavours & bench_flavour.workloads) != 0 && i-- == 0)
            return *entry;
    return NULL;
}

const struct peer *registry_peer(size_t i) {
    return __start_spanlab_peers + i < __stop_spanlab_peers ? __start_spanlab_peers[i] : NULL;
}

const struct workload *registry_find_workload(const char *name) {
    const struct workload *w;
    for (size_t i = 0; (w = registry_workload(i)) != NULL; i++)
        if (strcmp(w->name, name) == 0)
            return w;
    return NULL;
}

const struct peer *registry_find_peer(const char *name) {
    const struct peer *p;
    for (size_t i = 0; (p = registry_peer(i)) != NULL; i++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}
