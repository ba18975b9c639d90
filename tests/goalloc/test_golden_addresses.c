/* SPDX-License-Identifier: MIT
 * Where objects lie and how the heap's mapping grows: replays the operations that variants/go/oracle/addresses has
 * recorded. Its main.go explains the lines. */
#include "unity_traced.h"

#include "golden_heap.h"

static uintptr_t base;   /* of the first arena: Go's 0xc000000000 */
static uintptr_t beyond; /* where offsets of objects beyond the hints count from; 0: there are none yet */

static uintptr_t hints_end(void) {
    return base + ((uintptr_t)ARENA_HINTS << 40);
}

struct region {
    uintptr_t start, ready_end, end;
};

static void print_region(FILE *out, const struct region *r) {
    if (r->end != r->start)
        fprintf(out, "M %zu %zu %zu\n", r->start - base, r->ready_end - r->start, r->end - r->ready_end);
}

/* Adds a mapping to the region that it continues, or prints that and begins a new one. */
static void region_add(FILE *out, struct region *r, uintptr_t start, uintptr_t end, bool ready) {
    bool continues = start == r->end && (!ready || r->ready_end == r->end);
    if (!continues) {
        print_region(out, r);
        *r = (struct region){start, start, end};
    }
    r->end = end;
    if (ready)
        r->ready_end = end;
}

/* What lies at Go's hints belongs to the heap, but for what replay_block has put there. */
static void print_maps(FILE *out) {
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL)
        golden_give_up(out, "/proc/self/maps cannot be read");
    struct region r = {0};
    char line[GOLDEN_LINE_BYTES], readable, writable;
    uintptr_t start, end;
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%zx-%zx %c%c", &start, &end, &readable, &writable) != 4)
            golden_give_up(out, line);
        if (start >= base && start < hints_end() && (readable == 'r') == (writable == 'w'))
            region_add(out, &r, start, end, writable == 'w');
    }
    print_region(out, &r);
    fclose(maps);
}

/* Prints the heap's regions unless they are what was printed last. */
static void print_growth(FILE *out) {
    static char *last;
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (PLAIN_BUILD) {
        print_maps(memory);
    } else { /* the neighbours there are not ours; nothing is blocked, so there is one region */
        struct region r = {base, heap.grow_base, heap.grow_end};
        print_region(memory, &r);
    }
    fclose(memory);
    if (last == NULL || strcmp(last, text) != 0)
        fputs(text, out);
    free(last);
    last = text;
}

static void replay_fill(FILE *out) {
    size_t pages;
    char *p;
    do
        p = golden_alloc(GOALLOC_PAGE_BYTES, false, &pages);
    while ((uintptr_t)p % PAGE_CHUNK_BYTES != 0 || (uintptr_t)p % ARENA_BYTES == 0);
    fprintf(out, "F %zu\n", (uintptr_t)p - base);
}

static void replay_block(FILE *out, size_t offset, size_t size) {
    void *at = mmap((char *)base + offset, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (char *)base + offset)
        golden_give_up(out, "the obstacle cannot be mapped");
    fprintf(out, "B %zu %zu\n", offset, size);
}

/* Fills the gaps above the one where the heap has room, and the top of that one: what the kernel chooses next for two
 * arenas ends head bytes above a multiple of one. */
static void replay_steer(FILE *out, size_t head) {
    const size_t request = 2 * ARENA_BYTES, room = (size_t)8 << 30;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *p = mmap(NULL, room, PROT_READ, flags, -1, 0);
    if (p == MAP_FAILED)
        golden_give_up(out, "there is no room");
    munmap(p, room);
    char *end = p + room;
    do
        p = mmap(NULL, request, PROT_READ, flags, -1, 0);
    while (p + request > end);
    munmap(p, request);
    char *to = (char *)((((uintptr_t)end - head) & ~(uintptr_t)(ARENA_BYTES - 1)) + head);
    if (to < end && mmap(to, (size_t)(end - to), PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) != to)
        golden_give_up(out, "the obstacle cannot be mapped");
    fprintf(out, "K %zu\n", head);
}

static void replay_many(FILE *out, size_t n, size_t count) {
    size_t pages;
    char *p = NULL;
    for (size_t i = 0; i < count; i++)
        p = golden_alloc(n, false, &pages);
    fprintf(out, "T %zu %zu %zu\n", n, count, (uintptr_t)p - base);
}

static void replay_object(FILE *out, const char *line) {
    size_t n, pages;
    char kind;
    if (sscanf(line, "O %c %zu", &kind, &n) == 2) {
        char *p = golden_to_fresh_span(n, kind == 'P', &pages);
        fprintf(out, "O %c %zu %zu %zu\n", kind, n, (uintptr_t)p - base, pages);
        return;
    }
    if (sscanf(line, "%c %zu", &kind, &n) != 2 || (kind != 'S' && kind != 'P'))
        golden_give_up(out, line);
    uintptr_t address = (uintptr_t)golden_alloc(n, kind == 'P', &pages);
    if (!PLAIN_BUILD || address < hints_end()) {
        fprintf(out, "%c %zu %zu %zu\n", kind, n, address - base, pages);
        return;
    }
    if (beyond == 0)
        beyond = address & ~(uintptr_t)(ARENA_BYTES - 1);
    fprintf(out, "%c %zu ~%td %zu\n", kind, n, (intptr_t)(address - beyond), pages);
}

static void replay_line(FILE *out, const char *line) {
    size_t a, b;
    if (line[0] == 'F')
        replay_fill(out);
    else if (sscanf(line, "B %zu %zu", &a, &b) == 2)
        replay_block(out, a, b);
    else if (sscanf(line, "K %zu", &a) == 1)
        replay_steer(out, a);
    else if (sscanf(line, "T %zu %zu", &a, &b) == 2)
        replay_many(out, a, b);
    else
        replay_object(out, line);
}

static void replay(FILE *out, FILE *golden) {
    size_t pages;
    base = (uintptr_t)golden_alloc(GOALLOC_PAGE_BYTES, false, &pages);
    if (base % ARENA_BYTES != 0)
        golden_give_up(out, "the first page is not the first arena's");
    char line[GOLDEN_LINE_BYTES];
    while (golden_line(golden, line, sizeof line)) {
        if (line[0] == 'M')
            continue; /* Go's mappings are a result, not something to do */
        replay_line(out, line);
        print_growth(out);
    }
}

/* The heap's first arena is where Go's is. */
static void replay_absolute(FILE *out, FILE *golden) {
    replay(out, golden);
    if (base != 0xc000000000)
        fprintf(out, "the heap begins at %zx\n", base);
}

static void first(void **state) {
    (void)state;
    golden_compare("addresses-first", PLAIN_BUILD ? replay_absolute : replay);
}
static void growth_1m(void **state) {
    (void)state;
    golden_compare("addresses-growth-1m", replay);
}
static void growth_edges(void **state) {
    (void)state;
    golden_compare("addresses-growth-edges", replay);
}
static void growth_huge(void **state) {
    (void)state;
    golden_compare("addresses-growth-huge", replay);
}
static void growth_small(void **state) {
    (void)state;
    golden_compare("addresses-growth-small", replay);
}
static void growth_random(void **state) {
    (void)state;
    golden_compare("addresses-growth-random", replay);
}
/* Hints are absolute addresses. */
static void growth_blocked(void **state) {
    (void)state;
    if (!PLAIN_BUILD)
        skip();
    golden_compare("addresses-growth-blocked", replay);
}
static void hints_gone(void **state) {
    (void)state;
    if (!PLAIN_BUILD)
        skip();
    golden_compare("addresses-hints-gone", replay);
}
static void large_noscan(void **state) {
    (void)state;
    golden_compare("addresses-large-noscan", replay);
}
static void large_scan(void **state) {
    (void)state;
    golden_compare("addresses-large-scan", replay);
}
static void crossing(void **state) {
    (void)state;
    golden_compare("addresses-crossing", replay);
}
static void mixed_noscan(void **state) {
    (void)state;
    golden_compare("addresses-mixed-noscan", replay);
}
static void mixed_scan(void **state) {
    (void)state;
    golden_compare("addresses-mixed-scan", replay);
}
static void mixed_both(void **state) {
    (void)state;
    golden_compare("addresses-mixed-both", replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first),          cmocka_unit_test(growth_1m),    cmocka_unit_test(growth_edges),
        cmocka_unit_test(growth_huge),    cmocka_unit_test(growth_small), cmocka_unit_test(growth_random),
        cmocka_unit_test(growth_blocked), cmocka_unit_test(hints_gone),   cmocka_unit_test(large_noscan),
        cmocka_unit_test(large_scan),     cmocka_unit_test(crossing),     cmocka_unit_test(mixed_noscan),
        cmocka_unit_test(mixed_scan),     cmocka_unit_test(mixed_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
