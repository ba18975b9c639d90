/* SPDX-License-Identifier: MIT */
#include "alloc/object.h"
#include "alloc/tiny.h"

#include <string.h>

/* Does the owner of s keep the slot at address ready to hand out, allocated as it looks? Defined by what threads keep.
 */
static inline bool alloc_holds_back(const struct span *s, uintptr_t address);

static size_t object_slot_bytes(const struct span *s, unsigned slot) {
    return s->elem_bytes == 0 ? span_object_bytes(s) : place_slot_bytes(s, slot);
}

static uintptr_t object_slot_address(const struct span *s, unsigned slot) {
    return s->elem_bytes == 0 ? span_base(s) : place_slot_address(s, slot);
}

static bool object_of(uintptr_t address, struct object *out) {
    struct span *s = heap_span_of(address);
    if (s == NULL)
        return false;
    int slot = s->elem_bytes == 0 ? 0 : place_slot_covering(s, address);
    if (slot < 0)
        return false;
    if (s->elem_bytes != 0 && (place_slot_free(s, (unsigned)slot) || alloc_holds_back(s, address)))
        return false;
    out->span = s;
    out->slot = (unsigned)slot;
    out->size_bytes = object_slot_bytes(s, (unsigned)slot);
    out->base = object_slot_address(s, (unsigned)slot);
    out->noscan = span_class_noscan(s->span_class) || tiny_class(s->span_class);
    return true;
}

/* A run remembers where an object began, not how long it was: what died may have coalesced. */
_Noreturn static void object_die_double_free(const struct span *s, unsigned slot) {
    if (!PLACE_SLOTS && s->elem_bytes != 0)
        os_die("double free of %p; it had been freed before", (void *)object_slot_address(s, slot));
    os_die("double free of %p, a %zu-byte object; it had been freed before", (void *)object_slot_address(s, slot),
           object_slot_bytes(s, slot));
}

/* Nothing tells a slot, block or page that has been freed from one that has yet to be handed out. */
_Noreturn static void object_die_not_live(const char *what, uintptr_t address) {
    os_die("%sinvalid %s of %p: no object is live there (freed before, or never allocated)",
           strcmp(what, "free") == 0 ? "double or " : "", what, (void *)address);
}

_Noreturn static void object_die_found_free(const struct span *s, unsigned slot) {
    os_die("found a pointer to the free object at %p: slot %u of %u in the span at %p, of %zu-byte slots; it was stored "
           "without goalloc_store, or is one past the end of the object before (GOALLOC_PAST_END=on allows that)",
           (void *)object_slot_address(s, slot), slot, s->nelems, (void *)s->base, span_object_bytes(s));
}

_Noreturn static void object_die_invalid(const char *what, uintptr_t address) {
    struct object o;
    if (object_of(address, &o) && o.base != address)
        os_die("invalid %s of %p: it points %zu bytes into the %zu-byte object at %p", what, (void *)address,
               (size_t)(address - o.base), o.size_bytes, (void *)o.base);
    if (arena_of(&heap.arenas, address) == NULL)
        os_die("invalid %s of %p: it lies outside this allocator's heap", what, (void *)address);
    object_die_not_live(what, address);
}
