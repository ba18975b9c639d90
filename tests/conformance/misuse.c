/* SPDX-License-Identifier: MIT
 *
 * misuse: wrong frees under a preloaded goalloc. Each dies by SIGABRT after exactly one line on standard error that
 * begins with "goalloc: " and names what happened. Each runs in a fresh process: misuse --child NAME.
 */
#include "conformance.h"

#include <dlfcn.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct misuse {
    const char *name;
    void (*commit)(void);
    const char *line; /* what the line must match; extended regular expression */
};

#define DOUBLE  "^goalloc: .*(double free|freed before)"
#define INVALID "^goalloc: .*invalid"
/* Memory that went back to the page heap is told apart from an address that never was ours only by luck. */
#define EITHER "^goalloc: .*(double free|freed before|invalid)"

/* To the letter: no size that the object did not have, and no claim that it was ever live. */
#define NOT_LIVE(what)                                                                                                 \
    "^goalloc: " what " of 0x[0-9a-f]+: no object is live there \\(freed before, or never allocated\\)$"
#define OUTSIDE(what)  "^goalloc: invalid " what " of 0x[0-9a-f]+: it lies outside this allocator's heap$"
#define FREED_TWICE                                                                                                    \
    "^goalloc: double free of 0x[0-9a-f]+(, a 64-byte object)?; it had been freed before$"

/* C23's, which libc may lack. */
static void sized_free(void *p, size_t size) {
    void (*subjects)(void *, size_t);
    *(void **)&subjects = dlsym(RTLD_DEFAULT, "free_sized");
    if (subjects != NULL)
        subjects(p, size);
}

static void free_twice(size_t size) {
    void *p = get(size);
    free(p);
    free(opaque(p));
}

static void double_free_tiny(void) {
    void *neighbour = get(5);
    free_twice(5);
    free(neighbour);
}

static void double_free_word(void) {
    free_twice(8);
}

static void double_free_small(void) {
    free_twice(48);
}

static void double_free_kilobytes(void) {
    free_twice(5000);
}

static void double_free_large(void) {
    free_twice(MIB);
}

static void double_free_huge(void) {
    free_twice(100 * (size_t)MIB);
}

static void double_free_zero_sized(void) {
    free_twice(0);
}

static void double_free_aligned(void) {
    void *p = opaque(aligned_alloc(4096, 100));
    free(p);
    free(opaque(p));
}

static void double_free_later(void) {
    void *objects[500];
    for (size_t i = 0; i < 500; i++)
        objects[i] = get(100);
    for (size_t i = 0; i < 500; i += 2)
        free(objects[i]);
    for (size_t i = 0; i < 100; i++)
        free(get(200));
    free(opaque(objects[250]));
}

/* All objects of the span are free: it may have gone back to the page heap. */
static void double_free_of_released_span(void) {
    enum { COUNT = 5000 };
    static void *objects[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        objects[i] = get(400);
    for (size_t i = 0; i < COUNT; i++)
        free(objects[i]);
    free(opaque(objects[COUNT / 2]));
}

static void *free_in_thread(void *p) {
    free(p);
    return NULL;
}

static void free_elsewhere(void *p) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_in_thread, p) == 0)
        pthread_join(thread, NULL);
}

static void double_free_owner_then_thread(void) {
    /* Between neighbours: alone it could coalesce, and starting the thread could be served at its address. */
    get(64);
    void *p = get(64);
    get(64);
    free(p);
    free_elsewhere(opaque(p));
}

static void double_free_thread_then_owner(void) {
    void *p = get(64);
    free_elsewhere(p);
    free(opaque(p));
}

/* The same, and the owner goes on: the object must not be handed out twice before anybody notices. */
static void double_free_thread_then_owner_then_reuse(void) {
    enum { COUNT = 20000 };
    static void *objects[COUNT];
    void *p = get(64);
    free_elsewhere(p);
    free(opaque(p));
    for (size_t i = 0; i < COUNT; i++)
        objects[i] = get(64);
    size_t served = 0;
    for (size_t i = 0; i < COUNT; i++)
        served += objects[i] == p;
    fprintf(stderr, "the object was handed out %zu times\n", served);
}

static void double_free_two_threads(void) {
    void *p = get(64);
    free_elsewhere(p);
    free_elsewhere(opaque(p));
}

static void double_free_two_threads_tiny(void) {
    void *p = get(3);
    free_elsewhere(p);
    free_elsewhere(opaque(p));
}

static void double_free_thread_large(void) {
    void *p = get(3 * MIB);
    free_elsewhere(p);
    free(opaque(p));
}

static void *allocate_in_thread(void *unused) {
    (void)unused;
    return get(72);
}

static void double_free_of_a_dead_threads_object(void) {
    pthread_t thread;
    void *p;
    if (pthread_create(&thread, NULL, allocate_in_thread, NULL) != 0)
        return;
    pthread_join(thread, &p);
    free(p);
    free(opaque(p));
}

static void free_offset(size_t size, size_t offset) {
    unsigned char *p = get(size);
    free(opaque(p + offset));
}

static void interior_tiny(void) {
    free_offset(7, 1);
}

static void interior_small(void) {
    free_offset(64, 16);
}

static void interior_odd(void) {
    free_offset(64, 1);
}

static void interior_kilobytes(void) {
    free_offset(20000, 8192);
}

static void interior_large(void) {
    free_offset(MIB, 64 * KIB);
}

static void interior_large_odd(void) {
    free_offset(MIB, 24);
}

static void interior_second_arena(void) {
    free_offset(130 * (size_t)MIB, 66 * (size_t)MIB);
}

static void *free_interior(void *p) {
    free((char *)p + 16);
    return NULL;
}

static void interior_from_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_interior, get(64)) == 0)
        pthread_join(thread, NULL);
}

static void never_handed_out(void) {
    unsigned char *p = get(3000);
    free(opaque(p + malloc_usable_size(p)));
}

static void never_handed_out_page(void) {
    unsigned char *p = get(4096);
    free(opaque(p + 8192));
}

/* Aligned as an object of that size is, and far from what has been served. */
static void *never_served(void) {
    unsigned char *p = get(48);
    return opaque(p + 48 * 60);
}

static void never_handed_out_sized(void) {
    sized_free(never_served(), 48);
}

static void never_handed_out_realloc(void) {
    free(opaque(realloc(never_served(), 100)));
}

static void never_handed_out_usable_size(void) {
    opaque_size(malloc_usable_size(never_served()));
}

static void never_handed_out_from_thread(void) {
    free_elsewhere(never_served());
}

static void double_free_page(void) {
    free_twice(4096);
}

static void usable_size_freed(void) {
    void *p = get(100);
    free(p);
    opaque_size(malloc_usable_size(opaque(p)));
}

static void usable_size_foreign(void) {
    static char data[64];
    opaque_size(malloc_usable_size(opaque(data)));
}

static void sized_foreign(void) {
    static char data[64];
    sized_free(opaque(data), 64);
}

/* What it does must neither fail nor be told as a second death. */
static void allocate_on_abort(int number) {
    static int calls;
    if (calls++ != 0)
        _exit(10);
    for (size_t size = 1; size < 100000; size *= 3) {
        char *p = opaque(realloc(get(size), size * 2));
        if (p == NULL)
            _exit(11);
        memset(p, number, size * 2);
        free(p);
    }
    FILE *file = fopen("/dev/null", "w");
    if (file == NULL || fprintf(file, "%d\n", number) < 0 || fclose(file) != 0)
        _exit(12);
}

static void double_free_with_a_handler(void) {
    signal(SIGABRT, allocate_on_abort);
    free_twice(4096);
}

static void foreign_stack(void) {
    char local[64];
    free(opaque(local));
}

static void foreign_static(void) {
    static char data[64];
    free(opaque(data));
}

static void foreign_code(void) {
    free(opaque((void *)(uintptr_t)foreign_code));
}

static void foreign_mapping(void) {
    free(opaque(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void foreign_small_number(void) {
    free(opaque((void *)(uintptr_t)16));
}

static void foreign_wild(void) {
    free(opaque((void *)(uintptr_t)0xdeadbeefdeadbee0));
}

/* In the very first call, before the heap exists. The loader and libc have allocated by then; a thread has not. */
static void *first_call_is_wrong(void *unused) {
    static char data[64];
    free(opaque(data));
    return unused;
}

static void foreign_as_first_call_of_a_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, first_call_is_wrong, NULL) == 0)
        pthread_join(thread, NULL);
}

static void realloc_freed(void) {
    void *p = get(100);
    free(p);
    free(opaque(realloc(opaque(p), 200)));
}

static void realloc_freed_large(void) {
    void *p = get(2 * MIB);
    free(p);
    free(opaque(realloc(opaque(p), 4 * MIB)));
}

static void realloc_interior(void) {
    unsigned char *p = get(100);
    free(opaque(realloc(opaque(p + 16), 200)));
}

static void realloc_foreign(void) {
    static char data[64];
    free(opaque(realloc(opaque(data), 200)));
}

static void realloc_freed_to_zero(void) {
    void *p = get(100);
    free(p);
    free(opaque(realloc(opaque(p), opaque_size(0))));
}

static void moved_by_realloc(void) {
    void *p = get(100);
    void *moved = opaque(realloc(opaque(p), 100000));
    free(opaque(p));
    free(moved);
}

static const struct misuse misuses[] = {
    {"double_free_tiny", double_free_tiny, DOUBLE},
    {"double_free_word", double_free_word, DOUBLE},
    {"double_free_small", double_free_small, DOUBLE},
    {"double_free_kilobytes", double_free_kilobytes, DOUBLE},
    {"double_free_large", double_free_large, DOUBLE},
    {"double_free_huge", double_free_huge, DOUBLE},
    {"double_free_zero_sized", double_free_zero_sized, DOUBLE},
    {"double_free_aligned", double_free_aligned, DOUBLE},
    {"double_free_page", double_free_page, NOT_LIVE("double or invalid free")},
    {"double_free_with_a_handler", double_free_with_a_handler, NOT_LIVE("double or invalid free")},
    {"double_free_later", double_free_later, DOUBLE},
    {"double_free_of_released_span", double_free_of_released_span, EITHER},
    {"double_free_owner_then_thread", double_free_owner_then_thread, DOUBLE},
    {"double_free_thread_then_owner", double_free_thread_then_owner, FREED_TWICE},
    {"double_free_thread_then_owner_then_reuse", double_free_thread_then_owner_then_reuse, DOUBLE},
    {"double_free_two_threads", double_free_two_threads, FREED_TWICE},
    {"double_free_two_threads_tiny", double_free_two_threads_tiny, DOUBLE},
    {"double_free_thread_large", double_free_thread_large, DOUBLE},
    {"double_free_of_a_dead_threads_object", double_free_of_a_dead_threads_object, EITHER},
    {"interior_tiny", interior_tiny, INVALID},
    {"interior_small", interior_small, INVALID},
    {"interior_odd", interior_odd, INVALID},
    {"interior_kilobytes", interior_kilobytes, INVALID},
    {"interior_large", interior_large, INVALID},
    {"interior_large_odd", interior_large_odd, INVALID},
    {"interior_second_arena", interior_second_arena, INVALID},
    {"interior_from_thread", interior_from_thread, INVALID},
    {"never_handed_out", never_handed_out, NOT_LIVE("double or invalid free")},
    {"never_handed_out_page", never_handed_out_page, NOT_LIVE("double or invalid free")},
    {"never_handed_out_sized", never_handed_out_sized, NOT_LIVE("double or invalid free")},
    {"never_handed_out_realloc", never_handed_out_realloc, NOT_LIVE("invalid realloc")},
    {"never_handed_out_usable_size", never_handed_out_usable_size, NOT_LIVE("invalid malloc_usable_size")},
    {"never_handed_out_from_thread", never_handed_out_from_thread, NOT_LIVE("double or invalid free")},
    {"usable_size_freed", usable_size_freed, NOT_LIVE("invalid malloc_usable_size")},
    {"usable_size_foreign", usable_size_foreign, OUTSIDE("malloc_usable_size")},
    {"sized_foreign", sized_foreign, OUTSIDE("free")},
    {"foreign_stack", foreign_stack, OUTSIDE("free")},
    {"foreign_static", foreign_static, OUTSIDE("free")},
    {"foreign_code", foreign_code, INVALID},
    {"foreign_mapping", foreign_mapping, INVALID},
    {"foreign_small_number", foreign_small_number, INVALID},
    {"foreign_wild", foreign_wild, INVALID},
    {"foreign_as_first_call_of_a_thread", foreign_as_first_call_of_a_thread, INVALID},
    {"realloc_freed", realloc_freed, EITHER},
    {"realloc_freed_large", realloc_freed_large, EITHER},
    {"realloc_interior", realloc_interior, INVALID},
    {"realloc_foreign", realloc_foreign, INVALID},
    {"realloc_freed_to_zero", realloc_freed_to_zero, EITHER},
    {"moved_by_realloc", moved_by_realloc, EITHER},
};
enum { MISUSES = sizeof misuses / sizeof *misuses };

static int commit_in_child(const char *name) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < MISUSES; i++)
        if (strcmp(misuses[i].name, name) == 0)
            misuses[i].commit();
    return 0;
}

/* Runs one misuse and gives what it wrote on standard error. */
static int run_misuse(const struct misuse *misuse, char *text, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    char flag[] = "--child", name[64];
    snprintf(name, sizeof name, "%s", misuse->name);
    char *argv[] = {(char[]){"misuse"}, flag, name, NULL};
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void is_diagnosed(void **state) {
    const struct misuse *misuse = *state;
    char text[4096];
    int status = run_misuse(misuse, text, sizeof text);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("ended with status 0x%x instead of SIGABRT; standard error: '%s'", (unsigned)status, text);
    char *end = strchr(text, '\n');
    if (end == NULL || end[1] != '\0')
        fail_msg("not exactly one line: '%s'", text);
    *end = '\0';
    regex_t pattern;
    assert_int_equal(regcomp(&pattern, misuse->line, REG_EXTENDED | REG_NOSUB), 0);
    int mismatch = regexec(&pattern, text, 0, NULL, 0);
    regfree(&pattern);
    if (mismatch)
        fail_msg("'%s' does not match '%s'", text, misuse->line);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return commit_in_child(argv[2]);
    static struct CMUnitTest tests[MISUSES];
    for (size_t i = 0; i < MISUSES; i++)
        tests[i] = (struct CMUnitTest){misuses[i].name, is_diagnosed, NULL, NULL, (void *)&misuses[i]};
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
