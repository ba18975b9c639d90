/* SPDX-License-Identifier: MIT
 *
 * Preloaded as its proxy library, which replaces malloc and hands on to libtbbmalloc.so.2. It has no counters.
 */
#include "peer.h"
#include "peer_symbol.h"

#include <limits.h>
#include <stdlib.h>

/* It tells no version; the file that its soname links to does: libtbbmalloc_proxy.so.2.8. */
static int version(char *out, size_t size) {
    Dl_info info;
    char path[PATH_MAX];
    void *address = dlsym(RTLD_DEFAULT, "__TBB_malloc_proxy");
    if (address == NULL)
        address = dlsym(RTLD_DEFAULT, "malloc");
    if (address == NULL || dladdr(address, &info) == 0 || realpath(info.dli_fname, path) == NULL)
        return -1;
    const char *so = strstr(path, ".so.");
    if (so == NULL)
        return -1;
    snprintf(out, size, "so %.40s", so + 4);
    return 0;
}

static void purge(void) {
    int (*command)(int, void *) = PEER_CALL(int, "scalable_allocation_command", (int, void *));
    if (command != NULL)
        command(0, NULL); /* TBBMALLOC_CLEAN_ALL_BUFFERS */
}

static const char *const libraries[] = {"libtbbmalloc_proxy.so.2", NULL};

PEER(tbbmalloc) = {
    .name = "tbbmalloc",
    .summary = "oneTBB's scalable allocator through its proxy library",
    .package = "libtbbmalloc2",
    .libraries = libraries,
    .version = version,
    .purge = purge,
};
