/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel follows a script's first line this often (fs/exec.c). */
enum { IMAGE_MAX_SCRIPTS = 5, IMAGE_MAX_HEADERS = 64, IMAGE_MAX_PATH = 1024 };

static const char is_static[] = "it is linked statically, so no loader reads LD_PRELOAD";
static const char is_go[] = "it is a Go program, whose runtime has a heap of its own";
static const char is_32_bit[] = "it is a 32-bit program, and the library is 64-bit";
static const char is_foreign[] = "it is built for another processor";
static const char is_privileged[] =
    "it runs with more rights than its caller (setuid, setgid or capabilities), so the loader ignores LD_PRELOAD";
static const char has_other_loader[] = "it is started by another loader than the one that reads LD_PRELOAD here";

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* ---- Go's mark: a note that its linker leaves (cmd/link/internal/ld/elf.go, ELF_NOTE_GOBUILDID_TAG) */

static bool has_go_note(const char *notes, size_t size_bytes) {
    enum { GO_BUILD_ID = 4 };
    size_t at = 0;
    while (at + sizeof(Elf64_Nhdr) <= size_bytes) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        size_t name = at + sizeof note;
        if (note.n_namesz == 4 && note.n_type == GO_BUILD_ID && name + 4 <= size_bytes &&
            memcmp(notes + name, "Go\0", 4) == 0)
            return true;
        at = name + ((note.n_namesz + 3ul) & ~3ul) + ((note.n_descsz + 3ul) & ~3ul);
    }
    return false;
}

static int find_go(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            *(bool *)found |=
                has_go_note((const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, info->dlpi_phdr[i].p_memsz);
    return 1; /* the first is the program */
}

bool image_runs_go(void) {
    bool found = false;
    dl_iterate_phdr(find_go, &found);
    return found;
}

static int find_loader(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            *(const char **)found = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    return 1;
}

const char *image_own_loader(void) {
    const char *found = "";
    dl_iterate_phdr(find_loader, &found);
    return found;
}

/* ---- a file's own */

/* What makes the kernel set AT_SECURE (begin_new_exec in fs/exec.c, bprm_fill_uid and the capabilities of files). */
static bool gains_rights(int fd) {
    struct stat file;
    struct statvfs fs;
    if (fstat(fd, &file) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return false;
    if (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0)
        return false;
    if ((file.st_mode & S_ISUID) != 0 && file.st_uid != getuid())
        return true;
    if ((file.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && file.st_gid != getgid())
        return true;
    char capabilities[64];
    return getuid() != 0 && fgetxattr(fd, "security.capability", capabilities, sizeof capabilities) > 0;
}

static bool go_note_in(int fd, const Elf64_Phdr *h) {
    char notes[4096];
    size_t want = h->p_filesz < sizeof notes ? h->p_filesz : sizeof notes;
    ssize_t n = pread(fd, notes, want, (off_t)h->p_offset);
    return n > 0 && has_go_note(notes, (size_t)n);
}

static const char *elf_problem(int fd, const Elf64_Ehdr *elf, const char *path, const char *loader) {
    if (elf->e_ident[EI_CLASS] == ELFCLASS32)
        return is_32_bit;
#if defined(__x86_64__)
    if (elf->e_machine != EM_X86_64)
        return is_foreign;
#elif defined(__aarch64__)
    if (elf->e_machine != EM_AARCH64)
        return is_foreign;
#endif
    char interpreter[IMAGE_MAX_PATH] = "";
    bool go = false;
    for (unsigned i = 0; i < elf->e_phnum && i < IMAGE_MAX_HEADERS; i++) {
        Elf64_Phdr h;
        if (pread(fd, &h, sizeof h, (off_t)(elf->e_phoff + i * sizeof h)) != sizeof h)
            return NULL; /* a broken file: the kernel will say so */
        if (h.p_type == PT_INTERP && h.p_filesz < sizeof interpreter &&
            pread(fd, interpreter, h.p_filesz, (off_t)h.p_offset) != (ssize_t)h.p_filesz)
            return NULL;
        go |= h.p_type == PT_NOTE && go_note_in(fd, &h);
    }
    if (go)
        return is_go;
    if (interpreter[0] == '\0')
        return same_file(path, loader) ? NULL : is_static; /* the loader itself can be called with a program */
    return loader[0] != '\0' && !same_file(interpreter, loader) ? has_other_loader : NULL;
}

/* The interpreter of a first line "#! PATH ARGUMENT"; false when there is none. */
static bool script_interpreter(const char *line, size_t length, char *out, size_t size_bytes) {
    if (length < 3 || line[0] != '#' || line[1] != '!')
        return false;
    size_t from = 2, to;
    while (from < length && (line[from] == ' ' || line[from] == '\t'))
        from++;
    for (to = from; to < length && strchr(" \t\n", line[to]) == NULL; to++)
        ;
    if (to == from || to - from >= size_bytes)
        return false;
    memcpy(out, line + from, to - from);
    out[to - from] = '\0';
    return true;
}

const char *image_problem(const char *path, const char *loader) {
    char file[IMAGE_MAX_PATH];
    for (int scripts = 0; scripts <= IMAGE_MAX_SCRIPTS; scripts++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return NULL;
        union {
            Elf64_Ehdr elf;
            char text[256];
        } head;
        memset(&head, 0, sizeof head);
        ssize_t n = read(fd, &head, sizeof head);
        bool elf = n > EI_CLASS && memcmp(head.text, ELFMAG, SELFMAG) == 0;
        const char *problem = NULL;
        if (elf)
            problem = gains_rights(fd) ? is_privileged : elf_problem(fd, &head.elf, path, loader);
        close(fd);
        if (elf || n <= 0 || !script_interpreter(head.text, (size_t)n, file, sizeof file))
            return problem;
        path = file;
    }
    return NULL;
}
