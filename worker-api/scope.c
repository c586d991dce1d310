/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "worker-api/state.h"

/*
 * Scopes by id, which their tokens carry and hand on to those below. A scope is freed with its token,
 * so an id means the same as long as any token has it. Places in the registry are fewer, and given up
 * as soon as nobody of the scope is there any more; a place that was given up is used again last.
 */
#define IDS_MAX   65000
#define KEEP_GONE 32 /* places of scopes that are gone, before the first of them is used again */

struct stint_scope stn_process = {
    .token = &stn_root, .state = STINT_SCOPE_OPEN, .grace_us = STINT_NEVER, .name = "root"};

static struct stint_scope *by_id[IDS_MAX + 1]; /* tree lock; NULL = free */
static uint16_t free_ids[IDS_MAX];             /* tree lock: a stack */
static uint32_t free_ids_n, ids_used = 1;      /* tree lock */
static uint16_t gone[STINT_REGISTRY_SCOPES];   /* tree lock: a ring of places, oldest first */
static uint32_t gone_first, gone_n;
static uint32_t places_used = 1; /* tree lock */

struct stint_scope *
stn_scope_of(const struct token *token)
{
    return token && token->scope != 0 ? by_id[token->scope] : &stn_process;
}

bool
stn_scope_within(const struct stint_scope *scope, const struct stint_scope *of)
{
    while (scope && scope != of)
        scope = scope->parent;
    return scope != NULL;
}

uint16_t
stn_scope_place(const struct stint_scope *scope)
{
    while (scope->parent && scope->place == STN_NO_PLACE)
        scope = scope->parent;
    return scope->place;
}

/* ---- What the registry says of it ------------------------------------------------------------ */

/* Tree lock held, which makes it the only writer. */
static void
publish(const struct stint_scope *scope)
{
    struct stint_registry_scope s = {.state = scope->state};
    struct stint_cancel_info why;

    if (!stn.registry || scope->place == STN_NO_PLACE)
        return;
    s.parent = scope->parent ? stn_scope_place(scope->parent) : 0;
    s.opened_us = (uint64_t)scope->opened_us;
    s.grace_us = scope->grace_us;
    s.generation = scope->generation;
    s.threads = scope->threads;
    s.birth_site = scope->birth_site;
    stn_text_copy(s.name, sizeof(s.name), scope->name);
    if (scope->token->head.cancelled) {
        stn_cause_tell(scope->token->origin, &why);
        s.cancelled_us = (uint64_t)why.cancelled_us;
        s.cause = why.cause;
        stn_text_copy(s.text, sizeof(s.text), why.text);
        stn_text_copy(s.who, sizeof(s.who), why.who);
    }
    stn_seq_turn(STINT_REGISTRY_SLOTS + scope->place);
    stn_put_words(stn_registry_scope(scope->place), &s, sizeof(s));
    stn_seq_turn(STINT_REGISTRY_SLOTS + scope->place);
}

/* A word alone: threads come and go more often than scopes. */
static void
publish_threads(const struct stint_scope *scope)
{
    if (stn.registry && scope->place != STN_NO_PLACE)
        STN_PUT(stn_registry_scope(scope->place)->threads, scope->threads);
}

void
stn_scope_cancelled(const struct token *token)
{
    const struct stint_scope *scope = stn_scope_of(token);

    if (scope->token == token)
        publish(scope);
}

static void
publish_used(void)
{
    if (stn.registry)
        STN_PUT(stn.registry->scopes.used, places_used);
}

void
stn_scopes_publish(void)
{
    publish_used();
    publish(&stn_process);
    for (const struct stint_scope *s = stn.scopes; s; s = s->next)
        publish(s);
}

/* ---- Who is in it ---------------------------------------------------------------------------- */

static void
take_place(struct stint_scope *scope)
{
    if (places_used < STINT_REGISTRY_SCOPES && gone_n < KEEP_GONE) {
        scope->place = (uint16_t)places_used++;
        publish_used();
    } else if (gone_n > 0) {
        scope->place = gone[gone_first];
        gone_first = (gone_first + 1) % STINT_REGISTRY_SCOPES;
        gone_n--;
    } else {
        scope->place = STN_NO_PLACE;
        if (stn.registry)
            (void)__atomic_fetch_add(&stn.registry->overflow_scopes, 1, __ATOMIC_RELAXED);
    }
}

void
stn_scope_put_locked(struct stint_scope *scope)
{
    for (; scope && scope->parent && --scope->users == 0; scope = scope->parent) {
        scope->state = STINT_SCOPE_CLOSED;
        publish(scope);
        if (scope->place != STN_NO_PLACE)
            gone[(gone_first + gone_n++) % STINT_REGISTRY_SCOPES] = scope->place;
        scope->place = STN_NO_PLACE;
    }
}

void
stn_scope_enter(struct stint_thread *thread)
{
    struct stint_scope *scope = thread->scope;

    while (scope->parent && scope->users == 0) /* only a token of it is left */
        scope = scope->parent;
    thread->scope = scope; /* above the other, which keeps it */
    scope->users++;
    for (; scope; scope = scope->parent) {
        STN_PUT(scope->threads, scope->threads + 1);
        publish_threads(scope);
    }
}

void
stn_scope_leave(struct stint_thread *thread)
{
    for (struct stint_scope *scope = thread->scope; scope; scope = scope->parent) {
        __atomic_store_n(&scope->threads, scope->threads - 1, __ATOMIC_SEQ_CST);
        publish_threads(scope);
        if (__atomic_load_n(&scope->waiters, __ATOMIC_SEQ_CST) > 0)
            stn_futex_wake_all(&scope->threads);
    }
    stn_scope_put_locked(thread->scope);
}

/* ---- Its life -------------------------------------------------------------------------------- */

/* Tree lock held; false: all ids are in use. */
static bool
take_id(struct stint_scope *scope)
{
    if (free_ids_n == 0 && ids_used > IDS_MAX)
        return false;
    scope->id = free_ids_n > 0 ? free_ids[--free_ids_n] : (uint16_t)ids_used++;
    by_id[scope->id] = scope;
    scope->token->scope = scope->id;
    return true;
}

static void
link_scope(struct stint_scope *scope)
{
    scope->next = stn.scopes;
    if (scope->next)
        scope->next->prev = scope;
    stn.scopes = scope;
    scope->parent->users++;
    take_place(scope);
    publish(scope);
}

struct stint_scope *
stn_scope_make(struct stint_scope *parent, struct stint_birth birth, uint64_t generation,
               int64_t deadline_us)
{
    struct stint_scope *scope = calloc(1, sizeof(*scope));
    struct stint_token *token = NULL;
    bool linked;

    parent = parent ? parent : &stn_process;
    if (scope)
        token = stint_token_with_deadline(&parent->token->head, birth.name, deadline_us);
    if (token && stn_trace_branch(token_of(token)) < 0) {
        stint_token_unref(token);
        token = NULL;
    }
    if (!token) {
        free(scope);
        return NULL;
    }
    *scope = (struct stint_scope){.token = token_of(token),
                                  .parent = parent,
                                  .users = 1,
                                  .state = STINT_SCOPE_OPEN,
                                  .generation = generation ? generation : parent->generation,
                                  .opened_us = stint_now_us(),
                                  .grace_us = STINT_NEVER};
    scope->birth_site = stn_site(STINT_SITE_BIRTH, NULL, birth.file, birth.function, birth.line);
    stn_text_copy(scope->name, sizeof(scope->name), birth.name);
    stn_tree_take();
    linked = take_id(scope);
    if (linked)
        link_scope(scope);
    stn_tree_give();
    if (linked)
        return scope;
    stint_token_unref(token);
    free(scope);
    return NULL;
}

void
stn_scope_token_gone(const struct token *token)
{
    struct stint_scope *scope = stn_scope_of(token);

    if (scope->token != token)
        return;
    if (scope->prev)
        scope->prev->next = scope->next;
    else
        stn.scopes = scope->next;
    if (scope->next)
        scope->next->prev = scope->prev;
    by_id[scope->id] = NULL;
    free_ids[free_ids_n++] = scope->id;
    free(scope);
}

void
stn_scopes_after_fork(void)
{
    stn_process.spawned = stn_process.ended = NULL;
    stn_process.waiters = 0;
    for (struct stint_scope *s = stn.scopes; s; s = s->next) {
        s->spawned = s->ended = NULL; /* the parent's, and not to be joined here */
        s->waiters = 0;
    }
    stn_scopes_publish();
}

struct stint_token *
stint_scope_token(struct stint_scope *scope)
{
    return scope ? &scope->token->head : stint_root();
}
