/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that has its C library inside: where its code is, and whether it is glibc. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"

#define SEGMENTS_MAX 64
#define NOTES_MAX    4096

/* glibc's start files leave a note for which kernel they are made; those of musl, Go and Rust do not. */
static bool
has_abi_note(int fd, const Elf64_Phdr *segment)
{
    unsigned char notes[NOTES_MAX];
    size_t room = segment->p_filesz < sizeof(notes) ? (size_t)segment->p_filesz : sizeof(notes);
    ssize_t got = pread(fd, notes, room, (off_t)segment->p_offset);
    size_t n = got > 0 ? (size_t)got : 0;

    for (size_t at = 0; at + sizeof(Elf64_Nhdr) + 4 <= n;) {
        Elf64_Nhdr head;

        memcpy(&head, notes + at, sizeof(head));
        if (head.n_type == NT_GNU_ABI_TAG && head.n_namesz == sizeof(ELF_NOTE_GNU) &&
            memcmp(notes + at + sizeof(head), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0)
            return true;
        if (head.n_namesz > n || head.n_descsz > n)
            break;
        at += sizeof(head) + ((head.n_namesz + 3U) & ~3U) + ((head.n_descsz + 3U) & ~3U);
    }
    return false;
}

/* Nobody loads libraries for it, and glibc's start files are in it. */
static bool
is_static_glibc(int fd)
{
    Elf64_Ehdr head;
    Elf64_Phdr segments[SEGMENTS_MAX];
    bool note = false;
    size_t n;

    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_phentsize != sizeof(segments[0]))
        return false;
    n = head.e_phnum < SEGMENTS_MAX ? head.e_phnum : SEGMENTS_MAX;
    if (pread(fd, segments, n * sizeof(segments[0]), (off_t)head.e_phoff) !=
        (ssize_t)(n * sizeof(segments[0])))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (segments[i].p_type == PT_INTERP)
            return false;
        note |= segments[i].p_type == PT_NOTE && has_abi_note(fd, &segments[i]);
    }
    return note;
}

void
capture_static_libc(struct capture *c)
{
    char path[64], line[1024];
    size_t length = strlen(c->facts->exe);
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)c->req->pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd == -1 || length == 0 || !is_static_glibc(fd))
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)c->memory.pid);
    f = fopen(path, "re");
    while (f && !c->glibc && fgets(line, sizeof(line), f)) {
        const char *file = strchr(line, '/');
        char *end;

        if (!file || !strstr(line, " r-xp ") || strncmp(file, c->facts->exe, length) != 0)
            continue;
        c->libc_begin = strtoull(line, &end, 16);
        c->libc_end = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
        c->glibc = true;
    }
    if (f)
        (void)fclose(f);
}
