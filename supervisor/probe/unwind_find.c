/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/symbols.h"
#include "supervisor/probe/unwind_internal.h"

#define RANGES_MAX (1 << 20)
#define ROWS_MAX   65536 /* a process that has more is making them up */

/* The linker's table: pairs of offsets from .eh_frame_hdr, ascending by function. */
static uint64_t
find_in_table(struct names *names, const struct module *m, uint64_t pc)
{
    uint64_t low = 0, high = m->frames;
    int32_t pair[2];

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (!memory_read(&names->memory, m->table + middle * sizeof(pair), pair, sizeof(pair)))
            return 0;
        if (m->hdr + (uint64_t)(int64_t)pair[0] <= pc)
            low = middle;
        else
            high = middle;
    }
    if (!memory_read(&names->memory, m->table + low * sizeof(pair), pair, sizeof(pair)))
        return 0;
    return m->hdr + (uint64_t)(int64_t)pair[1];
}

static int
by_start(const void *a, const void *b)
{
    const struct fde_range *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* gather - what describes functions between @at and @end, in the process. */
static void
gather(struct names *names, struct module *m, uint64_t at, uint64_t end)
{
    size_t room = 0;
    uint32_t bytes;

    while (at < end && m->n_ranges < RANGES_MAX && memory_read(&names->memory, at, &bytes, 4) &&
           bytes != 0 && bytes < UINT32_C(0xfffffff0)) {
        uint64_t start, behind;

        if (fde_range_read(names, at, &start, &behind) && behind > start) {
            if (m->n_ranges == room) {
                struct fde_range *grown;

                room = room ? room * 2 : 256;
                grown = reallocarray(m->ranges, room, sizeof(*grown));
                if (!grown)
                    return;
                m->ranges = grown;
            }
            m->ranges[m->n_ranges++] = (struct fde_range){.start = start, .fde = at};
        }
        at += 4 + (uint64_t)bytes;
    }
}

/* Static programs come without the table; where .eh_frame is, is told by their sections only. */
static void
index_make(struct names *names, struct module *m)
{
    struct elf_section frames = {.bytes = NULL};
    struct elf_file *file = NULL;
    auto_fd int fd = module_open(names, m);

    if (fd >= 0 && elf_file_open(fd, &file) == 0 &&
        elf_file_section(file, ".eh_frame", &frames) == 0)
        gather(names, m, m->bias + frames.address, m->bias + frames.address + frames.size);
    if (m->n_ranges)
        qsort(m->ranges, m->n_ranges, sizeof(*m->ranges), by_start);
    free(frames.bytes);
    elf_file_close(file);
}

static uint64_t
find_in_index(const struct module *m, uint64_t pc)
{
    size_t low = 0, high = m->n_ranges;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (m->ranges[middle].start <= pc)
            low = middle;
        else
            high = middle;
    }
    return m->ranges[low].fde;
}

uint64_t
fde_find(struct names *names, struct module *m, uint64_t pc)
{
    module_look(names, m);
    if (m->frames)
        return find_in_table(names, m, pc);
    if (m->elf && !m->indexed) {
        m->indexed = true;
        index_make(names, m);
    }
    return m->n_ranges ? find_in_index(m, pc) : 0;
}

struct unwind_row *
unwind_row(struct names *names, uint64_t pc)
{
    struct table_node *node = table_find(&names->rows, pc);
    struct unwind_row *row;
    uint64_t fde = 0;
    int module;

    if (node)
        return container_of(node, struct unwind_row, node);
    if (names->rows.n >= ROWS_MAX)
        return NULL;
    row = calloc(1, sizeof(*row));
    if (!row)
        return NULL;
    module = code_at(names, pc) ? module_at(names, pc) : -1;
    if (module >= 0)
        fde = fde_find(names, &names->modules[module], pc);
    if (fde)
        fde_row(names, fde, pc, row);
    table_add(&names->rows, &row->node, pc);
    return row;
}

void
unwind_rows_finish(struct names *names)
{
    struct table *t = &names->rows;

    for (size_t i = 0; i < (t->n_buckets ? t->n_buckets : 1); i++) {
        struct table_node *node = t->n_buckets ? t->buckets[i] : t->single;

        while (node) {
            struct unwind_row *row = container_of(node, struct unwind_row, node);

            node = node->next;
            free(row->bytes);
            free(row);
        }
    }
    table_finish(t);
}
