/* SPDX-License-Identifier: MIT
 *
 * limit: the malloc ABI under `ulimit -v`. usage: limit MIB. Sets the limit and starts itself again, so that the
 * subject meets it from its first call. Memory must be granted until the limit is near, then refused with ENOMEM, and
 * be granted again after it was freed.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct chunk {
    struct chunk *next;
};

static void complain(const char *what, size_t number) {
    fprintf(stderr, "limit: %s (%zu)\n", what, number);
    exit(1);
}

/* Takes chunks until one is refused; gives the list and the bytes taken. */
static struct chunk *take_all(size_t size, size_t *taken_bytes) {
    struct chunk *list = NULL, *c;
    *taken_bytes = 0;
    errno = 0;
    while ((c = malloc(size)) != NULL) {
        memset(c, 0xee, size < 4096 ? size : 4096);
        c->next = list;
        list = c;
        *taken_bytes += size;
    }
    if (errno != ENOMEM)
        complain("malloc refused with another errno than ENOMEM", (size_t)errno);
    return list;
}

static void free_all(struct chunk *list) {
    while (list != NULL) {
        struct chunk *next = list->next;
        free(list);
        list = next;
    }
}

static void refuse_the_rest(size_t size) {
    void *out = NULL;
    errno = 0;
    if (calloc(2, size) != NULL || errno != ENOMEM)
        complain("calloc was not refused with ENOMEM", (size_t)errno);
    errno = 0;
    if (aligned_alloc(4096, 2 * size) != NULL || errno != ENOMEM)
        complain("aligned_alloc was not refused with ENOMEM", (size_t)errno);
    if (posix_memalign(&out, 64, 2 * size) != ENOMEM)
        complain("posix_memalign was not refused with ENOMEM", 0);
}

static void exhaust(size_t size, size_t at_least) {
    for (int round = 0; round < 3; round++) {
        size_t taken_bytes;
        struct chunk *list = take_all(size, &taken_bytes);
        if (taken_bytes < at_least)
            complain("too little was granted before the limit, in MiB", taken_bytes >> 20);
        if (size > 65536)
            refuse_the_rest(size);
        free_all(list);
    }
    printf("exhausted with %zu-byte objects three times\n", size);
}

static pthread_barrier_t all_started;

static void *exhaust_in_thread(void *unused) {
    pthread_barrier_wait(&all_started); /* neither may take the other's stack away */
    size_t taken_bytes;
    free_all(take_all(100000, &taken_bytes));
    return unused;
}

static void check_realloc(size_t limit_bytes) {
    char *p = malloc(1000);
    if (p == NULL)
        complain("malloc fails after everything was freed", 0);
    memset(p, 0x44, 1000);
    errno = 0;
    char *volatile kept = p;
    if (realloc(p, limit_bytes) != NULL || errno != ENOMEM)
        complain("realloc beyond the limit was not refused with ENOMEM", (size_t)errno);
    for (int i = 0; i < 1000; i++)
        if (kept[i] != 0x44)
            complain("a refused realloc changed the old object at", (size_t)i);
    free(kept);
}

/* First, while there is room for their stacks: who keeps freed memory for later may not be able to start them after. */
static void exhaust_in_threads(void) {
    pthread_t threads[2];
    pthread_barrier_init(&all_started, NULL, 2);
    for (size_t i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, exhaust_in_thread, NULL) != 0)
            complain("cannot start threads under the limit; started", i);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static int run_limited(size_t limit_bytes) {
    exhaust_in_threads();
    exhaust(1 << 20, limit_bytes / 2);
    check_realloc(limit_bytes);
    exhaust(48, limit_bytes / 4);
    exhaust(5 << 20, limit_bytes / 3);
    exhaust(1000, limit_bytes / 3);
    check_realloc(limit_bytes);
    puts("ok");
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--limited") == 0)
        return run_limited(strtoul(argv[2], NULL, 10) << 20);
    if (argc != 2) {
        fputs("usage: limit MIB\n", stderr);
        return 2;
    }
    struct rlimit limit = {strtoul(argv[1], NULL, 10) << 20, strtoul(argv[1], NULL, 10) << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        perror("limit: setrlimit");
        return 2;
    }
    execl("/proc/self/exe", argv[0], "--limited", argv[1], (char *)NULL);
    perror("limit: exec");
    return 2;
}
