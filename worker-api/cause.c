/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "worker-api/state.h"

/*
 * Words of cancels. The root's are always there; other tokens that were cancelled with words, and
 * still live, share a pool. Whoever finds it empty is cancelled without words: cause and time stay.
 */
#ifndef STN_WORDS /* the model of the tree has few */
#define STN_WORDS 256
#endif

static struct words root_words;
static struct words
    pool[STN_WORDS];            /* touched from the front: what was never needed is no memory */
static unsigned pool_begun;     /* tree lock: from here on never used */
static struct words *pool_free; /* tree lock */

static struct words *
words_get(const struct token *origin)
{
    struct words *words = pool_free;

    if (origin == &stn_root)
        return &root_words;
    if (words)
        pool_free = words->next;
    else if (pool_begun < STN_WORDS)
        words = &pool[pool_begun++];
    return words;
}

void
stn_words_say(struct token *origin, const char *text, const char *who)
{
    if ((!text || !*text) && !*who)
        return;
    if (!origin->words)
        origin->words = words_get(origin);
    if (!origin->words)
        return;
    stn_text_copy(origin->words->text, sizeof(origin->words->text), text);
    stn_text_copy(origin->words->who, sizeof(origin->words->who), who);
}

void
stn_words_put(struct token *origin)
{
    if (!origin->words)
        return;
    origin->words->next = pool_free;
    pool_free = origin->words;
    origin->words = NULL;
}

/* The supervisor's word on why the root token was cancelled, which the signal could not say. */
void
stn_root_refine(enum stint_cause cause, const char *text, int64_t leave_by_us)
{
    stn_tree_take();
    if (!stn_token_cancel_locked(&stn_root, cause, text, "", leave_by_us)) {
        stn_root.leave_by_us = leave_by_us;
        if (stn_root.cause == STINT_CAUSE_SIGNAL) {
            stn_root.cause = cause;
            stn_words_say(&stn_root, text, "");
        }
        for (struct token *at = &stn_top; at; at = stn_token_step(&stn_top, at, true)) {
            if (at->origin != &stn_root)
                continue;
            for (struct stint_thread *t = at->threads; t; t = t->next)
                stn_slot_cancelled(t->slot, &stn_root);
            stn_scope_cancelled(at);
        }
    }
    stn_tree_give();
    stn_callbacks_run();
}

/* What is said where nobody said anything. */
static const char *
plain_text(const struct token *origin)
{
    if (origin->cause == STINT_CAUSE_DEADLINE)
        return "deadline passed";
    if (origin->cause == STINT_CAUSE_SIGNAL)
        return origin == &stn_root ? "SIGTERM" : "signal";
    return "";
}

void
stn_cause_tell(const struct token *origin, struct stint_cancel_info *info)
{
    const struct words *words = origin->words;

    info->cancelled_us = origin->at_us;
    info->leave_by_us = origin->leave_by_us;
    info->cause = origin->cause;
    stn_text_copy(info->origin, sizeof(info->origin), origin->name);
    stn_text_copy(info->text, sizeof(info->text),
                  words && words->text[0] ? words->text : plain_text(origin));
    stn_text_copy(info->who, sizeof(info->who), words ? words->who : "");
}

enum stint_cause
stint_token_cause(struct stint_token *token, struct stint_cancel_info *info)
{
    struct stint_cancel_info found = {.size = sizeof(found), .leave_by_us = STINT_NEVER};

    if (stint_token_cancelled(token)) {
        (void)
            stn_channel_read(); /* the frame that explains the SIGTERM may lie there; or nobody does */
        stn_tree_take();
        stn_cause_tell(token_of(token)->origin, &found);
        stn_tree_give();
    }
    if (info) {
        size_t size = info->size < sizeof(found) ? info->size : sizeof(found);

        found.size = info->size;
        memcpy(info, &found, size); /* an older program's struct is a prefix of ours */
    }
    return (enum stint_cause)found.cause;
}
