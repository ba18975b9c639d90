/* SPDX-License-Identifier: MIT
 *
 * Green Tea's marking: its kernels against each other and against a loop over single bits; what is reachable stays
 * whole where the page table has no window, with either kernel and either way of leaving a page; gccheckmark sees
 * through large objects.
 */
#define TEST_GC_HEADER "gc-greentea.h"
#include "unity_traced.h"

#include <pthread.h>
#include <sys/wait.h>

#include "dies.h"
#include "rng.h"

/* ---- kernels */

static struct rng rng;

/* A bit is set with a probability of (sparse: 1/2 to 1/256; dense: the same that it is not). */
static uint64_t random_bits(unsigned rarity, bool dense) {
    uint64_t bits = UINT64_MAX;
    for (unsigned i = 0; i <= rarity % 8; i++)
        bits &= rng_next(&rng);
    return dense ? ~bits : bits;
}

static struct {
    _Alignas(GOALLOC_PAGE_BYTES) uintptr_t page[KERNEL_PAGE_WORDS];
    uint64_t objects[TEA_WORDS + 1], bits[KERNEL_WORDS];
} in;

static void fill(unsigned nelems, unsigned round) {
    memset(in.objects, 0, sizeof in.objects);
    for (unsigned i = 0; i * 64 < nelems; i++)
        in.objects[i] =
            random_bits(round, round & 8) & (nelems - i * 64 >= 64 ? UINT64_MAX : (UINT64_C(1) << nelems % 64) - 1);
    for (unsigned i = 0; i < KERNEL_WORDS; i++)
        in.bits[i] = random_bits(round / 3, round & 16);
    static const uintptr_t values[] = {0, 1, GC_LEAST_ADDRESS - 1, GC_LEAST_ADDRESS, UINTPTR_MAX, INTPTR_MAX};
    for (unsigned i = 0; i < KERNEL_PAGE_WORDS; i++) {
        uint64_t word = rng_next(&rng);
        in.page[i] = word % 4 != 0 ? (uintptr_t)i << 20 | 1 << 16 : values[word / 4 % (sizeof values / sizeof *values)];
    }
}

static unsigned gather_bit_by_bit(unsigned nelems, unsigned object_words, uintptr_t *found) {
    unsigned count = 0;
    for (unsigned word = 0; word < nelems * object_words; word++) {
        unsigned object = word / object_words;
        bool wanted = (in.objects[object / 64] >> object % 64 & 1) != 0 && (in.bits[word / 64] >> word % 64 & 1) != 0;
        if (wanted && (intptr_t)in.page[word] >= GC_LEAST_ADDRESS)
            found[count++] = in.page[word];
    }
    return count;
}

static unsigned gather(unsigned nelems, unsigned object_words, uintptr_t *found, bool vector) {
    uint64_t words[KERNEL_WORDS + 1] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < TEA_WORDS; i++)
        count += (unsigned)__builtin_popcountll(in.objects[i]);
    kernel_expand(words, in.objects, nelems, object_words, count, vector);
    return kernel_gather((uintptr_t)in.page, words, in.bits, found, vector);
}

static unsigned gather_portable(unsigned nelems, unsigned object_words, uintptr_t *found) {
    return gather(nelems, object_words, found, false);
}

KERNEL_VECTOR static unsigned gather_vector(unsigned nelems, unsigned object_words, uintptr_t *found) {
    return gather(nelems, object_words, found, true);
}

static void test_kernels_find_the_same(void **state) {
    (void)state;
    static uintptr_t wanted[KERNEL_FOUND], found[KERNEL_FOUND];
    if (!kernel_vector_runs())
        print_message("no AVX2 and BMI2 here, or the thread sanitizer: the portable kernel alone is tested\n");
    rng_seed(&rng, 1, 0);
    unsigned classes = 0;
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++) {
        size_t size = gclass_size(c);
        if (size < INLINE_MARKS_MIN_OBJECT_BYTES || size > INLINE_MARKS_MAX_OBJECT_BYTES)
            continue;
        classes++;
        unsigned nelems = span_objects(GOALLOC_PAGE_BYTES, size, true, true);
        for (unsigned round = 0; round < 400; round++) {
            fill(nelems, round);
            unsigned count = gather_bit_by_bit(nelems, (unsigned)size / 8, wanted);
            assert_int_equal(gather_portable(nelems, (unsigned)size / 8, found), count);
            assert_memory_equal(found, wanted, count * sizeof *found);
            if (!kernel_vector_runs())
                continue;
            assert_int_equal(gather_vector(nelems, (unsigned)size / 8, found), count);
            assert_memory_equal(found, wanted, count * sizeof *found);
        }
    }
    assert_int_equal(classes, 25); /* Go 1.26 has 26 expanders, that of 8 B among them; Green Tea begins at 16 B */
}

static void test_slot_bits_are_found_within_eight_bytes(void **state) {
    (void)state;
    rng_seed(&rng, 2, 0);
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        size_t size = gclass_size(i / 2);
        if (span_class_noscan((uint8_t)i) || !span_class_inline_marked((uint8_t)i))
            continue;
        unsigned slot_words = (unsigned)size / 8;
        uint64_t words = UINT64_MAX >> (64 - slot_words), bits[KERNEL_WORDS + 1];
        for (unsigned j = 0; j <= KERNEL_WORDS; j++)
            bits[j] = rng_next(&rng);
        for (unsigned slot = 0; slot < span_objects(GOALLOC_PAGE_BYTES, size, true, true); slot++)
            assert_int_equal(tea_slot_bits(bits, slot * slot_words, words),
                             mark_object_bits(bits, 0, slot * size, words));
    }
}

static void expect_bits_back(uint64_t bits, bool vector) {
    uint8_t bytes[64];
    kernel_spread_bits(bytes, bits, vector);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bytes[i] != 0, bits >> i & 1);
    assert_int_equal(kernel_gather_bits(bytes, vector), bits);
    bytes[0] = KERNEL_BYTE; /* as they are set one by one */
    assert_int_equal(kernel_gather_bits(bytes, vector), bits | 1);
}

static void expect_bits_back_portable(uint64_t bits) {
    expect_bits_back(bits, false);
}

KERNEL_VECTOR static void expect_bits_back_vector(uint64_t bits) {
    expect_bits_back(bits, true);
}

static void test_bits_become_bytes_and_bits_again(void **state) {
    (void)state;
    rng_seed(&rng, 4, 0);
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t bits = round == 0 ? 0 : round == 1 ? UINT64_MAX : random_bits(round, round & 8);
        expect_bits_back_portable(bits);
        if (kernel_vector_runs())
            expect_bits_back_vector(bits);
    }
}

/* One bit that differs in any slot is found, and what lies behind the last slot is nobody's. */
static void test_slots_that_differ_are_seen(void **state) {
    (void)state;
    rng_seed(&rng, 5, 0);
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        size_t size = gclass_size(i / 2);
        if (span_class_noscan((uint8_t)i) || !span_class_inline_marked((uint8_t)i))
            continue;
        unsigned slot_words = (unsigned)size / 8, nelems = span_objects(GOALLOC_PAGE_BYTES, size, true, true);
        struct mark_class class = {0, (uint16_t)nelems, (uint16_t)size, UINT64_MAX >> (64 - slot_words)};
        uint64_t bits[KERNEL_WORDS + 1] = {0}, mask = rng_next(&rng) & class.words;
        for (unsigned word = 0; word < nelems * slot_words; word++)
            bits[word / 64] |= (mask >> word % slot_words & 1) << word % 64;
        for (unsigned word = nelems * slot_words; word < (KERNEL_WORDS + 1) * 64; word++)
            bits[word / 64] |= (rng_next(&rng) & 1) << word % 64;
        assert_true(tea_alike(&class, bits, mask));
        assert_false(tea_alike(&class, bits, mask ^ 1));
        for (unsigned word = 0; word < nelems * slot_words; word++) {
            bits[word / 64] ^= UINT64_C(1) << word % 64;
            assert_false(tea_alike(&class, bits, mask));
            bits[word / 64] ^= UINT64_C(1) << word % 64;
        }
    }
}

/* A page of pairs: each leads to the next one of the page, and elsewhere. A free slot among them becomes something
 * else, again and again, while they are followed. */
enum { PAIRS = 300, PAIRS_ROUNDS = 4000, CHANGING = 400 };

static bool changing_over; /* atomic */

static void *change_bits(void *unused) {
    (void)unused;
    for (uint64_t i = 0; !__atomic_load_n(&changing_over, __ATOMIC_RELAXED); i++)
        if (i % 64 == 0)
            __atomic_fetch_xor(&in.bits[CHANGING * 2 / 64], UINT64_C(1) << CHANGING * 2 % 64, __ATOMIC_RELAXED);
    return NULL;
}

static unsigned follow_pairs(struct gc_work *w, struct tea_own *own, uintptr_t *found, bool vector) {
    const struct mark_class class = mark_classes[span_class_make(GOALLOC_CLASS_OF_16, false)];
    const uint64_t first[TEA_WORDS] = {1};
    return tea_follow(w, (uintptr_t)in.page, class, NULL, in.bits, first, own, found, vector);
}

static unsigned follow_pairs_portable(struct gc_work *w, struct tea_own *own, uintptr_t *found) {
    return follow_pairs(w, own, found, false);
}

KERNEL_VECTOR static unsigned follow_pairs_vector(struct gc_work *w, struct tea_own *own, uintptr_t *found) {
    return follow_pairs(w, own, found, true);
}

static void test_a_slot_may_change_while_others_are_followed(void **state) {
    (void)state;
    mark_classes_init();
    memset(&in, 0, sizeof in);
    memset(in.bits, 0xff, (KERNEL_PAGE_WORDS - (INLINE_MARKS_BYTES + HEAP_BITS_BYTES) / 8) / 8);
    for (unsigned i = 0; i < PAIRS; i++) {
        in.page[i * 2] = (uintptr_t)&in.page[(i + 1) % PAIRS * 2];
        in.page[i * 2 + 1] = (uintptr_t)(&in + 1) + GOALLOC_PAGE_BYTES * (i + 1);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change_bits, NULL), 0);
    for (unsigned round = 0; round < PAIRS_ROUNDS; round++) {
        struct gc_work w = {0};
        struct tea_own own;
        uintptr_t found[KERNEL_FOUND];
        bool vector = round % 2 != 0 && kernel_vector_runs();
        unsigned count = vector ? follow_pairs_vector(&w, &own, found) : follow_pairs_portable(&w, &own, found);
        assert_int_equal(count, PAIRS);
        assert_int_equal(w.scan_work, PAIRS * 16);
        for (unsigned i = 0; i < PAIRS; i++)
            if (found[i] != in.page[i * 2 + 1])
                fail_msg("round %u: pointer %u is %p, not %p", round, i, (void *)found[i], (void *)in.page[i * 2 + 1]);
    }
    __atomic_store_n(&changing_over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}

/* ---- reachability */

struct node {
    struct node *first, *second;
    uint64_t value;
};
static const struct goalloc_type node_type = {sizeof(struct node), 3, NULL};
static void *root;

static struct node *new_node(struct node *first, struct node *second, uint64_t value) {
    struct node *n = goalloc_new(&node_type, 1);
    if (n == NULL)
        _exit(3);
    goalloc_store((void **)&n->first, first);
    goalloc_store((void **)&n->second, second);
    n->value = value;
    return n;
}

/* What has just been made is the root's at once; only it and what hangs on it is kept. */
static void build(unsigned nodes) {
    root = NULL;
    for (unsigned i = 0; i < nodes; i++) {
        struct node *garbage = new_node(root, NULL, i);
        struct node *beside = new_node(NULL, garbage->second, i);
        goalloc_store(&root, new_node(root, beside, i));
    }
}

static bool whole(unsigned nodes) {
    for (struct node *n = root; nodes-- > 0; n = n->first)
        if (n == NULL || n->value != nodes || n->second == NULL || n->second->value != nodes)
            return false;
    return true;
}

static void collect_and_look(void) {
    enum { ROUNDS = OS_THREAD_SANITIZER ? 1 : 4 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        build(20000 + round);
        for (unsigned i = 0; i < 3; i++) {
            goalloc_collect();
            if (!whole(20000 + round))
                _exit(2);
        }
    }
    _exit(0);
}

static void without_a_window(void) {
    static struct span *nothing;
    goalloc_root_add(&root, 1); /* what there is before the first arena */
    if (heap.arenas.window != NULL || heap.arenas.count != 0)
        _exit(4);
    heap.arenas.window = &nothing; /* there is one, for no pages: none is opened */
    collect_and_look();
}

static void with_a_window(void) {
    goalloc_root_add(&root, 1);
    collect_and_look();
}

enum { WAYS = 8 };
static unsigned way; /* of collecting; the child knows it */

static void require_whole(void (*action)(void)) {
    for (way = 0; way < WAYS; way++) {
        if ((way & 2) != 0 && !kernel_vector_runs())
            continue; /* the portable kernel is the best there is */
        setenv("GODEBUG", way & 4 ? "clobberfree=1,gcstoptheworld=1" : "clobberfree=1,gccheckmark=1", 1);
        setenv("GOALLOC_STAY", way & 1 ? "on" : "off", 1);
        unsetenv("GOALLOC_KERNEL"); /* the best there is */
        if (way & 2)
            setenv("GOALLOC_KERNEL", "portable", 1);
        char said[512];
        int status = die_in_child(action, SIG_DFL, said, sizeof said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("GODEBUG=%s GOALLOC_STAY=%s GOALLOC_KERNEL=%s: status %x, and 0 was expected: %s", getenv("GODEBUG"),
                     getenv("GOALLOC_STAY"), way & 2 ? "portable" : "the best", (unsigned)status,
                     said[0] != '\0' ? said : "something reachable was freed");
    }
}

static void test_reachable_is_kept(void **state) {
    (void)state;
    require_whole(with_a_window);
}

static void test_reachable_is_kept_outside_the_window(void **state) {
    (void)state;
    require_whole(without_a_window);
}

/* Objects of one size, which is any that has its marks in the page: a random tree, and what else a word may hold:
 * nothing, a number, more pointers into objects, an address behind the last of a page. Types say in which words
 * pointers are; in the others is what would be a pointer to what has been freed. The last holds the object's number. */
enum { GRAPH_OBJECTS = 1500, GRAPH_WORDS = INLINE_MARKS_MAX_OBJECT_BYTES / 8 };
enum graph_kind { GRAPH_ALL, GRAPH_TWO, GRAPH_ONE, GRAPH_THREE, GRAPH_MIXED, GRAPH_KINDS };

static uintptr_t **graph[GRAPH_OBJECTS]; /* no root */
static unsigned graph_words;
static uint64_t graph_unused[GRAPH_OBJECTS]; /* words for pointers that hold none yet */

static uintptr_t graph_value(unsigned i) {
    return (uintptr_t)i << 12 | graph_words << 1 | 1;
}

static uint64_t graph_mask(enum graph_kind kind, unsigned i) {
    uint64_t all = UINT64_MAX >> (65 - graph_words), one = UINT64_C(1) << (graph_words - 2);
    uint64_t two = one | UINT64_C(1) << graph_words / 3;
    const uint64_t masks[] = {all, two, one, two | 1};
    return masks[kind != GRAPH_MIXED ? kind : i % GRAPH_MIXED] & all;
}

/* Where a pointer is to go, in an object before the i-th that has room: any, or the last. */
static uintptr_t **graph_place(unsigned i) {
    unsigned parent = (unsigned)rng_below(&rng, i);
    if (graph_unused[parent] == 0)
        parent = i - 1;
    while (graph_unused[parent] == 0)
        parent--;
    unsigned word = (unsigned)place_lowest(graph_unused[parent]);
    graph_unused[parent] &= graph_unused[parent] - 1;
    return &graph[parent][word];
}

static void graph_add(uint64_t mask, unsigned i) {
    struct goalloc_type type = {graph_words * 8, mask, NULL};
    void *garbage = goalloc_new(&type, 1); /* between them */
    graph[i] = goalloc_new(&type, 1);
    if (garbage == NULL || graph[i] == NULL)
        _exit(3);
    graph_unused[i] = mask;
    for (unsigned word = 0; word < graph_words - 1; word++)
        if ((mask >> word & 1) == 0)
            graph[i][word] = garbage;
    graph[i][graph_words - 1] = (uintptr_t *)graph_value(i);
    void **place = i == 0 ? &root : (void **)graph_place(i);
    goalloc_store(place, (char *)graph[i] + (i == 0 ? 0 : rng_below(&rng, graph_words * 8)));
}

static void graph_fill(unsigned i) {
    for (; graph_unused[i] != 0; graph_unused[i] &= graph_unused[i] - 1) {
        char *other = (char *)graph[rng_below(&rng, GRAPH_OBJECTS)];
        uintptr_t page = mark_page_base((uintptr_t)other), offset = rng_below(&rng, INLINE_MARKS_BYTES);
        void *const values[] = {NULL, (void *)(uintptr_t)rng_below(&rng, GC_LEAST_ADDRESS), other,
                                (void *)(page + GOALLOC_PAGE_BYTES - 1 - offset)};
        goalloc_store((void **)&graph[i][place_lowest(graph_unused[i])], values[rng_below(&rng, 4)]);
    }
}

static void graph_try(enum graph_kind kind) {
    for (unsigned i = 0; i < GRAPH_OBJECTS; i++)
        graph_add(graph_mask(kind, i), i);
    for (unsigned i = 0; i < GRAPH_OBJECTS; i++)
        graph_fill(i);
    for (unsigned round = 0; round < 3; round++) {
        goalloc_collect();
        for (unsigned i = 0; i < GRAPH_OBJECTS; i++)
            if ((uintptr_t)graph[i][graph_words - 1] != graph_value(i)) {
                fprintf(stderr, "graph of %u-byte objects, kind %u: object %u was freed\n", graph_words * 8, kind, i);
                _exit(2);
            }
    }
}

static void graphs_of_all_sizes(void) {
    goalloc_root_add(&root, 1);
    rng_seed(&rng, 3, 0);
    /* Each size in two of the ways, neighbours in others; the thread sanitizer, which slows it thirtyfold, a fifth. */
    bool all = getenv("SPANLAB_TEST_ALL") != NULL;
    unsigned step = OS_THREAD_SANITIZER ? 5 : 1;
    for (graph_words = INLINE_MARKS_MIN_OBJECT_BYTES / 8; graph_words <= GRAPH_WORDS; graph_words += step)
        for (unsigned kind = 0; kind < GRAPH_KINDS; kind++)
            if (all || (graph_words + way) % (WAYS / 2) == 0)
                graph_try(kind);
    _exit(0);
}

static void test_reachable_is_kept_in_all_sizes(void **state) {
    (void)state;
    require_whole(graphs_of_all_sizes);
}

/* ---- gccheckmark */

enum { LONG_POINTERS = 20000 };
static const struct goalloc_type long_type = {8, 1, NULL};

static struct node *middle;
static volatile uintptr_t hidden_inverted; /* nothing is to be found that looks like a pointer to it */

__attribute__((noinline)) static void make_hidden(void) {
    hidden_inverted = ~(uintptr_t)new_node(NULL, NULL, 2);
}

__attribute__((noinline)) static void store_behind_the_back(void) {
    middle->first = (struct node *)~hidden_inverted;
}

/* A large object leads to a node that has been scanned, and that to one whose store no barrier heard of. */
static void hide_behind_a_large_object(void) {
    goalloc_root_add(&root, 1);
    make_hidden();
    void **large = goalloc_new(&long_type, LONG_POINTERS);
    goalloc_store(&root, large);
    middle = new_node(NULL, NULL, 1);
    goalloc_store(&large[LONG_POINTERS - 1], middle);
    world_stop(gc_self);
    stacks_must_locate(gc_self, (uintptr_t)__builtin_frame_address(0));
    gc_begin_marking(gc_self, false, os_now_ns());
    mark_drain(&gc_self->work, UINT64_MAX);
    store_behind_the_back();
    gc_end_marking(gc_self, os_now_ns());
}

static void test_check_sees_through_large_objects(void **state) {
    (void)state;
    char said[512];
    setenv("GODEBUG", "gccheckmark=1", 1);
    int status = die_in_child(hide_behind_a_large_object, SIG_DFL, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, "gccheckmark"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_find_the_same),
        cmocka_unit_test(test_slot_bits_are_found_within_eight_bytes),
        cmocka_unit_test(test_bits_become_bytes_and_bits_again),
        cmocka_unit_test(test_slots_that_differ_are_seen),
        cmocka_unit_test(test_a_slot_may_change_while_others_are_followed),
        cmocka_unit_test(test_reachable_is_kept),
        cmocka_unit_test(test_reachable_is_kept_in_all_sizes),
        cmocka_unit_test(test_reachable_is_kept_outside_the_window),
        cmocka_unit_test(test_check_sees_through_large_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
