/* SPDX-License-Identifier: MIT
 *
 * What the scavenger does to a heap that was large: in the background, at once where the heap grows or meets its limit,
 * on demand, and by schedule in a deterministic process. Each test has a process of its own.
 */
#include "unity_collecting.h"

#include "smaps.h"

#include <fcntl.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)

/* Large: sanitizers take as long for each object as for its bytes. */
static const struct goalloc_type node_type = {512, 1, NULL};
static void *kept[64];

#define REQUIRE(condition, format, ...)                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: " format "\n", __FILE__, __LINE__, __VA_ARGS__);                                            \
            fflush(stdout);                                                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* environment: "NAME=VALUE NAME=VALUE". What action says on stderr goes to said. */
static void in_child(const char *environment, void (*action)(void), char *said, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char words[256], *rest = words;
        snprintf(words, sizeof words, "%s", environment);
        for (char *word; (word = strsep(&rest, " ")) != NULL;)
            putenv(strdup(word));
        if (said != NULL)
            dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        REQUIRE(goalloc_thread_attach() && goalloc_root_add(kept, 64) == 0, "%s", "no heap");
        action();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; said != NULL && used < size - 1 && (n = read(ends[0], said + used, size - 1 - used)) > 0;)
        used += (size_t)n;
    if (said != NULL)
        said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: the child ends with status %d, expected 0", environment, status);
}

__attribute__((noinline)) static void fill(void **list, size_t bytes) {
    for (size_t i = 0; i < bytes / node_type.size_bytes; i++) {
        void *node = goalloc_new(&node_type, 1);
        REQUIRE(node != NULL, "%s", "out of memory");
        goalloc_store(node, *list);
        goalloc_store(list, node);
    }
}

struct filling {
    void **list;
    size_t bytes;
};

static void *fill_and_go(void *arg) {
    const struct filling *f = arg;
    REQUIRE(goalloc_thread_attach(), "%s", "out of memory");
    fill(f->list, f->bytes);
    goalloc_thread_detach();
    return NULL;
}

/* By a thread that ends: no word of a stack is to keep what dies later. */
static void fill_elsewhere(void **list, size_t bytes) {
    struct filling f = {list, bytes};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fill_and_go, &f) == 0, "%s", "no thread");
    pthread_join(thread, NULL);
}

enum { LIVE_MIB = 5, SPIKE_MIB = OS_THREAD_SANITIZER ? 40 : 80 };

/* The second collection begins the generation in which nothing is dense any more. */
static void spike(void) {
    if (kept[0] == NULL)
        fill(&kept[0], LIVE_MIB * MIB);
    fill_elsewhere(&kept[1], SPIKE_MIB * MIB);
    goalloc_store(&kept[1], NULL);
    goalloc_collect();
    goalloc_collect();
}

static struct goalloc_mem_stats mem_stats(void) {
    struct goalloc_mem_stats m;
    char message[256];
    REQUIRE(goalloc_read_mem_stats(&m), "%s", "no statistics");
    int broken = goalloc_check(message, sizeof message);
    REQUIRE(broken == 0, "%d broken: %s", broken, message);
    REQUIRE(m.heap_idle_bytes >= m.heap_released_bytes, "idle %lu, released %lu", m.heap_idle_bytes,
            m.heap_released_bytes);
    return m;
}

/* ---- in the background */

static uint64_t released_in_background(void) {
    return __atomic_load_n(&scavenger.released_bytes, __ATOMIC_RELAXED);
}

/* The end of a sweep has woken the thread: it gives something back. From then on each of its rests, which are a second
 * for a millisecond of work where nothing else decides, is cut short. Chunks that are nearly full may keep it from
 * reaching its goal, as in Go; by then most has gone back. */
static void await_goal(uint64_t released_before_bytes) {
    while (heap.grown_bytes - heap_retained_bytes() < (SPIKE_MIB - 3 * LIVE_MIB) * MIB) {
        usleep(1000);
        goalloc_safepoint();
        if (released_in_background() == released_before_bytes)
            continue;
        __atomic_fetch_add(&scavenger.wake, 1, __ATOMIC_RELEASE);
        os_wake_all(&scavenger.wake);
    }
}

static void spike_and_await(void) {
    uint64_t before_bytes = released_in_background();
    spike();
    await_goal(before_bytes);
}

static void background(void) {
    spike_and_await();
    struct goalloc_mem_stats m = mem_stats();
    REQUIRE(m.heap_released_bytes >= (SPIKE_MIB - 3 * LIVE_MIB) * MIB, "%lu bytes are released", m.heap_released_bytes);
    /* The child has no scavenger until its first cycle, and whatever was under way at the fork is whole. The thread
     * sanitizer ends children that start a thread. */
    pid_t child = OS_THREAD_SANITIZER ? -1 : fork();
    if (child == 0) {
        spike_and_await();
        mem_stats();
        _exit(0);
    }
    spike_and_await();
    mem_stats();
    int status = 0;
    if (!OS_THREAD_SANITIZER)
        waitpid(child, &status, 0);
    REQUIRE(status == 0, "the forked child ends with status %d", status);
}

static void memory_goes_back_in_the_background(void **state) {
    (void)state;
    in_child("GOALLOC_PRESET=tuned", background, NULL, 0);
    in_child("GOALLOC_PRESET=faithful", background, NULL, 0);
}

/* Forks come while pages are on their way. */
static void fork_often(void) {
    for (unsigned round = 0; round < 3; round++) {
        spike();
        for (unsigned i = 0; i < 20; i++) {
            int status;
            pid_t child = fork();
            if (child == 0) {
                fill(&kept[2], MIB);
                mem_stats();
                _exit(0);
            }
            waitpid(child, &status, 0);
            REQUIRE(status == 0, "forked child %u ends with status %d", i, status);
        }
        mem_stats();
    }
}

static void forks_find_no_page_on_its_way(void **state) {
    (void)state;
    if (OS_THREAD_SANITIZER)
        skip(); /* it ends a forked child that starts a thread, as the first cycle does */
    in_child("GOALLOC_PRESET=tuned", fork_often, NULL, 0);
}

/* ---- by schedule */

static void by_schedule(void) {
    REQUIRE(gc_settings.deterministic, "%s", "not deterministic");
    spike();
    REQUIRE(!scavenger.made, "%s", "there is a thread");
    int64_t ignored_ns;
    REQUIRE(scavenger_should_stop(NULL) || scavenger_release(NULL, SCAVPACE_QUANTUM_BYTES, &ignored_ns) == 0,
            "%lu bytes are retained, the goal is %lu, and there is more to give back", heap_retained_bytes(),
            heap.retain_bytes);
    struct goalloc_mem_stats m = mem_stats();
    REQUIRE(m.heap_released_bytes >= (SPIKE_MIB - 3 * LIVE_MIB) * MIB, "%lu bytes are released", m.heap_released_bytes);
    fill(&kept[2], 20 * MIB);
    fprintf(stderr, "%lu %lu %lu\n", m.heap_released_bytes, heap_retained_bytes(), heap.retain_bytes);
}

static void a_deterministic_process_repeats(void **state) {
    (void)state;
    static const char *const presets[] = {"GOALLOC_DETERMINISTIC=1 GOALLOC_PRESET=tuned",
                                          "GOALLOC_DETERMINISTIC=1 GOALLOC_PRESET=faithful",
                                          "GOALLOC_DETERMINISTIC=1 GODEBUG=gcstoptheworld=2"};
    for (unsigned i = 0; i < 3; i++) {
        char first[256], second[256];
        in_child(presets[i], by_schedule, first, sizeof first);
        in_child(presets[i], by_schedule, second, sizeof second);
        assert_string_equal(first, second);
    }
}

/* ---- at once */

static size_t free_backed_bytes(void) {
    return (heap.pages.free_pages - heap.pages.scavenged_free_pages) << GOALLOC_PAGE_SHIFT;
}

/* Twenty large objects of every other place die: none of their pages will do for a larger one. */
static void make_holes(void) {
    enum { HOLES = 20 };
    for (unsigned i = 0; i < 2 * HOLES; i++)
        goalloc_store(&kept[10 + i], goalloc_bytes(MIB, true));
    for (unsigned i = 0; i < 2 * HOLES; i += 2)
        goalloc_store(&kept[10 + i], NULL);
    goalloc_collect();
    goalloc_collect();
}

static void at_the_limit(void) {
    scavenger.made = true; /* so that no thread does it before */
    make_holes();
    size_t holes_bytes = free_backed_bytes();
    REQUIRE(holes_bytes >= 10 * MIB, "only %zu bytes are free and backed", holes_bytes);
    goalloc_store(&kept[1], goalloc_bytes(20 * MIB, true));
    REQUIRE(heap.released_eagerly_bytes > 0, "%s", "nothing has been given back");
    REQUIRE(heap_mapped_bytes() <= heap.limit_bytes || free_backed_bytes() == 0,
            "%lu bytes are mapped at a limit of %lu, and %zu are free", heap_mapped_bytes(), heap.limit_bytes,
            free_backed_bytes());
    mem_stats();
}

static void memory_goes_back_at_the_limit(void **state) {
    (void)state;
    in_child("GOGC=off GOMEMLIMIT=48MiB GOALLOC_PRESET=faithful", at_the_limit, NULL, 0);
    in_child("GOGC=off GOMEMLIMIT=48MiB GOALLOC_PRESET=tuned", at_the_limit, NULL, 0);
}

static void at_growth(void) {
    scavenger.made = true;
    make_holes();
    __atomic_store_n(&heap.retain_bytes, heap_retained_bytes() - 4 * MIB, __ATOMIC_RELAXED);
    goalloc_store(&kept[1], goalloc_bytes(8 * MIB, true));
    REQUIRE(heap.released_eagerly_bytes >= 4 * MIB, "%lu bytes were given back where the heap grew by 8 MiB",
            heap.released_eagerly_bytes);
    mem_stats();
}

static void memory_goes_back_where_the_heap_grows(void **state) {
    (void)state;
    in_child("GOALLOC_PRESET=faithful", at_growth, NULL, 0);
}

/* ---- on demand, and what is said of it */

static void traced_purge(void) {
    goalloc_collect();
    goalloc_purge();
}

static void the_trace_is_in_go_s_format(void **state) {
    (void)state;
    char said[4096], *rest = said;
    unsigned lines = 0, forced = 0;
    in_child("GODEBUG=scavtrace=1", traced_purge, said, sizeof said);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; lines++) {
        unsigned long background, eager, now, percent;
        int end = 0;
        int got = sscanf(line, "scav %lu KiB work (bg), %lu KiB work (eager), %lu KiB now, %lu%% util%n", &background,
                         &eager, &now, &percent, &end);
        if (got != 4 || end == 0 || percent > 100)
            fail_msg("not Go's format: \"%s\"", line);
        if (line[end] != '\0' && strcmp(line + end, " (forced)") != 0)
            fail_msg("unknown end of \"%s\"", line);
        forced += line[end] != '\0';
    }
    assert_true(lines >= 2);
    assert_int_equal(forced, 1);
}

static size_t released_in_huge;

static void look_at_run(void *context, const struct goalloc_run *run) {
    size_t count = *(const size_t *)context;
    uintptr_t end = run->base + (run->npages << GOALLOC_PAGE_SHIFT);
    for (size_t i = 0; run->kind == GOALLOC_RUN_RELEASED && i < count; i++)
        if (smaps[i].huge && smaps[i].from < end && smaps[i].to > run->base)
            released_in_huge++;
}

/* The part of the heap that the kernel gives huge pages. */
static size_t huge_bytes(void) {
    size_t bytes = 0;
    for (size_t a = 0; a < heap.arenas.count; a++) {
        uintptr_t base = heap.arenas.all[a]->base;
        size_t count = read_smaps(base, base + ARENA_BYTES);
        released_in_huge = 0;
        goalloc_walk(look_at_run, &count);
        REQUIRE(released_in_huge == 0, "%zu runs that are with the OS lie where there are huge pages",
                released_in_huge);
        for (size_t i = 0; i < count; i++)
            bytes += smaps[i].huge ? smaps[i].to - smaps[i].from : 0;
    }
    return bytes;
}

static void purge_stays(void) {
    for (unsigned i = 0; i < 8; i++) {
        fill_elsewhere(&kept[1], SPIKE_MIB * MIB / 8);
        fill(&kept[2], 4096); /* something lives on among it */
    }
    goalloc_store(&kept[1], NULL);
    goalloc_collect();
    goalloc_purge();
    REQUIRE(free_backed_bytes() == 0, "%zu bytes are free and backed after a purge", free_backed_bytes());
    size_t before = huge_bytes();
    struct goalloc_mem_stats m = mem_stats();
    REQUIRE(m.heap_released_bytes >= SPIKE_MIB / 2 * MIB, "%lu bytes are released", m.heap_released_bytes);
    fill(&kept[1], SPIKE_MIB * MIB);
    goalloc_purge(); /* nothing is to be given back but what the heap has yet to reach */
    size_t after = huge_bytes();
    REQUIRE(after >= before + SPIKE_MIB / 2 * MIB, "%zu bytes may be huge when all is in use, %zu before", after,
            before);
}

static void purged_memory_is_not_made_huge_again(void **state) {
    (void)state;
    FILE *enabled = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (enabled == NULL)
        skip(); /* the kernel has none */
    fclose(enabled);
    in_child("GOALLOC_HUGE=on", purge_stays, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_goes_back_in_the_background),
        cmocka_unit_test(forks_find_no_page_on_its_way),
        cmocka_unit_test(a_deterministic_process_repeats),
        cmocka_unit_test(memory_goes_back_at_the_limit),
        cmocka_unit_test(memory_goes_back_where_the_heap_grows),
        cmocka_unit_test(the_trace_is_in_go_s_format),
        cmocka_unit_test(purged_memory_is_not_made_huge_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
