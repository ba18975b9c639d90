/* SPDX-License-Identifier: MIT
 *
 * resize: large objects become longer or shorter: where they stand if they can, or else by moving their pages, so that
 * their contents are not copied.
 */
#include "alloc/cache.h"
#include "alloc/decay.h"
#include "alloc/object.h"

#include <string.h>

/* Moving pages costs a system call, and a mapping of the process that merges with no other; below it copying does. */
enum { RESIZE_MOVE_PAGES = (1 << 20) >> GOALLOC_PAGE_SHIFT };

/* Takes the pages behind a run that ends where the heap has grown to, or before it with nothing but free pages in
 * between, by growing the heap there. Heap lock held. */
static bool resize_extend_at_end(uintptr_t base, size_t npages_now, size_t npages_want) {
    uintptr_t end = base + (npages_now << GOALLOC_PAGE_SHIFT);
    if (end > heap.grow_base || npages_want - npages_now <= (heap.grow_base - end) >> GOALLOC_PAGE_SHIFT)
        return false; /* all of it is there, and some of it in use */
    size_t there = (heap.grow_base - end) >> GOALLOC_PAGE_SHIFT, scavenged_bytes = 0, more_bytes = 0;
    if (!page_try_extend(&heap.pages, base, npages_now, npages_now + there, &scavenged_bytes))
        return false;
    if (heap_grow(npages_want - npages_now - there) &&
        page_try_extend(&heap.pages, base, npages_now + there, npages_want, &more_bytes))
        return true;
    if (scavenged_bytes == there << GOALLOC_PAGE_SHIFT && there > 0)
        page_free_released(&heap.pages, end, there);
    else if (there > 0)
        page_free(&heap.pages, end, there);
    return false;
}

static bool resize_extend(struct span *s, size_t npages) {
    size_t now = s->npages, scavenged_bytes = 0;
    if (!heap_may_ask_for(npages, 0))
        return false;
    lock_acquire(&heap.lock);
    bool extended = page_try_extend(&heap.pages, s->base, now, npages, &scavenged_bytes) ||
                    resize_extend_at_end(s->base, now, npages);
    if (extended) {
        arena_needs_zero(&heap.arenas, s->base + (now << GOALLOC_PAGE_SHIFT), npages - now);
        arena_resize_spans(&heap.arenas, s->base, now, npages, s);
        s->npages = (uint32_t)npages;
        __atomic_fetch_add(&heap.pages_in_use, npages - now, __ATOMIC_RELAXED);
    }
    lock_release(&heap.lock);
    return extended;
}

static void resize_cut(struct span *s, size_t npages) {
    size_t now = s->npages;
    lock_acquire(&heap.lock);
    arena_resize_spans(&heap.arenas, s->base, now, npages, s);
    s->npages = (uint32_t)npages;
    __atomic_fetch_sub(&heap.pages_in_use, now - npages, __ATOMIC_RELAXED);
    lock_release(&heap.lock);
    decay_give_pages(s->base + (npages << GOALLOC_PAGE_SHIFT), now - npages);
}

/* The object of s gets npages pages where it stands. */
static bool resize_in_place(struct span *s, size_t npages) {
    if (npages > s->npages)
        return resize_extend(s, npages);
    if (npages < s->npages)
        resize_cut(s, npages);
    return true;
}

/* Moves the contents of an object to the beginning of another one that is not shorter. True: nothing of from is backed
 * any more. */
static bool resize_move_contents(const struct span *from, const struct span *to) {
    size_t size_bytes = (size_t)from->npages << GOALLOC_PAGE_SHIFT;
    if (from->npages >= RESIZE_MOVE_PAGES && os_move((void *)from->base, size_bytes, (void *)to->base))
        return true;
    memcpy((void *)to->base, (void *)from->base, size_bytes);
    return false;
}
