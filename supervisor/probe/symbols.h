/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_SYMBOLS_H
#define STINT_PROBE_SYMBOLS_H

/*
 * An ELF file and its symbols, read by pread() and never mapped: one that shrinks meanwhile gives a
 * short read and no SIGBUS. It may be anything: each offset and each count is checked before use.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

/* elf_file_open - @fd is borrowed, and has to stay open. Return: 0, -ENOEXEC: not a 64-bit ELF file … */
int elf_file_open(int fd, struct elf_file **ret);
void elf_file_close(struct elf_file *file); /* NULL is fine */

struct elf_section {
    uint64_t address, size; /* as linked; of bytes */
    void *bytes;            /* owned by the caller: free() it */
    uint32_t link;          /* index of the section it refers to */
    uint64_t entry;         /* size of one of a table */
};

bool elf_file_has(const struct elf_file *file,
                  const char *name); /* … and it has bytes in the file */
/* elf_file_section - the first with that name. -ENOENT: none, or without bytes; -EFBIG, -ENOMEM. */
int elf_file_section(const struct elf_file *file, const char *name, struct elf_section *ret);

/* elf_build_id - out of a note segment or section. Return: its bytes; 0 = it holds none. */
size_t elf_build_id(const void *notes, size_t n, unsigned char *ret, size_t room);
size_t elf_file_id(const struct elf_file *file, unsigned char *ret, size_t room);

/* A question for the symbol that covers an address, and the best answer so far. */
struct symbol_query {
    uint64_t address; /* as linked: without the bias */
    size_t tag;       /* the caller's */
    bool object;      /* a variable, not a function */
    unsigned rank;    /* of the answer; 0 = none yet */
    uint64_t start;   /* of the symbol */
    char name[96];    /* "" = none yet */
};

/**
 * symbols_look - answer from .symtab and .dynsym, in one pass over each.
 * @queries: ascending by address; answers that are there already are only replaced by better ones
 */
void symbols_look(const struct elf_file *file, struct symbol_query *queries, size_t n);

#endif
