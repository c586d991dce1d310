/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/symbols.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"

#define UNSIZED_MAX \
    4096 /* hand-written code may have no size: so far from its symbol it is believed */

/*
 * Which of the names of one place people use: one with a size rather than a mere label, then global
 * rather than local, then the one with fewest underscores before it.
 */
static unsigned
rank_of(const Elf64_Sym *sym, const char *name)
{
    unsigned bind = ELF64_ST_BIND(sym->st_info);
    size_t underscores = strspn(name, "_");

    return 1 + (sym->st_size ? 1000U : 0) + (bind == STB_LOCAL ? 0 : 100) +
           (unsigned)(underscores < 50 ? 50 - underscores : 0) +
           (ELF64_ST_TYPE(sym->st_info) == STT_NOTYPE ? 0 : 500U);
}

static bool
fits(const Elf64_Sym *sym, bool object)
{
    switch (ELF64_ST_TYPE(sym->st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC:
        return !object;
    case STT_OBJECT:
    case STT_COMMON:
        return object;
    case STT_NOTYPE: /* labels of assembly */
        return !object && sym->st_shndx < SHN_LORESERVE;
    default:
        return false;
    }
}

static void
answer(struct symbol_query *q, const Elf64_Sym *sym, const char *name)
{
    unsigned rank = rank_of(sym, name);
    size_t n = strcspn(name, "@"); /* a version */

    if (n == 0 || rank < q->rank || (rank == q->rank && sym->st_value < q->start) ||
        (rank == q->rank && sym->st_value == q->start && strncmp(name, q->name, n) >= 0))
        return;
    q->rank = rank;
    q->start = sym->st_value;
    (void)snprintf(q->name, sizeof(q->name), "%.*s",
                   (int)(n < sizeof(q->name) ? n : sizeof(q->name)), name);
    plain_text(q->name);
}

/* first - the first query at or behind @address. */
static size_t
first(const struct symbol_query *queries, size_t n, uint64_t address)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (queries[middle].address < address)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static void
look_table(const struct elf_file *file, const char *table, const char *strings,
           struct symbol_query *queries, size_t n)
{
    struct elf_section syms = {.bytes = NULL}, strs = {.bytes = NULL};

    if (elf_file_section(file, table, &syms) == 0 && elf_file_section(file, strings, &strs) == 0) {
        for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= syms.size; at += sizeof(Elf64_Sym)) {
            const Elf64_Sym *sym = (const void *)((const char *)syms.bytes + at);
            uint64_t end = sym->st_value + (sym->st_size ? sym->st_size : UNSIZED_MAX);

            if (sym->st_shndx == SHN_UNDEF || sym->st_name >= strs.size || end < sym->st_value)
                continue;
            for (size_t i = first(queries, n, sym->st_value); i < n && queries[i].address < end;
                 i++) {
                if (fits(sym, queries[i].object))
                    answer(&queries[i], sym, (const char *)strs.bytes + sym->st_name);
            }
        }
    }
    free(syms.bytes);
    free(strs.bytes);
}

void
symbols_look(const struct elf_file *file, struct symbol_query *queries, size_t n)
{
    look_table(file, ".dynsym", ".dynstr", queries, n);
    look_table(file, ".symtab", ".strtab", queries, n);
}
