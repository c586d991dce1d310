/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/table.h"

#include <stdlib.h>

#define FIRST_BUCKETS 16

static struct table_node **
bucket(const struct table *t, uint64_t key)
{
    /* Fibonacci hashing: ids that follow each other, and multiples, are spread alike. */
    uint64_t mixed = key * UINT64_C(0x9e3779b97f4a7c15);

    return &t->buckets[(mixed ^ mixed >> 32) & (t->n_buckets - 1)];
}

static struct table_node *
chain(const struct table *t, uint64_t key)
{
    return t->n_buckets > 0 ? *bucket(t, key) : t->single;
}

static void
insert(struct table *t, struct table_node *node)
{
    struct table_node **head = t->n_buckets > 0 ? bucket(t, node->key) : &t->single;

    node->next = *head;
    *head = node;
}

static void
insert_chain(struct table *t, struct table_node *node)
{
    while (node) {
        struct table_node *next = node->next;

        insert(t, node);
        node = next;
    }
}

static void
grow(struct table *t)
{
    struct table old = *t;
    size_t n = old.n_buckets > 0 ? old.n_buckets * 2 : FIRST_BUCKETS;
    struct table_node **buckets = calloc(n, sizeof(struct table_node *));

    if (!buckets)
        return; /* the chains get longer, that is all */
    t->buckets = buckets;
    t->n_buckets = n;
    t->single = NULL;
    insert_chain(t, old.single);
    for (size_t i = 0; i < old.n_buckets; i++)
        insert_chain(t, old.buckets[i]);
    free(old.buckets);
}

void
table_finish(struct table *t)
{
    free(t->buckets);
    *t = (struct table){0};
}

void
table_add(struct table *t, struct table_node *node, uint64_t key)
{
    if (t->n > 0 && t->n >= t->n_buckets)
        grow(t);
    node->key = key;
    insert(t, node);
    t->n++;
}

struct table_node *
table_find(const struct table *t, uint64_t key)
{
    struct table_node *node = chain(t, key);

    while (node && node->key != key)
        node = node->next;
    return node;
}

struct table_node *
table_next(const struct table_node *node)
{
    struct table_node *next = node->next;

    while (next && next->key != node->key)
        next = next->next;
    return next;
}

void
table_remove(struct table *t, struct table_node *node)
{
    struct table_node **at = t->n_buckets > 0 ? bucket(t, node->key) : &t->single;

    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    node->next = NULL;
    t->n--;
}

uint64_t
table_key(const char *name)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *name; name++)
        key = (key ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return key;
}
