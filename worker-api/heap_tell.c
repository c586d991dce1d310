/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <string.h>

#include "worker-api/heap/heap_ask.h"
#include "worker-api/state.h"

/* Where libstint-heap.so is loaded, too: its samples say for whom they were allocated. */

/* The end of a path tells more than its beginning: from the scope itself up, as far as there is room. */
static void
scope_path(const struct stint_scope *scope, char *path, size_t size)
{
    char *at = path + size - 1;

    *at = '\0';
    for (; scope && at > path; scope = scope->parent) {
        const char *name = scope->parent ? scope->name : "root";
        size_t n = strlen(name) + (*at != '\0'), room = (size_t)(at - path);

        bool slash = *at != '\0';

        if (slash)
            at[-1] = '/';
        if (n > room) {
            memcpy(path, name + (n - room), room - slash);
            at = path;
        } else {
            memcpy(at - n, name, n - slash);
            at -= n;
        }
    }
    memmove(path, at, strlen(at) + 1);
}

/*
 * Below malloc(), and so perhaps below ours: only what this thread wrote itself, and what is written
 * once. Its token has all that is above it.
 */
static bool
tell(struct stint_heap_context *ret)
{
    const struct stint_thread *self = stn_self;
    const struct stint_registry_site *site;
    struct context context;
    char path[sizeof(ret->label.scope)];

    if (!self)
        return false;
    stn_text_copy(ret->label.thread, sizeof(ret->label.thread), self->name);
    scope_path(self->scope, path, sizeof(path));
    stn_text_copy(ret->label.scope, sizeof(ret->label.scope), path);
    site = stn_site_at(self->birth_site);
    if (site) {
        memcpy(ret->label.function, site->function, sizeof(ret->label.function));
        memcpy(ret->label.file, site->file, sizeof(ret->label.file));
        ret->label.line = site->line;
    }
    ret->label.creator_pc = (uint64_t)(uintptr_t)self->creator_pc;
    if (!stn_context(NULL, &context))
        memcpy(ret->trace_id, context.trace->trace_id, sizeof(ret->trace_id));
    return true;
}

void
stn_heap_tell(void)
{
    void (*ask)(stint_heap_teller *, size_t);

    *(void **)&ask = dlsym(RTLD_DEFAULT, "stint_heap_ask");
    if (ask)
        ask(tell, sizeof(struct stint_heap_context));
}
