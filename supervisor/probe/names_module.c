/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "supervisor/probe/names_internal.h"
#include "supervisor/probe/symbols.h"

#define PHDRS_MAX 64
#define NOTES_MAX 4096
#define HDR_FIXED \
    12 /* bytes of .eh_frame_hdr before its table, in the one form that linkers write */
#define HDR_FORM   0x3b031b01 /* version 1; pcrel sdata4, udata4, datarel sdata4 */
#define FRAMES_MAX (1 << 22)

static void
look_id(struct names *names, struct module *m, const Elf64_Phdr *ph)
{
    unsigned char notes[NOTES_MAX];
    size_t n = ph->p_filesz < sizeof(notes) ? (size_t)ph->p_filesz : sizeof(notes);

    if (m->id_n || !memory_read(&names->memory, m->bias + ph->p_vaddr, notes, n))
        return;
    m->id_n = elf_build_id(notes, n, m->id, sizeof(m->id));
}

static void
look_frames(struct names *names, struct module *m, const Elf64_Phdr *ph)
{
    uint32_t head[3]; /* form, where .eh_frame is, number of entries */
    uint64_t at = m->bias + ph->p_vaddr;

    if (ph->p_memsz < HDR_FIXED || !memory_read(&names->memory, at, head, sizeof(head)) ||
        head[0] != HDR_FORM || head[2] > FRAMES_MAX || head[2] > (ph->p_memsz - HDR_FIXED) / 8)
        return;
    m->hdr = at;
    m->hdr_end = at + ph->p_memsz;
    m->table = at + HDR_FIXED;
    m->frames = head[2];
}

static void
look_phdrs(struct names *names, struct module *m, const Elf64_Phdr *ph, size_t n)
{
    bool based = false;

    for (size_t i = 0; i < n && !based; i++) {
        if (ph[i].p_type == PT_LOAD && ph[i].p_offset < MEMORY_PAGE) {
            m->bias = m->start - (ph[i].p_vaddr - ph[i].p_offset);
            based = true;
        }
    }
    for (size_t i = 0; i < n && based; i++) {
        if (ph[i].p_type == PT_LOAD && m->n_loads < MODULE_LOADS) {
            m->loads[m->n_loads].start = m->bias + ph[i].p_vaddr;
            m->loads[m->n_loads].end = m->bias + ph[i].p_vaddr + ph[i].p_memsz;
            m->loads[m->n_loads++].write = ph[i].p_flags & PF_W;
        } else if (ph[i].p_type == PT_NOTE) {
            look_id(names, m, &ph[i]);
        } else if (ph[i].p_type == PT_GNU_EH_FRAME) {
            look_frames(names, m, &ph[i]);
        }
    }
    m->elf = based;
}

void
module_look(struct names *names, struct module *m)
{
    Elf64_Ehdr eh;
    Elf64_Phdr ph[PHDRS_MAX];

    if (m->looked)
        return;
    m->looked = true;
    m->bias = m->start;
    if (!m->headed || !memory_read(&names->memory, m->start, &eh, sizeof(eh)) ||
        memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_phentsize != sizeof(*ph) || eh.e_phnum > PHDRS_MAX ||
        !memory_read(&names->memory, m->start + eh.e_phoff, ph, eh.e_phnum * sizeof(*ph)))
        return;
    look_phdrs(names, m, ph, eh.e_phnum);
}

static bool
same_id(const struct module *m, int fd)
{
    unsigned char id[MODULE_ID_MAX];
    struct elf_file *file;
    size_t n;

    if (m->id_n == 0 || elf_file_open(fd, &file) < 0)
        return false;
    n = elf_file_id(file, id, sizeof(id));
    elf_file_close(file);
    return n == m->id_n && !memcmp(id, m->id, n);
}

/* same - is it what is mapped? Its inode says so, or its build id where file systems lie about inodes. */
static bool
same(const struct module *m, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           ((uint64_t)st.st_ino == m->ino || same_id(m, fd));
}

static int
open_same(const struct module *m, const char *path)
{
    /* Never a device or a pipe of the process: O_NONBLOCK, and same() looks at what it is. */
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    return same(m, fd) ? steal_fd(fd) : -ESTALE;
}

/* open_alike - it has ended since it was looked at: what is at that path for us, by its build id alone. */
static int
open_alike(const struct module *m)
{
    auto_fd int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return -errno;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && same_id(m, fd) ? steal_fd(fd) : -ESTALE;
}

int
module_open(struct names *names, struct module *m)
{
    char path[PATH_MAX + 64];
    int fd;

    module_look(names, m);
    if (m->path[0] != '/')
        return -ENOENT;
    /* A privileged look finds the very file, deleted or not, in whatever namespace it was opened. */
    (void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)names->pid,
                   (unsigned long long)m->map_start, (unsigned long long)m->map_end);
    fd = open_same(m, path);
    if (fd >= 0)
        return fd;
    (void)snprintf(path, sizeof(path), "/proc/%d/root%s", (int)names->memory.tid, m->path);
    fd = open_same(m, path);
    if (fd >= 0)
        return fd;
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)names->memory.tid);
    fd = open_same(m, path);
    return fd >= 0 ? fd : open_alike(m);
}
