/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

/* The end of scopes: asking, waiting, joining, and saying who did not leave. */
#define REAP_AT_SPAWN 4       /* ended threads that a spawn joins: more than it adds */
#define LAST_STEPS_US 1000000 /* for a thread that is done with us, until the kernel says so */
#define SLICE_US      100000  /* of waiting for that */

struct stint_scope *
stint_scope_open_at(struct stint_scope *parent, struct stint_birth birth)
{
    return stn_scope_make(parent, birth, 0, STINT_NEVER);
}

struct stint_scope *
stint_scope_open_by_at(struct stint_scope *parent, struct stint_birth birth, int64_t abs_us)
{
    return stn_scope_make(parent, birth, 0, abs_us);
}

/*
 * It has left our books: 0 when it is gone, EBUSY when it is still at its destructors by then. Not by
 * pthread_clockjoin_np(), which ThreadSanitizer does not see (gcc 12): it takes such a thread for leaked. So the
 * clock of the wall is asked, in slices that no leap of it makes long.
 */
static int
join_until(struct stint_thread *thread, int64_t until_us)
{
    int state = stn_cancel_hold();
    int r = pthread_tryjoin_np(thread->thread, NULL);
    int64_t now_us;

    while (r != 0 && (now_us = stint_now_us()) < until_us) {
        int64_t slice_us = until_us - now_us < SLICE_US ? until_us : now_us + SLICE_US;
        struct timespec slice = stn_realtime(slice_us);

        r = pthread_timedjoin_np(thread->thread, NULL, &slice);
    }
    stn_cancel_let(state);
    return r == 0 ? 0 : EBUSY;
}

static void
push_ended(struct stint_thread **list, struct stint_thread *thread)
{
    thread->prev_own = NULL;
    thread->next_own = *list;
    if (*list)
        (*list)->prev_own = thread;
    *list = thread;
}

static void
unlink_spawned(struct stint_thread *thread)
{
    if (thread->prev_own)
        thread->prev_own->next_own = thread->next_own;
    else
        thread->scope->spawned = thread->next_own;
    if (thread->next_own)
        thread->next_own->prev_own = thread->prev_own;
    thread->of_scope = false;
}

void
stn_scope_thread_ended(struct stint_thread *thread)
{
    if (!thread->of_scope)
        return;
    unlink_spawned(thread);
    push_ended(&thread->scope->ended, thread);
}

void
stn_scope_thread_unmade(struct stint_thread *thread)
{
    if (thread->of_scope)
        unlink_spawned(thread);
}

static struct stint_thread *
pop_ended(struct stint_scope *scope)
{
    struct stint_thread *thread;

    stn_tree_take();
    thread = scope->ended;
    if (thread) {
        scope->ended = thread->next_own;
        if (scope->ended)
            scope->ended->prev_own = NULL;
    }
    stn_tree_give();
    return thread;
}

/* @until_us: 0 = only those that are quite gone. */
static void
reap(struct stint_scope *scope, unsigned most, int64_t until_us)
{
    struct stint_thread *thread, *late = NULL;

    while (most-- > 0 && (thread = pop_ended(scope))) {
        if (join_until(thread, until_us) == 0) {
            stn_slot_settled(thread);
            stn_thread_put(thread);
        } else {
            push_ended(&late, thread);
        }
    }
    if (!late)
        return;
    stn_tree_take();
    while ((thread = late)) {
        late = thread->next_own;
        push_ended(&scope->ended, thread);
    }
    stn_tree_give();
}

int
stint_scope_spawn_at(struct stint_scope *scope, struct stint_birth birth, void (*fn)(void *arg),
                     void *arg)
{
    const void *creator_pc = __builtin_return_address(0);
    struct stint_thread *thread;

    scope = scope ? scope : &stn_process;
    reap(scope, REAP_AT_SPAWN, 0);
    thread = stn_thread_new(&scope->token->head, birth, creator_pc);
    if (!thread)
        return -ENOMEM;
    stn_tree_take();
    thread->of_scope = true;
    push_ended(&thread->scope->spawned, thread);
    stn_tree_give();
    return stn_thread_start(thread, fn, arg, true);
}

void
stn_scope_ask(struct stint_scope *scope, enum stint_cause cause, const char *text, int64_t grace_us)
{
    stn_tree_take();
    scope->grace_us = grace_us;
    if (scope->token->head.cancelled)
        stn_scope_cancelled(scope->token); /* writes it down */
    stn_tree_give();
    (void)stint_token_cancel(&scope->token->head, cause, text); /* or it is cancelled already */
}

/* Nobody will join them: each takes its own leave. */
static void
let_go(struct stint_thread *list)
{
    while (list) {
        struct stint_thread *thread = list;

        list = thread->next_own;
        if (!thread->let_go)
            (void)pthread_detach(thread->thread); /* ours and joinable */
        stn_slot_settled(thread);
        stn_thread_put(thread);
    }
}

void
stn_scope_give_up(struct stint_scope *scope, enum stint_scope_state state)
{
    struct stint_token *token = &scope->token->head;
    struct stint_thread *spawned, *ended;

    stn_span_of_scope(scope);
    stn_tree_take();
    spawned = scope->spawned;
    ended = scope->ended;
    scope->spawned = scope->ended = NULL;
    for (struct stint_thread *t = spawned; t; t = t->next_own) {
        t->of_scope = false;
        t->let_go = !t->begun;
    }
    scope->state = state;
    stn_scope_cancelled(scope->token); /* writes it down */
    stn_scope_put_locked(scope);
    stn_tree_give();
    let_go(spawned);
    let_go(ended);
    stint_token_unref(token);
}

static void
wait_until_empty(struct stint_scope *scope, int64_t until_us)
{
    static uint32_t site;
    struct stint_block block =
        stn_block_enter(&site, STINT_SITE_SCOPE, "scope", stn_scope_place(scope));
    uint32_t n;

    (void)__atomic_fetch_add(&scope->waiters, 1, __ATOMIC_SEQ_CST);
    while ((n = __atomic_load_n(&scope->threads, __ATOMIC_SEQ_CST)) > 0 &&
           stint_now_us() < until_us)
        (void)stn_futex_wait_until(&scope->threads, n,
                                   until_us); /* both ends are looked at above */
    (void)__atomic_fetch_sub(&scope->waiters, 1, __ATOMIC_RELAXED);
    stint_block_leave(&block);
}

static size_t
list_stragglers(const struct stint_scope *scope, struct stint_straggler *out, size_t max)
{
    const size_t stride = max > 0 && out->size > 0 ? out->size : sizeof(*out);
    size_t n = 0;

    stn_tree_take();
    for (const struct stint_thread *t = stn.threads; t; t = t->later) {
        struct stint_straggler one = {.size = stride};

        if (!stn_scope_within(t->scope, scope))
            continue;
        if (n < max) {
            stn_straggler_fill(t, &one);
            memcpy((char *)out + n * stride, &one, stride < sizeof(one) ? stride : sizeof(one));
        }
        n++;
    }
    for (const struct stint_thread *t = scope->ended; t; t = t->next_own)
        n++; /* at its destructors */
    stn_tree_give();
    return n;
}

int
stint_scope_close(struct stint_scope *scope, int64_t grace_us, struct stint_straggler *stragglers,
                  size_t max)
{
    int64_t now_us = stint_now_us(), until_us;
    size_t n;

    if (!scope)
        return 0;
    if (stn_self && stn_scope_within(stn_self->scope, scope))
        return -EDEADLK;
    until_us = grace_us >= STINT_NEVER - now_us ? STINT_NEVER : now_us + grace_us;
    stn_scope_ask(scope, STINT_CAUSE_CLOSED, scope->name, grace_us);
    wait_until_empty(scope, until_us);
    now_us = stint_now_us() + LAST_STEPS_US;
    reap(scope, UINT32_MAX, now_us);
    n = list_stragglers(scope, stragglers, max);
    if (n == 0)
        stn_scope_give_up(scope, STINT_SCOPE_OPEN);
    else
        stn_look(stint_now_us(), scope->generation, scope->name);
    stn_callbacks_run();
    return (int)n;
}

void
stint_scope_abandon(struct stint_scope *scope)
{
    if (!scope)
        return;
    (void)stint_token_cancel(&scope->token->head, STINT_CAUSE_CLOSED, scope->name);
    stn_scope_give_up(scope, STINT_SCOPE_OPEN);
}

_Static_assert(sizeof(struct stint_look) == 80, "no holes in what goes over the border");
