/* SPDX-License-Identifier: MIT
 * goalloc_check on a heap that is right, and on one in which a single thing is wrong: each must be named. */
#include "unity_manual.h"

static char message[256];

static void *objects[2000];

static void fill(void) {
    for (size_t i = 0; i < 2000; i++)
        objects[i] = goalloc_malloc(i * 7 % 3000 + (i % 100 == 0 ? 40000 : 0));
    for (size_t i = 0; i < 2000; i += 3) {
        goalloc_free(objects[i]);
        objects[i] = NULL;
    }
}

static void nothing_is_broken(void) {
    int broken = goalloc_check(message, sizeof message);
    if (broken != 0)
        fail_msg("%d broken: %s", broken, message);
    assert_string_equal(message, "");
}

static void finds(const char *words) {
    if (goalloc_check(message, sizeof message) == 0)
        fail_msg("nothing found where it should say: %s", words);
    if (strstr(message, words) == NULL)
        fail_msg("'%s' does not say '%s'", message, words);
}

static void a_heap_in_use_is_whole(void **state) {
    (void)state;
    nothing_is_broken();
    fill();
    nothing_is_broken();
    goalloc_purge();
    nothing_is_broken();
}

/* Changes one word, sees it found, and puts it back. */
#define BREAK(lvalue, value, words)                                                                                    \
    do {                                                                                                               \
        __typeof__(lvalue) saved = (lvalue);                                                                           \
        (lvalue) = (value);                                                                                            \
        finds(words);                                                                                                  \
        (lvalue) = saved;                                                                                              \
        nothing_is_broken();                                                                                           \
    } while (0)

static void every_fault_is_named(void **state) {
    (void)state;
    fill();
    struct page_heap *ph = &heap.pages;
    size_t chunk = ph->search_page / PAGE_CHUNK_PAGES;
    struct span *s = arena_span_of(&heap.arenas, (uintptr_t)objects[1]);
    for (size_t i = 1; s->elem_bytes == 0 || s->nelems % 64 == 0; i++) /* one whose last word has bits to spare */
        s = objects[i] != NULL ? arena_span_of(&heap.arenas, (uintptr_t)objects[i]) : s;
    struct arena *arena = arena_of(&heap.arenas, s->base);
    size_t page = (s->base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
    BREAK(ph->levels[PAGE_LEVELS - 1][chunk], ph->levels[PAGE_LEVELS - 1][chunk] + 1, "page summary of a chunk");
    BREAK(ph->levels[1][chunk >> 9], ph->levels[1][chunk >> 9] ^ 1, "page summary of an upper level");
    BREAK(ph->free_pages, ph->free_pages + 1, "number of free pages");
    BREAK(ph->scavenged_free_pages, ph->scavenged_free_pages - 1, "number of released free pages");
    BREAK(ph->search_page, ph->search_page + PAGE_CHUNK_PAGES, "free page below the search address");
    BREAK(heap.pages_in_use, heap.pages_in_use - 1, "number of pages in use");
    BREAK(arena->spans[page], NULL, "page in use without a span");
    BREAK(s->nelems, s->nelems - 1, "slots of a span");
    BREAK(s->state, SPAN_DEAD, "state of a span");
    BREAK(span_free_bits(s)[span_words(s) - 1], ~UINT64_C(0), "bits of slots that the span does not have");
    struct span *listed = NULL;
    for (unsigned i = 0; i < SPAN_CLASSES && (listed == NULL || listed->next == NULL); i++)
        listed = cache_self->partial[i] != NULL ? cache_self->partial[i] : cache_self->full[i];
    assert_non_null(listed);
    BREAK(listed->list, SPAN_ON_NONE, "span on a list that says it is on none");
    BREAK(listed->owner, NULL, "owner of a span on a thread's list");
    if (listed->next != NULL)
        BREAK(listed->next->prev, NULL, "backward link of a span list");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_in_use_is_whole),
        cmocka_unit_test(every_fault_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
