/* SPDX-License-Identifier: MIT
 *
 * process: fork with and without threads, vfork and spawn, constructors, destructors and exit handlers, dlopen,
 * signals.
 */
#include "conformance.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- constructors, destructors, exit handlers */

static unsigned char *made_by_constructor;
static bool exit_order_wanted;

__attribute__((constructor)) static void allocate_before_main(void) {
    made_by_constructor = get(300);
    if (made_by_constructor != NULL)
        pattern_fill(made_by_constructor, 300, 1);
}

static void say(const char *word) {
    if (write(STDOUT_FILENO, word, strlen(word)) < 0)
        _exit(3);
}

__attribute__((destructor)) static void allocate_after_main(void) {
    if (!exit_order_wanted)
        return;
    made_by_constructor = opaque(realloc(made_by_constructor, 50000));
    if (made_by_constructor == NULL || !pattern_holds(made_by_constructor, 300, 1))
        _exit(4);
    free(made_by_constructor);
    say("destructor ");
}

static void allocate_in_exit_handler(void) {
    void *objects[100];
    for (size_t i = 0; i < 100; i++)
        objects[i] = opaque(calloc(i, 100));
    for (size_t i = 0; i < 100; i++)
        free(objects[i]);
    say("atexit ");
}

CHILD(exit_order) {
    exit_order_wanted = true;
    if (made_by_constructor == NULL || !pattern_holds(made_by_constructor, 300, 1))
        return 5;
    return atexit(allocate_in_exit_handler);
}

CASE(constructors_destructors_and_exit_handlers_allocate) {
    char output[100];
    int status = run_child("exit_order", output, sizeof output);
    assert_int_equal(status, 0);
    assert_string_equal(output, "atexit destructor ");
}

/* ---- fork */

static int use_heap(void) {
    enum { COUNT = 2000 };
    static unsigned char *objects[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 100 == 0 ? 100000 : 1 + i;
        if ((objects[i] = get(size)) == NULL)
            return 10;
        pattern_fill(objects[i], size, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (!pattern_holds(objects[i], i % 100 == 0 ? 100000 : 1 + i, i))
            return 11;
        free(objects[i]);
    }
    return 0;
}

static void *use_heap_in_thread(void *unused) {
    (void)unused;
    return (void *)(intptr_t)use_heap();
}

/* A child that hangs on a lock which no thread of its own will release dies by the alarm. */
static void ends_well(const char *rule_name, pid_t pid) {
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    rule(rule_name, WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status 0x%x%s",
         (unsigned)status, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
}

CASE(fork_of_one_thread) {
    unsigned char *inherited = get(5000);
    pattern_fill(inherited, 5000, 3);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(120);
        if (!pattern_holds(inherited, 5000, 3))
            _exit(12);
        free(inherited);
        int error = use_heap();
        pid_t grandchild = error == 0 ? fork() : -1;
        if (grandchild == 0)
            _exit(use_heap());
        int status = 1;
        waitpid(grandchild, &status, 0);
        _exit(error != 0 ? error : status);
    }
    assert_int_equal(use_heap(), 0);
    ends_well("fork", pid);
    assert_true(pattern_holds(inherited, 5000, 3));
    free(inherited);
}

static atomic_bool churn_stop;
static _Atomic(void *) handed_over[64];

static void *churn(void *argument) {
    size_t n = (size_t)argument;
    while (!atomic_load(&churn_stop)) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        size_t size = n >> 60 == 0 ? 40000 + (n >> 40) % 300000 : (n >> 50) % 900;
        free(atomic_exchange(&handed_over[n >> 33 & 63], get(size)));
    }
    return NULL;
}

static int in_forked_child(void) {
    for (size_t i = 0; i < 64; i++) /* made by threads that do not exist here */
        free(atomic_exchange(&handed_over[i], NULL));
    int error = use_heap();
    if (error != 0)
        return error;
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, use_heap_in_thread, NULL) != 0)
        return 13;
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

/* The forking thread may hold nothing, but others are inside the allocator at any moment. */
CASE(fork_while_threads_allocate) {
    survivable("fork-threaded");
    enum { COUNT = 3 };
    pthread_t threads[COUNT];
    atomic_store(&churn_stop, false);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 12; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(120);
            _exit(in_forked_child());
        }
        assert_int_equal(use_heap(), 0);
        ends_well("fork-threaded", pid);
    }
    atomic_store(&churn_stop, true);
    for (size_t i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 64; i++)
        free(atomic_exchange(&handed_over[i], NULL));
}

static void *fork_here(void *unused) {
    (void)unused;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(120);
        _exit(in_forked_child());
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return (void *)(intptr_t)status;
}

CASE(fork_from_another_thread) {
    survivable("fork-threaded");
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *status;
        void *kept = get(77);
        assert_int_equal(pthread_create(&thread, NULL, fork_here, NULL), 0);
        pthread_join(thread, &status);
        free(kept);
        rule("fork-threaded", status == NULL, "the child ended with status 0x%lx", (unsigned long)(uintptr_t)status);
    }
}

/* Apart from its caller, whose variables a vfork could clobber. */
static __attribute__((noinline)) pid_t vfork_true(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    return pid;
}

CASE(vfork_and_spawn) {
    for (int i = 0; i < 20; i++) {
        void *kept = get(1000);
        ends_well("vfork", vfork_true());
        char name[] = "true";
        char *argv[] = {name, NULL};
        pid_t pid;
        assert_int_equal(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), 0);
        ends_well("spawn", pid);
        assert_int_equal(use_heap(), 0);
        free(kept);
    }
    FILE *pipe = popen("echo through popen", "r");
    char line[64] = "";
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(line, "through popen\n");
}

/* ---- dlopen */

CASE(dlopen_and_dlclose) {
    for (int i = 0; i < 100; i++) {
        void *library = dlopen(CONFORMANCE_PLUGIN, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            fail_msg("%s", dlerror());
        void *(*make)(size_t) = NULL;
        *(void **)&make = dlsym(library, "plugin_make");
        assert_non_null(make);
        unsigned char *p = make(1000);
        assert_non_null(p);
        assert_int_equal(dlclose(library), 0);
        for (size_t at = 0; at < 1000; at++)
            assert_int_equal(p[at], 0x5a);
        free(p); /* the heap is the process's, not the plugin's */
    }
}

static void *dlopen_in_thread(void *unused) {
    (void)unused;
    void *library = dlopen(CONFORMANCE_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    int (*use_tls)(void) = NULL;
    if (library == NULL)
        return (void *)"dlopen failed";
    *(void **)&use_tls = dlsym(library, "plugin_use_tls");
    bool good = use_tls != NULL && use_tls() == 0;
    dlclose(library);
    return good ? NULL : (void *)"the plugin's thread-local object is wrong";
}

/* The loader allocates thread-local blocks of plugins with malloc, from inside any thread. */
CASE(dlopen_with_thread_local_storage) {
    for (int i = 0; i < 50; i++) {
        pthread_t threads[3];
        void *complaint;
        for (int k = 0; k < 3; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, dlopen_in_thread, NULL), 0);
        for (int k = 0; k < 3; k++) {
            pthread_join(threads[k], &complaint);
            if (complaint != NULL)
                fail_msg("%s", (const char *)complaint);
        }
    }
}

/* ---- signals */

static atomic_int signals_seen;

static void count_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
}

/* Handlers that interrupt the allocator, and system calls that they break off with EINTR, change nothing. */
CASE(signals_interrupt_the_allocator) {
    struct sigaction action = {.sa_handler = count_signal}, old;
    struct itimerval timer = {.it_interval = {0, 500}, .it_value = {0, 500}}, off = {{0, 0}, {0, 0}};
    atomic_store(&signals_seen, 0);
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    int error = 0;
    for (int i = 0; i < 10000 && error == 0 && atomic_load(&signals_seen) < 30; i++)
        error = use_heap();
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &old, NULL);
    if (error != 0 || atomic_load(&signals_seen) == 0)
        fail_msg("expected error 0 and 1 signal at least, there were error %d and %d signals", error,
                 atomic_load(&signals_seen));
}
