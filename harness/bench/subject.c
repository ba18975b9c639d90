/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include "flavour.h"
#include "traced.h"
#include "objects.h"
#include "registry.h"

#include <dlfcn.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char goalloc_prefix[] = "libgoalloc-";

/* lib/ beside the bin/ of this program. */
static void lib_dir(char *out, size_t size) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    snprintf(out, size, "%.*s/lib", (int)(size - 8), dirname(dirname(path)));
}

static bool readable(const char *path) {
    return access(path, R_OK) == 0;
}

/* Looks for a soname in one colon-separated list of folders. */
static bool find_in(const char *dirs, const char *soname, char *out, size_t size) {
    while (dirs != NULL && *dirs != '\0') {
        size_t n = strcspn(dirs, ":");
        snprintf(out, size, "%.*s/%s", (int)n, dirs, soname);
        if (n > 0 && readable(out))
            return true;
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

static bool find_library(const struct peer *p, char *out, size_t size) {
    static const char standard[] =
        "/usr/local/lib:/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu:"
        "/usr/lib64:/usr/lib";
    for (const char *const *name = p->libraries; *name != NULL; name++)
        if (find_in(getenv("LD_LIBRARY_PATH"), *name, out, size) || find_in(standard, *name, out, size))
            return true;
    out[0] = '\0';
    return false;
}

static void describe_installed(const struct peer *p, struct subject *out) {
    *out = (struct subject){.peer = p};
    snprintf(out->name, sizeof out->name, "%s", p->name);
    out->preload = p->libraries != NULL;
    out->present = !out->preload || find_library(p, out->library, sizeof out->library);
}

/* "…/libgoalloc-manual-tiny-sizeclass.so" is the subject manual-tiny-sizeclass. */
static void describe_built(const struct peer *p, const char *path, struct subject *out) {
    *out = (struct subject){.peer = p, .preload = true, .present = true};
    snprintf(out->library, sizeof out->library, "%s", path);
    const char *file = strrchr(path, '/') + 1;
    if (strchr(p->built_glob, '*') == NULL)
        snprintf(out->name, sizeof out->name, "%s", p->name);
    else
        snprintf(out->name, sizeof out->name, "%.*s", (int)(strlen(file) - strlen(goalloc_prefix) - strlen(".so")),
                 file + strlen(goalloc_prefix));
}

/* Library *i of a peer that is built here; counts *i down past those it has. */
static bool built_at(const struct peer *p, size_t *i, struct subject *out) {
    char dir[PATH_MAX], pattern[PATH_MAX + 64];
    lib_dir(dir, sizeof dir);
    snprintf(pattern, sizeof pattern, "%s/%s", dir, p->built_glob);
    glob_t found;
    bool hit = false;
    if (glob(pattern, 0, NULL, &found) == 0) {
        hit = *i < found.gl_pathc;
        if (hit)
            describe_built(p, found.gl_pathv[*i], out);
        else
            *i -= found.gl_pathc;
        globfree(&found);
    }
    return hit;
}

bool subject_at(size_t i, struct subject *out) {
    if (bench_flavour.subject != NULL) {
        *out = (struct subject){.present = true};
        snprintf(out->name, sizeof out->name, "%s", bench_flavour.subject);
        return i == 0;
    }
    const struct peer *p;
    for (size_t k = 0; (p = registry_peer(k)) != NULL; k++) {
        if (p->built_glob != NULL) {
            if (built_at(p, &i, out))
                return true;
        } else if (i-- == 0) {
            describe_installed(p, out);
            return true;
        }
    }
    return false;
}

void subject_find(const char *name, struct subject *out) {
    for (size_t i = 0; subject_at(i, out); i++)
        if (strcmp(out->name, name) == 0)
            return;
    *out = (struct subject){.preload = true, .present = true};
    snprintf(out->name, sizeof out->name, "%s", name);
}

void subject_serving(struct subject *out) {
    struct object server;
    if (bench_flavour.subject != NULL) {
        subject_at(0, out);
        return;
    }
    if (!object_of_address((uintptr_t)dlsym(RTLD_DEFAULT, "malloc"), &server)) {
        subject_find("glibc", out);
        return;
    }
    for (size_t i = 0; subject_at(i, out); i++)
        if (out->library[0] != '\0' && same_file(out->library, server.path))
            return;
    const char *file = strrchr(server.path, '/') != NULL ? strrchr(server.path, '/') + 1 : server.path;
    if (strncmp(file, "libc.so", 7) == 0 || strncmp(file, "libc-", 5) == 0) {
        subject_find("glibc", out);
        return;
    }
    *out = (struct subject){.preload = true, .present = true};
    snprintf(out->name, sizeof out->name, "%.100s", file);
    snprintf(out->library, sizeof out->library, "%s", server.path);
}

const struct peer_knob *subject_knobs(const struct subject *s) {
    if (s->peer != NULL)
        return s->peer->knobs;
    return bench_flavour.traced != NULL ? bench_flavour.traced->knobs : NULL;
}

int subject_read_knob(const struct subject *s, const char *name, char *out, size_t size) {
    int (*read_knob)(const char *, char *, size_t) = s->peer != NULL                ? s->peer->read_knob
                                                     : bench_flavour.traced != NULL ? bench_flavour.traced->read_knob
                                                                                    : NULL;
    return read_knob != NULL ? read_knob(name, out, size) : -1;
}
