/* SPDX-License-Identifier: MIT
 * The manual build from inside: slot order, classes, tiny blocks, object_of, ownership, what comes back to the heap. */
#include "unity_manual.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KIB = 1024 };

#include "memstats_malloc.h"

static size_t pages_in_use(void) {
    return __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
}

/* go-facts 4: fresh slots come out in strictly ascending addresses. */
static void fresh_slots_ascend(void **state) {
    (void)state;
    static char *p[10000];
    size_t same_page_pairs = 0;
    for (int i = 0; i < 10000; i++) {
        p[i] = goalloc_malloc(400);
        if (i > 0 && ((uintptr_t)p[i] ^ (uintptr_t)p[i - 1]) < GOALLOC_PAGE_BYTES) {
            assert_int_equal(p[i] - p[i - 1], 416);
            same_page_pairs++;
        }
    }
    assert_in_range(same_page_pairs, 10000 - 10000 / 19 - 2, 10000);
    for (int i = 0; i < 10000; i++)
        goalloc_free(p[i]);
}

/* Within the words of a span the lowest free slot is next. */
static void freed_slots_are_reused_lowest_first(void **state) {
    (void)state;
    char *p[64];
    for (int i = 0; i < 64; i++)
        p[i] = goalloc_malloc(8 * KIB / 8);
    for (int i = 7; i >= 0; i--)
        goalloc_free(p[i]);
    char *last = NULL;
    for (int i = 0; i < 8; i++) {
        char *q = goalloc_malloc(KIB);
        if (last != NULL && ((uintptr_t)q ^ (uintptr_t)last) < GOALLOC_PAGE_BYTES)
            assert_true(q > last);
        last = q;
    }
}

static void every_size_has_a_class_that_fits(void **state) {
    (void)state;
    for (size_t size = 0; size <= HEAP_MAX_SMALL_BYTES + 9000; size++) {
        void *p = goalloc_malloc(size);
        assert_non_null(p);
        size_t usable = goalloc_usable_size(p);
        assert_true(usable >= size);
        if (size >= 16)
            assert_int_equal((uintptr_t)p % 16, 0);
        assert_int_equal((uintptr_t)p % 8, 0);
        if (size > HEAP_MAX_SMALL_BYTES) {
            assert_int_equal(usable % GOALLOC_PAGE_BYTES, 0);
            assert_true(usable - size < GOALLOC_PAGE_BYTES);
        }
        goalloc_free(p);
    }
}

/* The C ABI skips Go's 24 B class: such a request may hold a 16-aligned object. */
static void the_abi_skips_class_24(void **state) {
    (void)state;
    assert_int_equal(goalloc_usable_size(goalloc_malloc(16)), 16);
    assert_int_equal(goalloc_usable_size(goalloc_malloc(17)), 32);
    assert_int_equal(goalloc_usable_size(goalloc_malloc(24)), 32);
    assert_int_equal(goalloc_usable_size(goalloc_malloc(33)), 48);
}

static void tiny_objects_share_blocks(void **state) {
    (void)state;
    char *p[6];
    for (int i = 0; i < 6; i++)
        p[i] = goalloc_malloc(1 + (size_t)i);
    int shared = 0;
    for (int i = 1; i < 6; i++)
        shared += ((uintptr_t)p[i] & ~(uintptr_t)15) == ((uintptr_t)p[i - 1] & ~(uintptr_t)15);
    assert_in_range(shared, 2, 3);
    for (int i = 0; i < 6; i++)
        assert_int_equal(goalloc_usable_size(p[i]), 8);
    struct goalloc_object o = {0};
    assert_true(goalloc_object_of(p[3] + 7, &o));
    assert_ptr_equal(o.base, p[3]);
    assert_true(o.noscan); /* like every object of a build that scans nothing */
    goalloc_free(p[3]);
    assert_false(goalloc_object_of(p[3], &o));
    /* Its neighbour in the block lives on. */
    char *neighbour = (char *)((uintptr_t)p[3] ^ 8);
    assert_int_equal(goalloc_object_of(neighbour, &o), neighbour == p[2] || neighbour == p[4]);
}

static void a_tiny_block_comes_back_when_both_halves_are_dead(void **state) {
    (void)state;
    enum { N = 40960 };
    static char *p[N];
    for (int i = 0; i < N; i++)
        p[i] = goalloc_malloc(8);
    size_t peak = pages_in_use();
    for (int i = 0; i < N; i++)
        goalloc_free(p[i]);
    assert_true(peak - pages_in_use() >= N * 8 / GOALLOC_PAGE_BYTES - CACHE_EMPTY_PAGES_PER_CLASS - 2);
    for (int i = 0; i < N; i++)
        p[i] = goalloc_malloc(8);
    assert_true(pages_in_use() <= peak);
    for (int i = 0; i < N; i++)
        goalloc_free(p[i]);
}

static void object_of_knows_bounds(void **state) {
    (void)state;
    char *p = goalloc_malloc(100), *big = goalloc_malloc(100000);
    struct goalloc_object o = {0};
    assert_true(goalloc_object_of(p + 111, &o));
    assert_ptr_equal(o.base, p);
    assert_int_equal(o.size_bytes, 112);
    assert_true(o.noscan);
    assert_false(goalloc_object_of(p + 112, &o) && o.base == p); /* one past the end is another slot's */
    assert_true(goalloc_object_of(big + 99999, &o));
    assert_ptr_equal(o.base, big);
    goalloc_free(p);
    assert_false(goalloc_object_of(p, &o));
    goalloc_free(big);
    assert_false(goalloc_object_of(big, &o));
    int local;
    assert_false(goalloc_object_of(&local, &o));
    assert_false(goalloc_object_of(NULL, &o));
    assert_false(goalloc_object_of((void *)UINTPTR_MAX, &o));
}

static void large_objects_grow_and_shrink_in_place(void **state) {
    (void)state;
    char *p = goalloc_malloc(40 * KIB);
    memset(p, 7, 40 * KIB);
    char *q = goalloc_realloc(p, 400 * KIB);
    assert_int_equal(goalloc_usable_size(q), 400 * KIB);
    for (int i = 0; i < 40 * KIB; i++)
        assert_int_equal(q[i], 7);
    size_t before = pages_in_use();
    assert_ptr_equal(goalloc_realloc(q, 48 * KIB), q);
    assert_int_equal(before - pages_in_use(), (400 - 48) * KIB / GOALLOC_PAGE_BYTES);
    goalloc_free(q);
}

static void expect_sound_block(char *p, size_t size_bytes, const char *when) {
    char message[256];
    struct goalloc_object o = {0};
    if (goalloc_check(message, sizeof message) != 0)
        fail_msg("%s: the heap is broken: %s", when, message);
    for (size_t i = 0; i <= 64; i++) {
        char *at = p + (size_bytes - 1) / 64 * i;
        if (!goalloc_object_of(at, &o) || o.base != p || o.size_bytes != size_bytes)
            fail_msg("%s: %p belongs to the %zu bytes at %p; expected the %zu bytes at %p", when, (void *)at,
                     o.size_bytes, o.base, size_bytes, (void *)p);
    }
}

/* The page table has fewer entries of long blocks (ARENA_HUGE_PAGES). Every way across that bound, in place. */
static void blocks_cross_the_bound_of_huge_ones(void **state) {
    (void)state;
    const size_t bound = (size_t)ARENA_HUGE_PAGES * GOALLOC_PAGE_BYTES, mib = (size_t)1 << 20;
    const size_t sizes[] = {bound + 100 * mib, bound - mib,     bound / 4,      bound + 200 * mib, 3 * bound,
                            2 * bound + mib,   bound / 2 - mib, 16 * KIB * KIB, 4 * bound,         bound};
    char *p = goalloc_malloc(16 * bound);
    if (p == NULL)
        skip(); /* a machine of less memory */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_ptr_equal(goalloc_realloc(p, sizes[i]), p);
        expect_sound_block(p, sizes[i], "resized");
    }
    goalloc_free(p);
    struct goalloc_object o;
    for (size_t at = 0; at < 16 * bound; at += GOALLOC_PAGE_BYTES * 97)
        if (goalloc_object_of(p + at, &o))
            fail_msg("byte %zu of a block that was freed belongs to the object at %p", at, o.base);
    assert_int_equal(goalloc_check((char[1]){0}, 1), 0);
}

/* Tables of pages that were never used are not read: each of their pages would be a fault. */
static void a_huge_block_is_freed_without_touching_its_tables(void **state) {
    (void)state;
    struct rusage before, after;
    char *p = goalloc_malloc((size_t)4 << 30);
    if (p == NULL)
        skip();
    getrusage(RUSAGE_SELF, &before);
    goalloc_free(p);
    getrusage(RUSAGE_SELF, &after);
    if (after.ru_minflt - before.ru_minflt > 64)
        fail_msg("free of an untouched block of 4 GiB takes %ld page faults; expected at most 64",
                 after.ru_minflt - before.ru_minflt);
}

/* What the machine could never back is refused before anything is reserved or entered for it. */
static void what_cannot_be_aligned_is_refused_at_once(void **state) {
    (void)state;
    size_t memory_bytes = os_memory_bytes(), reserved_bytes = heap.arenas.reserved_bytes,
           metadata_bytes = meta_committed_bytes();
    for (unsigned bits = 30; bits < 64; bits++) {
        size_t align_bytes = (size_t)1 << bits;
        if (align_bytes <= memory_bytes)
            continue;
        const size_t sizes[] = {0, 1, 64, 5000, 100000, align_bytes, align_bytes / 2};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            void *out = (void *)&out;
            errno = 0;
            void *aligned = goalloc_aligned_alloc(align_bytes, sizes[i]);
            int error = goalloc_posix_memalign(&out, align_bytes, sizes[i]);
            if (aligned != NULL || errno != ENOMEM || error != ENOMEM)
                fail_msg("alignment 2^%u, %zu bytes: %p with errno %d, and %d; expected NULL and ENOMEM", bits,
                         sizes[i], aligned, errno, error);
        }
    }
    assert_int_equal(heap.arenas.reserved_bytes, reserved_bytes);
    assert_int_equal(meta_committed_bytes(), metadata_bytes);
}

static void calloc_clears_recycled_memory(void **state) {
    (void)state;
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        char *p = goalloc_malloc(size);
        memset(p, 0xa5, size);
        goalloc_free(p);
        char *q = goalloc_calloc(1, size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(q[i], 0);
        goalloc_free(q);
    }
}

struct handoff {
    char **objects;
    int count;
};

static void *free_them(void *arg) {
    struct handoff *h = arg;
    for (int i = 0; i < h->count; i++)
        goalloc_free(h->objects[i]);
    return NULL;
}

static void *allocate_them(void *arg) {
    struct handoff *h = arg;
    for (int i = 0; i < h->count; i++) {
        h->objects[i] = goalloc_malloc(64);
        memset(h->objects[i], i, 64);
    }
    return NULL;
}

static void run_thread(void *(*body)(void *), void *arg) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, arg), 0);
    pthread_join(thread, NULL);
}

/* What another thread freed is taken in at the next refill and used again: memory does not grow. */
static void remote_frees_come_back_to_the_owner(void **state) {
    (void)state;
    enum { N = 20000 };
    static char *p[N];
    struct handoff h = {p, N};
    allocate_them(&h);
    size_t peak = pages_in_use();
    for (int round = 0; round < 3; round++) {
        run_thread(free_them, &h);
        allocate_them(&h);
        assert_true(pages_in_use() <= peak + 16);
    }
    free_them(&h);
}

/* Spans of a thread that has left belong to nobody; the last free gives their pages back, from whichever thread. */
static void orphans_are_given_back(void **state) {
    (void)state;
    enum { N = 20000 };
    static char *p[N];
    struct handoff h = {p, N};
    run_thread(allocate_them, &h);
    size_t peak = pages_in_use();
    for (int i = 0; i < N; i++)
        assert_int_equal(p[i][63], (char)i);
    free_them(&h);
    assert_true(peak - pages_in_use() >= N * 64 / GOALLOC_PAGE_BYTES - 2);
}

static void orphans_are_adopted(void **state) {
    (void)state;
    enum { N = 1000 };
    static char *p[N];
    struct handoff h = {p, N};
    run_thread(allocate_them, &h);
    /* Every other object: all spans stay in use, half empty. */
    for (int i = 0; i < N; i += 2)
        goalloc_free(p[i]);
    size_t before = pages_in_use();
    static char *q[N / 2];
    struct handoff again = {q, N / 2};
    run_thread(allocate_them, &again);
    assert_true(pages_in_use() <= before + 1);
    free_them(&again);
    for (int i = 1; i < N; i += 2)
        goalloc_free(p[i]);
}

/* Two threads that share nothing but relaxed words: whatever orders the owner's last use of an object before its reuse
 * by whoever reclaims the span must come from the allocator. ThreadSanitizer judges that; everywhere, the span comes
 * back. */
static struct {
    char *last;
    size_t pages;
    int done;
} idle_owner;

static void *use_a_span_and_idle(void *unused) {
    (void)unused;
    char *p[64];
    /* 64 slots of 1 KiB fill one span; the next request parks it. */
    for (int i = 0; i < 64; i++)
        p[i] = goalloc_malloc(KIB);
    char *next = goalloc_malloc(KIB);
    for (int i = 0; i < 63; i++) {
        *(volatile char *)p[i] = 1; /* just before: the last of these frees take no lock */
        goalloc_free(p[i]);
    }
    __atomic_store_n(&idle_owner.pages, pages_in_use(), __ATOMIC_RELAXED);
    __atomic_store_n(&idle_owner.last, p[63], __ATOMIC_RELAXED);
    while (__atomic_load_n(&idle_owner.done, __ATOMIC_RELAXED) == 0)
        usleep(100);
    goalloc_free(next);
    return NULL;
}

static void an_idle_owner_loses_what_others_have_emptied(void **state) {
    (void)state;
    pthread_t owner;
    char *last;
    assert_int_equal(pthread_create(&owner, NULL, use_a_span_and_idle, NULL), 0);
    while ((last = __atomic_load_n(&idle_owner.last, __ATOMIC_RELAXED)) == NULL)
        usleep(100);
    char *span = last - 63 * KIB;
    goalloc_free(last);
    assert_int_equal(pages_in_use(), __atomic_load_n(&idle_owner.pages, __ATOMIC_RELAXED) - 8);
    /* Large objects take the pages first fit; one of them reaches the former span's end. */
    char *large[256];
    bool covered = false;
    int n = 0;
    while (n < 256 && !covered) {
        large[n] = goalloc_malloc(64 * KIB);
        covered = large[n] < span + 64 * KIB && large[n] + 64 * KIB >= span + 64 * KIB;
        for (int i = 0; i < 64; i++)
            *(volatile char *)(large[n] + i * KIB) = 2;
        n++;
    }
    assert_true(covered);
    while (n > 0)
        goalloc_free(large[--n]);
    __atomic_store_n(&idle_owner.done, 1, __ATOMIC_RELAXED);
    pthread_join(owner, NULL);
}

/* ---- what goes back to the OS */

enum { SPIKE_BYTES = 16 << 20, SPIKE_OBJECT_BYTES = 500, SPIKE_OBJECTS = SPIKE_BYTES / SPIKE_OBJECT_BYTES };

static size_t backed_bytes(void) {
    return (heap.pages.free_pages - heap.pages.scavenged_free_pages) << GOALLOC_PAGE_SHIFT;
}

static void spike(void) {
    static char *p[SPIKE_OBJECTS];
    for (size_t i = 0; i < SPIKE_OBJECTS; i++)
        p[i] = goalloc_malloc(SPIKE_OBJECT_BYTES);
    for (size_t i = 0; i < SPIKE_OBJECTS; i++)
        goalloc_free(p[i]);
}

/* The most that may stay free and backed when little is in use and nothing was wanted back. */
static size_t kept_bytes_at_most(void) {
    size_t keep_pages = decay_keep_pages();
    return (keep_pages + decay_step_pages(keep_pages)) << GOALLOC_PAGE_SHIFT;
}

static void forget_what_was_wanted(void) {
    decay.wanted_pages = decay.given_pages = decay.refused_pages = 0;
}

static void expect_little_backed(const char *when, const char *preset) {
    if (backed_bytes() > kept_bytes_at_most())
        fail_msg("%s, %s: %zu KiB of free memory are backed; expected at most %zu", when, preset, backed_bytes() >> 10,
                 kept_bytes_at_most() >> 10);
}

static void what_a_spike_leaves_goes_back(void **state) {
    (void)state;
    for (int faithful = 0; faithful < 2; faithful++) {
        const char *preset = faithful ? "faithful" : "tuned";
        goalloc_purge();
        forget_what_was_wanted();
        heap.tuned = !faithful;
        spike();
        expect_little_backed("after a spike of small objects", preset);
        forget_what_was_wanted();
        char *large = goalloc_malloc(SPIKE_BYTES);
        assert_non_null(large);
        memset(large, 1, SPIKE_BYTES);
        goalloc_free(large);
        expect_little_backed("after a large object", preset);
        forget_what_was_wanted();
        large = goalloc_malloc(SPIKE_BYTES);
        memset(large, 1, SPIKE_BYTES);
        large = goalloc_realloc(large, 100 * KIB);
        expect_little_backed("after an object was cut short", preset);
        goalloc_free(large);
        assert_int_equal(goalloc_check((char[1]){0}, 1), 0);
    }
    heap.tuned = true;
}

/* Each round takes what the one before has given back: from then on it is kept. A round of which the clock sees more
 * than DECAY_HALVING_MS may begin to forget that. */
static void what_is_taken_again_is_kept(void **state) {
    (void)state;
    goalloc_purge();
    forget_what_was_wanted();
    unsigned quiet = 0;
    for (int i = 0; i < 20; i++) {
        size_t before = heap.pages.scavenged_free_pages;
        spike();
        quiet += i > 0 && heap.pages.scavenged_free_pages <= before;
    }
    if (quiet < 5)
        fail_msg("of 19 rounds that take the same memory again, %u gave none back; expected 5 at least", quiet);
    if (backed_bytes() > kept_bytes_at_most())
        fail_msg("%zu KiB are kept, more than the %zu of the policy", backed_bytes() >> 10, kept_bytes_at_most() >> 10);
    forget_what_was_wanted();
}

static void off_keeps_everything(void **state) {
    (void)state;
    char value[8];
    assert_int_equal(goalloc_knob("decay", value, sizeof value), 0);
    assert_string_equal(value, "on");
    decay.on = false;
    goalloc_purge();
    size_t before = heap.pages.scavenged_free_pages;
    spike();
    spike(); /* the second needs no fresh pages */
    assert_int_equal(goalloc_knob("decay", value, sizeof value), 0);
    assert_string_equal(value, "off");
    if (heap.pages.scavenged_free_pages > before)
        fail_msg("%zu pages were given back though nothing is to be", heap.pages.scavenged_free_pages - before);
    assert_true(backed_bytes() >= SPIKE_BYTES / 2);
    decay.on = true;
    goalloc_purge();
}

static void trim_leaves_the_pad(void **state) {
    (void)state;
    const size_t pad_bytes = 10 << 20;
    decay.on = false;
    spike();
    decay.on = true;
    errno = EINTR;
    assert_int_equal(goalloc_trim(pad_bytes), 1);
    assert_int_equal(errno, EINTR);
    /* No huge page is cut (page_scavenge). */
    if (backed_bytes() > pad_bytes || backed_bytes() + (2 << 20) < pad_bytes)
        fail_msg("%zu KiB are left; expected the pad of %zu, less 2 MiB at most", backed_bytes() >> 10, pad_bytes >> 10);
    assert_int_equal(goalloc_trim(pad_bytes), 0);
    assert_int_equal(goalloc_trim(0), 1);
    assert_int_equal(backed_bytes(), 0);
    assert_int_equal(goalloc_trim(0), 0);
    assert_int_equal(goalloc_trim(SIZE_MAX), 0);
}

/* ---- realloc of large objects */

static void fill_words(char *p, size_t from, size_t size_bytes) {
    for (size_t i = from; i < size_bytes; i += KIB)
        *(uint64_t *)(p + i) = i * 0x9e3779b97f4a7c15;
}

static void expect_words(const char *p, size_t size_bytes, const char *when) {
    for (size_t i = 0; i < size_bytes; i += KIB)
        if (*(const uint64_t *)(p + i) != i * 0x9e3779b97f4a7c15)
            fail_msg("%s: the word at %zu of %zu has changed", when, i, size_bytes);
}

/* The last object of the heap grows where it stands, into pages that the heap has yet to grow to. */
static void a_table_that_doubles_grows_in_place(void **state) {
    (void)state;
    unsigned moves = 0;
    char *p = goalloc_malloc(64 * KIB);
    fill_words(p, 0, 64 * KIB);
    size_t size = 64 * KIB;
    for (; size < (size_t)256 << 20; size *= 2) {
        char *q = goalloc_realloc(p, 2 * size);
        assert_non_null(q);
        moves += q != p;
        p = q;
        expect_words(p, size, "doubled");
        fill_words(p, size, 2 * size);
    }
    if (moves > 4)
        fail_msg("a table that doubles 12 times moves %u times; expected 4 at most", moves);
    p = goalloc_realloc(p, 200 * KIB);
    expect_words(p, 200 * KIB, "cut short");
    goalloc_free(p);
    assert_int_equal(goalloc_check((char[1]){0}, 1), 0);
}

/* Something stands behind it: its pages come along, and what it leaves is free and not backed. */
static void a_large_object_that_moves_takes_its_pages_along(void **state) {
    (void)state;
    const size_t size = 24 << 20;
    char *before = goalloc_malloc(size), *p = goalloc_malloc(size), *behind = goalloc_malloc(size);
    memset(behind, 7, size);
    fill_words(p, 0, size);
    goalloc_purge();
    size_t backed = backed_bytes();
    char *q = goalloc_realloc(p, 2 * size);
    assert_ptr_not_equal(p, q);
    expect_words(q, size, "moved");
    if (!OS_THREAD_SANITIZER && backed_bytes() > backed + (1 << 20))
        fail_msg("an object of %zu bytes leaves %zu KiB backed where it stood", size, (backed_bytes() - backed) >> 10);
    char *again = goalloc_calloc(1, size);
    for (size_t i = 0; i < size; i += KIB)
        assert_int_equal(again[i], 0);
    fill_words(q, size, 2 * size);
    expect_words(q, 2 * size, "moved and grown");
    for (size_t i = 0; i < size; i += KIB)
        assert_int_equal(behind[i], 7);
    goalloc_free(before);
    goalloc_free(q);
    goalloc_free(behind);
    goalloc_free(again);
    assert_int_equal(goalloc_check((char[1]){0}, 1), 0);
}

/* Large by its alignment alone: as a longer object it is small, and lies among others. */
static void an_aligned_object_may_become_small(void **state) {
    (void)state;
    char *neighbours[64];
    for (size_t size = 1; size < 32 * KIB; size += 997) {
        char *p = goalloc_aligned_alloc(64 * KIB, size);
        assert_non_null(p);
        memset(p, 5, size);
        for (size_t i = 0; i < 64; i++)
            memset(neighbours[i] = goalloc_malloc(size + 9000), 6, size + 9000);
        p = goalloc_realloc(p, size + 9000);
        assert_non_null(p);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 5);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(neighbours[i][0], 6);
            assert_int_equal(neighbours[i][size + 8999], 6);
            goalloc_free(neighbours[i]);
        }
        goalloc_free(p);
    }
}

/* Random growth and shrinkage side by side; parts of the heap are mappings of their own by then. */
static void large_objects_move_at_random(void **state) {
    (void)state;
    enum { OBJECTS = 12, ROUNDS = 400 };
    char *p[OBJECTS] = {0};
    size_t sizes[OBJECTS] = {0};
    uint64_t random = 1;
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        unsigned at = (unsigned)(random >> 33) % OBJECTS;
        size_t size = 40 * KIB + (random >> 40) % (6 << 20);
        p[at] = goalloc_realloc(p[at], size);
        assert_non_null(p[at]);
        expect_words(p[at], sizes[at] < size ? sizes[at] : size, "at random");
        fill_words(p[at], 0, size - 8);
        sizes[at] = size - 8;
    }
    for (int i = 0; i < OBJECTS; i++)
        goalloc_free(p[i]);
    char message[256];
    if (goalloc_check(message, sizeof message) != 0)
        fail_msg("%s", message);
}

/* ---- threads that have ended */

enum { CROWD = CACHE_WARM_RECORDS + 40 };
static pthread_barrier_t crowd_is_there;

static void *one_of_a_crowd(void *unused) {
    char *p[100];
    for (size_t i = 0; i < 100; i++)
        memset(p[i] = goalloc_malloc(1 + i * 20), 1, 1 + i * 20);
    pthread_barrier_wait(&crowd_is_there);
    for (size_t i = 0; i < 100; i++)
        goalloc_free(p[i]);
    return unused;
}

static void a_crowd_of_threads_leaves_little(void **state) {
    (void)state;
    goalloc_purge();
    forget_what_was_wanted();
    size_t in_use = pages_in_use();
    pthread_t threads[CROWD];
    for (int round = 0; round < 2; round++) { /* the second takes cold records again */
        pthread_barrier_init(&crowd_is_there, NULL, CROWD);
        for (size_t i = 0; i < CROWD; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, one_of_a_crowd, NULL), 0);
        for (size_t i = 0; i < CROWD; i++)
            pthread_join(threads[i], NULL);
        expect_little_backed("after a crowd of threads", "tuned");
        if (pages_in_use() > in_use + 16)
            fail_msg("%zu pages are in use after a crowd of threads; there were %zu", pages_in_use(), in_use);
    }
    assert_true(caches.free_count > CACHE_WARM_RECORDS);
    unsigned cold = 0;
    for (struct cache *c = caches.free; c != NULL; c = c->next_free) {
        unsigned char resident = 1;
        assert_int_equal(mincore(c, OS_PAGE_BYTES, &resident), 0);
        cold += (resident & 1) == 0;
    }
    if (cold == 0)
        fail_msg("all of %zu records of caches are in memory; expected all but %d to be given back", caches.free_count,
                 CACHE_WARM_RECORDS);
    assert_int_equal(goalloc_check((char[1]){0}, 1), 0);
}

static void counters_add_up(void **state) {
    (void)state;
    uint64_t before[GOALLOC_COUNTERS], after[GOALLOC_COUNTERS];
    goalloc_counters(before);
    char *p[1000];
    for (int i = 0; i < 1000; i++)
        p[i] = goalloc_malloc(200);
    void *tiny = goalloc_malloc(3), *large = goalloc_malloc(50000);
    goalloc_counters(after);
    /* 200 B take 208 B slots; 3 B one granule; 50,000 B seven pages. */
    assert_int_equal(after[0] - before[0], 1000 * 208 + 8 + 7 * GOALLOC_PAGE_BYTES);
    /* In use = objects + dead + free slots + whole free spans; committed adds free pages and metadata. */
    assert_true(after[5] >= after[0] + after[1] + after[3]);
    assert_int_equal(after[0] + after[1] + after[2] + after[3] + after[8], after[5]);
    for (int i = 0; i < 1000; i++)
        goalloc_free(p[i]);
    goalloc_free(tiny);
    goalloc_free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_slots_ascend),
        cmocka_unit_test(freed_slots_are_reused_lowest_first),
        cmocka_unit_test(every_size_has_a_class_that_fits),
        cmocka_unit_test(the_abi_skips_class_24),
        cmocka_unit_test(tiny_objects_share_blocks),
        cmocka_unit_test(a_tiny_block_comes_back_when_both_halves_are_dead),
        cmocka_unit_test(object_of_knows_bounds),
        cmocka_unit_test(large_objects_grow_and_shrink_in_place),
        cmocka_unit_test(a_huge_block_is_freed_without_touching_its_tables),
        cmocka_unit_test(blocks_cross_the_bound_of_huge_ones),
        cmocka_unit_test(what_cannot_be_aligned_is_refused_at_once),
        cmocka_unit_test(calloc_clears_recycled_memory),
        cmocka_unit_test(remote_frees_come_back_to_the_owner),
        cmocka_unit_test(orphans_are_given_back),
        cmocka_unit_test(orphans_are_adopted),
        cmocka_unit_test(an_idle_owner_loses_what_others_have_emptied),
        cmocka_unit_test(what_a_spike_leaves_goes_back),
        cmocka_unit_test(what_is_taken_again_is_kept),
        cmocka_unit_test(off_keeps_everything),
        cmocka_unit_test(trim_leaves_the_pad),
        cmocka_unit_test(a_table_that_doubles_grows_in_place),
        cmocka_unit_test(a_large_object_that_moves_takes_its_pages_along),
        cmocka_unit_test(an_aligned_object_may_become_small),
        cmocka_unit_test(large_objects_move_at_random),
        cmocka_unit_test(a_crowd_of_threads_leaves_little),
        cmocka_unit_test(counters_add_up),
        cmocka_unit_test(statistics_have_go_s_names),
        cmocka_unit_test(dead_halves_are_counted),
        cmocka_unit_test(frees_from_elsewhere_are_dead_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
