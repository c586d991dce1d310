/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_TABLE_H
#define STINT_BASE_TABLE_H

/*
 * An intrusive hash table: things are found by a number, in constant time. The nodes live inside
 * the things; the table owns its buckets alone. Adding never fails: without memory for more buckets
 * the chains get longer. One thread.
 */
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next; /* in the chain of its bucket */
    uint64_t key;
};

/* All zero is an empty table. */
struct table {
    struct table_node **buckets; /* owned; NULL until there are two things */
    size_t n_buckets;            /* a power of two, or 0 */
    size_t n;
    struct table_node *single; /* the only chain while there are no buckets */
};

void table_finish(struct table *t); /* frees the buckets, never what is in them */

/* table_add - @node must not be in a table. Equal keys are allowed: see table_next(). */
void table_add(struct table *t, struct table_node *node, uint64_t key);

/* table_find - one with that key, NULL: there is none. table_next - another with the key of @node. */
struct table_node *table_find(const struct table *t, uint64_t key);
struct table_node *table_next(const struct table_node *node);

void table_remove(struct table *t, struct table_node *node); /* not in it: nothing happens */

/* table_key - the key of a name. Different names may share one: compare the names, too. */
uint64_t table_key(const char *name);

#endif
