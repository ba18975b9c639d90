/* SPDX-License-Identifier: MIT
 *
 * exec: any program on a malloc subject, each process of it proved from inside.
 */
#include "catalog.h"
#include "command.h"
#include "error.h"
#include "image.h"
#include "launch.h"
#include "plan.h"
#include "prove/record.h"
#include "proved.h"
#include "probe.h"
#include "text.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* As env, nice and timeout have it: 125 is of the command itself, all else is the program's. */
enum { EXEC_REFUSED = 125, EXEC_CANNOT_RUN = 126, EXEC_NOT_FOUND = 127, EXEC_SIGNALLED = 128 };

static const char usage[] =
    "usage: spanlab exec SUBJECT[|KNOB=V,…] -- PROGRAM [ARGUMENT…]\n"
    "Runs a program on a malloc subject and ends as it ends; with 125 and a line for each of its processes that the\n"
    "subject did not serve, with 126 or 127 when it cannot be run or found.\n";

/* ---- the subject */

/* Where libc itself lies: what "glibc" is proved by. */
static const char *libc_path(void) {
    Dl_info info;
    void *address = dlsym(RTLD_NEXT, "malloc");
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fname : NULL;
}

static int find(struct catalog *c, const char *name, struct catalog_subject **out) {
    if (strchr(name, ':') != NULL)
        return (*out = catalog_add_user(c, name)) != NULL ? LAB_OK : EXEC_REFUSED;
    *out = catalog_find_subject(c, name);
    if (*out == NULL)
        return catalog_unknown(c, "subject", name), EXEC_REFUSED;
    if (strcmp((*out)->flavour, "manual") != 0)
        return lab_error(EXEC_REFUSED, "%s is a traced build: only malloc subjects can be put under a program", name);
    if (!(*out)->present)
        return lab_error(EXEC_REFUSED, "%s is not installed: %s", name, (*out)->remedy);
    return LAB_OK;
}

/* A value that the subject does not take is found by a process that reads it back. */
static int check_in_force(const struct catalog_subject *s, const char *knobs) {
    if (knobs[0] == '\0')
        return LAB_OK;
    json_t *record = probe_subject(s, knobs);
    const char *status = json_string_value(json_object_get(record, "status"));
    const char *message = json_string_value(json_object_get(record, "message"));
    int code = status != NULL && strcmp(status, "ok") == 0
                   ? LAB_OK
                   : lab_error(EXEC_REFUSED, "%s does not run with %s: %s", s->name, knobs,
                               message != NULL ? message : "it takes no such value (spanlab explain tells which)");
    json_decref(record);
    return code;
}

static int check_settings(const struct catalog_subject *s, const char *text, char **knobs) {
    const char *knob, *left_out = launch_left_out(s, &knob);
    if (left_out != NULL && knob == NULL)
        return lab_error(EXEC_REFUSED, "%.*s is in the environment, and %s has no such knob: unset it (spanlab explain %s)",
                         (int)strcspn(left_out, "="), left_out, s->name, s->name);
    if (left_out != NULL)
        return lab_error(EXEC_REFUSED,
                         "%.*s is in the environment, where exec takes no knobs from: unset it, or write '%s|%s%s'",
                         (int)strcspn(left_out, "="), left_out, s->name, knob, strchr(left_out, '='));
    if (catalog_check_knobs(s, text, knobs) != LAB_OK)
        return EXEC_REFUSED;
    return check_in_force(s, *knobs);
}

static int variables_for(const struct catalog_subject *s, const char *knobs, const struct proved *proved,
                         struct text_list *out) {
    struct text_list variables = launch_subject_variables(s, knobs);
    char *prover = lab_printf("%s/../lib/libspanlab-prove.so", text_bin_dir());
    if (strpbrk(prover, ": ") != NULL)
        return lab_error(EXEC_REFUSED,
                         "%s cannot be preloaded, since the loader splits at spaces and colons: move the build to a "
                         "folder without",
                         prover);
    for (size_t i = 0; i < variables.count; i++)
        if (strncmp(variables.items[i], "LD_PRELOAD=", 11) != 0)
            text_list_add(out, variables.items[i]);
    text_list_add_taken(out, lab_printf("LD_PRELOAD=%s%s%s", s->preload ? s->library : "", s->preload ? ":" : "", prover));
    text_list_add_taken(out, lab_printf(RECORD_LIBRARY "=%s", s->library != NULL ? s->library : libc_path()));
    text_list_add(out, proved->variable);
    /* Python's own pool would serve most of its requests. */
    text_list_add(out, "PYTHONMALLOC=malloc");
    text_list_free(&variables);
    free(prover);
    return LAB_OK;
}

/* ---- the program */

static char *find_program(const char *name) {
    struct text_list dirs = text_split(getenv("PATH") != NULL ? getenv("PATH") : "/bin:/usr/bin", ':');
    char *found = NULL;
    for (size_t i = 0; strchr(name, '/') == NULL && found == NULL && i < dirs.count; i++) {
        char *path = lab_printf("%s/%s", dirs.items[i], name);
        if (access(path, X_OK) == 0)
            found = path;
        else
            free(path);
    }
    text_list_free(&dirs);
    return found != NULL ? found : lab_strdup(name);
}

static volatile pid_t program;

/* Of the terminal the program has had it too. */
static void pass_on(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code <= 0 && program > 0)
        kill(program, signal_number);
}

static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT};
enum { PASSED_ON = sizeof passed_on / sizeof *passed_on };

static void set_handlers(struct sigaction *before) {
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    for (size_t i = 0; i < PASSED_ON; i++) {
        sigaction(passed_on[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(passed_on[i], &action, NULL);
    }
}

static _Noreturn void become(char *const *arguments, char *const *environment, const struct proved *proved, int error_pipe,
                             const struct sigaction *before, const sigset_t *mask, pid_t parent) {
    for (size_t i = 0; i < PASSED_ON; i++)
        sigaction(passed_on[i], &before[i], NULL);
    /* Nothing that cannot be reported on outlives a killed spanlab. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXEC_REFUSED);
    sigprocmask(SIG_SETMASK, mask, NULL);
    proved_announce(proved, arguments[0]);
    execvpe(arguments[0], arguments, environment);
    int error = errno;
    if (write(error_pipe, &error, sizeof error) < 0)
        _exit(EXEC_CANNOT_RUN);
    _exit(error == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN);
}

/* Runs the program to its end. 0, or an exit code after an error line. */
static int run(char *const *arguments, char *const *environment, const struct proved *proved, int *status) {
    struct sigaction before[PASSED_ON];
    sigset_t all, mask;
    int error_pipe[2], error = 0;
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return lab_error(EXEC_REFUSED, "cannot make a pipe: %s", strerror(errno));
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask); /* until the number of the process is known */
    set_handlers(before);
    pid_t parent = getpid();
    fflush(NULL);
    program = fork();
    if (program == 0)
        become(arguments, environment, proved, error_pipe[1], before, &mask, parent);
    int fork_error = errno;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(error_pipe[1]);
    if (program < 0)
        return lab_error(EXEC_REFUSED, "cannot start a process: %s", strerror(fork_error));
    bool failed = read(error_pipe[0], &error, sizeof error) == sizeof error;
    close(error_pipe[0]);
    while (waitpid(program, status, 0) < 0 && errno == EINTR)
        ;
    program = 0;
    if (failed)
        return lab_error(error == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN, "cannot run %s: %s", arguments[0],
                         strerror(error));
    return LAB_OK;
}

/* As the program ended: by the same signal, so that a shell that waits sees it, or with its code. */
static int end_as(int status) {
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* the program has left its own */
    signal(number, SIG_DFL);
    raise(number);
    return EXEC_SIGNALLED + number;
}

static int run_proved(const struct catalog_subject *s, const char *knobs, char *const *arguments) {
    struct proved proved;
    struct text_list variables = {0};
    char *path = find_program(arguments[0]);
    const char *problem = image_problem(path, image_own_loader());
    if (problem != NULL)
        return lab_error(EXEC_REFUSED, "exec: %s cannot run on %s: %s; nothing was run", path, s->name, problem);
    free(path);
    if (proved_open(&proved) != 0)
        return lab_error(EXEC_REFUSED, "cannot make the record of what is proved: %s", strerror(errno));
    int status = 0, code = variables_for(s, knobs, &proved, &variables);
    if (code != LAB_OK)
        return code;
    struct text_list environment = launch_environment(NULL, &variables);
    text_list_add_taken(&environment, NULL);
    code = run(arguments, environment.items, &proved, &status);
    if (code == LAB_OK && proved_tell(&proved, s->name) > 0)
        code = EXEC_REFUSED;
    proved_close(&proved);
    return code != LAB_OK ? code : end_as(status);
}

static int exec(int argc, const char **argv) {
    if (argc >= 2 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout), LAB_OK;
    int at = argc >= 3 && strcmp(argv[2], "--") == 0 ? 3 : 2;
    if (at >= argc || argv[1][0] == '-')
        return fputs(usage, stderr), LAB_USAGE;
    struct catalog c;
    struct catalog_subject *s;
    catalog_load(&c);
    const char *bar = strchr(argv[1], '|');
    char *name = lab_printf("%.*s", (int)strcspn(argv[1], "|"), argv[1]), *knobs = NULL;
    int code = find(&c, name, &s);
    free(name);
    if (code == LAB_OK)
        code = check_settings(s, bar != NULL ? bar + 1 : "", &knobs);
    return code != LAB_OK ? code : run_proved(s, knobs, (char *const *)argv + at);
}

COMMAND(exec) = {"exec", "SUBJECT -- PROGRAM …", "run any program on a malloc subject, proved", 70, exec};
