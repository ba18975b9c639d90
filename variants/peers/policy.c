/* SPDX-License-Identifier: MIT
 *
 * The policy library (policy/): glibc serves, and models say what each placement policy alone would have needed. No
 * allocator: its times are those of the models.
 */
#include "peer.h"
#include "peer_symbol.h"

#include <stdio.h>

static int version(char *out, size_t size) {
    return snprintf(out, size, "models of placement policies") < 0 ? -1 : 0;
}

static int read_knob(const char *name, char *out, size_t size) {
    int (*read)(const char *, char *, size_t) = PEER_CALL(int, "spanlab_policy_knob", (const char *, char *, size_t));
    return read != NULL ? read(name, out, size) : -1;
}

static void watch(enum peer_watch how) {
    void (*tell)(int) = PEER_CALL(void, "spanlab_policy_watch", (int));
    if (tell != NULL)
        tell((int)how);
}

static int figure(size_t i, char *name, size_t size, double *value) {
    int (*read)(size_t, char *, size_t, double *) = PEER_CALL(int, "spanlab_policy_figure", (size_t, char *, size_t, double *));
    return read != NULL ? read(i, name, size, value) : -1;
}

static const struct peer_knob knobs[] = {
    {"round", "SPANLAB_POLICY_ROUND", "%s", NULL, "bytes that sizes are rounded up to (default 16)"},
    {"split", "SPANLAB_POLICY_SPLIT", "%s", NULL, "smallest remainder that is split off, bytes (default: round)"},
    {"run", "SPANLAB_POLICY_RUN", "%s", NULL, "bytes of a run (default 32768)"},
    {"line", "SPANLAB_POLICY_LINE", "%s", NULL, "bytes of a line (default 16)"},
    {"resize", "SPANLAB_POLICY_RESIZE", "%s", NULL,
     "place (default) resizes in place where the policy can; move always copies, and old and new count as live meanwhile"},
    {"shuffle", "SPANLAB_POLICY_SHUFFLE", "%s", NULL,
     "above 0: the same sizes and lifetimes without their order as well, drawn from this seed (default 0)"},
    {"serve", "SPANLAB_POLICY_SERVE", "%s", NULL,
     "first, next, best or segregated places the blocks, with nothing between them (default glibc)"},
    {0},
};

PEER(policy) = {
    .name = "policy",
    .summary = "a bound: what each placement policy alone needs of a stream, by models beside glibc",
    .built_glob = "libspanlab-policy.so",
    .bound = 1,
    .knobs = knobs,
    .version = version,
    .read_knob = read_knob,
    .watch = watch,
    .figure = figure,
};
