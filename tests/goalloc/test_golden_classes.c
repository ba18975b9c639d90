/* SPDX-License-Identifier: MIT
 * Size classes, spans' layouts and the size that a request gets, as variants/go/oracle/classes has measured them. */
#include "unity_traced.h"

#include "golden_heap.h"

struct layout {
    size_t pages, objects, behind_bytes;
    uintptr_t address_bits; /* all bits that slot addresses have */
};

/* Fills a fresh span of the class, from its first to its last object. Four, so that address_bits mean something. */
static struct layout fill_fresh(unsigned size_class, bool pointers) {
    size_t request = golden_request(size_class, pointers), pages;
    struct layout l = {0};
    for (int spans = 0; spans < 4; spans++) {
        char *p = golden_to_fresh_span(request, pointers, &pages);
        struct goalloc_object o = {0};
        uintptr_t base = span_base(heap_span_of((uintptr_t)p)), end = 0;
        l.pages = pages;
        l.objects = 0;
        do {
            if (!goalloc_object_of(p, &o))
                abort(); /* it has just been allocated */
            l.objects++;
            l.address_bits |= (uintptr_t)o.base;
            end = (uintptr_t)o.base + o.size_bytes;
            p = golden_alloc(request, pointers, &pages);
        } while (pages == 0);
        l.behind_bytes = base + l.pages * GOALLOC_PAGE_BYTES - end;
    }
    return l;
}

static void print_table(FILE *out, FILE *golden) {
    (void)golden;
    fprintf(out, "0 %zu %zu 0 0 0 0\n", gclass_size(0), gclass_pages(0));
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++) {
        struct layout l = fill_fresh(c, c == 1);
        size_t size = gclass_size(c), span = l.pages * GOALLOC_PAGE_BYTES;
        if (c == 1)
            l.objects = span / size; /* only scan spans use it; Go's table leaves out their pointer bits */
        size_t tail = span - l.objects * size, wasted = (size - gclass_size(c - 1) - 1) * l.objects + tail;
        size_t alignment = l.address_bits & -l.address_bits;
        fprintf(out, "%u %zu %zu %zu %zu %zu %zu\n", c, size, l.pages, l.objects, tail,
                (wasted * 10000 + span / 2) / span, alignment < GOALLOC_PAGE_BYTES ? alignment : GOALLOC_PAGE_BYTES);
    }
}

static void print_objects(FILE *out, bool pointers) {
    for (unsigned c = pointers ? 1 : 2; c < GOALLOC_SIZE_CLASSES; c++) {
        struct layout l = fill_fresh(c, pointers);
        fprintf(out, "%u %zu %zu %zu %zu\n", c, gclass_size(c), l.pages, l.objects, l.behind_bytes);
    }
}

static void print_objects_noscan(FILE *out, FILE *golden) {
    (void)golden;
    print_objects(out, false);
}

static void print_objects_scan(FILE *out, FILE *golden) {
    (void)golden;
    print_objects(out, true);
}

struct row {
    int size_class; /* -1: nothing was allocated */
    size_t slot_bytes, pages, header_bytes;
};

static struct row row_of(size_t n, bool pointers) {
    size_t pages;
    char *p = golden_alloc(n, pointers, &pages);
    struct goalloc_object o = {0};
    if (!goalloc_object_of(p, &o))
        return (struct row){-1, 0, 0, 0};
    struct span *s = heap_span_of((uintptr_t)p);
    return (struct row){(int)span_class_size_class(s->span_class), o.size_bytes, s->npages,
                        (size_t)(p - (char *)o.base)};
}

static void print_requests(FILE *out, bool pointers) {
    struct row last = {0};
    size_t from = 0, to = 0;
    for (size_t n = 0; n <= 40000; n += pointers ? 8 : 1) {
        if (!pointers && n < 16)
            cache_self->tiny = 0; /* each as the first object of its block: only then does it have a slot */
        struct row r = row_of(n, pointers);
        bool same = r.size_class == last.size_class && r.slot_bytes == last.slot_bytes && r.pages == last.pages &&
                    r.header_bytes == last.header_bytes;
        if (n > 0 && !same) {
            fprintf(out, "%zu %zu %d %zu %zu %zu\n", from, to, last.size_class, last.slot_bytes, last.pages,
                    last.header_bytes);
            from = n;
        }
        last = r;
        to = n;
    }
    fprintf(out, "%zu %zu %d %zu %zu %zu\n", from, to, last.size_class, last.slot_bytes, last.pages, last.header_bytes);
}

static void print_requests_noscan(FILE *out, FILE *golden) {
    (void)golden;
    goalloc_thread_attach();
    print_requests(out, false);
}

static void print_requests_scan(FILE *out, FILE *golden) {
    (void)golden;
    print_requests(out, true);
}

static void replay_large(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES], kind;
    while (golden_line(golden, line, sizeof line)) {
        size_t n, pages;
        if (sscanf(line, "%c %zu", &kind, &n) != 2)
            golden_give_up(out, line);
        golden_alloc(n, kind == 'P', &pages);
        fprintf(out, "%c %zu %zu\n", kind, n, pages);
    }
}

/* No counter of calls exists in this build: an object counts when its address has one. */
static void print_zero(FILE *out, FILE *golden) {
    (void)golden;
    size_t pages;
    char *first = golden_alloc(0, false, &pages);
    for (int i = 0; i < 8; i++) {
        bool pointers = i % 2 == 1;
        char *p = golden_alloc(0, pointers, &pages);
        struct goalloc_object o;
        fprintf(out, "%c %s %d %zu\n", pointers ? 'P' : 'S', p == first ? "true" : "false", goalloc_object_of(p, &o),
                pages * GOALLOC_PAGE_BYTES);
    }
}

static void class_table(void **state) {
    (void)state;
    golden_compare("class-table", print_table);
}
/* Green Tea's name is not made of the other's. */
static void objects_noscan(void **state) {
    (void)state;
    golden_compare(AXIS_INLINE_MARKS ? "objects-noscan-greentea" : "objects-noscan-classic", print_objects_noscan);
}
static void objects_scan(void **state) {
    (void)state;
    golden_compare(AXIS_INLINE_MARKS ? "objects-scan-greentea" : "objects-scan-classic", print_objects_scan);
}
static void requests_noscan(void **state) {
    (void)state;
    golden_compare("requests-noscan", print_requests_noscan);
}
static void requests_scan(void **state) {
    (void)state;
    golden_compare("requests-scan", print_requests_scan);
}
static void large_sizes(void **state) {
    (void)state;
    golden_compare("large-sizes", replay_large);
}
static void size_zero(void **state) {
    (void)state;
    golden_compare("size-zero", print_zero);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_table),     cmocka_unit_test(objects_noscan), cmocka_unit_test(objects_scan),
        cmocka_unit_test(requests_noscan), cmocka_unit_test(requests_scan),  cmocka_unit_test(large_sizes),
        cmocka_unit_test(size_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
