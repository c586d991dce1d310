/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker-api/state.h"

/*
 * A pool's thread works for others. What it is shown to obey changes under the tree lock, with the
 * list that a cancel walks along: a slot never shows one token's name with another's cancel.
 */
static void
obey(struct stint_thread *thread, struct token *token, const char *shown)
{
    const struct trace *trace = stn_token_trace(token);
    struct stint_registry_slot *slot = thread->slot;
    struct stint_registry_slot s = {.deadline_us = token ? token->deadline_us : STINT_NEVER};

    memcpy(s.trace_id, trace->trace_id, sizeof(s.trace_id));
    memcpy(s.span_id, stn_span_of(thread), sizeof(s.span_id));
    stn_text_copy(s.token, sizeof(s.token), shown && *shown ? shown : token ? token->name : NULL);
    stn_tree_take();
    stn_thread_unlink(thread);
    thread->token = token;
    if (slot) {
        stn_slot_begin(slot);
        STN_PUT(slot->flags, (uint16_t)(thread->task ? slot->flags | STINT_SLOT_TASK
                                                     : slot->flags & ~STINT_SLOT_TASK));
        STN_PUT(slot->deadline_us, s.deadline_us);
        stn_put_words(slot->trace_id, s.trace_id, sizeof(s.trace_id));
        stn_put_words(slot->span_id, s.span_id, sizeof(s.span_id));
        stn_put_words(slot->token, s.token, sizeof(s.token));
        STN_PUT(slot->cause, 0);
        STN_PUT(slot->cancelled_us, 0);
    }
    stn_thread_link(thread);
    if (slot)
        stn_slot_end(slot);
    stn_tree_give();
}

int
stint_task_begin(struct stint_token *token, const char *name)
{
    struct stint_thread *self = stn_self;
    struct task *task;

    if (!self)
        return -ESRCH;
    task = malloc(sizeof(*task));
    if (!task)
        return -ENOMEM;
    task->token = self->token;
    task->outer = self->task;
    task->around = self->open;
    stn_text_copy(task->name, sizeof(task->name), name);
    if (!token)
        token = self->token ? &self->token->head : NULL;
    stn_span_make(&task->span, stn_token_trace(token_of(token)));
    self->open = NULL;
    self->task = task;
    obey(self, token_of(stint_token_ref(token)), task->name);
    return 0;
}

static void
end_one(struct stint_thread *self)
{
    struct task *task = self->task;
    struct token *token = self->token;

    stn_overrun_work(self, token, task->name, task->token ? task->token->deadline_us : STINT_NEVER);
    stn_spans_end(self, NULL);
    stn_span_of_task(self);
    self->task = task->outer;
    obey(self, task->token, self->task ? self->task->name : NULL);
    self->open = task->around;
    if (token)
        stint_token_unref(&token->head);
    free(task);
}

void
stint_task_end(void)
{
    if (stn_self && stn_self->task)
        end_one(stn_self);
}

void
stn_tasks_end(struct stint_thread *thread)
{
    while (thread->task)
        end_one(thread);
}
