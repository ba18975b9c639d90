/* SPDX-License-Identifier: MIT
 *
 * spike_malloc [rest|busy]: as spike.c, by malloc and free: 10 MiB that live, 300 MiB of small objects that are freed,
 * and what is resident 0.1, 1 and 5 seconds later, in KiB. The program rests, or goes on allocating and freeing.
 */
#include "spike.h"

#include <stdlib.h>
#include <string.h>

static struct node *fill(size_t bytes) {
    struct node *list = NULL;
    for (size_t i = 0; i < bytes / sizeof(struct node); i++) {
        struct node *node = malloc(sizeof *node);
        if (node == NULL)
            exit(3);
        memset(node, 0, sizeof *node);
        node->next = list;
        list = node;
    }
    return list;
}

static void drop(struct node *list) {
    while (list != NULL) {
        struct node *next = list->next;
        free(list);
        list = next;
    }
}

static void work(void) {
    drop(fill(BUSY_NODES * sizeof(struct node)));
}

int main(int argc, char **argv) {
    struct node *live = fill(LIVE_BYTES), *spike = fill(SPIKE_BYTES), *last = malloc(sizeof *last);
    long peak_kib = resident_kib();
    drop(spike);
    print_residents(peak_kib, argc > 1 && strcmp(argv[1], "busy") == 0 ? work : NULL);
    free(last); /* it has kept the end of a heap that shrinks only there */
    drop(live);
    return 0;
}
