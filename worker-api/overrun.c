/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "worker-api/state.h"

/*
 * Who calls and how long they wait, and who works on when nobody waits any more: counted where it is
 * read from outside. A request costs its caller's row a few atomic additions; the lock is for new rows
 * and for overruns, which are rare or a reason to worry about something else.
 */
#define CALLER_UNSEEN UINT8_MAX /* of a request for whose caller there is no row */

/* ---- Callers ---------------------------------------------------------------------------------- */

/* Rows are written before they are `used` and keep their name: no lock. */
static uint8_t
find_caller(const char *name, uint32_t used)
{
    for (uint32_t i = 0; i < used; i++)
        if (strncmp(stn_registry_caller(i)->name, name, STINT_NAME_MAX - 1) == 0)
            return (uint8_t)(i + 1);
    return 0;
}

static uint8_t
add_caller(struct stint_registry_header *header, const char *name)
{
    uint32_t used;
    uint8_t found;

    stn_lock_take(&stn.slots);
    used = __atomic_load_n(&header->callers.used, __ATOMIC_RELAXED);
    found = find_caller(name, used); /* somebody else may have been faster */
    if (found == 0 && used < STINT_REGISTRY_CALLERS) {
        stn_text_copy(stn_registry_caller(used)->name, STINT_NAME_MAX, name);
        STN_PUT(header->callers.used, used + 1);
        found = (uint8_t)(used + 1);
    }
    stn_lock_give(&stn.slots);
    return found;
}

uint8_t
stn_caller_of(const char *name)
{
    struct stint_registry_header *header;
    uint8_t found;

    stn_here();
    header = __atomic_load_n(&stn.registry, __ATOMIC_ACQUIRE);
    if (!header)
        return CALLER_UNSEEN;
    name = name ? name : "";
    found = find_caller(name, __atomic_load_n(&header->callers.used, __ATOMIC_ACQUIRE));
    if (found == 0)
        found = add_caller(header, name);
    if (found > 0)
        return found;
    (void)__atomic_fetch_add(&header->overflow_callers, 1, __ATOMIC_RELAXED);
    return CALLER_UNSEEN;
}

static struct stint_registry_caller *
caller_at(uint8_t caller)
{
    return caller > 0 && caller <= STINT_REGISTRY_CALLERS &&
                   __atomic_load_n(&stn.registry, __ATOMIC_ACQUIRE)
               ? stn_registry_caller(caller - 1U)
               : NULL;
}

static void
count(uint64_t *counter)
{
    (void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* 0 is "none was said": so is 0 itself, which came too late anyway. */
static void
widen(struct stint_registry_caller *row, int64_t said_us)
{
    int64_t least = __atomic_load_n(&row->least_us, __ATOMIC_RELAXED);
    int64_t most = __atomic_load_n(&row->most_us, __ATOMIC_RELAXED);

    while ((least == 0 || said_us < least) &&
           !__atomic_compare_exchange_n(&row->least_us, &least, said_us, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
    while (said_us > most && !__atomic_compare_exchange_n(&row->most_us, &most, said_us, true,
                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void
stn_caller_called(uint8_t caller, int64_t said_us, int r)
{
    struct stint_registry_caller *row = caller_at(caller);

    if (!row)
        return;
    count(&row->calls);
    if (r == -EINVAL) {
        count(&row->malformed);
        return;
    }
    if (r == -ETIMEDOUT)
        count(&row->expired);
    if (said_us == STINT_NEVER)
        count(&row->without);
    else if (said_us > 0)
        widen(row, said_us);
    if (said_us != STINT_NEVER && said_us > stint_deadline_policy()->max_us)
        count(&row->cut);
}

/* ---- Overruns ----------------------------------------------------------------------------------- */

/* One that is over, and for whose thread a row is sought or made. */
struct overrun {
    const struct stint_thread *thread; /* NULL: it is not registered */
    const struct token *token;
    const char *task;
    int64_t now_us;
    char name[STINT_NAME_MAX];
};

static uint32_t
birth_of(const struct overrun *o)
{
    return o->thread ? o->thread->birth_site : 0;
}

static const char *
scope_of(const struct overrun *o)
{
    const struct stint_scope *scope = o->thread ? o->thread->scope : stn_scope_of(o->token);

    return scope->name;
}

/* Slots lock held. When all rows are taken, one of the same place will do: it names who is to be asked. */
static struct stint_registry_overrun *
find_row(struct stint_registry_header *header, const struct overrun *o)
{
    const uint32_t used = header->overruns.used;
    struct stint_registry_overrun *near = NULL;

    for (uint32_t i = 0; i < used; i++) {
        struct stint_registry_overrun *row = stn_registry_overrun(i);

        if (row->birth_site != birth_of(o) || strcmp(row->scope, scope_of(o)) != 0)
            continue;
        if (strcmp(row->thread, o->name) == 0)
            return row;
        near = row;
    }
    if (used == STINT_REGISTRY_OVERRUNS)
        return near;
    STN_PUT(header->overruns.used, used + 1);
    return stn_registry_overrun(used);
}

static void
fill_row(struct stint_registry_overrun *row, const struct overrun *o)
{
    const struct trace *trace = stn_token_trace(o->token);
    const int64_t over_us = o->now_us - o->token->deadline_us;
    struct stint_registry_overrun r = {.count = row->count + 1, .over_us = over_us};

    r.seq = row->seq + 1;
    r.most_us = over_us > row->most_us ? over_us : row->most_us;
    r.last_us = (uint64_t)o->now_us;
    r.birth_site = birth_of(o);
    if (o->thread) {
        r.tid = __atomic_load_n(&o->thread->tid, __ATOMIC_RELAXED);
        r.creator_tid = o->thread->creator_tid;
        r.creator_pc = (uint64_t)(uintptr_t)o->thread->creator_pc;
        stn_text_copy(r.creator_name, sizeof(r.creator_name), o->thread->creator_name);
    }
    memcpy(r.trace_id, trace->trace_id, sizeof(r.trace_id));
    stn_text_copy(r.thread, sizeof(r.thread), o->name);
    stn_text_copy(r.task, sizeof(r.task), o->task && *o->task ? o->task : o->token->name);
    stn_text_copy(r.scope, sizeof(r.scope), scope_of(o));
    STN_PUT(row->seq, r.seq);
    stn_put_words((char *)row + sizeof(uint64_t), (const char *)&r + sizeof(uint64_t),
                  sizeof(r) - sizeof(uint64_t));
    STN_PUT(row->tid, r.tid);
    STN_PUT(row->seq, r.seq + 1);
}

/* The request that the work was for: the nearest above. Parents never change. */
static struct token *
request_of(struct token *token)
{
    while (token && token->caller == 0)
        token = token->parent;
    return token;
}

/* Once for each request its caller is told of. */
static void
record(struct overrun *o, struct token *request)
{
    struct stint_registry_header *header;
    struct stint_registry_caller *from;
    struct stint_registry_overrun *row;

    stn_here();
    header = __atomic_load_n(&stn.registry, __ATOMIC_ACQUIRE);
    if (!header)
        return;
    if (o->thread)
        stn_text_copy(o->name, sizeof(o->name), o->thread->name);
    else
        stn_thread_name(o->name);
    (void)__atomic_fetch_add(&header->overrun, 1, __ATOMIC_RELAXED);
    from = request && !__atomic_exchange_n(&request->overran, true, __ATOMIC_RELAXED)
               ? caller_at(request->caller)
               : NULL;
    if (from)
        count(&from->overruns);
    stn_lock_take(&stn.slots);
    row = find_row(header, o);
    if (row)
        fill_row(row, o);
    stn_lock_give(&stn.slots);
}

static bool
is_over(struct overrun *o)
{
    if (!o->token || o->token->deadline_us == STINT_NEVER)
        return false;
    o->now_us = stint_now_us();
    return o->now_us - o->token->deadline_us > stint_deadline_policy()->tolerance_us;
}

void
stn_overrun_work(const struct stint_thread *thread, struct token *token, const char *task,
                 int64_t outer_us)
{
    struct overrun o = {.thread = thread, .token = token, .task = task};

    if (token && outer_us <= token->deadline_us)
        return; /* what is around it is over, too, and is counted when it ends */
    if (is_over(&o))
        record(&o, request_of(token));
}

void
stn_overrun_request(struct token *token)
{
    struct overrun o = {.thread = stn_self, .token = token, .task = ""};

    if (is_over(&o) && !__atomic_load_n(&token->overran, __ATOMIC_RELAXED))
        record(&o, token);
}
