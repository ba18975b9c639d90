/* SPDX-License-Identifier: MIT
 * Metadata that something has written over must be noticed where the allocator next relies on it: one line that says
 * what is corrupted, and abort. Each case takes a sound heap, spoils one word of it, and goes on as a program would. */
#include "unity_manual.h"
#include "dies.h"
#include "dies_allocating.h"

enum { OBJECTS = 3000, BYTES = 1024, PER_SPAN = 64 }; /* 64 KiB spans of 64 slots */

static char *objects[OBJECTS];
static uint64_t wild[512]; /* memory that can be read, aligned like a record, and is none */

static struct span *span_of(const void *p) {
    return heap_span_of((uintptr_t)p);
}

static void free_range(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++)
        goalloc_free(objects[i]);
}

static void take_all(void) {
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = goalloc_malloc(BYTES);
}

/* Half of every span free, so that many wait on the list of spans with room. */
static struct cache *half_free(void) {
    take_all();
    for (unsigned i = 0; i < OBJECTS; i += 2)
        goalloc_free(objects[i]);
    struct cache *c = cache_self;
    uint8_t spc = span_of(objects[1])->span_class;
    assert_true(c->partial[spc] != NULL && c->partial[spc]->next != NULL && c->partial[spc]->next->next != NULL);
    return c;
}

static struct span *waiting(struct cache *c) {
    return c->partial[span_of(objects[1])->span_class];
}

/* ---- lists of spans */

static void next_span_links_elsewhere(void) {
    waiting(half_free())->next->prev = NULL;
    take_all();
}

static void next_is_wild(void) {
    waiting(half_free())->next = (struct span *)wild;
    take_all();
}

static void prev_is_wild(void) {
    struct span *s = waiting(half_free())->next;
    s->prev = (struct span *)((uintptr_t)s->prev + 8);
    for (unsigned i = 1; i < OBJECTS; i += 2)
        goalloc_free(objects[i]);
}

static void head_is_no_first(void) {
    take_all();
    for (unsigned i = 0; i < OBJECTS; i += 2) {
        if (i == OBJECTS / 2) /* further spans are about to wait before it */
            waiting(cache_self)->prev = waiting(cache_self)->next;
        goalloc_free(objects[i]);
    }
}

static void listed_span_of_another_class(void) {
    waiting(half_free())->span_class = span_class_make(3, true);
    take_all();
}

static void listed_span_out_of_use(void) {
    waiting(half_free())->state = SPAN_DEAD;
    take_all();
}

static void listed_span_of_nobody(void) {
    waiting(half_free())->owner = NULL;
    take_all();
}

static void central_span_with_an_owner(void) {
    half_free();
    uint8_t spc = span_of(objects[1])->span_class;
    goalloc_purge();
    assert_non_null(heap.central[spc].partial);
    heap.central[spc].partial->owner = cache_self;
    take_all();
}

static void inbox_is_wild(void) {
    half_free()->inbox = (struct span *)wild;
    goalloc_purge();
}

/* ---- span records and free bits */

static void slots_beyond_the_pages(void) {
    waiting(half_free())->nelems *= 2;
    take_all();
}

static void bits_elsewhere(void) {
    waiting(half_free())->free_bits = wild;
    take_all();
}

/* 1152 B: 57 slots in 64 KiB. */
static void too_many_free_bits(void) {
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = goalloc_malloc(1152);
    for (unsigned i = 0; i < OBJECTS; i += 2)
        goalloc_free(objects[i]);
    struct span *s = waiting(cache_self);
    assert_true(s->nelems % 64 != 0);
    span_free_bits(s)[span_words(s) - 1] |= UINT64_C(1) << 63;
    for (unsigned i = 0; i < OBJECTS; i++)
        goalloc_malloc(1152);
}

static void *large(void) {
    return goalloc_malloc(100000); /* 13 pages */
}

static void base_moved(void) {
    char *p = large();
    span_of(p)->base += 512;
    goalloc_free(p + 512);
}

static void no_pages(void) {
    char *p = large();
    struct span *s = span_of(p);
    s->npages = 0;
    heap_span_free(NULL, s);
}

static void more_pages_than_it_has(void) {
    char *p = large();
    span_of(p)->npages += 100;
    goalloc_free(p);
}

static void page_table_entry_lost(void) {
    char *p = large();
    arena_set_spans(&heap.arenas, (uintptr_t)p + 12 * GOALLOC_PAGE_BYTES, 1, NULL);
    goalloc_free(p);
}

static void page_bit_lost(void) {
    char *p = large();
    heap_page_in_use((uintptr_t)p, false);
    goalloc_free(p);
}

/* ---- records not in use */

static void kept_record_is_wild(void) {
    void *p = large();
    goalloc_free(p);
    assert_non_null(cache_attach());
    goalloc_free(large());
    cache_self->records = (struct span *)wild;
    large();
}

static void kept_record_is_in_use(void) {
    goalloc_malloc(1);
    char *p = large();
    goalloc_free(large());
    assert_non_null(cache_self->records);
    cache_self->records->next = span_of(p);
    large();
    large();
}

/* Records that no thread keeps lie in the fixalloc, linked by their first word. */
static void unused_record_is_wild(void) {
    goalloc_free(goalloc_malloc(1));
    goalloc_free(large());
    goalloc_purge();
    assert_non_null(span_records.free_list);
    *(void **)span_records.free_list = wild;
    large();
    large();
}

static void unused_record_is_misaligned(void) {
    goalloc_free(goalloc_malloc(1));
    goalloc_free(large());
    goalloc_purge();
    span_records.free_list = (char *)span_records.free_list + 8;
    large();
}

static void record_given_twice(void) {
    goalloc_malloc(1);
    struct span *s = fixalloc_take(&span_records);
    fixalloc_give(&span_records, s);
    fixalloc_give(&span_records, s);
}

static void bits_given_that_are_none(void) {
    half_free();
    span_bits_give(wild, 4);
}

/* ---- the page heap */

static void grow(void) {
    goalloc_free(goalloc_malloc(1 << 20)); /* now 4 MiB at least are there */
}

static void chunk_promises_too_much(void) {
    grow();
    large();
    struct page_heap *ph = &heap.pages;
    size_t chunk = ph->first_chunk;
    for (size_t c = chunk; c < ph->end_chunk; c++)
        page_update_chunk(ph, c, summary_pack((struct runs){0, 511, 0}));
    goalloc_malloc(510 * GOALLOC_PAGE_BYTES);
}

static void chunk_calls_used_pages_free(void) {
    grow();
    void *low = goalloc_malloc(200 * GOALLOC_PAGE_BYTES), *between = large();
    goalloc_free(low);
    assert_non_null(between);
    struct page_heap *ph = &heap.pages;
    for (size_t c = ph->first_chunk; c < ph->end_chunk; c++)
        page_update_chunk(ph, c, SUMMARY_FREE_CHUNK);
    ph->search_page = ph->first_chunk * PAGE_CHUNK_PAGES;
    goalloc_malloc(300 * GOALLOC_PAGE_BYTES); /* so many are free, but not in a row */
}

static void upper_level_promises_too_much(void) {
    grow();
    struct page_heap *ph = &heap.pages;
    size_t chunk = ph->first_chunk;
    ph->levels[0][chunk >> (PAGE_LEVELS - 1) * PAGE_LEVEL_BITS] = summary_pack((struct runs){0, 3000, 0});
    goalloc_malloc(2000 * GOALLOC_PAGE_BYTES);
}

static void summary_beyond_the_heap(void) {
    grow();
    struct page_heap *ph = &heap.pages;
    ph->levels[0][(ph->end_chunk - 1) >> (PAGE_LEVELS - 1) * PAGE_LEVEL_BITS] =
        summary_pack((struct runs){0, 1 << 20, 1 << 20});
    ph->levels[1][(ph->end_chunk - 1) >> (PAGE_LEVELS - 2) * PAGE_LEVEL_BITS] =
        summary_pack((struct runs){1 << 18, 1 << 18, 1 << 18});
    goalloc_malloc(100000 * (size_t)GOALLOC_PAGE_BYTES);
}

static void free_pages_miscounted(void) {
    grow();
    heap.pages.free_pages = 3;
    goalloc_malloc(20 * GOALLOC_PAGE_BYTES);
}

static void cached_pages_of_others(void) {
    goalloc_malloc(1);
    goalloc_malloc(3000);
    assert_true(cache_self->pages.free != 0);
    struct page_cache again = cache_self->pages;
    goalloc_purge();
    cache_self->pages = again;
    goalloc_purge();
}

static void pages_given_back_twice(void) {
    char *p = large();
    struct span *s = span_of(p);
    size_t npages = s->npages;
    goalloc_free(p);
    page_free(&heap.pages, (uintptr_t)p, npages);
}

static const struct dying dyings[] = {
    {next_span_links_elsewhere, "corrupted span list: the links"},
    {next_is_wild, "corrupted span list: the links"},
    {prev_is_wild, "corrupted span list: the links"},
    {head_is_no_first, "corrupted span list: its head"},
    {listed_span_of_another_class, "corrupted span list: class"},
    {listed_span_out_of_use, "corrupted span list: class"},
    {listed_span_of_nobody, "corrupted span list: class"},
    {central_span_with_an_owner, "corrupted span list: class"},
    {inbox_is_wild, "corrupted inbox"},
    {slots_beyond_the_pages, "corrupted span record: "},
    {bits_elsewhere, "corrupted span record: "},
    {too_many_free_bits, "corrupted free bits"},
    {base_moved, "corrupted span record: 13 pages at"},
    {no_pages, "corrupted span record: 0 pages at"},
    {more_pages_than_it_has, "corrupted span record: the page table"},
    {page_table_entry_lost, "corrupted span record: the page table"},
    {page_bit_lost, "corrupted page bitmap"},
    {kept_record_is_wild, "corrupted list of unused span records: it leads to"},
    {kept_record_is_in_use, "in use (state 1)"},
    {unused_record_is_wild, "corrupted list of unused records"},
    {unused_record_is_misaligned, "corrupted list of unused records"},
    {record_given_twice, "corrupted metadata: the record of 128 bytes"},
    {bits_given_that_are_none, "corrupted metadata: "},
    {chunk_promises_too_much, "corrupted page heap: chunk"},
    {chunk_calls_used_pages_free, "corrupted page heap: the summaries call"},
    {upper_level_promises_too_much, "corrupted page heap: a summary at level"},
    {summary_beyond_the_heap, "corrupted page heap: "},
    {free_pages_miscounted, "corrupted page heap: it counts 3 free pages"},
    {cached_pages_of_others, "corrupted page cache"},
    {pages_given_back_twice, "corrupted page heap: pages freed twice"},
};

static void every_corruption_is_diagnosed(void **state) {
    (void)state;
    expect_deaths(dyings, sizeof dyings / sizeof *dyings);
}

/* The same steps without the damage. */
static void a_sound_heap_is_not(void **state) {
    (void)state;
    half_free();
    take_all();
    free_range(0, OBJECTS);
    goalloc_purge();
    half_free();
    goalloc_free(large());
    goalloc_free(goalloc_malloc(100000 * (size_t)GOALLOC_PAGE_BYTES));
    goalloc_purge();
    take_all();
}

static void a_handler_of_the_death_may_allocate(void **state) {
    (void)state;
    expect_deaths_with(allocate_on_abort, dyings, sizeof dyings / sizeof *dyings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_corruption_is_diagnosed),
        cmocka_unit_test(a_handler_of_the_death_may_allocate),
        cmocka_unit_test(a_sound_heap_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
