/* SPDX-License-Identifier: MIT
 *
 * fork: fork at the moments that are hard for an allocator. Each mode runs in a process of its own (fork MODE); without
 * a mode, all of them. A fork that hangs is ended by the alarm.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern int fork_handlers_wrong, fork_handlers_run, fork_handlers_rest;

enum { HANGS_AFTER_SECONDS = 300, THREADS = 3, MAILBOXES = 64 };

static atomic_bool stop;

/* ---- what parent and child do with the heap; 0: all is well */

static int use_heap(void) {
    enum { COUNT = 300 };
    unsigned char *objects[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 100 == 99 ? 70000 : 1 + i * 7;
        if ((objects[i] = malloc(size)) == NULL)
            return 10;
        memset(objects[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (objects[i][0] != (unsigned char)i)
            return 11;
        free(objects[i]);
    }
    return 0;
}

static void *use_heap_in_thread(void *unused) {
    (void)unused;
    return (void *)(intptr_t)use_heap();
}

static int use_heap_with_thread(void) {
    pthread_t thread;
    void *error = NULL;
    if (pthread_create(&thread, NULL, use_heap_in_thread, NULL) != 0)
        return 12;
    pthread_join(thread, &error);
    int own = use_heap();
    return own != 0 ? own : (int)(intptr_t)error;
}

/* Forks; the child runs `run`, and 0 comes back when it ended well. */
static int fork_and_run(int (*run)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANGS_AFTER_SECONDS);
        _exit(run());
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        fprintf(stderr, "fork: %s\n", strerror(errno));
        return 1;
    }
    if (status == 0)
        return 0;
    fprintf(stderr, "expected a child that exits with 0, there was wait status 0x%x%s\n", (unsigned)status,
            WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    return 1;
}

static int forks(int count, int (*run)(void)) {
    for (int i = 0; i < count; i++)
        if (fork_and_run(run) != 0)
            return 1;
    return 0;
}

static void start(pthread_t *threads, size_t count, void *(*const *runs)(void *)) {
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, runs[i], (void *)(i + 1)) != 0)
            abort();
}

static void end(const pthread_t *threads, size_t count) {
    atomic_store(&stop, true);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- threads that allocate, free what others made, and end */

static _Atomic(void *) mailboxes[MAILBOXES];

static void *exchange(void *argument) {
    uint64_t n = (uintptr_t)argument;
    for (int i = 0; i < 2000 && !atomic_load(&stop); i++) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        size_t size = n >> 60 == 0 ? 40000 + (n >> 40) % 300000 : (n >> 50) % 900;
        free(atomic_exchange(&mailboxes[n >> 33 & (MAILBOXES - 1)], malloc(size)));
    }
    return NULL;
}

static void *exchange_in_short_threads(void *argument) {
    while (!atomic_load(&stop)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, exchange, argument) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

static int free_what_threads_made(void) {
    for (int i = 0; i < MAILBOXES; i++)
        free(atomic_exchange(&mailboxes[i], NULL));
    return use_heap_with_thread();
}

static void *(*const exchangers[THREADS])(void *) = {exchange_in_short_threads, exchange_in_short_threads,
                                                     exchange_in_short_threads};

static int while_threads_come_and_go(void) {
    pthread_t threads[THREADS];
    start(threads, THREADS, exchangers);
    int error = forks(40, free_what_threads_made);
    end(threads, THREADS);
    return error;
}

/* ---- handlers that allocate, registered before the allocator was initialised */

static int count_handlers(void) {
    return fork_handlers_wrong != 0 ? 13 : use_heap_with_thread();
}

static int handlers_allocate(void) {
    pthread_t threads[THREADS];
    int error = forks(5, count_handlers); /* before there are threads, too */
    start(threads, THREADS, exchangers);
    error = error != 0 ? error : forks(20, count_handlers);
    end(threads, THREADS);
    if (error == 0 && (fork_handlers_wrong != 0 || fork_handlers_run != 50)) {
        fprintf(stderr, "expected 50 sound runs of handlers in the parent, there were %d, and %d wrong objects\n",
                fork_handlers_run, fork_handlers_wrong);
        return 1;
    }
    return error;
}

static void do_nothing(void) {}

/* The list of handlers grows, by malloc, under a lock that fork takes again and again. */
static void *register_handlers(void *unused) {
    for (int i = 0; i < 4000 && !atomic_load(&stop); i++)
        pthread_atfork(do_nothing, do_nothing, do_nothing);
    return unused;
}

static int while_handlers_are_registered(void) {
    void *(*const runs[])(void *) = {register_handlers, register_handlers, exchange_in_short_threads};
    pthread_t threads[3];
    start(threads, 3, runs);
    int error = forks(100, use_heap);
    end(threads, 3);
    return error;
}

/* ---- streams: a reader that allocates with its stream locked, and flushes that hold all streams */

static void *read_lines(void *unused) {
    char *line = NULL;
    size_t size = 0;
    while (!atomic_load(&stop)) {
        FILE *file = fopen("/proc/self/maps", "r");
        if (file == NULL)
            abort();
        while (getline(&line, &size, file) > 0) {
            free(line);
            line = NULL;
            size = 0;
        }
        fclose(file);
    }
    free(line);
    return unused;
}

static void *flush_all(void *unused) {
    while (!atomic_load(&stop))
        fflush(NULL);
    return unused;
}

static int use_streams(void) {
    FILE *file = fopen("/dev/null", "w");
    if (file == NULL || fprintf(file, "%d", 1) != 1 || fclose(file) != 0)
        return 14;
    return use_heap_with_thread();
}

static int beside_streams(void) {
    void *(*const runs[])(void *) = {read_lines, flush_all, read_lines, flush_all};
    pthread_t threads[4];
    start(threads, 4, runs);
    int error = forks(60, use_streams);
    end(threads, 4);
    return error;
}

/* ---- a signal handler that forks, wherever it finds the only thread */

static volatile sig_atomic_t handled, handler_failed;

static void fork_in_handler(int number) {
    (void)number;
    int saved_errno = errno;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int status = 1;
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    handler_failed |= pid < 0 || status != 0;
    handled++;
    errno = saved_errno;
}

static int in_signal_handlers(void) {
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_interval = {0, 2000}, .it_value = {0, 2000}}, off = {{0, 0}, {0, 0}};
    fork_handlers_rest = 1; /* not from a signal handler */
    sigaction(SIGPROF, &action, NULL); /* by CPU time: the alarm is real time's */
    setitimer(ITIMER_PROF, &timer, NULL);
    int error = 0;
    for (int i = 0; handled < 50 && error == 0; i++)
        error = i % 4 == 3 ? fork_and_run(use_heap) : use_heap();
    setitimer(ITIMER_PROF, &off, NULL);
    if (handler_failed)
        fprintf(stderr, "a fork in a signal handler failed\n");
    return error != 0 || handler_failed;
}

/* The mask of the program is what it was, in parent and child. */
static bool mask_is_ours(void) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int number = 1; number < 32; number++)
        if (sigismember(&now, number) != (number == SIGUSR1))
            return false;
    return true;
}

static int look_at_mask(void) {
    return mask_is_ours() ? 0 : 15;
}

static int mask_stays(void) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    int error = forks(2, look_at_mask);
    if (!mask_is_ours())
        fprintf(stderr, "expected that the parent blocks SIGUSR1 alone after fork\n");
    return error != 0 || !mask_is_ours();
}

/* ---- no thread key is left for the allocator's first request */

static void *fill_and_leave(void *unused) {
    void *objects[200];
    for (size_t i = 0; i < 200; i++)
        objects[i] = malloc(1000);
    for (size_t i = 0; i < 200; i++)
        free(objects[i]);
    return unused;
}

static int without_keys(void) {
    pthread_key_t key;
    unsigned taken = 0;
    while (pthread_key_create(&key, NULL) == 0)
        taken++;
    if (use_heap_with_thread() != 0)
        return 1;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, fill_and_leave, NULL) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
    }
    if (taken > PTHREAD_KEYS_MAX)
        fprintf(stderr, "expected at most %d keys, there were %u\n", PTHREAD_KEYS_MAX, taken);
    return forks(3, use_heap_with_thread);
}

static const struct {
    const char *name;
    int (*run)(void);
} modes[] = {
    {"without_keys", without_keys},
    {"handlers_allocate", handlers_allocate},
    {"while_handlers_are_registered", while_handlers_are_registered},
    {"while_threads_come_and_go", while_threads_come_and_go},
    {"beside_streams", beside_streams},
    {"in_signal_handlers", in_signal_handlers},
    {"mask_stays", mask_stays},
};
enum { MODES = sizeof modes / sizeof *modes };

static int run_mode(const char *name) {
    for (size_t i = 0; i < MODES; i++)
        if (strcmp(modes[i].name, name) == 0) {
            alarm(HANGS_AFTER_SECONDS);
            return modes[i].run();
        }
    return 2;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return run_mode(argv[1]);
    int failures = 0;
    for (size_t i = 0; i < MODES; i++) {
        char *const arguments[] = {argv[0], (char *)(uintptr_t)modes[i].name, NULL};
        pid_t pid;
        int status = -1;
        if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ) == 0)
            waitpid(pid, &status, 0);
        printf("%s: %s (wait status 0x%x)\n", modes[i].name, status == 0 ? "passed" : "FAILED", (unsigned)status);
        failures += status != 0;
    }
    return failures != 0;
}
