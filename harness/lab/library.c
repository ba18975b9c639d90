/* SPDX-License-Identifier: MIT */
#include "library.h"
#include "ask.h"
#include "error.h"
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A library that takes longer to begin is measured, and its processes say so. */
enum { LOAD_LIMIT_S = 30, LOADER_EXIT = 127 };

/* For which the loader has no word of its own: it passes such a file over. */
static bool is_foreign(const char *path) {
    Elf64_Ehdr file = {0}, own = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC), self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool read_both = read(fd, &file, sizeof file) > 0 && read(self, &own, sizeof own) == sizeof own;
    close(fd);
    close(self);
    return read_both && memcmp(file.e_ident, ELFMAG, SELFMAG) == 0 &&
           file.e_ident[EI_CLASS] == own.e_ident[EI_CLASS] && file.e_machine != own.e_machine;
}

/* "ERROR: ld.so: object 'PATH' from LD_PRELOAD cannot be preloaded (REASON): ignored." */
static char *refusal(const char *said) {
    static const char before[] = "cannot be preloaded (", after[] = "): ignored";
    const char *from = strstr(said, before);
    if (from == NULL)
        return NULL;
    from += strlen(before);
    const char *to = strstr(from, after);
    return to == NULL ? NULL : lab_printf("%.*s", (int)(to - from), from);
}

/* A program of ours is started under it, as all measured ones are: dlopen would refuse libraries that can be preloaded
 * only, for their thread-local variables. */
static char *loader_refusal(const char *path) {
    char *program = lab_printf("%s/spanlab-spawn", text_bin_dir()), *argv[] = {program, NULL}, *problem;
    struct answer a = ask(argv, path, LOAD_LIMIT_S);
    problem = refusal(a.err);
    /* What it needs in turn is missing: the loader ends the program. */
    if (problem == NULL && a.start_error == 0 && WIFEXITED(a.status) && WEXITSTATUS(a.status) == LOADER_EXIT)
        problem = answer_failure(&a);
    answer_free(&a);
    free(program);
    return problem;
}

char *library_problem(const char *path) {
    struct stat file;
    if (stat(path, &file) != 0 || access(path, R_OK) != 0)
        return lab_strdup(strerror(errno));
    if (S_ISDIR(file.st_mode))
        return lab_strdup("it is a folder");
    if (!S_ISREG(file.st_mode))
        return lab_strdup("it is no file");
    if (strpbrk(path, " :") != NULL)
        return lab_strdup("the loader splits LD_PRELOAD at spaces and colons: copy it to a path without");
    if (strchr(path, ',') != NULL)
        return lab_strdup("a comma separates subjects: copy it to a path without");
    if (is_foreign(path))
        return lab_strdup("it is built for another processor");
    return loader_refusal(path);
}
