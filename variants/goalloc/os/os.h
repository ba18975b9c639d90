/* SPDX-License-Identifier: MIT
 *
 * os: the only layer that calls mmap and its relatives. Address space goes through the states that Go's mem.go names:
 * reserved (no access) -> ready (read-write, zero) -> released (contents gone, reads as zero again) -> ready.
 * Sizes are bytes and multiples of OS_PAGE_BYTES. Every function is thread-safe and leaves errno as it found it.
 */
#ifndef GOALLOC_OS_H
#define GOALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define OS_BUILT_FOR_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OS_BUILT_FOR_TSAN
#endif
#endif
#ifdef OS_BUILT_FOR_TSAN
enum { OS_THREAD_SANITIZER = 1 };
#else
enum { OS_THREAD_SANITIZER = 0 };
#endif

/* Orders what was stored before it against what is stored after it (Go's publicationBarrier). ThreadSanitizer knows no
 * fences and refuses to compile them; nothing that it checks rests on this one. */
static inline void os_publication_fence(void) {
#ifndef OS_BUILT_FOR_TSAN
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* The order in which a marker loads a word that may point to an object born meanwhile. It reads that object next, at an
 * address that depends on the word, and processors keep such reads in order: what was stored before the pointer is seen.
 * C calls this order consume, and compilers make acquire of it, so the load is relaxed. ThreadSanitizer does not follow
 * dependencies: in its builds the load acquires, and meets the release of goalloc_store. */
enum { OS_LOAD_POINTER = OS_THREAD_SANITIZER ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED };

enum { OS_PAGE_BYTES = 4096, OS_ADDRESS_BITS = 47 };

/* Reserves exactly [hint, hint + size); NULL when that range is not wholly free. hint 0: anywhere. */
static void *os_reserve(uintptr_t hint, size_t size_bytes);

/* The same; *taken: it failed because something lies there, and not because the OS refuses more. */
static void *os_reserve_at(uintptr_t hint, size_t size_bytes, bool *taken);

/* Reserves size bytes anywhere, aligned to align (a power of two, at least a page); NULL on failure. */
static void *os_reserve_aligned(size_t size_bytes, size_t align_bytes);

/* Readable zero memory anywhere that costs physical pages only where it is written; for sparse tables. NULL on failure.
 */
static void *os_map_lazy(size_t size_bytes);

/* Zero memory anywhere that can be read only, until os_commit makes parts of it writable: for sparse tables of which
 * any entry may be read. What is not writable counts neither against a limit of data (RLIMIT_DATA) nor as committed
 * memory, and costs nothing where a process locks its memory or dumps it. NULL on failure. */
static void *os_map_readable(size_t size_bytes);

/* The address-space limit of this process in bytes (RLIMIT_AS), SIZE_MAX when there is none that matters. */
static size_t os_address_limit_bytes(void);

/* Memory and swap of the machine in bytes: what the kernel's own heuristic lets one mapping ask for (overcommit_memory
 * 0). Ours are not reserved, so it would never refuse us. SIZE_MAX when unknown. */
static size_t os_memory_bytes(void);

/* Makes reserved memory readable and writable, zero-filled. False when the OS refuses (limit or overcommit). */
static bool os_commit(void *base, size_t size_bytes);

/* Asks for huge pages in committed memory (MADV_HUGEPAGE); where the kernel has none to give, nothing changes. */
static void os_prefer_huge_pages(void *base, size_t size_bytes);
/* No huge pages there, neither at a touch nor by the kernel on its own (MADV_NOHUGEPAGE). */
static void os_refuse_huge_pages(void *base, size_t size_bytes);
/* Backs committed memory now, as touching it would, contents unchanged; where the kernel cannot (before Linux 5.14),
 * touching it will. */
static void os_populate(void *base, size_t size_bytes);

/* Gives the contents back (MADV_DONTNEED); the range stays usable and reads as zero. False when the OS refuses, as it
 * does for locked memory (mlock, mlockall): the contents are then undefined. */
static bool os_release(void *base, size_t size_bytes);

/* Moves the contents of committed memory to other committed memory of the same size, whose own are lost; what they
 * leave stays usable and reads as zero. False when the OS cannot (before Linux 5.7, or where ranges were mapped in
 * parts): from is unchanged then, and to reads as zero. */
static bool os_move(void *from, size_t size_bytes, void *to);

/* Drops the mapping altogether. */
static void os_unmap(void *base, size_t size_bytes);

/* Makes every running thread of the process pass a full barrier (membarrier), so that of two threads that each store and
 * then look, one may go without. The first call may take a while: make it early. */
static void os_barrier_all(void);

/* Set once the calling thread dies: a handler of SIGABRT is running, of the program's, and may ask for memory. Locks may
 * be held, and what is broken must be left alone. */
__attribute__((unused)) static __thread bool os_thread_dies;
/* Called then, first; NULL: nothing. */
__attribute__((unused)) static void (*os_on_death)(void);

/* One line on stderr, prefixed "goalloc: ", then abort. Allocates nothing; async-signal-safe. A thread that comes here
 * again, by its handler, ends the process at once. */
_Noreturn static void os_die(const char *format, ...) __attribute__((format(printf, 1, 2), cold, noinline));

#endif
