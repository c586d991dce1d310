/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "worker-api/state.h"

struct state stn = {.nudge_fd = -1, .channel_fd = -1, .channel_kept = -1, .gate_fd = -1};

struct token stn_top = {.deadline_us = STINT_NEVER, .fd = -1, .refs = 1, .child = &stn_root};
struct token stn_root = {
    .deadline_us = STINT_NEVER, .fd = -1, .refs = 1, .parent = &stn_top, .name = "root"};

void
stn_text_copy(char *to, size_t size, const char *from)
{
    size_t n = from ? strnlen(from, size - 1) : 0;

    if (n > 0)
        memcpy(to, from, n);
    memset(to + n, 0, size - n);
}

struct token *
stn_token_step(const struct token *from, struct token *at, bool descend)
{
    if (descend && at->child)
        return at->child;
    while (at != from && !at->next)
        at = at->parent;
    return at == from ? NULL : at->next;
}

/* One token of the walk. False: it was cancelled before, and so is all below it. */
static bool
mark(struct token *token, const struct cancel *why)
{
    if (token->head.cancelled)
        return false;
    token->why = why;
    /* seq_cst: pairs with a waiter's "count me, then look" (wait.c). */
    __atomic_store_n(&token->head.cancelled,
                     why->cause == STINT_CAUSE_DEADLINE ? TOKEN_EXPIRED : TOKEN_CANCELLED,
                     __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&token->waiters, __ATOMIC_SEQ_CST) > 0)
        stn_futex_wake_all(&token->head.cancelled);
    stn_token_fire_fd(token);
    for (struct stint_thread *t = token->threads; t; t = t->next)
        stn_slot_cancelled(t->slot, why);
    stn_registrations_due(token);
    return true;
}

bool
stn_token_cancel_locked(struct token *token, enum stint_cause cause, const char *text,
                        int64_t leave_by_us)
{
    bool fresh;

    if (token->head.cancelled)
        return false;
    token->own.at_us = stint_now_us();
    token->own.leave_by_us = leave_by_us;
    token->own.cause = cause;
    stn_text_copy(token->own.text, sizeof(token->own.text), text);
    for (struct token *at = token; at; at = stn_token_step(token, at, fresh))
        fresh = mark(at, &token->own);
    return true;
}

/* Cancels that signal handlers pushed. Order does not matter: each wins or has lost already. */
static void
take_signalled(void)
{
    struct token *token = __atomic_load_n(&stn.signalled, __ATOMIC_SEQ_CST);

    if (!token) /* nearly always, and cheaper to read than to write */
        return;
    token = __atomic_exchange_n(&stn.signalled, NULL, __ATOMIC_SEQ_CST);
    for (; token; token = token->next_signalled)
        (void)stn_token_cancel_locked(token, STINT_CAUSE_SIGNAL,
                                      token == &stn_root ? "SIGTERM" : "signal",
                                      STINT_NEVER); /* a token cancelled before stays as it is */
    if (stn.nudge_fd >= 0 && __atomic_load_n(&stn.due_count, __ATOMIC_RELAXED) > 0)
        stn_eventfd_fire(stn.nudge_fd);
}

void
stn_tree_take(void)
{
    stn_lock_take(&stn.tree);
    take_signalled(); /* nothing is freed while it is on that stack */
}

void
stn_tree_give(void)
{
    do {
        take_signalled();
        stn_lock_give(&stn.tree);
        /* A handler that pushed since failed its try on us: its walk is ours to do. */
    } while (__atomic_load_n(&stn.signalled, __ATOMIC_SEQ_CST) && stn_lock_try(&stn.tree));
}

void
stint_token_cancel_signal(struct stint_token *token)
{
    struct token *t = token_of(token);
    int saved = errno;

    if (!t || stint_token_cancelled(token))
        return;
    if (__atomic_exchange_n(&t->signalled, 1, __ATOMIC_SEQ_CST) == 0) {
        struct token *first = __atomic_load_n(&stn.signalled, __ATOMIC_RELAXED);

        do
            t->next_signalled = first;
        while (!__atomic_compare_exchange_n(&stn.signalled, &first, t, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED));
    }
    if (stn_lock_try(&stn.tree))
        stn_tree_give();
    errno = saved;
}

int
stint_token_cancel(struct stint_token *token, enum stint_cause cause, const char *text)
{
    bool won;

    if (!token)
        return 0;
    stn_entry();
    stn_tree_take();
    won = stn_token_cancel_locked(
        token_of(token), cause == STINT_CAUSE_NONE ? STINT_CAUSE_USER : cause, text, STINT_NEVER);
    stn_tree_give();
    stn_callbacks_run();
    return won;
}

/* The supervisor's word on why the root token was cancelled, which the signal could not say. */
void
stn_root_refine(enum stint_cause cause, const char *text, int64_t leave_by_us)
{
    stn_tree_take();
    if (!stn_token_cancel_locked(&stn_root, cause, text, leave_by_us)) {
        stn_root.own.leave_by_us = leave_by_us;
        if (stn_root.own.cause == STINT_CAUSE_SIGNAL) {
            stn_root.own.cause = cause;
            stn_text_copy(stn_root.own.text, sizeof(stn_root.own.text), text);
        }
        for (struct token *at = &stn_root; at; at = stn_token_step(&stn_root, at, true))
            for (struct stint_thread *t = at->threads; t && at->why == &stn_root.own; t = t->next)
                stn_slot_cancelled(t->slot, at->why);
    }
    stn_tree_give();
    stn_callbacks_run();
}

enum stint_cause
stint_token_cause(struct stint_token *token, struct stint_cancel_info *info)
{
    struct stint_cancel_info found = {.size = sizeof(found), .leave_by_us = STINT_NEVER};
    struct token *t = token_of(token);

    if (t && stint_token_cancelled(token)) {
        (void)
            stn_channel_read(); /* the frame that explains the SIGTERM may lie there; or nobody does */
        stn_tree_take();
        const struct token *origin = t;
        while (t->why != &origin->own)
            origin = origin->parent;
        found.cancelled_us = t->why->at_us;
        found.leave_by_us = t->why->leave_by_us;
        found.cause = t->why->cause;
        stn_text_copy(found.origin, sizeof(found.origin), origin->name);
        stn_text_copy(found.text, sizeof(found.text), t->why->text);
        stn_tree_give();
    }
    if (info) {
        size_t size = info->size < sizeof(found) ? info->size : sizeof(found);

        found.size = info->size;
        memcpy(info, &found, size); /* an older program's struct is a prefix of ours */
    }
    return (enum stint_cause)found.cause;
}
