/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_LIST_H
#define STINT_BASE_LIST_H

#include <stdbool.h>

/* An intrusive, circular, doubly linked list. A head and a node are the same thing. */
struct list {
    struct list *prev, *next;
};

#define LIST_INIT(name)  \
    {                    \
        &(name), &(name) \
    }

static inline void
list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool
list_empty(const struct list *l)
{
    return l->next == l;
}

/* list_add - append @node at the end of @head. */
static inline void
list_add(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* list_del - take @node out; it becomes an empty list of its own, so a second call is harmless. */
static inline void
list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared takes none */
#define list_for_each(pos, head) \
    for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* The body may list_del(pos). */
#define list_for_each_safe(pos, head)                                             \
    for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head); \
         pos = pos##_next, pos##_next = pos->next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
