/* SPDX-License-Identifier: MIT
 *
 * heap.h: the heap interface that every workload is written against. The build chooses the implementation by
 * -DSPANLAB_HEAP_HEADER="heap-malloc.h" (manual flavour) or "heap-goalloc.h" (traced flavour); everything is inlined,
 * no function pointer lies on a hot path.
 *
 * What an implementation provides (units are bytes; NULL means out of memory; every function is callable from any
 * attached thread):
 *   HEAP_TRACED                       constant 0 or 1: does a collector, rather than heap_drop, reclaim memory?
 *   heap_type, HEAP_TYPE(v, T, mask)  static const type descriptor `v` of C type T; bit i of mask: word i is a pointer
 *   heap_bytes(size, clear)           pointer-free memory
 *   heap_object(&type, clear)         one typed object; clear says whether the workload needs it zeroed
 *   heap_array(&type, n, clear)       n consecutive typed objects
 *   heap_pointers(n)                  n pointer slots, zeroed
 *   heap_store(slot, value)           store a pointer into a heap object or registered root (write barrier if any)
 *   heap_move(dst, src, &type, n)     typed bulk copy, regions may overlap
 *   heap_clear_typed(dst, &type, n)   typed bulk clear
 *   heap_drop(p)                      free in manual flavour, nothing in traced; NULL is allowed
 *   heap_root_add(slots, n), heap_root_remove(slots)   n global pointer slots outside stacks and heap; add returns 0 or
 * -1 heap_thread_attach(), heap_thread_detach()         bracket every thread that touches the heap heap_safepoint()
 * hint in loops that do not allocate heap_collect()                    run a full collection where there is a collector
 */
#ifndef SPANLAB_HEAP_H
#define SPANLAB_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Said at each allocation site. HEAP_ZERO: contents must read as zero. HEAP_RAW: the workload overwrites what it reads.
 */
enum heap_clear { HEAP_RAW = 0, HEAP_ZERO = 1 };

/* Pointer-mask bit of one field of a struct, for HEAP_TYPE. Fields lie on 8-byte words. */
#define HEAP_POINTER(T, field) (UINT64_C(1) << (offsetof(T, field) / sizeof(void *)))

#ifndef SPANLAB_HEAP_HEADER
#error "no heap chosen: compile with -DSPANLAB_HEAP_HEADER=\"heap-malloc.h\" or \"heap-goalloc.h\""
#endif
#include SPANLAB_HEAP_HEADER

#endif
