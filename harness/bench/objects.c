/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- finding objects */

struct search {
    bool (*matches)(const struct search *s, const struct dl_phdr_info *info, const char *path);
    uintptr_t address;
    const char *text;
    struct object *out;
    bool first; /* the object being looked at is the executable */
    bool found;
};

static int search_step(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    struct search *s = arg;
    bool is_program = s->first;
    s->first = false;
    char program[PATH_MAX];
    const char *path = info->dlpi_name;
    if (is_program) {
        ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
        program[n > 0 ? n : 0] = '\0';
        path = program;
    }
    s->first = is_program; /* for the matcher */
    bool matches = s->matches(s, info, path);
    s->first = false;
    if (!matches)
        return 0;
    snprintf(s->out->path, sizeof s->out->path, "%s", path);
    s->out->base = info->dlpi_addr;
    s->out->dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            s->out->dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    s->found = true;
    return 1;
}

static bool search_run(struct search s) {
    s.first = true;
    dl_iterate_phdr(search_step, &s);
    return s.found;
}

static bool holds_address(const struct search *s, const struct dl_phdr_info *info, const char *path) {
    (void)path;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && s->address >= begin && s->address < begin + p->p_memsz)
            return true;
    }
    return false;
}

static bool is_file(const struct search *s, const struct dl_phdr_info *info, const char *path) {
    (void)info;
    return same_file(path, s->text);
}

static bool has_soname(const struct search *s, const struct dl_phdr_info *info, const char *path) {
    (void)info;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t n = strlen(s->text);
    return strncmp(name, s->text, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static bool is_program(const struct search *s, const struct dl_phdr_info *info, const char *path) {
    (void)info, (void)path;
    return s->first;
}

bool object_of_address(uintptr_t address, struct object *out) {
    return search_run((struct search){.matches = holds_address, .address = address, .out = out});
}

bool object_of_file(const char *path, struct object *out) {
    return search_run((struct search){.matches = is_file, .text = path, .out = out});
}

bool object_of_soname(const char *soname, struct object *out) {
    return search_run((struct search){.matches = has_soname, .text = soname, .out = out});
}

bool object_of_program(struct object *out) {
    return search_run((struct search){.matches = is_program, .out = out});
}

bool same_file(const char *a, const char *b) {
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

bool mapping_is_stale(uintptr_t address) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    bool stale = false;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx", &begin, &end) != 2 || address < begin || address >= end)
            continue;
        stale = strstr(line, " (deleted)") != NULL;
        break;
    }
    if (maps != NULL)
        fclose(maps);
    return stale;
}

/* ---- the dynamic section */

struct tables {
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const uint32_t *sysv_hash;
    const ElfW(Rela) *relocations[2]; /* data, then procedure linkage */
    size_t relocation_count[2];
};

/* glibc has relocated these addresses in place, except in objects that it maps read-only. */
static const void *table_at(const struct object *o, const ElfW(Dyn) *d) {
    uintptr_t address = d->d_un.d_ptr;
    return (const void *)(address < o->base ? address + o->base : address);
}

static struct tables tables_of(const struct object *o) {
    struct tables t = {0};
    for (const ElfW(Dyn) *d = o->dynamic; d != NULL && d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_SYMTAB:
            t.symbols = table_at(o, d);
            break;
        case DT_STRTAB:
            t.strings = table_at(o, d);
            break;
        case DT_GNU_HASH:
            t.gnu_hash = table_at(o, d);
            break;
        case DT_HASH:
            t.sysv_hash = table_at(o, d);
            break;
        case DT_RELA:
            t.relocations[0] = table_at(o, d);
            break;
        case DT_RELASZ:
            t.relocation_count[0] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        case DT_JMPREL:
            t.relocations[1] = table_at(o, d);
            break;
        case DT_PLTRELSZ:
            t.relocation_count[1] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        }
    }
    return t;
}

/* Symbols of the table: the hash tables are the only place that tells. */
static uint32_t symbol_count(const struct tables *t) {
    if (t->sysv_hash != NULL)
        return t->sysv_hash[1];
    if (t->gnu_hash == NULL)
        return 0;
    uint32_t bucket_count = t->gnu_hash[0], first = t->gnu_hash[1], bloom_words = t->gnu_hash[2];
    const uint32_t *buckets = t->gnu_hash + 4 + bloom_words * (sizeof(uintptr_t) / sizeof(uint32_t));
    const uint32_t *chains = buckets + bucket_count;
    uint32_t last = 0;
    for (uint32_t i = 0; i < bucket_count; i++)
        if (buckets[i] > last)
            last = buckets[i];
    if (last < first)
        return first;
    while ((chains[last - first] & 1) == 0) /* the lowest bit ends a chain */
        last++;
    return last + 1;
}

bool object_exports(const struct object *o, const char *symbol) {
    struct tables t = tables_of(o);
    if (t.symbols == NULL || t.strings == NULL)
        return false;
    uint32_t n = symbol_count(&t);
    for (uint32_t i = 1; i < n; i++) {
        const ElfW(Sym) *s = &t.symbols[i];
        unsigned type = ELF64_ST_TYPE(s->st_info), binding = ELF64_ST_BIND(s->st_info);
        if (s->st_shndx == SHN_UNDEF || s->st_value == 0 || (type != STT_FUNC && type != STT_GNU_IFUNC))
            continue;
        if ((binding == STB_GLOBAL || binding == STB_WEAK) && strcmp(t.strings + s->st_name, symbol) == 0)
            return true;
    }
    return false;
}

void object_bindings(const struct object *o, void (*found)(const char *symbol, uintptr_t address, void *arg), void *arg) {
    struct tables t = tables_of(o);
    if (t.symbols == NULL || t.strings == NULL)
        return;
    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < t.relocation_count[table]; i++) {
            const ElfW(Rela) *r = &t.relocations[table][i];
            const ElfW(Sym) *s = &t.symbols[ELF64_R_SYM(r->r_info)];
            unsigned type = ELF64_ST_TYPE(s->st_info);
            if (ELF64_R_SYM(r->r_info) == 0 || (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC))
                continue;
            found(t.strings + s->st_name, *(const uintptr_t *)(o->base + r->r_offset), arg);
        }
}
