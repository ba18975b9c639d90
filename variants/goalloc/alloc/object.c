/* SPDX-License-Identifier: MIT */
#include "alloc/object.h"
#include "alloc/tiny.h"

static bool object_slot_is_free(struct span *s, unsigned slot) {
    if (s->elem_bytes == 0)
        return false;
    uint64_t bit = UINT64_C(1) << slot % 64;
    uint64_t remote = __atomic_load_n(&span_remote_bits(s)[slot / 64], __ATOMIC_ACQUIRE);
    return ((place_load(&span_free_bits(s)[slot / 64]) | remote) & bit) != 0;
}

static bool object_of(uintptr_t address, struct object *out) {
    struct span *s = heap_span_of(address);
    if (s == NULL)
        return false;
    int slot = s->elem_bytes == 0 ? 0 : place_slot_covering(s, address);
    if (slot < 0)
        return false;
    if (object_slot_is_free(s, (unsigned)slot))
        return false;
    out->span = s;
    out->slot = (unsigned)slot;
    out->size_bytes = span_object_bytes(s);
    out->base = span_base(s) + (size_t)slot * out->size_bytes;
    out->noscan = span_class_noscan(s->span_class) || tiny_class(s->span_class);
    return true;
}

_Noreturn static void object_die_double_free(const struct span *s, unsigned slot) {
    os_die("double free of %p, a %zu-byte object; it had been freed before",
           (void *)(span_base(s) + slot * span_object_bytes(s)), span_object_bytes(s));
}

_Noreturn static void object_die_invalid(const char *what, uintptr_t address) {
    struct object o;
    if (object_of(address, &o) && o.base != address)
        os_die("invalid %s of %p: it points %zu bytes into the %zu-byte object at %p", what, (void *)address,
               (size_t)(address - o.base), o.size_bytes, (void *)o.base);
    struct span *s = heap_span_of(address);
    int slot = s == NULL || s->elem_bytes == 0 ? -1 : place_slot_covering(s, address);
    if (slot >= 0)
        os_die("double or invalid %s of %p: no live object there (%zu-byte slots at %p)", what, (void *)address,
               span_object_bytes(s), (void *)span_base(s));
    os_die("invalid %s of %p: not in use by this allocator (never allocated here, or freed before)", what,
           (void *)address);
}
