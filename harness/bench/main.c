/* SPDX-License-Identifier: MIT */
#include "catalog.h"
#include "cell.h"
#include "json.h"

#include <alloca.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static int bench_main(int argc, char **argv) {
    struct options o;
    if (options_parse(&o, &argc, argv) != OPTIONS_OK)
        return 2;
    if (o.catalog) {
        if (json_arena_open() && json_write(catalog_json(), STDOUT_FILENO))
            return 0;
        fprintf(stderr, "spanlab: cannot write the catalog\n");
        return 1;
    }
    if (o.workload == NULL)
        return suite_run(&o, argc, argv);
    if (argc > 1) {
        fprintf(stderr, "spanlab: '%s' does not go with --spanlab-workload\n", argv[1]);
        return 2;
    }
    return cell_run(&o);
}

/* The stack's position is one of the accidents that the lab randomises. */
int main(int argc, char **argv) {
    size_t offset_bytes = environment_offset_bytes("SPANLAB_STACK_OFFSET");
    volatile char *shift = alloca(offset_bytes + 1);
    shift[offset_bytes] = 0;
    int code = bench_main(argc, argv);
    return code + shift[offset_bytes]; /* keeps the frame until here: no tail call */
}
