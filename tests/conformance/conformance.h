/* SPDX-License-Identifier: MIT
 *
 * conformance.h: what every case of the conformance program shares. The program calls the plain malloc ABI; whatever
 * library is preloaded serves it. Everything is compiled with -fno-builtin, and every pointer that an allocator returns
 * goes through opaque(), because the C library's headers promise the compiler just what these cases are to find out.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* CASE(name) { body } registers itself: the linker gathers the entries of all files. */
#define CASE(id)                                                                                                       \
    static void case_##id(void **state);                                                                               \
    static const struct CMUnitTest entry_##id = {#id, case_##id, NULL, NULL, NULL};                                    \
    static const struct CMUnitTest *const pointer_##id __attribute__((used, section("conformance_cases"))) =           \
        &entry_##id;                                                                                                   \
    static void case_##id(void **state __attribute__((unused)))

/* Fails the running case with the message unless the rule holds or the subject is known to deviate from it
 * (deviations.c). Main thread only. Returns holds. */
bool rule(const char *name, bool holds, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Skips the running case when the subject is known to break so badly that it cannot be survived. */
void survivable(const char *name);

/* Does the subject itself export this function? Mixing allocators would prove nothing about the subject. goalloc must.
 */
bool subject_has(const char *function);
/* True for every build of ours, which may have no deviation. */
bool subject_is_goalloc(void);

/* What main does instead of the cases when it was started as `conformance --child NAME`; the exit status. */
#define CHILD(id)                                                                                                      \
    static int child_##id(void);                                                                                       \
    static const struct child_entry child_entry_##id = {#id, child_##id};                                              \
    static const struct child_entry *const child_pointer_##id __attribute__((used, section("conformance_children"))) = \
        &child_entry_##id;                                                                                             \
    static int child_##id(void)
struct child_entry {
    const char *name;
    int (*run)(void);
};
/* Runs `conformance --child NAME`, gives its standard output (at most size - 1 bytes) and wait status. */
int run_child(const char *name, char *output, size_t size);

/* Hides from the compiler where a pointer comes from. */
static inline void *opaque(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static inline size_t opaque_size(size_t size) {
    __asm__ volatile("" : "+r"(size));
    return size;
}

static inline void *get(size_t size) {
    return opaque(malloc(opaque_size(size)));
}

/* The byte that belongs at an offset of the object with this tag. */
static inline unsigned char pattern_byte(size_t tag, size_t offset) {
    return (unsigned char)((tag * 0x9e3779b1u + offset) >> 3 ^ offset * 31);
}

static inline void pattern_fill(void *p, size_t size, size_t tag) {
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)p)[i] = pattern_byte(tag, i);
}

static inline bool pattern_holds(const void *p, size_t size, size_t tag) {
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)p)[i] != pattern_byte(tag, i))
            return false;
    return true;
}

static inline bool all_zero(const void *p, size_t size) {
    const unsigned char *bytes = p;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Resident memory of this process in bytes. */
size_t resident_bytes(void);

enum { KIB = 1024, MIB = 1024 * 1024 };

#endif
