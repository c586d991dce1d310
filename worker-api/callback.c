/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

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
        put(r->wake ? &stn.due_wakes : &stn.due, r);
        (void)__atomic_fetch_add(&stn.due_count, 1, __ATOMIC_RELEASE);
    }
}

static struct stint_registration *
take_due(bool wakes_only)
{
    struct stint_registration **list, *r;

    stn_tree_take();
    list = stn.due_wakes || wakes_only ? &stn.due_wakes : &stn.due;
    r = *list;
    if (r) {
        drop(list, r);
        (void)__atomic_fetch_sub(&stn.due_count, 1, __ATOMIC_RELAXED);
        put_running(r);
    }
    stn_tree_give();
    return r;
}

static void
registration_free(struct stint_registration *r)
{
    if (r->wake)
        return; /* the waiter's, who holds the token too */
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

    if (__atomic_load_n(&stn.due_count, __ATOMIC_ACQUIRE) == 0)
        return;
    /* First, and even inside of a callback: that one may wait for somebody who is to be woken here. */
    while ((r = take_due(true)))
        run(r);
    if (running_callbacks)
        return;
    running_callbacks = true;
    while ((r = take_due(false)))
        run(r);
    running_callbacks = false;
}

bool
stn_callbacks_hold(void)
{
    bool before = running_callbacks;

    running_callbacks = true;
    return before;
}

void
stn_callbacks_let(bool before)
{
    running_callbacks = before;
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
        drop(r->wake ? &stn.due_wakes : &stn.due, r);
        (void)__atomic_fetch_sub(&stn.due_count, 1, __ATOMIC_RELAXED);
    }
    stn_tree_give();
    if (ours)
        registration_free(r);
    return unrun;
}

bool
stn_wake_arm(struct stint_registration *r)
{
    bool live;

    stn_tree_take();
    live = r->token->head.cancelled == 0;
    if (live)
        put(&r->token->registrations, r);
    else
        r->state = REG_RAN;
    stn_tree_give();
    return live;
}

static void
forget(struct stint_registration **list)
{
    struct stint_registration *next;

    for (struct stint_registration *r = *list; r; r = next) {
        next = r->next;
        if (!r->wake)
            continue;
        (void)__atomic_fetch_sub(&stn.due_count, r->state == REG_DUE, __ATOMIC_RELAXED);
        drop(list, r);
        r->state = REG_RAN;
    }
}

/* Callbacks that run in a thread of the parent will never end here: nobody shall wait for them.
 * The waiters of the parent are not here either, and their stacks will be somebody else's. */
void
stn_callbacks_after_fork(void)
{
    struct stint_registration *next;

    forget(&stn.due_wakes);
    for (struct token *at = &stn_top; at; at = stn_token_step(&stn_top, at, true))
        forget(&at->registrations);

    for (struct stint_registration *r = stn.running; r; r = next) {
        next = r->next;
        if (pthread_equal(r->runner, pthread_self()))
            continue;
        drop(&stn.running, r);
        r->state = REG_RAN;
    }
}
