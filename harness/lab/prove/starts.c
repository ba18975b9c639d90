/* SPDX-License-Identifier: MIT
 *
 * The calls by which a program starts another, recorded. Each of libc's is here, since libc's own do not call each other
 * by names that could be preloaded; syscall.c has the last. What starts a program by the instruction for a system call
 * itself is not seen.
 */
#include "../image.h"
#include "record.h"
#include "starts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static struct {
    int (*execve)(const char *, char *const *, char *const *);
    int (*execvpe)(const char *, char *const *, char *const *);
    int (*fexecve)(int, char *const *, char *const *);
    int (*execveat)(int, const char *, char *const *, char *const *, int);
    int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *,
                       char *const *);
    int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *,
                        char *const *);
    int (*system)(const char *);
    FILE *(*popen)(const char *, const char *);
} real;

/* Looked up before main, since a child of vfork must not; earlier where another constructor starts a program. */
static void *look_up(void **known, const char *name) {
    if (*known == NULL)
        *known = dlsym(RTLD_NEXT, name);
    return *known;
}

#define REAL(name) ((__typeof__(real.name))look_up((void **)&real.name, #name))

__attribute__((constructor)) static void find_real(void) {
    (void)REAL(execve), (void)REAL(execvpe), (void)REAL(fexecve), (void)REAL(execveat);
    (void)REAL(posix_spawn), (void)REAL(posix_spawnp), (void)REAL(system), (void)REAL(popen);
}

/* ---- what is known before */

static const char *problem_of(const char *path, char *const *environment) {
    const char *problem = image_problem(path, image_own_loader());
    return problem != NULL ? problem : record_environment_problem(environment);
}

/* Where execvp would find a name; the name itself when nowhere. */
static const char *on_path(const char *name, char *out, size_t size_bytes) {
    const char *dirs = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return name;
    for (dirs = dirs != NULL ? dirs : "/bin:/usr/bin";; dirs++) {
        size_t n = strcspn(dirs, ":");
        if (n + strlen(name) + 2 < size_bytes) {
            memcpy(out, dirs, n);
            out[n] = '/';
            strcpy(out + n + (n > 0), name); /* an empty part is the current folder */
            if (access(out, X_OK) == 0)
                return out;
        }
        dirs += n;
        if (*dirs == '\0')
            return name;
    }
}

/* ---- the same process */

bool starts_announce(const char *path, char *const *environment) {
    if (record_library()[0] == '\0' || record_write('E', getpid(), path, problem_of(path, environment)))
        return true;
    static const char line[] =
        "spanlab exec: a process cannot reach the record of spanlab exec any more (another user, root folder or set of "
        "processes): it may start no program, since nothing would prove it\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0)
        errno = EPERM;
    errno = EPERM;
    return false;
}

long starts_came_back(long result) {
    int error = errno;
    record_write('F', getpid(), NULL, NULL);
    errno = error;
    return result;
}

int execve(const char *path, char *const *arguments, char *const *environment) {
    return starts_announce(path, environment) ? (int)starts_came_back(REAL(execve)(path, arguments, environment)) : -1;
}

int execvpe(const char *name, char *const *arguments, char *const *environment) {
    char path[1024];
    return starts_announce(on_path(name, path, sizeof path), environment)
               ? (int)starts_came_back(REAL(execvpe)(name, arguments, environment))
               : -1;
}

int execv(const char *path, char *const *arguments) {
    return execve(path, arguments, environ);
}

int execvp(const char *name, char *const *arguments) {
    return execvpe(name, arguments, environ);
}

static const char *path_of_fd(int fd, char *out, size_t size_bytes) {
    snprintf(out, size_bytes, "/proc/self/fd/%d", fd);
    return out;
}

int fexecve(int fd, char *const *arguments, char *const *environment) {
    char path[64];
    if (!starts_announce(path_of_fd(fd, path, sizeof path), environment))
        return -1;
    return (int)starts_came_back(REAL(fexecve)(fd, arguments, environment));
}

int execveat(int dir, const char *name, char *const *arguments, char *const *environment, int flags) {
    char path[1024];
    if (name[0] == '\0')
        path_of_fd(dir, path, sizeof path);
    else if (name[0] == '/' || dir == AT_FDCWD)
        snprintf(path, sizeof path, "%s", name);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
    if (!starts_announce(path, environment))
        return -1;
    return (int)starts_came_back(REAL(execveat)(dir, name, arguments, environment, flags));
}

/* The list of arguments as an array: counted with one reader, taken with another. */
static size_t count_arguments(const char *first, va_list rest) {
    size_t n = 1;
    while (first != NULL && va_arg(rest, const char *) != NULL)
        n++;
    return n;
}

static void take_arguments(char **out, const char *first, va_list rest) {
    *out = (char *)first;
    while (*out != NULL)
        *++out = va_arg(rest, char *);
}

#define WITH_LIST(call)                                                                                                \
    va_list rest;                                                                                                      \
    va_start(rest, first);                                                                                             \
    size_t n = count_arguments(first, rest);                                                                           \
    va_end(rest);                                                                                                      \
    char *arguments[n + 1];                                                                                            \
    va_start(rest, first);                                                                                             \
    take_arguments(arguments, first, rest);                                                                            \
    call;                                                                                                              \
    va_end(rest)

int execl(const char *path, const char *first, ...) {
    int result;
    WITH_LIST(result = execve(path, arguments, environ));
    return result;
}

int execlp(const char *name, const char *first, ...) {
    int result;
    WITH_LIST(result = execvpe(name, arguments, environ));
    return result;
}

int execle(const char *path, const char *first, ...) {
    int result;
    WITH_LIST(result = execve(path, arguments, va_arg(rest, char *const *)));
    return result;
}

/* ---- a new process */

static int spawned(int error, const pid_t *pid, const char *path, const char *problem) {
    if (error == 0 && record_library()[0] != '\0')
        record_write('S', *pid, path, problem);
    return error;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment) {
    pid_t own;
    pid = pid != NULL ? pid : &own;
    const char *problem = problem_of(path, environment);
    return spawned(REAL(posix_spawn)(pid, path, actions, attributes, arguments, environment), pid, path, problem);
}

int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment) {
    pid_t own;
    char path[1024];
    pid = pid != NULL ? pid : &own;
    const char *file = on_path(name, path, sizeof path), *problem = problem_of(file, environment);
    return spawned(REAL(posix_spawnp)(pid, name, actions, attributes, arguments, environment), pid, file, problem);
}

/* Both start the shell with this process's environment. */
static void announce_shell(void) {
    static const char shell[] = "/bin/sh";
    const char *problem = record_library()[0] == '\0' ? NULL : problem_of(shell, environ);
    if (problem != NULL)
        record_write('U', getpid(), shell, problem);
}

int system(const char *command) {
    if (command != NULL)
        announce_shell();
    return REAL(system)(command);
}

FILE *popen(const char *command, const char *mode) {
    announce_shell();
    return REAL(popen)(command, mode);
}
