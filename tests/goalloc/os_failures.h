/* SPDX-License-Identifier: MIT
 *
 * os_failures.h: what happens when the OS refuses. Included after a unity header, in a program linked with --wrap for
 * mmap, munmap, mprotect and madvise, which then count calls and mapped bytes and refuse those that they are told to.
 *
 * Each flavour has a script that takes and gives back objects of every kind and returns whether nothing was refused.
 * The script runs in a forked child whose k-th OS call fails, until a run needs fewer calls than k. Under
 * SPANLAB_TEST_ALL k is 1, 2, 3 ...; else one call in TRIED_OF is refused, and each mode begins with another. Every request must then give good memory or a clean refusal; afterwards, with nothing refused any more, what
 * was mapped must be what the layers account for, and the whole script must succeed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum call_kind { CALL_MAP = 1, CALL_PROTECT = 2, CALL_ADVISE = 4, CALL_ANY = 7 };

static struct {
    unsigned calls;       /* of the kinds that may fail, so far */
    unsigned fail_at;     /* the first of them that fails; 0: none does */
    bool and_later;       /* all after it fail as well */
    unsigned kinds;       /* enum call_kind */
    unsigned refused;     /* how many did fail */
    size_t largest_bytes; /* longer mappings are always refused; 0: none is */
    size_t mapped_bytes;  /* by mmap, without what munmap gave back */
} os;

static bool os_refuses(enum call_kind kind) {
    if ((os.kinds & kind) == 0 || os.fail_at == 0)
        return false;
    unsigned call = __atomic_add_fetch(&os.calls, 1, __ATOMIC_RELAXED);
    if (call != os.fail_at && (call < os.fail_at || !os.and_later))
        return false;
    __atomic_fetch_add(&os.refused, 1, __ATOMIC_RELAXED);
    return true;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __real_mprotect(void *at, size_t size, int protection);
int __wrap_mprotect(void *at, size_t size, int protection);
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    if (os_refuses(CALL_MAP) || (os.largest_bytes != 0 && size > os.largest_bytes)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *p = __real_mmap(at, size, protection, flags, file, offset);
    if (p != MAP_FAILED)
        __atomic_fetch_add(&os.mapped_bytes, size, __ATOMIC_RELAXED);
    return p;
}

int __wrap_munmap(void *at, size_t size) {
    int result = __real_munmap(at, size);
    if (result == 0)
        __atomic_fetch_sub(&os.mapped_bytes, size, __ATOMIC_RELAXED);
    return result;
}

int __wrap_mprotect(void *at, size_t size, int protection) {
    if (!os_refuses(CALL_PROTECT))
        return __real_mprotect(at, size, protection);
    errno = ENOMEM;
    return -1;
}

int __wrap_madvise(void *at, size_t size, int advice) {
    if (!os_refuses(CALL_ADVISE))
        return __real_madvise(at, size, advice);
    errno = EAGAIN;
    return -1;
}

/* In a child, where cmocka's assertions must not jump back into the parent's test. */
__attribute__((format(printf, 2, 3))) static void require(bool holds, const char *format, ...) {
    if (holds)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (call %u of kinds %u failed%s)\n", os.fail_at, os.kinds,
            os.and_later ? ", and all later ones" : "");
    _exit(1);
}

/* Address space that the layers know of. */
static size_t accounted_bytes(void) {
    size_t bytes = heap.arenas.reserved_bytes + meta_committed_bytes() + meta.reserve_bytes;
    if (heap.arenas.map != NULL)
        bytes += heap.arenas.map_entries * sizeof *heap.arenas.map;
    bytes += heap.arenas.window_pages * sizeof *heap.arenas.window;
    if (heap.arenas.page_classes != NULL)
        bytes += heap.arenas.window_pages * sizeof *heap.arenas.page_classes;
    for (unsigned l = 0; l < PAGE_LEVELS; l++)
        bytes += heap.pages.levels[l] != NULL ? heap.pages.level_entries[l] * sizeof(uint64_t) : 0;
    bytes += heap.pages.density != NULL ? page_density_bytes(&heap.pages) : 0;
    return bytes + (heap.pages.chunks != NULL ? page_chunks_bytes(&heap.pages) : 0);
}

static void require_no_leak(const char *when) {
    require(os.mapped_bytes == accounted_bytes(), "%s: %zu bytes are mapped, %zu accounted for", when, os.mapped_bytes,
            accounted_bytes());
}

/* Spare metadata would let most requests do without the OS; dropped before each, every path meets a refusal. */
static void drop_spare_metadata(void) {
    struct fixalloc *kinds[] = {&span_records, &arena_records};
    meta.left_bytes = 0;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        kinds[i]->free_list = NULL, kinds[i]->chunk_left_bytes = 0;
    for (unsigned words = 0; words <= SPAN_MAX_WORDS; words++)
        span_bits[words].free_list = NULL, span_bits[words].chunk_left_bytes = 0;
    if (cache_self != &cache_none)
        cache_self->records = NULL, cache_self->record_count = 0;
}

/* ---- live objects and their contents */

enum { OBJECTS = 1024 };

struct object_known {
    unsigned char *p;
    size_t size;
    unsigned char tag;
};

static struct {
    struct object_known live[OBJECTS];
    unsigned count;
    unsigned refusals;
    bool stingy;
} script;

/* Large objects are sampled, the first and the last byte among what is looked at. */
static size_t sample_step(size_t size) {
    return size <= 4096 ? 1 : size / 61;
}

static void fill(const struct object_known *o) {
    for (size_t i = 0; i < o->size; i += sample_step(o->size))
        o->p[i] = (unsigned char)(o->tag + i);
    o->p[o->size - 1] = o->tag;
}

static void require_filled(const struct object_known *o, size_t size, const char *what) {
    for (size_t i = 0; i < size && i < o->size - 1; i += sample_step(o->size))
        require(o->p[i] == (unsigned char)(o->tag + i), "%s: byte %zu of %zu at %p has changed", what, i, o->size,
                o->p);
    require(size < o->size || o->p[o->size - 1] == o->tag, "%s: the last byte of %zu at %p has changed", what, o->size,
            o->p);
}

static void require_zero(const unsigned char *p, size_t size) {
    for (size_t i = 0; i < size; i += sample_step(size))
        require(p[i] == 0, "byte %zu of %zu at %p is not zero", i, size, p);
}

/* Before a request. */
static void ask(void) {
    if (script.stingy)
        drop_spare_metadata();
    errno = 0;
}

/* After one: clean refusal, or memory that is nobody else's. */
static struct object_known *granted(void *p, size_t size) {
    static unsigned char tag;
    if (p == NULL) {
        require(errno == ENOMEM, "%zu bytes refused with errno %d", size, errno);
        script.refusals++;
        return NULL;
    }
    unsigned char *start = p;
    for (unsigned i = 0; i < script.count; i++) {
        const struct object_known *o = &script.live[i];
        require(start + size <= o->p || o->p + o->size <= start, "%zu bytes at %p overlap %zu at %p", size, p, o->size,
                o->p);
    }
    require(script.count < OBJECTS, "the script takes more than %d objects", OBJECTS);
    struct object_known *o = &script.live[script.count++];
    *o = (struct object_known){start, size, ++tag};
    fill(o);
    return o;
}

/* ---- the loop over k */

enum child_result { CHILD_BROKEN = 1, CHILD_HAD_NO_FAILURE = 3 };

/* Takes and gives back objects of every kind. */
static void run_script(void);
/* Asks for a lot that is refused. */
static void run_refused(void);

static void run_whole_script(const char *when) {
    script.refusals = 0;
    run_script();
    require(script.count == 0, "%s: %u objects are left", when, script.count);
    require_no_leak(when);
}

static void require_success_now(void) {
    os.fail_at = 0;
    run_whole_script("with nothing refused");
    require(script.refusals == 0, "%u requests are refused though the OS refuses nothing", script.refusals);
}

static int run_child(unsigned k) {
    os.fail_at = k;
    run_whole_script("with a refusal");
    unsigned refused = os.refused;
    if (os.and_later && refused > 0) {
        /* What is refused again and again may cost once what was got hold of on the way, but not each time. */
        run_refused();
        size_t mapped_bytes = os.mapped_bytes;
        for (int i = 0; i < 20; i++)
            run_refused();
        require(os.mapped_bytes == mapped_bytes, "requests that are refused have taken %zu bytes from the OS",
                os.mapped_bytes - mapped_bytes);
    }
    require_success_now();
    return refused == 0 ? CHILD_HAD_NO_FAILURE : 0;
}

static int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_false(WIFSIGNALED(status));
    return WEXITSTATUS(status);
}

struct mode {
    unsigned kinds;
    bool and_later, stingy, limited;
    size_t largest_map_bytes;
    const char *preset;
};

/* Runs body in a process of its own, which exits 0 when all is well, 77 when the system does not let it be tried. */
static void in_child(void (*body)(void)) {
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        body();
        _exit(0);
    }
    int result = wait_for(child);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

enum { TRIED_OF = 11 };

static void refuse_each_call(const struct mode *mode) {
    static unsigned modes;
    int result = 0;
    unsigned k = 0, tried = 0, step = getenv("SPANLAB_TEST_ALL") != NULL ? 1 : TRIED_OF;
    for (unsigned first = 1 + modes++ % step; result == 0; tried++) {
        k += k == 0 ? first : step;
        pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0) {
            /* cmocka would carry on with the parent's tests. */
            signal(SIGSEGV, SIG_DFL);
            signal(SIGABRT, SIG_DFL);
            struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
            if (mode->limited)
                require(setrlimit(RLIMIT_AS, &limit) == 0, "cannot limit the address space");
            setenv("GOALLOC_PRESET", mode->preset, 1);
            os.kinds = mode->kinds;
            os.and_later = mode->and_later;
            os.largest_bytes = mode->largest_map_bytes;
            script.stingy = mode->stingy;
            _exit(run_child(k));
        }
        result = wait_for(child);
    }
    if (result != CHILD_HAD_NO_FAILURE)
        fail_msg("call %u refused: the child ends with %d, and 0 was expected", k, result);
    if (k <= 5)
        fail_msg("the script needs fewer than %u calls of the OS; it is made to need more than 5", k);
    print_message("%u of about %u calls refused, each in a process of its own\n", tried - 1, k - 1);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { UNDER_SANITIZER = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { UNDER_SANITIZER = 1 };
#else
enum { UNDER_SANITIZER = 0 };
#endif
#else
enum { UNDER_SANITIZER = 0 };
#endif

static void one_call_is_refused(void **state) {
    (void)state;
    refuse_each_call(&(struct mode){.kinds = CALL_ANY, .preset = "tuned"});
    refuse_each_call(&(struct mode){.kinds = CALL_ANY, .stingy = true, .preset = "faithful"});
}

static void all_calls_from_one_on_are_refused(void **state) {
    (void)state;
    static const enum call_kind kinds[] = {CALL_MAP, CALL_PROTECT, CALL_ANY};
    for (unsigned i = 0; i < 3; i++)
        refuse_each_call(&(struct mode){.kinds = kinds[i], .and_later = true, .stingy = true, .preset = "tuned"});
}

/* Under `ulimit -v` heap and tables are laid out differently. */
static void refusals_under_an_address_limit(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip(); /* the sanitizer itself needs more */
    for (int later = 0; later < 2; later++)
        refuse_each_call(
            &(struct mode){.kinds = CALL_ANY, .and_later = later, .stingy = true, .limited = true, .preset = "tuned"});
}

/* Where tables for all addresses are refused, the heap makes do with a part of them, and stays there. */
static void refusals_with_small_tables(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip(); /* the sanitizers keep that part to themselves */
    refuse_each_call(
        &(struct mode){.kinds = CALL_ANY, .stingy = true, .largest_map_bytes = (size_t)1 << 30, .preset = "tuned"});
}

static void *take_large(size_t size);
static void free_large_again(void *p);

/* The heap grows somewhere else, and what is left where it was cannot be made ready: the new place is given up too. */
static void refuse_the_rest(void) {
    void *first = take_large(100000);
    require(first != NULL, "nothing to begin with");
    __real_mmap((void *)heap.grow_end, GOALLOC_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                -1, 0);
    os.kinds = CALL_PROTECT, os.fail_at = 1, os.and_later = true;
    size_t mapped_bytes = 0;
    for (int i = 0; i < 20; i++) {
        require(take_large((size_t)100 << 20) == NULL, "memory that is not ready is given out");
        mapped_bytes = i == 0 ? os.mapped_bytes : mapped_bytes; /* the first has made records of the new place */
    }
    require(os.mapped_bytes == mapped_bytes, "%zu bytes are lost", os.mapped_bytes - mapped_bytes);
    os.fail_at = 0;
    require(take_large((size_t)100 << 20) != NULL, "the heap does not recover");
    require_no_leak("after the heap has moved");
}

static void a_reservation_that_cannot_be_used_is_given_back(void **state) {
    (void)state;
    in_child(refuse_the_rest);
}

static size_t free_backed_bytes(void) {
    return (heap.pages.free_pages - heap.pages.scavenged_free_pages) << GOALLOC_PAGE_SHIFT;
}

/* The kernel gives back no page that is locked (EINVAL). */
static void lock_some(void) {
    enum { SIZE = 1 << 20 };
    char *p = take_large(SIZE), *below = take_large(SIZE);
    memset(p, 0xa5, SIZE);
    memset(below, 0xa5, SIZE);
    if (mlock(p, SIZE) != 0)
        _exit(77);
    free_large_again(p);
    free_large_again(below);
    goalloc_purge();
    require(free_backed_bytes() >= SIZE, "locked memory counts as released");
    char *again = take_large(SIZE);
    require_zero((unsigned char *)again, SIZE);
    free_large_again(again);
    goalloc_purge();
    require(free_backed_bytes() >= SIZE, "locked memory counts as released");
    munlock(p, SIZE);
    goalloc_purge();
    require(free_backed_bytes() == 0, "%zu bytes are not given back though nothing is locked", free_backed_bytes());
}

static void locked_memory_stays(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip(); /* they make mlock do nothing */
    in_child(lock_some);
}

static void lock_everything(void) {
    /* The tables first: who may lock little is refused now rather than by each mmap to come. */
    require(take_large(100) != NULL, "nothing is granted");
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        _exit(77);
    run_whole_script("with all memory locked");
    require(script.refusals == 0, "%u requests are refused", script.refusals);
    free_large_again(take_large(1 << 20));
    goalloc_purge();
    require(free_backed_bytes() > 0, "locked memory counts as released");
}

static void a_process_may_lock_all_its_memory(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip();
    in_child(lock_everything);
}

/* ---- what is reserved and not used must not count: limits of data, locked memory, core files */

/* A line of /proc/self/status, in bytes. */
static size_t status_bytes(const char *name) {
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    require(status != NULL, "cannot read /proc/self/status");
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoul(line + strlen(name) + 1, NULL, 10);
    fclose(status);
    require(kib != 0, "no %s in /proc/self/status", name);
    return kib << 10;
}

static size_t large_bytes_until_refused(size_t size) {
    size_t bytes = 0;
    while (bytes < (size_t)1 << 30 && take_large(size) != NULL)
        bytes += size;
    return bytes;
}

static void limit_data(void) {
    const size_t limit_bytes = (size_t)320 << 20;
    struct rlimit limit = {limit_bytes, limit_bytes};
    require(setrlimit(RLIMIT_DATA, &limit) == 0, "cannot limit the data");
    size_t before_bytes = status_bytes("VmData"), bytes = large_bytes_until_refused((size_t)1 << 20);
    require(bytes >= (limit_bytes - before_bytes) / 4 * 3, "of %zu bytes of data that the limit leaves, %zu are usable",
            limit_bytes - before_bytes, bytes);
}

static void a_limit_of_data_is_usable(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip(); /* the sanitizer's own tables are beyond any such limit */
    in_child(limit_data);
}

static void lock_the_future(void) {
    const size_t most_bytes = (size_t)48 << 20;
    require(take_large(100) != NULL, "nothing is granted");
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        _exit(77);
    require(take_large(100000) != NULL, "nothing is granted with all memory locked");
    size_t bytes = status_bytes("VmRSS");
    require(bytes <= most_bytes, "%zu bytes are in memory once all of it is locked; expected at most %zu", bytes,
            most_bytes);
}

static void locking_all_memory_costs_what_is_used(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip();
    in_child(lock_the_future);
}

/* ---- something lies where the heap wants to be */

static void *map_page_at(uintptr_t address) {
    return __real_mmap((void *)address, OS_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                       0);
}

/* Those pages are no memory of ours: they stay. */
static void limit_addresses_and(void (*block)(void)) {
    struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    require(setrlimit(RLIMIT_AS, &limit) == 0, "cannot limit the address space");
    block();
    size_t bytes = large_bytes_until_refused((size_t)1 << 20);
    require(bytes >= (size_t)700 << 20, "%zu bytes are granted; expected 700 MiB of an address space of 1 GiB", bytes);
}

static void block_the_first_hint(void) {
    require(map_page_at(ARENA_FIRST_HINT) != MAP_FAILED, "cannot map a page at the first hint");
}

static void block_every_hint(void) {
    for (uintptr_t i = 0; i < ARENA_HINTS; i++)
        require(map_page_at(ARENA_FIRST_HINT + (i << 40)) != MAP_FAILED, "cannot map a page at hint %d", (int)i);
}

/* Where it has begun to grow. */
static void block_the_way(void) {
    require(take_large(100) != NULL, "nothing is granted");
    for (uintptr_t at = heap.grow_end + (20 << 20); at < heap.grow_end + (400 << 20); at += 100 << 20)
        require(map_page_at(at) != MAP_FAILED, "cannot map a page above the heap");
}

static void with_the_first_hint_taken(void) {
    limit_addresses_and(block_the_first_hint);
}

static void with_every_hint_taken(void) {
    limit_addresses_and(block_every_hint);
}

static void with_the_way_barred(void) {
    limit_addresses_and(block_the_way);
}

static void a_limited_heap_finds_another_place(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        skip();
    in_child(with_the_first_hint_taken);
    in_child(with_every_hint_taken);
    in_child(with_the_way_barred);
}

/* More than there are addresses is no limit. */
static void set_a_vast_limit(void) {
    struct rlimit limit = {(rlim_t)1 << 62, (rlim_t)1 << 62};
    require(setrlimit(RLIMIT_AS, &limit) == 0, "cannot set the limit");
    require(take_large(100) != NULL, "nothing is granted");
    require(heap.pages.range_base == 0, "a part of the addresses is used");
}

static void a_vast_limit_is_none(void **state) {
    (void)state;
    in_child(set_a_vast_limit);
}

static int run_os_failure_tests(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_is_refused),
        cmocka_unit_test(all_calls_from_one_on_are_refused),
        cmocka_unit_test(refusals_under_an_address_limit),
        cmocka_unit_test(refusals_with_small_tables),
        cmocka_unit_test(a_reservation_that_cannot_be_used_is_given_back),
        cmocka_unit_test(a_vast_limit_is_none),
        cmocka_unit_test(a_limit_of_data_is_usable),
        cmocka_unit_test(locking_all_memory_costs_what_is_used),
        cmocka_unit_test(a_limited_heap_finds_another_place),
        cmocka_unit_test(locked_memory_stays),
        cmocka_unit_test(a_process_may_lock_all_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
