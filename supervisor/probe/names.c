/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/probe/names_internal.h"
#include "supervisor/probe/unwind_internal.h"

int
names_open(pid_t pid, struct names **ret, struct error *reterr)
{
    struct names *names = calloc(1, sizeof(*names));
    int r;

    if (!names)
        return error_set(reterr, -ENOMEM, "look at process %d", (int)pid);
    names->pid = pid;
    names->memory.tid = pid;
    r = modules_read(names, reterr);
    if (r < 0) {
        names_close(names);
        return r;
    }
    *ret = names;
    return 0;
}

void
names_close(struct names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->n_wants; i++) {
        free(names->wants[i]->name);
        free(names->wants[i]);
    }
    free(names->wants);
    table_finish(&names->wanted);
    unwind_rows_finish(names);
    modules_finish(names);
    free(names);
}

static struct wanted *
find(const struct names *names, uint64_t address, bool object)
{
    struct table_node *node = table_find(&names->wanted, address);

    for (; node; node = table_next(node)) {
        struct wanted *w = container_of(node, struct wanted, node);

        if (w->object == object)
            return w;
    }
    return NULL;
}

static void
want(struct names *names, uint64_t address, bool object)
{
    struct wanted *w;

    if (find(names, address, object) || names->n_wants >= NAMES_WANTED_MAX)
        return;
    if (names->n_wants == names->wants_room) {
        size_t room = names->wants_room ? names->wants_room * 2 : 64;
        struct wanted **grown = reallocarray(names->wants, room, sizeof(struct wanted *));

        if (!grown)
            return; /* one name less */
        names->wants = grown;
        names->wants_room = room;
    }
    w = calloc(1, sizeof(*w));
    if (!w)
        return;
    w->address = address;
    w->object = object;
    w->module = module_at(names, address);
    names->wants[names->n_wants++] = w;
    table_add(&names->wanted, &w->node, address);
}

void
names_want(struct names *names, uint64_t pc, bool call)
{
    want(names, pc - call, false);
}

void
names_want_object(struct names *names, uint64_t address)
{
    if (address)
        want(names, address, true);
}

static void
place_module(const struct names *names, int module, struct place *ret)
{
    const struct module *m = &names->modules[module];

    (void)snprintf(ret->module, sizeof(ret->module), "%.63s", m->base);
    ret->offset = ret->pc - m->bias;
}

void
names_place(struct names *names, uint64_t pc, bool call, struct place *ret)
{
    const struct wanted *w = find(names, pc - call, false);
    int module = w ? w->module : module_at(names, pc - call);
    const struct name *name = w ? w->name : NULL;

    *ret = (struct place){.pc = pc - call, .unmapped = !code_at(names, pc - call)};
    if (module >= 0)
        place_module(names, module, ret);
    if (name) {
        memcpy(ret->function, name->function, sizeof(ret->function));
        memcpy(ret->file, name->file, sizeof(ret->file));
        ret->line = name->line;
    }
    ret->business =
        module < 0 || (!names->modules[module].runtime && !kind_function(ret->function, names));
    ret->library = ret->business && module >= 0 && names->modules[module].library;
}

bool
names_object(struct names *names, uint64_t address, struct place *ret)
{
    const struct wanted *w = find(names, address, true);
    int module = w ? w->module : module_at(names, address);

    *ret = (struct place){.pc = address};
    if (module < 0)
        return false;
    place_module(names, module, ret);
    if (w && w->name && w->name->function[0]) {
        memcpy(ret->function, w->name->function, sizeof(ret->function));
        ret->offset = w->name->offset;
    }
    return true;
}

bool
names_mapping(struct names *names, uint64_t pc, struct names_mapping *ret)
{
    const struct mapping *at = mapping_at(names, pc);
    const struct module *m;
    size_t n = 0;

    if (!at || at->module < 0)
        return false;
    m = &names->modules[module_at(names, pc)];
    *ret = (struct names_mapping){
        .start = at->start, .end = at->end, .offset = at->offset, .path = m->path};
    for (; n < m->id_n && 2 * n + 2 < sizeof(ret->build_id); n++)
        (void)snprintf(ret->build_id + 2 * n, 3, "%02x", m->id[n]);
    return true;
}

bool
names_code(const struct names *names, uint64_t pc)
{
    return code_at(names, pc);
}

int
names_business(struct place *frames, unsigned n)
{
    unsigned from = 0;
    int first = -1;

    /* A signal comes in anywhere: what is within its handler is within nobody's wait. */
    for (unsigned i = 0; i < n && !strstr(frames[i].function, "restore_rt"); i++)
        if (kind_waits(frames[i].function))
            from = i + 1;
    for (unsigned i = 0; i < from; i++)
        frames[i].business = false;
    for (unsigned i = from; i < n; i++) {
        if (!frames[i].business)
            continue;
        if (!frames[i].library)
            return (int)i;
        first = first < 0 ? (int)i : first;
    }
    return first; /* all of it is the system's */
}

const char *
names_note(const struct names *names)
{
    return names->note;
}
