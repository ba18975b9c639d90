/* SPDX-License-Identifier: MIT */
#include "proof.h"

#include "flavour.h"
#include "traced.h"
#include "objects.h"

#include <dlfcn.h>
#include <sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

static const char *const family[] = {
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "free_sized",
    "free_aligned_sized",
    "aligned_alloc",
    "posix_memalign",
    "memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    /* operator new, new[]: plain, nothrow, aligned, both */
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    /* operator delete, delete[]: plain, sized, nothrow, aligned, sized and aligned, aligned and nothrow */
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};
enum { FAMILY = sizeof family / sizeof *family };
_Static_assert((int)FAMILY <= (int)PROOF_MAX_SYMBOLS, "one row per symbol");

static bool fail(struct proof *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(p->failure, sizeof p->failure, format, args);
    va_end(args);
    p->ok = false;
    return false;
}

/* ---- which loaded object is the subject */

static bool find_expected(struct proof *p, const struct subject *s, const char *library, struct object *out) {
    const struct peer *peer = s->peer;
    if (bench_flavour.subject != NULL)
        return object_of_program(out) || fail(p, "this program cannot find itself among the loaded objects");
    if (peer != NULL && peer->libraries == NULL && peer->built_glob == NULL)
        return object_of_soname("libc.so", out) || fail(p, "the C library is not loaded as libc.so");
    const char *path = library != NULL && library[0] != '\0' ? library : s->library;
    if (path[0] == '\0')
        return fail(p, "%s is not known here and no library was named: give --spanlab-library=/path/lib.so", s->name);
    if (!object_of_file(path, out))
        return fail(p, "%s is not loaded into this process: run it with LD_PRELOAD=%s", path, path);
    if (peer == NULL)
        return true;
    /* The path must be this peer's, not just any library that was preloaded under its name. */
    if (peer->libraries != NULL) {
        struct object by_name;
        for (const char *const *soname = peer->libraries; *soname != NULL; soname++)
            if (object_of_soname(*soname, &by_name) && same_file(by_name.path, out->path))
                return true;
        return fail(p, "%s is not the library of %s: preload %s", path, s->name, peer->libraries[0]);
    }
    return same_file(path, s->library) || fail(p, "%s is not the library of %s: preload %s", path, s->name, s->library);
}

/* ---- where the calls go */

static void object_name(uintptr_t address, char *out, size_t size) {
    struct object o;
    if (address == 0)
        snprintf(out, size, "nowhere");
    else if (object_of_address(address, &o))
        snprintf(out, size, "%s", o.path);
    else
        snprintf(out, size, "no loaded object");
}

static bool lies_in(uintptr_t address, const struct object *expected, char *where, size_t size) {
    struct object o;
    object_name(address, where, size);
    return address != 0 && object_of_address(address, &o) && o.base == expected->base;
}

static bool prove_symbol(struct proof *p, const struct subject *s, const struct object *expected, const char *name) {
    if (!object_exports(expected, name)) {
        p->lacking[p->lacking_count++] = name;
        return true;
    }
    struct proof_symbol *row = &p->symbols[p->symbol_count++];
    row->name = name;
    if (!lies_in((uintptr_t)dlsym(RTLD_DEFAULT, name), expected, row->object, sizeof row->object))
        return fail(p, "%s resolves to %s, not to %s of %s: is another allocator linked or preloaded before it?", name,
                    row->object, expected->path, s->name);
    return true;
}

static bool proved(const struct proof *p, const char *name) {
    for (unsigned i = 0; i < p->symbol_count; i++)
        if (strcmp(p->symbols[i].name, name) == 0)
            return true;
    return false;
}

/* The addresses that this program's own code calls: a program that brings a malloc shows here. */
static bool prove_calls(struct proof *p, const struct subject *s, const struct object *expected) {
    char where[PATH_MAX];
    for (const struct flavour_call *c = bench_flavour.calls; c != NULL && c->name != NULL; c++)
        if (proved(p, c->name) && !lies_in((uintptr_t)c->address, expected, where, sizeof where))
            return fail(p, "this program calls %s in %s, not in %s of %s: it brings its own allocator", c->name, where,
                        expected->path, s->name);
    return true;
}

struct binding_check {
    struct proof *p;
    const struct object *expected;
    const struct subject *s;
};

static void check_binding(const char *symbol, uintptr_t address, void *arg) {
    struct binding_check *c = arg;
    char where[PATH_MAX];
    if (c->p->ok && proved(c->p, symbol) && !lies_in(address, c->expected, where, sizeof where))
        fail(c->p, "this program's %s is bound to %s, not to %s of %s", symbol, where, c->expected->path, c->s->name);
}

static bool prove_symbols(struct proof *p, const struct subject *s, const struct object *expected) {
    for (int i = 0; i < FAMILY; i++)
        if (!prove_symbol(p, s, expected, family[i]))
            return false;
    if (!proved(p, "malloc") || !proved(p, "free"))
        return fail(p, "%s exports no malloc and free: it is no allocator that can be preloaded", expected->path);
    if (!prove_calls(p, s, expected))
        return false;
    struct object program;
    struct binding_check check = {p, expected, s};
    if (object_of_program(&program))
        object_bindings(&program, check_binding, &check);
    return p->ok;
}

/* A traced program has its heap linked in, which says itself what it is. */
static bool prove_linked(struct proof *p, const struct subject *s) {
    const char *identity = bench_flavour.traced->identity();
    if (strcmp(identity, s->name) != 0)
        return fail(p, "this program was built as %s, not as %s", identity, s->name);
    return true;
}

/* Served here means that the subject's own count grows. */
static bool prove_counter(struct proof *p, const struct subject *s) {
    struct peer_counters before, after;
    memset(&before, 0xff, sizeof before);
    memset(&after, 0xff, sizeof after);
    enum { PROBE_BYTES = 100 << 10 };
    if (s->peer == NULL || s->peer->counters == NULL || s->peer->counters(&before) != 0 ||
        before.allocated_bytes == PEER_NA)
        return true; /* it does not count */
    void *probe = flavour_allocate(PROBE_BYTES);
    bool grown = probe != NULL && s->peer->counters(&after) == 0 &&
                 after.allocated_bytes >= before.allocated_bytes + PROBE_BYTES;
    flavour_release(probe);
    return grown ||
           fail(p, "%s did not count an allocation of %d bytes: it does not serve this process", s->name, PROBE_BYTES);
}

/* ---- knobs */

static bool read_back(struct proof *p, const struct subject *s, const char *name, const char *wanted) {
    if (p->knob_count == PROOF_MAX_KNOBS)
        return fail(p, "more than %d knobs", PROOF_MAX_KNOBS);
    struct proof_knob *k = &p->knobs[p->knob_count];
    snprintf(k->name, sizeof k->name, "%s", name);
    if (subject_read_knob(s, name, k->value, sizeof k->value) != 0)
        return fail(p, "knob %s of %s cannot be read back, so nothing would prove that it was in force", name, s->name);
    p->knob_count++;
    if (wanted != NULL && strcmp(k->value, wanted) != 0)
        return fail(p, "knob %s of %s is %s in force, but %s was asked for", name, s->name, k->value, wanted);
    return true;
}

static bool prove_knobs(struct proof *p, const struct subject *s, const char *knobs) {
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", knobs != NULL ? knobs : "");
    char *rest = NULL;
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(item, '=');
        if (equals == NULL)
            return fail(p, "'%s' is no NAME=VALUE", item);
        *equals = '\0';
        if (!read_back(p, s, item, equals + 1))
            return false;
    }
    /* What was not asked for is recorded as it is. */
    const struct peer_knob *known = subject_knobs(s);
    for (; known != NULL && known->name != NULL && p->knob_count < PROOF_MAX_KNOBS; known++) {
        bool have = false;
        for (unsigned i = 0; i < p->knob_count; i++)
            have |= strcmp(p->knobs[i].name, known->name) == 0;
        struct proof_knob *k = &p->knobs[p->knob_count];
        if (have || subject_read_knob(s, known->name, k->value, sizeof k->value) != 0)
            continue;
        snprintf(k->name, sizeof k->name, "%s", known->name);
        p->knob_count++;
    }
    return true;
}

/* ---- all of it */

static void tell_version(struct proof *p, const struct subject *s) {
    int (*traced)(char *, size_t) = bench_flavour.traced != NULL ? bench_flavour.traced->version : NULL;
    if (traced != NULL && traced(p->version, sizeof p->version) == 0)
        return;
    if (s->peer == NULL || s->peer->version == NULL || s->peer->version(p->version, sizeof p->version) != 0)
        p->version[0] = '\0';
}

bool proof_run(struct proof *p, const struct subject *s, const char *library, const char *knobs) {
    memset(p, 0, sizeof *p);
    p->ok = true;
    struct object expected;
    if (!find_expected(p, s, library, &expected))
        return false;
    snprintf(p->library, sizeof p->library, "%s", expected.path);
    if (expected.dynamic != NULL && mapping_is_stale((uintptr_t)expected.dynamic))
        return fail(p, "%s was replaced while this process started: run it again", expected.path);
    SHA256File(expected.path, p->sha256);
    tell_version(p, s);
    bool resolved = bench_flavour.subject != NULL ? prove_linked(p, s) : prove_symbols(p, s, &expected);
    /* A build says itself what it is; a file name alone would not tell one variant from another. */
    const char *(*axes)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "goalloc_axes");
    if (resolved && s->peer != NULL && s->peer->built_glob != NULL && strchr(s->peer->built_glob, '*') != NULL &&
        (axes == NULL || strcmp(axes(), s->name) != 0))
        return fail(p, "%s says that it is %s, not %s", p->library, axes != NULL ? axes() : "no goalloc", s->name);
    return resolved && prove_counter(p, s) && prove_knobs(p, s, knobs);
}
