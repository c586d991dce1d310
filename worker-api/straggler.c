/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "worker-api/state.h"

/* What a thread's slot says, for people in this process. */
static const char *
base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

static void
copy_tail(char *to, size_t size, const char *from)
{
    size_t n = from ? strlen(from) : 0;

    stn_text_copy(to, size, n < size ? from : from + n - (size - 1));
}

static void
say_wait(const struct stint_registry_slot *slot, char *out, size_t size)
{
    const uint32_t index = __atomic_load_n(&slot->wait_site, __ATOMIC_ACQUIRE);
    const struct stint_registry_site *site = stn_site_at(index);
    const uint64_t object = __atomic_load_n(&slot->wait_object, __ATOMIC_RELAXED);

    if (!site)
        return;
    if (site->kind == STINT_SITE_JOIN)
        (void)snprintf(out, size, "for the end of thread %llu", (unsigned long long)object);
    else if (site->kind == STINT_SITE_SCOPE)
        (void)snprintf(out, size, "for a scope to empty");
    else if (site->line == 0)
        (void)snprintf(out, size, "%.63s", site->text);
    else
        (void)snprintf(out, size, "%.50s at %.30s:%u", site->text, base_name(site->file),
                       (unsigned)site->line);
}

void
stn_straggler_fill(const struct stint_thread *thread, struct stint_straggler *ret)
{
    const struct stint_registry_site *birth =
        stn_site_at(thread->birth_site); /* outlives a dlclose() */

    ret->tid = (pid_t)__atomic_load_n(&thread->tid, __ATOMIC_RELAXED);
    ret->line = thread->birth.line;
    ret->started_us = thread->started_us;
    ret->cancelled_us =
        thread->token && thread->token->head.cancelled ? thread->token->origin->at_us : 0;
    stn_text_copy(ret->name, sizeof(ret->name), thread->name);
    copy_tail(ret->file, sizeof(ret->file), birth ? birth->file : thread->birth.file);
    stn_text_copy(ret->function, sizeof(ret->function),
                  birth ? birth->function : thread->birth.function);
    if (thread->slot)
        say_wait(thread->slot, ret->waits, sizeof(ret->waits));
}

struct stint_block
stn_block_enter(uint32_t *site, enum stint_site_kind kind, const char *text, uint64_t object)
{
    struct stint_wait_cell *cell = stint_wait_cell;
    struct stint_block block = {.cell = cell};

    if (!cell)
        return block;
    if (__atomic_load_n(site, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(site, stn_site(kind, text, NULL, NULL, 0), __ATOMIC_RELAXED);
    block.object = cell->object;
    block.site = cell->site;
    __atomic_store_n(&cell->object, object, __ATOMIC_RELAXED);
    __atomic_store_n(&cell->site, __atomic_load_n(site, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    return block;
}
