/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_NODE_H
#define STINT_CONFIG_NODE_H

/* Private to config/: the text of one file, and the tree of nodes read from it. */
#include <stdbool.h>
#include <stddef.h>

/* One input. Lives as long as the trees and findings that point into it. */
struct source {
    char *name;      /* owned; as the user wrote it: findings start with it */
    char *path;      /* owned; absolute */
    char *directory; /* owned; absolute: relative paths written in this file start here */
    char *bytes;     /* owned */
    size_t n;
    char *real;                       /* owned; without symlinks; NULL for text in memory */
    const struct source *included_by; /* borrowed; NULL for the main file */
};

/**
 * source_create - takes over @bytes, whatever it returns.
 * @path: absolute; its directory becomes the source's
 *
 * Return: NULL when memory ran out.
 */
struct source *source_create(const char *name, const char *path, char *bytes, size_t n);
void source_destroy(struct source *s);

/* source_line - the text of @line (from 1), without its break; *ret_n = 0 when there is none. */
const char *source_line(const struct source *s, unsigned line, size_t *ret_n);

/* utf8_decode - length of the character at @s (1 to 4), 0 when it is none; *ret_code is its number. */
size_t utf8_decode(const char *s, size_t n, unsigned *ret_code);

/* utf8_cut - the largest length ≤ @max that does not cut a character of the @n bytes at @s. */
size_t utf8_cut(const char *s, size_t n, size_t max);

/* utf8_skip - bytes of the first @characters at @s; @n when there are fewer. */
size_t utf8_skip(const char *s, size_t n, unsigned characters);

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

/*
 * Aliases share their anchor's node, so a tree is a graph without cycles. `weight` counts a shared
 * node as often as it appears: it bounds every walk, not only the memory.
 */
struct node {
    struct node *made_before;    /* of the same tree: the order in which they are freed */
    const struct source *source; /* borrowed */
    enum node_kind kind;
    unsigned line, column; /* from 1 */
    char *text;            /* NODE_SCALAR: owned, NUL-terminated, without a NUL inside */
    bool plain;            /* NODE_SCALAR: written without quotes */
    bool open;             /* its end has not been read yet: an alias to it would be a cycle */
    struct node **keys;    /* NODE_MAP: owned array of scalars */
    struct node **items;   /* NODE_MAP: values, NODE_LIST: elements; owned array */
    size_t n;
    unsigned weight; /* nodes from here down */
    unsigned height; /* levels from here down; a scalar is 1 */
};

const char *node_kind_name(const struct node *n); /* "a list", "nothing", "text", … for findings */
bool node_null(const struct node *n);             /* nothing, ~ or null, without quotes */

/* node_get - value of @key in a map; NULL when it is not there or @map is not a map (or NULL). */
const struct node *node_get(const struct node *map, const char *key);

/* All nodes of one run, so that they can be freed together. */
struct node_pool {
    struct node *last;
};

struct node *node_create(struct node_pool *pool, enum node_kind kind); /* NULL: no memory */
void node_pool_finish(struct node_pool *pool);

/* Caps of one run, shared by all its files. */
#define YAML_DEPTH_MAX  32
#define YAML_NODES_MAX  100000
#define YAML_FILE_MAX   ((size_t)1 << 20)
#define YAML_INPUTS_MAX ((size_t)4 << 20)

struct reader;

/**
 * yaml_read - one document into a tree; findings go to the reader.
 *
 * Return: the root, or NULL after a finding (or when memory ran out: the reader knows).
 */
const struct node *yaml_read(struct reader *r, const struct source *source);

#endif
