/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/node.h"

#include <stdlib.h>
#include <string.h>

struct node *
node_create(struct node_pool *pool, enum node_kind kind)
{
    struct node *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->kind = kind;
    n->weight = n->height = 1;
    n->made_before = pool->last;
    pool->last = n;
    return n;
}

void
node_pool_finish(struct node_pool *pool)
{
    while (pool->last) {
        struct node *n = pool->last;

        pool->last = n->made_before;
        free(n->text);
        free(n->keys);
        free(n->items);
        free(n);
    }
}

bool
node_null(const struct node *n)
{
    return n->kind == NODE_SCALAR && n->plain &&
           (n->text[0] == '\0' || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0 ||
            strcmp(n->text, "Null") == 0 || strcmp(n->text, "NULL") == 0);
}

const char *
node_kind_name(const struct node *n)
{
    if (n->kind == NODE_LIST)
        return "a list";
    if (n->kind == NODE_MAP)
        return "a map";
    if (node_null(n))
        return "nothing";
    return n->plain ? "one value" : "quoted text";
}

const struct node *
node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}
