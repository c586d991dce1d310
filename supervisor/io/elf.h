/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ELF_H
#define STINT_IO_ELF_H

/* Is this ELF file whole, and for this machine? Bytes in, sentence out; every read is bounds-checked. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* Where the bytes come from. read: like pread(2); fewer bytes than asked for means end of file. */
struct elf_source {
    ssize_t (*read)(void *env, void *buf, size_t bytes, uint64_t offset);
    void *env;
    uint64_t bytes; /* size of the file */
};

struct elf_facts {
    uint16_t type, machine; /* ET_…, EM_… */
    char interpreter[256];  /* PT_INTERP, or "" */
};

/* Does it begin like an ELF file? @bytes may be 0. */
bool elf_magic(const void *head, size_t bytes);

/**
 * elf_check - program headers, loadable segments and section table lie inside the file; 64-bit,
 * little-endian or as this machine is, an executable type, our machine.
 *
 * Return: 0 with @ret filled; -ENOEXEC with the sentence in @reterr; -EIO when reading failed.
 */
int elf_check(const struct elf_source *from, struct elf_facts *ret, struct error *reterr);
int elf_check_bytes(const void *data, size_t bytes, struct elf_facts *ret, struct error *reterr);
int elf_check_fd(int fd, uint64_t bytes, struct elf_facts *ret, struct error *reterr);

#endif
