/* SPDX-License-Identifier: MIT
 *
 * Reading what real Go has printed. Goldens lie in results/golden; SPANLAB_GOLDEN_DIR names another folder, which is
 * how `make oracle` has goalloc compared with a fresh seed. Lines that begin with '#' say where a file comes from.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Tells `make oracle` which goldens a test opens: a line in the file that SPANLAB_GOLDEN_LOG names, to which the test
 * program prints its verdicts as well. */
static inline void golden_log(const char *name) {
    const char *path = getenv("SPANLAB_GOLDEN_LOG");
    FILE *log = path != NULL ? fopen(path, "a") : NULL;
    if (log == NULL)
        return;
    fprintf(log, "golden %s\n", name);
    fclose(log);
}

static inline void golden_path(char *path, size_t size, const char *name) {
    const char *folder = getenv("SPANLAB_GOLDEN_DIR");
    snprintf(path, size, "%s/%s.txt", folder != NULL ? folder : SPANLAB_GOLDEN, name);
}

static inline int golden_exists(const char *name) {
    char path[512];
    golden_path(path, sizeof path, name);
    return access(path, R_OK) == 0;
}

/* Opens NAME.txt or fails the test program with one line. */
static inline FILE *golden_open(const char *name) {
    golden_log(name);
    char path[512];
    golden_path(path, sizeof path, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot open the golden file %s: run `make oracle` to print it again\n", path);
        exit(2);
    }
    return file;
}

/* The next line that is not a comment, without its end; false at the end of the file. */
static inline int golden_line(FILE *file, char *line, size_t size) {
    while (fgets(line, (int)size, file) != NULL) {
        if (line[0] == '#')
            continue;
        for (char *c = line; *c != '\0'; c++)
            if (*c == '\n')
                *c = '\0';
        return 1;
    }
    return 0;
}

#endif
