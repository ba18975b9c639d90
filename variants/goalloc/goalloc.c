/* SPDX-License-Identifier: MIT
 *
 * goalloc.c: one variant, one translation unit. The layers are included in their order, so that everything inlines
 * without link-time optimisation; each includes only layers above it (design: os, meta, arena, page, span, place,
 * alloc, …). AXIS_ names are files that the choices on the axes name (axes.h).
 */
#define _GNU_SOURCE
#include "axes.h"

#include "os/os.c"
#include "os/proc.c"
#include "os/knob.c"
#include "meta/meta.c"
#include "arena/arena.c"
#include "page/page.c"
#include "span/span.c"
#include "span/gcbits.c"
#include "span/spanset.c"
#include AXIS_PLACE
#include "alloc/heap.c"
#include "alloc/decay.c"
#include "alloc/object.c"
/* The span class that serves a small request; defined by the front below, whose ABI decides. */
static uint8_t alloc_class_for(size_t size_bytes);
#include AXIS_CACHE
#include AXIS_HANDOVER
#include "alloc/thread.c"
#include "alloc/init.c"
#include "alloc/fork.c"
#include AXIS_FRONT
#ifdef AXIS_GC /* layout: manual builds have no collector, and no file that stands for one */
#include AXIS_GC
#endif
#include "observe/walk.c"
#include "observe/counters.c"
#include "observe/memstats.c"
#include AXIS_CHECK
#include "observe/check.c"
#ifdef GOALLOC_EXPORT_MALLOC
#include "alloc/malloc_export.c"
#endif
