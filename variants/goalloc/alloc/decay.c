/* SPDX-License-Identifier: MIT */
#include "alloc/decay.h"
#include "os/knob.h"

#include <time.h>

/* Guarded by the heap lock. */
static struct {
    bool on;
    size_t wanted_pages;   /* given back, and taken again soon after */
    size_t given_pages;    /* given back lately and not taken again */
    size_t refused_pages;  /* backed pages that the OS did not take back when last asked: locked memory */
    size_t released_pages; /* the page heap's count of pages that the OS has, as of the last look */
    size_t grown_pages;    /* likewise, of pages that it has ever grown by */
    uint64_t halved_ms;    /* when the counts of what was lately were last halved */
} decay;

static void decay_init(void) {
    decay.on = !AXIS_TRACED && knob_switch("GOALLOC_DECAY", true);
}

static const char *decay_name(void) {
    return knob_switch_name(decay.on);
}

static size_t decay_backed_pages(void) {
    return heap.pages.free_pages - heap.pages.scavenged_free_pages;
}

static size_t decay_least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t decay_most(size_t a, size_t b) {
    return a > b ? a : b;
}

/* What is wanted back is kept beside a heap of the same size; without one, little is: nobody may come back for it. */
static size_t decay_keep_pages(void) {
    size_t in_use_pages = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
    size_t share_pages = heap.tuned ? in_use_pages / 8 : in_use_pages / 10;
    return decay_most(share_pages, DECAY_FLOOR_PAGES) +
           decay_least(decay.wanted_pages, decay_most(in_use_pages, DECAY_WANTED_PAGES)) + decay.refused_pages;
}

/* So much above what is kept is given back at once: a larger heap is looked at less often. */
static size_t decay_step_pages(size_t keep_pages) {
    return decay_least(decay_most(keep_pages / 4, DECAY_STEP_PAGES), DECAY_MOST_PAGES);
}

static bool decay_is_due(size_t backed_pages) {
    size_t keep_pages = decay_keep_pages();
    return backed_pages > keep_pages + decay_step_pages(keep_pages);
}

static void decay_forget(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    uint64_t halvings = (now_ms - decay.halved_ms) / DECAY_HALVING_MS;
    if (halvings == 0)
        return;
    decay.halved_ms = now_ms;
    decay.wanted_pages = halvings < 64 ? decay.wanted_pages >> halvings : 0;
    decay.given_pages = halvings < 64 ? decay.given_pages >> halvings : 0;
    decay.refused_pages = 0; /* it may be unlocked by now */
}

/* Pages that the OS had at the last look and that have been taken since. Allocation takes the lowest addresses first:
 * they are rather those that were given back than those that the heap has grown by. */
static void decay_learn(void) {
    const struct page_heap *ph = &heap.pages;
    size_t there_pages = decay.released_pages + (ph->grown_pages - decay.grown_pages);
    size_t taken_pages = there_pages > ph->scavenged_free_pages ? there_pages - ph->scavenged_free_pages : 0;
    taken_pages = decay_least(taken_pages, decay.given_pages);
    decay_forget();
    decay.given_pages -= decay_least(taken_pages, decay.given_pages);
    if (heap.tuned) /* no more than there is memory at all */
        decay.wanted_pages = decay_least(decay.wanted_pages + taken_pages,
                                         __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED) + decay_backed_pages());
}

/* npages more are the OS's now. */
static void decay_given(size_t npages) {
    decay.given_pages += npages;
    decay.released_pages = heap.pages.scavenged_free_pages;
    decay.grown_pages = heap.pages.grown_pages;
}

static bool decay_look(void) {
    if (!decay.on || !decay_is_due(decay_backed_pages()))
        return false;
    decay_learn();
    size_t backed_pages = decay_backed_pages(), keep_pages = decay_keep_pages(), given_pages = 0;
    if (backed_pages > keep_pages + decay_step_pages(keep_pages)) {
        size_t want_pages = backed_pages - keep_pages;
        want_pages = decay_least(want_pages, DECAY_MOST_PAGES);
        given_pages = page_scavenge(&heap.pages, want_pages << GOALLOC_PAGE_SHIFT) >> GOALLOC_PAGE_SHIFT;
        if (given_pages < want_pages) /* asking for it at every event would be in vain */
            decay.refused_pages += want_pages - given_pages;
    }
    decay_given(given_pages);
    return decay_is_due(decay_backed_pages());
}

/* Would a run of npages, as free pages, be more than is kept, most of it at least? Heap lock held. */
static bool decay_spares(size_t npages) {
    size_t backed_pages = decay_backed_pages() + npages;
    if (!decay_is_due(backed_pages))
        return false;
    decay_learn();
    return decay_is_due(backed_pages) && backed_pages - decay_keep_pages() >= npages / 2;
}

/* The kernel takes its time for long runs; nobody has to wait for that with the heap locked. */
static void decay_give_pages(uintptr_t base, size_t npages) {
    lock_acquire(&heap.lock);
    if (decay.on && npages >= DECAY_LARGE_PAGES && decay_spares(npages)) {
        lock_release(&heap.lock);
        bool given = os_release((void *)base, npages << GOALLOC_PAGE_SHIFT);
        lock_acquire(&heap.lock);
        if (given) {
            decay_learn(); /* of what others have taken meanwhile */
            page_free_released(&heap.pages, base, npages);
            decay_given(npages);
            lock_release(&heap.lock);
            return;
        }
    }
    page_free(&heap.pages, base, npages);
    while (decay_look()) {
        lock_release(&heap.lock);
        lock_acquire(&heap.lock);
    }
    lock_release(&heap.lock);
}

static bool decay_trim(size_t pad_bytes) {
    lock_acquire(&heap.lock);
    size_t backed_bytes = decay_backed_pages() << GOALLOC_PAGE_SHIFT, given_bytes = 0;
    page_forget_refusals(&heap.pages);
    if (backed_bytes > pad_bytes)
        given_bytes = page_scavenge(&heap.pages, backed_bytes - pad_bytes);
    page_keep_released(&heap.pages);
    decay_learn();
    decay_given(given_bytes >> GOALLOC_PAGE_SHIFT);
    lock_release(&heap.lock);
    return given_bytes != 0;
}
