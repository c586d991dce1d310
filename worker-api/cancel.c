/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "worker-api/state.h"

struct state stn = {.nudge_fd = -1, .channel_fd = -1, .channel_kept = -1, .gate_fd = -1};

struct token stn_top = {
    .deadline_us = STINT_NEVER, .trace = &stn.trace, .fd = -1, .refs = 1, .child = &stn_root};
struct token stn_root = {.deadline_us = STINT_NEVER,
                         .trace = &stn.trace,
                         .fd = -1,
                         .refs = 1,
                         .parent = &stn_top,
                         .name = "root"};

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
        at = at->apart ? &stn_top : at->parent;
    return at == from ? NULL : at->next;
}

/* False: it was cancelled before, and so is all below it. */
static bool
claim(struct token *token, struct token *origin, uint32_t word)
{
    if (token->head.cancelled)
        return false;
    token->origin = origin;
    /* seq_cst: pairs with a waiter's "count me, then look" (wait.c). */
    __atomic_store_n(&token->head.cancelled, word, __ATOMIC_SEQ_CST);
    return true;
}

/* One token of the walk, just claimed. Those that follow it are claimed too, and left in @to_walk. */
static void
visit(struct token *token, struct any **to_walk)
{
    if (__atomic_load_n(&token->waiters, __ATOMIC_SEQ_CST) > 0)
        stn_futex_wake_all(&token->head.cancelled);
    stn_token_fire_fd(token);
    for (struct stint_thread *t = token->threads; t; t = t->next)
        stn_slot_cancelled(t->slot, token->origin);
    stn_scope_cancelled(token);
    stn_registrations_due(token);
    for (const struct link *l = token->links; l; l = l->next)
        if (claim(l->follower, token->origin, token->head.cancelled)) {
            l->follower->any->next = *to_walk;
            *to_walk = l->follower->any;
        }
}

/* @token is claimed. No recursion: links lead to tokens that wait for their turn. */
static void
walk(struct token *token)
{
    struct token *origin = token->origin;
    const uint32_t word = token->head.cancelled;
    struct any *to_walk = NULL;

    for (;;) {
        bool fresh = true;

        for (struct token *at = token; at; at = stn_token_step(token, at, fresh)) {
            if (at->next) {
                __builtin_prefetch(at->next, 1);
                __builtin_prefetch(&at->next->parent);
            }
            fresh = at == token || claim(at, origin, word);
            if (fresh)
                visit(at, &to_walk);
        }
        if (!to_walk)
            return;
        token = to_walk->token;
        to_walk = to_walk->next;
    }
}

bool
stn_token_cancel_locked(struct token *token, enum stint_cause cause, const char *text,
                        const char *who, int64_t leave_by_us)
{
    if (token->head.cancelled)
        return false;
    token->at_us = stint_now_us();
    token->leave_by_us = leave_by_us;
    token->cause = cause;
    stn_words_say(token, text, who);
    (void)claim(token, token, cause == STINT_CAUSE_DEADLINE ? TOKEN_EXPIRED : TOKEN_CANCELLED);
    walk(token);
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
        (void)stn_token_cancel_locked(token, STINT_CAUSE_SIGNAL, NULL, "",
                                      STINT_NEVER); /* a token cancelled before stays as it is */
    if (stn.nudge_fd >= 0 && __atomic_load_n(&stn.due_count, __ATOMIC_RELAXED) > 0)
        stn_eventfd_fire(stn.nudge_fd);
}

void
stn_tree_take(void)
{
    stn_here();
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
    char who[STINT_NAME_MAX] = "";
    bool won;

    if (!token)
        return 0;
    if (cause == STINT_CAUSE_NONE)
        cause = STINT_CAUSE_USER;
    stn_entry();
    if (!stint_token_cancelled(token))
        stn_thread_name(who);
    stn_tree_take();
    won = stn_token_cancel_locked(token_of(token), cause, text, who, STINT_NEVER);
    stn_tree_give();
    stn_callbacks_run();
    return won;
}

/* The deadline came: no thread is to be named. */
void
stn_token_expire(struct token *token)
{
    stn_entry();
    stn_tree_take();
    (void)stn_token_cancel_locked(token, STINT_CAUSE_DEADLINE, NULL, "", STINT_NEVER);
    stn_tree_give();
    stn_callbacks_run();
}
