/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "worker-api/state.h"

/* Set while this thread runs due callbacks: a cancel inside one queues, so depth stays bounded. */
static _Thread_local bool running_callbacks;

static void
put(struct stint_registration **list, struct stint_registration *r)
{
    r->prev = NULL;
    r->next = *list;
    if (r->next)
        r->next->prev = r;
    *list = r;
}

static void
drop(struct stint_registration **list, const struct stint_registration *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        *list = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

static void
put_running(struct stint_registration *r)
{
    r->state = REG_RUNNING;
    r->runner = pthread_self();
    put(&stn.running, r);
}

void
stn_registrations_due(struct token *token)
{
    struct stint_registration *r;

    while ((r = token->registrations)) {
        drop(&token->registrations, r);
        r->state = REG_DUE;
        put(&stn.due, r);
        (void)__atomic_fetch_add(&stn.due_count, 1, __ATOMIC_RELEASE);
    }
}

static struct stint_registration *
take_due(void)
{
    struct stint_registration *r;

    stn_tree_take();
    r = stn.due;
    if (r) {
        drop(&stn.due, r);
        (void)__atomic_fetch_sub(&stn.due_count, 1, __ATOMIC_RELAXED);
        put_running(r);
    }
    stn_tree_give();
    return r;
}

static void
registration_free(struct stint_registration *r)
{
    stint_token_unref(&r->token->head);
    free(r);
}

static void
run(struct stint_registration *r)
{
    int state = stn_cancel_hold(); /* whoever removes it waits for its end */
    bool removed;

    r->fn(r->arg);
    stn_tree_take();
    drop(&stn.running, r);
    r->state = REG_RAN;
    removed = r->removed;
    if (r->awaited)
        stn_futex_wake_all(&r->state); /* under the lock: the remover frees it after taking that */
    stn_tree_give();
    if (removed)
        registration_free(r);
    stn_cancel_let(state);
}

void
stn_callbacks_run(void)
{
    struct stint_registration *r;

    if (__atomic_load_n(&stn.due_count, __ATOMIC_ACQUIRE) == 0 || running_callbacks)
        return;
    running_callbacks = true;
    while ((r = take_due()))
        run(r);
    running_callbacks = false;
}

struct stint_registration *
stint_token_on_cancel(struct stint_token *token, void (*fn)(void *arg), void *arg)
{
    struct stint_registration *r = token && fn ? calloc(1, sizeof(*r)) : NULL;
    bool late;

    if (!r)
        return NULL;
    r->token = token_of(stint_token_ref(token));
    r->fn = fn;
    r->arg = arg;
    stn_tree_take();
    late = r->token->head.cancelled != 0;
    if (late)
        put_running(r);
    else
        put(&r->token->registrations, r);
    stn_tree_give();
    if (late)
        run(r);
    return r;
}

/* Tree lock held. True: the caller frees it; false: its own callback calls, the runner will. */
static bool
settle(struct stint_registration *r)
{
    while (r->state == REG_RUNNING) {
        if (pthread_equal(r->runner, pthread_self())) {
            r->removed = true;
            return false;
        }
        r->awaited = true;
        stn_tree_give();
        (void)stn_futex_wait_until(&r->state, REG_RUNNING,
                                   STINT_NEVER); /* looks again in any case */
        stn_tree_take();
    }
    return true;
}

int
stint_registration_remove(struct stint_registration *r)
{
    bool unrun, ours;

    if (!r)
        return 0;
    stn_tree_take();
    ours = settle(r);
    unrun = r->state == REG_ARMED || r->state == REG_DUE;
    if (r->state == REG_ARMED)
        drop(&r->token->registrations, r);
    if (r->state == REG_DUE) {
        drop(&stn.due, r);
        (void)__atomic_fetch_sub(&stn.due_count, 1, __ATOMIC_RELAXED);
    }
    stn_tree_give();
    if (ours)
        registration_free(r);
    return unrun;
}

/* Callbacks that run in a thread of the parent will never end here: nobody shall wait for them. */
void
stn_callbacks_after_fork(void)
{
    struct stint_registration *next;

    for (struct stint_registration *r = stn.running; r; r = next) {
        next = r->next;
        if (pthread_equal(r->runner, pthread_self()))
            continue;
        drop(&stn.running, r);
        r->state = REG_RAN;
    }
}
