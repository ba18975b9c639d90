/* SPDX-License-Identifier: MIT
 *
 * replay: runs a fuzz target over files, each once; for builds without a fuzzer.
 *
 *   fuzz_NAME-VARIANT FILE-OR-FOLDER...
 */
#include "input.h"

#include <dirent.h>
#include <sys/stat.h>

enum { LONGEST_BYTES = 1 << 20 };
static unsigned files;

static void replay_file(const char *path) {
    static uint8_t bytes[LONGEST_BYTES];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* before: it may be the last line */
    LLVMFuzzerTestOneInput(bytes, size);
    files++;
}

static void replay(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        replay_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            replay_file(inside);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%u inputs\n", files);
    return files > 0 ? 0 : 2;
}
