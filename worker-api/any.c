/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "worker-api/state.h"

/*
 * A token with several sources is linked into each of them, and is no tree child of any: it is walked
 * for itself by the cancel that comes along a link. Its links are in one block of memory, made with
 * it, so each leaves its source in O(1), and a cancel allocates nothing.
 */

/* Its members are NULL or borrowed. Return: without links yet, NULL without memory. */
static struct any *
any_new(struct stint_token *const *tokens, size_t n)
{
    struct any *any;

    if (n > (SIZE_MAX - sizeof(*any)) / sizeof(any->links[0]))
        return NULL;
    any = calloc(1, sizeof(*any) + n * sizeof(any->links[0]));
    if (!any)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (tokens[i]) /* NULL is never cancelled */
            any->links[any->n++].source = token_of(stint_token_ref(tokens[i]));
    return any;
}

struct stint_token *
stint_token_any(struct stint_token *const *tokens, size_t n, const char *name)
{
    struct any *any = any_new(tokens, n);
    int64_t deadline_us = STINT_NEVER;
    struct token *token;

    if (!any)
        return NULL;
    for (size_t i = 0; i < any->n; i++)
        if (any->links[i].source->deadline_us < deadline_us)
            deadline_us = any->links[i].source->deadline_us;
    token =
        stn_token_make(any->n > 0 ? any->links[0].source : &stn_top, name, deadline_us, any, true);
    if (token)
        return &token->head;
    while ((token = stn_any_next_source(&any)))
        stint_token_unref(&token->head);
    return NULL;
}

void
stn_any_link(struct any *any, struct token *token)
{
    any->token = token;
    for (size_t i = 0; i < any->n; i++) {
        struct link *l = &any->links[i];
        const struct token *cause = l->source->origin;

        l->follower = token;
        l->prev = NULL;
        l->next = l->source->links;
        if (l->next)
            l->next->prev = l;
        l->source->links = l;
        if (cause && (!token->origin || cause->at_us < token->origin->at_us)) {
            token->origin = l->source->origin;
            token->head.cancelled = l->source->head.cancelled;
        }
    }
}

void
stn_any_unlink(struct any *any)
{
    for (size_t i = 0; i < any->n; i++) {
        const struct link *l = &any->links[i];

        if (l->prev)
            l->prev->next = l->next;
        else
            l->source->links = l->next;
        if (l->next)
            l->next->prev = l->prev;
    }
}

struct token *
stn_any_next_source(struct any **to_put)
{
    struct any *any;

    while ((any = *to_put)) {
        if (any->n > 0)
            return any->links[--any->n].source;
        *to_put = any->next;
        free(any);
    }
    return NULL;
}
