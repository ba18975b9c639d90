/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include "flavour.h"
#include "gbench.h"
#include "meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

extern char **environ;

enum { MAX_OFFSET_BYTES = 64 << 10, PROBE_BYTES = 64 };

size_t environment_offset_bytes(const char *variable) {
    const char *text = getenv(variable);
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;
    return n < MAX_OFFSET_BYTES ? n : MAX_OFFSET_BYTES;
}

static bool aslr_is_on(void) {
    char text[16];
    if (meter_read_path("/proc/sys/kernel/randomize_va_space", text, sizeof text) && text[0] == '0')
        return false;
    int flags = personality(0xffffffff);
    return flags < 0 || (flags & ADDR_NO_RANDOMIZE) == 0;
}

/* The word in brackets: "always [madvise] never". */
static void read_thp(char *out, size_t size) {
    char text[64];
    out[0] = '\0';
    if (!meter_read_path("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text))
        return;
    const char *open = strchr(text, '[');
    if (open != NULL)
        snprintf(out, size, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
}

void environment_read(struct environment *e) {
    *e = (struct environment){0};
    for (char **v = environ; *v != NULL; v++)
        e->environment_bytes += strlen(*v) + 1;
    e->stack_offset_bytes = environment_offset_bytes("SPANLAB_STACK_OFFSET");
    e->heap_offset_bytes = environment_offset_bytes("SPANLAB_HEAP_OFFSET");
    if (e->heap_offset_bytes > 0)
        (void)!flavour_allocate(e->heap_offset_bytes); /* kept on purpose: it shifts what comes after */
    e->aslr = aslr_is_on();
    read_thp(e->thp, sizeof e->thp);
    gbench_library_build_type(e->library_build_type, sizeof e->library_build_type);
    e->page_bytes = sysconf(_SC_PAGESIZE);
    e->stack_address = (uintptr_t)__builtin_frame_address(0);
    void *probe = flavour_allocate(PROBE_BYTES);
    e->heap_address = (uintptr_t)probe;
    flavour_release(probe);
}
