/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/probe/symbols.h"

#define SECTION_BYTES_MAX (256 << 20)
#define NAMES_BYTES_MAX   (4 << 20)

struct elf_file {
    int fd; /* borrowed */
    uint64_t bytes;
    Elf64_Shdr *sections; /* owned */
    size_t n;
    char *names; /* owned; NUL-terminated */
    size_t names_n;
};

static int
read_at(int fd, uint64_t at, void *to, size_t n)
{
    char *out = to;

    while (n > 0) {
        ssize_t got = pread(fd, out, n, (off_t)at);

        if (got <= 0)
            return got < 0 ? -errno : -ENOEXEC;
        out += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

/* part - a copy of @n bytes at @at, and a NUL behind it. */
static int
part(const struct elf_file *file, uint64_t at, uint64_t n, uint64_t most, void **ret)
{
    char *bytes;
    int r;

    if (n > most)
        return -EFBIG;
    if (at > file->bytes || n > file->bytes - at)
        return -ENOEXEC;
    bytes = malloc((size_t)n + 1);
    if (!bytes)
        return -ENOMEM;
    r = read_at(file->fd, at, bytes, (size_t)n);
    if (r < 0) {
        free(bytes);
        return r;
    }
    bytes[n] = '\0';
    *ret = bytes;
    return 0;
}

static int
read_sections(struct elf_file *file, const Elf64_Ehdr *eh)
{
    const Elf64_Shdr *names;
    void *bytes = NULL;
    int r;

    if (eh->e_shnum == 0 || eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shstrndx >= eh->e_shnum)
        return 0; /* sections are for linkers and debuggers; it runs without */
    r = part(file, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr), NAMES_BYTES_MAX,
             &bytes);
    if (r < 0)
        return r;
    file->sections = bytes;
    names = &file->sections[eh->e_shstrndx];
    r = part(file, names->sh_offset, names->sh_size, NAMES_BYTES_MAX, &bytes);
    if (r < 0)
        return r;
    file->names = bytes;
    file->names_n = (size_t)names->sh_size;
    file->n = eh->e_shnum;
    return 0;
}

int
elf_file_open(int fd, struct elf_file **ret)
{
    struct elf_file *file;
    struct stat st;
    Elf64_Ehdr eh;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    r = read_at(fd, 0, &eh, sizeof(eh));
    if (r < 0)
        return r;
    if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB)
        return -ENOEXEC;
    file = calloc(1, sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->fd = fd;
    file->bytes = (uint64_t)st.st_size;
    r = read_sections(file, &eh);
    if (r < 0) {
        elf_file_close(file);
        return r;
    }
    *ret = file;
    return 0;
}

void
elf_file_close(struct elf_file *file)
{
    if (!file)
        return;
    free(file->sections);
    free(file->names);
    free(file);
}

static const Elf64_Shdr *
find(const struct elf_file *file, const char *name)
{
    for (size_t i = 0; i < file->n; i++) {
        const Elf64_Shdr *sh = &file->sections[i];

        if (sh->sh_name < file->names_n && !strcmp(file->names + sh->sh_name, name))
            return sh->sh_type == SHT_NOBITS ? NULL : sh;
    }
    return NULL;
}

bool
elf_file_has(const struct elf_file *file, const char *name)
{
    return find(file, name) != NULL;
}

int
elf_file_section(const struct elf_file *file, const char *name, struct elf_section *ret)
{
    const Elf64_Shdr *sh = find(file, name);
    void *bytes = NULL;
    int r;

    if (!sh)
        return -ENOENT;
    r = part(file, sh->sh_offset, sh->sh_size, SECTION_BYTES_MAX, &bytes);
    if (r < 0)
        return r;
    *ret = (struct elf_section){.address = sh->sh_addr,
                                .size = sh->sh_size,
                                .bytes = bytes,
                                .link = sh->sh_link,
                                .entry = sh->sh_entsize};
    return 0;
}

size_t
elf_build_id(const void *notes, size_t n, unsigned char *ret, size_t room)
{
    const unsigned char *at = notes;

    while (n >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr h;
        size_t name, text;

        memcpy(&h, at, sizeof(h));
        name = ((size_t)h.n_namesz + 3) & ~(size_t)3;
        text = ((size_t)h.n_descsz + 3) & ~(size_t)3;
        at += sizeof(h);
        n -= sizeof(h);
        if (name > n || text > n - name)
            return 0;
        if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && !memcmp(at, "GNU", 4) &&
            h.n_descsz <= room) {
            memcpy(ret, at + name, h.n_descsz);
            return h.n_descsz;
        }
        at += name + text;
        n -= name + text;
    }
    return 0;
}

size_t
elf_file_id(const struct elf_file *file, unsigned char *ret, size_t room)
{
    struct elf_section note;
    size_t n;

    if (elf_file_section(file, ".note.gnu.build-id", &note) < 0)
        return 0;
    n = elf_build_id(note.bytes, (size_t)note.size, ret, room);
    free(note.bytes);
    return n;
}
