/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/dw.h"
#include "supervisor/probe/names_resolve.h"
#include "supervisor/probe/symbols.h"

/* What files say of the places in one module. In the child of names_resolve(). */

#define DEBUG_DIR "/usr/lib/debug"

struct file {
    int fd;
    struct elf_file *elf; /* NULL = not there */
};

static void
file_close(struct file *f)
{
    elf_file_close(f->elf);
    f->elf = NULL;
    f->fd = fd_close(f->fd);
}

/* debug_try - @path in @root, when it is a file with the build id of the module. */
static bool
debug_try(const struct module *m, const char *root, const char *path, struct file *ret)
{
    unsigned char id[MODULE_ID_MAX];
    char full[PATH_MAX + 64];

    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    ret->fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (ret->fd >= 0 && elf_file_open(ret->fd, &ret->elf) == 0 &&
        elf_file_id(ret->elf, id, sizeof(id)) == m->id_n && !memcmp(id, m->id, m->id_n))
        return true;
    file_close(ret);
    return false;
}

static bool
debug_by_id(const struct module *m, const char *root, struct file *ret)
{
    char path[sizeof(DEBUG_DIR) + 32 + (size_t)2 * MODULE_ID_MAX];
    size_t at = (size_t)snprintf(path, sizeof(path), DEBUG_DIR "/.build-id/%02x/", m->id[0]);

    for (size_t i = 1; i < m->id_n; i++)
        at += (size_t)snprintf(path + at, sizeof(path) - at, "%02x", m->id[i]);
    (void)snprintf(path + at, sizeof(path) - at, ".debug");
    return debug_try(m, root, path, ret);
}

static bool
debug_by_link(const struct module *m, const struct file *file, const char *root, struct file *ret)
{
    static const struct {
        const char *before, *behind; /* the directory of the module */
    } forms[] = {
        {"",        ""       },
        {"",        ".debug/"},
        {DEBUG_DIR, ""       }
    };
    struct elf_section link;
    char path[PATH_MAX];
    bool found = false;

    if (!file->elf || elf_file_section(file->elf, ".gnu_debuglink", &link) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(forms) && !found && !strchr(link.bytes, '/'); i++) {
        (void)snprintf(path, sizeof(path), "%s%.*s%s%s", forms[i].before, (int)(m->base - m->path),
                       m->path, forms[i].behind, (const char *)link.bytes);
        found = debug_try(m, root, path, ret);
    }
    free(link.bytes);
    return found;
}

/* debug_open - the separate debugging information of a module: of this machine, or of the process's. */
static void
debug_open(struct names *names, const struct module *m, const struct file *file, struct file *ret)
{
    char root[48];

    if (m->id_n < 2 || debug_by_id(m, "", ret))
        return;
    (void)snprintf(root, sizeof(root), "/proc/%d/root", (int)names->memory.tid);
    if (!debug_by_id(m, root, ret))
        (void)debug_by_link(m, file, root, ret);
}

static int
by_address(const void *a, const void *b)
{
    const struct symbol_query *x = a, *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

/* symbols_tell - hand the answers to those who asked. */
static void
symbols_tell(struct resolving *all, const struct part *part, const struct symbol_query *queries)
{
    for (size_t i = 0; i < part->n; i++) {
        const struct symbol_query *q = &queries[i];
        struct name *name = &all->names[q->tag];

        if (q->rank == 0)
            continue;
        memcpy(name->function, q->name, sizeof(name->function));
        name->offset = q->address - q->start;
        name->done = true;
    }
}

static void
lines_tell(struct resolving *all, const struct part *part, struct dw_file *dw)
{
    for (size_t i = 0; i < part->n; i++) {
        const struct wanted *w = all->owner->wants[all->first + part->items[i]];
        struct name *name = &all->names[part->items[i]];
        struct dw_line line;

        if (w->object || dw_line(dw, w->address - part->module->bias, &line) < 0)
            continue;
        memcpy(name->file, line.file, sizeof(name->file));
        name->line = line.line;
        if (line.function[0])
            memcpy(name->function, line.function, sizeof(name->function));
        else if (!name->function[0])
            memcpy(name->function, line.enclosing, sizeof(name->function));
        name->done = true;
    }
}

static void
lines(struct resolving *all, struct part *part, const struct file *file)
{
    struct dw_file *dw;

    if (!elf_file_has(file->elf, ".debug_line") && !elf_file_has(file->elf, ".zdebug_line"))
        return;
    if (!all->dw && !all->shared->no_libdw)
        all->shared->no_libdw = dw_load(&all->dw) < 0;
    if (!all->dw || dw_file_open(all->dw, file->fd, &dw) < 0)
        return;
    lines_tell(all, part, dw);
    dw_file_close(dw);
}

void
resolve_part(struct resolving *all, struct part *part)
{
    struct symbol_query *queries = calloc(part->n, sizeof(*queries));
    struct file file = {.fd = -1}, debug = {.fd = -1};

    if (!queries)
        return;
    for (size_t i = 0; i < part->n; i++) {
        const struct wanted *w = all->owner->wants[all->first + part->items[i]];

        queries[i] = (struct symbol_query){
            .address = w->address - part->module->bias, .object = w->object, .tag = part->items[i]};
    }
    qsort(queries, part->n, sizeof(*queries), by_address);
    file.fd = module_open(all->owner, part->module);
    if (file.fd == -ESTALE)
        all->shared->replaced = true;
    if (file.fd >= 0 && elf_file_open(file.fd, &file.elf) == 0)
        symbols_look(file.elf, queries, part->n);
    symbols_tell(all, part, queries);
    if (!file.elf || !elf_file_has(file.elf, ".symtab") || !elf_file_has(file.elf, ".debug_line"))
        debug_open(all->owner, part->module, &file, &debug);
    if (debug.elf) {
        symbols_look(debug.elf, queries, part->n);
        symbols_tell(all, part, queries);
    }
    if (!part->module->runtime && file.elf)
        lines(all, part, &file);
    if (!part->module->runtime && debug.elf)
        lines(all, part, &debug);
    file_close(&file);
    file_close(&debug);
    free(queries);
}

/* part_of - those of the places that lie in module @index. */
static void
part_of(struct resolving *all, size_t index)
{
    struct part part = {.module = &all->owner->modules[index]};

    part.items = malloc(all->n * sizeof(*part.items));
    if (!part.items)
        return;
    for (size_t i = 0; i < all->n; i++) {
        if (all->owner->wants[all->first + i]->module == (int)index)
            part.items[part.n++] = i;
    }
    if (part.n)
        resolve_part(all, &part);
    free(part.items);
}

void
resolve_all(struct resolving *all)
{
    for (int runtime = 0; runtime <= 1; runtime++) { /* somebody's own code first */
        for (size_t i = 0; i < all->owner->n_modules; i++) {
            if (all->owner->modules[i].runtime == (runtime == 1))
                part_of(all, i);
        }
    }
}
