/* SPDX-License-Identifier: MIT */
#include "arena/arena.h"

static struct fixalloc arena_records = {.size_bytes = (sizeof(struct arena) + 63) & ~(size_t)63};

static uintptr_t arena_hint(unsigned i) {
    return ARENA_FIRST_HINT + ((uintptr_t)i << 40);
}

/* Is there room for a first step? A limit that refuses it would do so anywhere. */
static bool arena_base_serves(uintptr_t base) {
    bool taken;
    void *p = os_reserve_at(base, ARENA_MIN_STEP_BYTES, &taken);
    if (p != NULL)
        os_unmap(p, ARENA_MIN_STEP_BYTES);
    return !taken;
}

static uintptr_t arena_limited_base(void) {
    for (unsigned i = 0; i < ARENA_HINTS; i++)
        if (arena_base_serves(arena_hint(i)))
            return arena_hint(i);
    /* The kernel hands out addresses downwards: below what it offers there is room to grow. */
    uintptr_t offered = (uintptr_t)os_reserve_aligned(ARENA_MIN_STEP_BYTES, ARENA_BYTES);
    if (offered == 0)
        return 0;
    os_unmap((void *)offered, ARENA_MIN_STEP_BYTES);
    bool below = offered > 2 * ARENA_LIMITED_BYTES && arena_base_serves(offered - ARENA_LIMITED_BYTES);
    return below ? offered - ARENA_LIMITED_BYTES : offered;
}

static bool arena_space_init(struct arena_space *a, bool limited) {
    if (limited && a->limited_base == 0)
        a->limited_base = ARENA_FIRST_HINT;
    a->step_bytes = limited ? ARENA_MIN_STEP_BYTES : ARENA_BYTES;
    a->map_first = limited ? a->limited_base >> ARENA_SHIFT : 0;
    size_t entries = limited ? ARENA_LIMITED_BYTES >> ARENA_SHIFT : ARENA_MAP_ENTRIES;
    a->map = os_map_readable(entries * sizeof *a->map);
    if (a->map == NULL)
        return false;
    __atomic_store_n(&a->map_entries, entries, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < ARENA_HINTS; i++)
        a->hints[i].address = limited ? a->limited_base : arena_hint(i);
    a->hint_count = limited ? 1 : ARENA_HINTS;
    return true;
}

/* The window lies around the first arena. When the hints were refused, the kernel hands out addresses downwards, so
 * half of the window covers what lies below. Failing is harmless: arenas then have tables of their own. */
static void arena_open_window(struct arena_space *a, uintptr_t first) {
    size_t covered_bytes = ARENA_WINDOW_BYTES;
    size_t limit_bytes = os_address_limit_bytes();
    /* Under a limit, cover no more heap than the limit allows. */
    while (covered_bytes / 2 >= limit_bytes && covered_bytes > ARENA_BYTES)
        covered_bytes /= 2;
    size_t pages = covered_bytes >> GOALLOC_PAGE_SHIFT;
    struct span **window = os_map_readable(pages * sizeof *window);
    if (window == NULL)
        return;
    uint8_t *classes = AXIS_COLLECTS ? os_map_readable(pages) : NULL;
    if (AXIS_COLLECTS && classes == NULL) {
        os_unmap(window, pages * sizeof *window);
        return;
    }
    bool upwards = first == ARENA_FIRST_HINT || a->limited_base != 0;
    uintptr_t below_bytes = upwards ? 0 : covered_bytes / 2;
    if (below_bytes > first)
        below_bytes = first;
    a->window = window;
    a->page_classes = classes;
    a->window_base = (first - below_bytes) & ~(uintptr_t)(ARENA_BYTES - 1);
    __atomic_store_n(&a->window_pages, pages, __ATOMIC_RELEASE);
}

/* Room for one more arena in the list. Old tables stay behind as metadata: readers may hold them. Each is twice the
 * last, so all of them are as large as one. */
static bool arena_list_room(struct arena_space *a) {
    if (a->count < a->capacity)
        return true;
    size_t capacity = a->capacity == 0 ? 64 : a->capacity * 2;
    struct arena **all = meta_alloc(capacity * sizeof *all, 64);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < a->count; i++)
        all[i] = a->all[i];
    a->all = all;
    a->capacity = capacity;
    return true;
}

/* By address, for whoever walks the heap. */
static void arena_list_insert(struct arena_space *a, struct arena *arena) {
    size_t at = a->count++;
    for (; at > 0 && a->all[at - 1]->base > arena->base; at--)
        a->all[at] = a->all[at - 1];
    a->all[at] = arena;
}

static bool arena_create(struct arena_space *a, uintptr_t base) {
    if (a->map[(base >> ARENA_SHIFT) - a->map_first] != NULL)
        return true; /* an earlier, smaller step has made it */
    /* The table comes last: it could not be given back. */
    struct arena *arena = arena_list_room(a) ? fixalloc_take(&arena_records) : NULL;
    if (arena == NULL)
        return false;
    arena->base = base;
    size_t page = (base - a->window_base) >> GOALLOC_PAGE_SHIFT;
    if (a->window != NULL && page < a->window_pages && a->window_pages - page >= ARENA_PAGES)
        arena->spans = a->window + page;
    else
        arena->spans = meta_alloc(ARENA_PAGES * sizeof *arena->spans, 64);
    if (arena->spans == NULL) {
        fixalloc_give(&arena_records, arena);
        return false;
    }
    arena_list_insert(a, arena);
    __atomic_store_n(&a->map[(base >> ARENA_SHIFT) - a->map_first], arena, __ATOMIC_RELEASE);
    return true;
}

/* Makes entries [first, end) of a table writable that can be read everywhere, with the OS pages that they lie in. */
static bool arena_open_entries(void *table, size_t entry_bytes, size_t first, size_t end) {
    uintptr_t from = ((uintptr_t)table + first * entry_bytes) & ~(uintptr_t)(OS_PAGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)table + end * entry_bytes + OS_PAGE_BYTES - 1) & ~(uintptr_t)(OS_PAGE_BYTES - 1);
    return os_commit((void *)from, to - from);
}

/* One system call for each table: a reservation of many arenas costs no more than that of one. */
static bool arena_open_tables(struct arena_space *a, uintptr_t first, uintptr_t end) {
    if (!arena_open_entries(a->map, sizeof *a->map, (first >> ARENA_SHIFT) - a->map_first,
                            ((end - 1) >> ARENA_SHIFT) + 1 - a->map_first))
        return false;
    /* Both ends are whole arenas, and so is the window: an arena outside it has a table of its own. */
    uintptr_t window_end = a->window_base + (a->window_pages << GOALLOC_PAGE_SHIFT);
    first = first > a->window_base ? first : a->window_base;
    end = end < window_end ? end : window_end;
    if (a->window == NULL || first >= end)
        return true;
    size_t first_page = (first - a->window_base) >> GOALLOC_PAGE_SHIFT;
    size_t end_page = (end - a->window_base) >> GOALLOC_PAGE_SHIFT;
    return arena_open_entries(a->window, sizeof *a->window, first_page, end_page) &&
           (a->page_classes == NULL ||
            arena_open_entries(a->page_classes, sizeof *a->page_classes, first_page, end_page));
}

static bool arena_create_range(struct arena_space *a, uintptr_t base, size_t size_bytes) {
    uintptr_t first = base & ~(uintptr_t)(ARENA_BYTES - 1);
    /* Later would be too late: what has a table of its own must not be looked up in the window. */
    if (a->window == NULL && a->count == 0)
        arena_open_window(a, first);
    if (!arena_open_tables(a, first, (base + size_bytes + ARENA_BYTES - 1) & ~(uintptr_t)(ARENA_BYTES - 1)))
        return false;
    for (uintptr_t at = first; at < base + size_bytes; at += ARENA_BYTES)
        if (!arena_create(a, at))
            return false;
    return true;
}

static void arena_drop_hint(struct arena_space *a) {
    for (unsigned i = 1; i < a->hint_count; i++)
        a->hints[i - 1] = a->hints[i];
    a->hint_count--;
}

/* Go malloc.go:669: a hint that fails is dropped for good. */
static uintptr_t arena_reserve_by_hint(struct arena_space *a, size_t size_bytes) {
    while (a->hint_count > 0) {
        uintptr_t at = a->hints[0].address;
        if (a->hints[0].down)
            at -= size_bytes;
        if (at + size_bytes <= (uintptr_t)1 << (ARENA_ADDRESS_BITS - 1) && os_reserve(at, size_bytes) != NULL) {
            a->hints[0].address = a->hints[0].down ? at : at + size_bytes;
            return at;
        }
        arena_drop_hint(a);
    }
    return 0;
}

/* Go malloc.go:690: when every hint has failed, any aligned range will do; it leaves a hint on either side, of which
 * the one above is tried first. */
static uintptr_t arena_reserve_anywhere(struct arena_space *a, size_t size_bytes) {
    uintptr_t base = (uintptr_t)os_reserve_aligned(size_bytes, a->step_bytes);
    if (base == 0)
        return 0;
    a->hints[0].address = base + size_bytes;
    a->hints[0].down = false;
    a->hints[1].address = base;
    a->hints[1].down = true;
    a->hint_count = 2;
    return base;
}

/* Under an address-space limit every address is refused alike, so the hint is not to blame and stays. Where something
 * else lies in the way, the heap goes on behind it: the distance doubles, so that few attempts pass over anything. */
static uintptr_t arena_reserve_limited(struct arena_space *a, size_t size_bytes) {
    uintptr_t at = a->hints[0].address, end = a->limited_base + ARENA_LIMITED_BYTES;
    bool taken = true;
    for (size_t skip_bytes = a->step_bytes; taken; skip_bytes *= 2) {
        if (at + size_bytes > end)
            return 0;
        if (os_reserve_at(at, size_bytes, &taken) != NULL) {
            a->hints[0].address = at + size_bytes;
            return at;
        }
        at += skip_bytes;
    }
    return 0;
}

static void arena_unreserve(struct arena_space *a, uintptr_t base, size_t size_bytes) {
    os_unmap((void *)base, size_bytes);
    a->reserved_bytes -= size_bytes;
    if (a->hints[0].address == (a->hints[0].down ? base : base + size_bytes))
        a->hints[0].address = a->hints[0].down ? base + size_bytes : base;
}

static uintptr_t arena_reserve(struct arena_space *a, size_t size_bytes, size_t *got_bytes) {
    if (size_bytes > ((size_t)1 << (ARENA_ADDRESS_BITS - 1)))
        return 0;
    size_bytes = (size_bytes + a->step_bytes - 1) & ~(a->step_bytes - 1);
    uintptr_t base;
    if (a->step_bytes != ARENA_BYTES)
        base = arena_reserve_limited(a, size_bytes);
    else if ((base = arena_reserve_by_hint(a, size_bytes)) == 0)
        base = arena_reserve_anywhere(a, size_bytes);
    if (base == 0)
        return 0;
    a->reserved_bytes += size_bytes;
    if (!arena_create_range(a, base, size_bytes)) {
        arena_unreserve(a, base, size_bytes);
        return 0;
    }
    *got_bytes = size_bytes;
    return base;
}

static void arena_clear_entries(struct span **spans, size_t n, bool huge) {
    for (size_t i = 0; i < n; i++) {
        if (spans[i] != NULL)
            __atomic_store_n(&spans[i], NULL, __ATOMIC_RELEASE);
        else if (huge)
            return;
    }
}

static void arena_set_spans(struct arena_space *a, uintptr_t base, size_t npages, struct span *s) {
    bool huge = npages >= ARENA_HUGE_PAGES, first_arena = true;
    while (npages > 0) {
        struct arena *arena = arena_of(a, base);
        size_t first = (base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
        size_t n = ARENA_PAGES - first < npages ? ARENA_PAGES - first : npages;
        /* The entries of a huge run in an arena are the first of its pages there (arena_resize_spans keeps it so):
         * behind the last of them nothing is left to clear, and reading on would touch tables that nobody has used. */
        size_t entries = huge && !first_arena ? 1 : n;
        if (s == NULL)
            arena_clear_entries(arena->spans + first, n, huge);
        else
            for (size_t i = 0; i < entries; i++)
                __atomic_store_n(&arena->spans[first + i], s, __ATOMIC_RELEASE);
        first_arena = false;
        npages -= n;
        base += n << GOALLOC_PAGE_SHIFT;
    }
}

/* A run that becomes huge keeps what it has, and gets one entry for each arena that it newly reaches. One that is huge
 * no longer is entered at every page again, as all shorter runs are. */
static void arena_resize_spans(struct arena_space *a, uintptr_t base, size_t npages_now, size_t npages_new,
                               struct span *s) {
    uintptr_t at = base + (npages_now << GOALLOC_PAGE_SHIFT), end = base + (npages_new << GOALLOC_PAGE_SHIFT);
    if (npages_new < npages_now) {
        arena_set_spans(a, end, npages_now - npages_new, NULL);
        if (npages_now >= ARENA_HUGE_PAGES && npages_new < ARENA_HUGE_PAGES)
            arena_set_spans(a, base, npages_new, s);
        return;
    }
    if (npages_new < ARENA_HUGE_PAGES) {
        arena_set_spans(a, at, npages_new - npages_now, s);
        return;
    }
    uintptr_t first_arena_end = (base | (ARENA_BYTES - 1)) + 1;
    if (at < first_arena_end) {
        arena_set_spans(a, at, (first_arena_end - at) >> GOALLOC_PAGE_SHIFT, s);
        at = first_arena_end;
    }
    for (at = (at + ARENA_BYTES - 1) & ~(uintptr_t)(ARENA_BYTES - 1); at < end; at += ARENA_BYTES)
        arena_set_spans(a, at, 1, s);
}

static struct span *arena_span_of_huge(const struct arena_space *a, uintptr_t address) {
    struct span *s = arena_span_of(a, address);
    return s != NULL ? s : arena_span_of(a, address & ~(uintptr_t)(ARENA_BYTES - 1));
}

static bool arena_needs_zero(struct arena_space *a, uintptr_t base, size_t npages) {
    bool needs_zero = false;
    while (npages > 0) {
        struct arena *arena = a->map[(base >> ARENA_SHIFT) - a->map_first];
        uintptr_t offset = base & (ARENA_BYTES - 1);
        size_t left = (ARENA_BYTES - offset) >> GOALLOC_PAGE_SHIFT;
        size_t n = left < npages ? left : npages;
        uintptr_t end = offset + (n << GOALLOC_PAGE_SHIFT);
        uintptr_t seen = __atomic_load_n(&arena->zeroed_base, __ATOMIC_RELAXED);
        needs_zero |= offset < seen;
        while (seen < end &&
               !__atomic_compare_exchange_n(&arena->zeroed_base, &seen, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        npages -= n;
        base += n << GOALLOC_PAGE_SHIFT;
    }
    return needs_zero;
}
