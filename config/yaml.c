/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "config/reader.h"

enum { ANCHORS_MAX = 1000 };

struct anchor {
    char *name; /* owned */
    struct node *node;
    struct anchor *next;
};

/* A map or list whose end has not come yet. */
struct level {
    struct node *node;
    size_t room;
    struct node *key; /* the key that waits for its value */
};

/* One document on its way from events to a tree. */
struct build {
    struct reader *reader;
    const struct source *source;
    struct level levels[YAML_DEPTH_MAX];
    unsigned depth;
    struct anchor *anchors; /* the latest first */
    unsigned n_anchors;
    struct node *root;
    bool stop; /* something was found that leaves nothing to go on with */
};

/* What is wrong with the text as such; nothing after it can be trusted. */
static void
stop_at(struct build *b, const yaml_mark_t *mark, const char *why)
{
    (void)finding_at(b->reader, b->source, (unsigned)mark->line + 1, (unsigned)mark->column + 1,
                     "%s", why);
    b->stop = true;
}

static void
stop_no_memory(struct build *b)
{
    (void)no_memory(b->reader);
    b->stop = true;
}

static struct node *
make(struct build *b, enum node_kind kind, const yaml_event_t *event)
{
    struct node *n = node_create(&b->reader->nodes, kind);

    if (!n) {
        stop_no_memory(b);
        return NULL;
    }
    n->source = b->source;
    n->line = (unsigned)event->start_mark.line + 1;
    n->column = (unsigned)event->start_mark.column + 1;
    return n;
}

static bool
grow(struct level *l)
{
    size_t room = l->room ? l->room * 2 : 8;
    struct node **items = realloc(l->node->items, room * sizeof(struct node *)), **keys;

    if (!items)
        return false;
    l->node->items = items;
    if (l->node->kind == NODE_MAP) {
        keys = realloc(l->node->keys, room * sizeof(struct node *));
        if (!keys)
            return false;
        l->node->keys = keys;
    }
    l->room = room;
    return true;
}

/* Put a complete or just opened node where it belongs; a map's first scalar is a key. */
static void
place(struct build *b, struct node *n, const yaml_event_t *event)
{
    struct level *top = b->depth ? &b->levels[b->depth - 1] : NULL;
    struct node *into = top ? top->node : NULL;

    if (!into) {
        b->root = n;
        return;
    }
    if (into->kind == NODE_MAP && !top->key) {
        if (n->kind != NODE_SCALAR)
            stop_at(b, &event->start_mark, "a key must be one word or a quoted text");
        else if (n->plain && strcmp(n->text, "<<") == 0)
            stop_at(b, &event->start_mark,
                    "merge keys ('<<') are not supported: write the keys out, or use 'defaults'");
        top->key = n;
        return;
    }
    if (into->n == top->room && !grow(top)) {
        stop_no_memory(b);
        return;
    }
    into->items[into->n] = n;
    if (into->kind == NODE_MAP)
        into->keys[into->n] = steal(top->key);
    into->n++;
}

/* A finished node adds to the level above it; an alias adds all that its anchor holds. */
static void
account(struct build *b, const struct node *n, const yaml_event_t *event)
{
    b->reader->weight += n->kind == NODE_SCALAR || event->type == YAML_ALIAS_EVENT ? n->weight : 1;
    if (b->reader->weight > YAML_NODES_MAX)
        stop_at(b, &event->start_mark,
                event->type == YAML_ALIAS_EVENT
                    ? "too much: with this alias written out there are more than 100000 values"
                    : "too much: there are more than 100000 values");
    else if (event->type == YAML_ALIAS_EVENT && b->depth + n->height > YAML_DEPTH_MAX)
        stop_at(b, &event->start_mark, "too deep: with this alias it nests more than 32 levels");
    if (b->depth > 0) {
        struct node *above = b->levels[b->depth - 1].node;

        above->weight += n->weight;
        if (above->height < n->height + 1)
            above->height = n->height + 1;
    }
}

static void
remember(struct build *b, struct node *n, const yaml_char_t *name)
{
    struct anchor *a;

    if (!name)
        return;
    if (++b->n_anchors > ANCHORS_MAX) { /* each alias searches them all */
        (void)finding(b->reader, n, NULL, "too many anchors: more than %d", ANCHORS_MAX);
        b->stop = true;
        return;
    }
    a = calloc(1, sizeof(*a));
    if (a)
        a->name = strdup((const char *)name);
    if (!a || !a->name) {
        free(a);
        stop_no_memory(b);
        return;
    }
    a->node = n;
    a->next = b->anchors; /* the latest of a name is the one that is meant */
    b->anchors = a;
}

static void
on_alias(struct build *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *a = b->anchors;

    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    if (!a)
        stop_at(b, &event->start_mark, "this alias has no anchor before it");
    else if (a->node->open)
        stop_at(b, &event->start_mark, "this alias stands inside what it repeats");
    else {
        account(b, a->node, event);
        if (!b->stop)
            place(b, a->node, event);
    }
}

static void
on_scalar(struct build *b, const yaml_event_t *event)
{
    struct node *n;

    if (event->data.scalar.tag) {
        stop_at(b, &event->start_mark, "tags ('!…') are not supported");
        return;
    }
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length)) {
        stop_at(b, &event->start_mark, "a NUL character has no place in a configuration");
        return;
    }
    n = make(b, NODE_SCALAR, event);
    if (!n)
        return;
    n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = strndup((const char *)event->data.scalar.value, event->data.scalar.length);
    if (!n->text) {
        stop_no_memory(b);
        return;
    }
    remember(b, n, event->data.scalar.anchor);
    account(b, n, event);
    if (!b->stop)
        place(b, n, event);
}

static void
on_start(struct build *b, const yaml_event_t *event)
{
    bool map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag = map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    struct node *n;

    if (tag) {
        stop_at(b, &event->start_mark, "tags ('!…') are not supported");
        return;
    }
    if (b->depth == YAML_DEPTH_MAX) {
        stop_at(b, &event->start_mark, "too deep: more than 32 levels");
        return;
    }
    n = make(b, map ? NODE_MAP : NODE_LIST, event);
    if (!n)
        return;
    n->open = true;
    remember(b, n, map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor);
    place(b, n, event);
    b->levels[b->depth++] = (struct level){.node = n};
}

static int
by_text(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    int order = strcmp(x->text, y->text);

    if (order != 0)
        return order;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static void
find_duplicates(struct build *b, const struct node *map)
{
    auto_free struct node **sorted = calloc(map->n + 1, sizeof(struct node *));
    const struct node *first = NULL;

    if (!sorted) {
        stop_no_memory(b);
        return;
    }
    if (map->n > 0)
        memcpy(sorted, map->keys, map->n * sizeof(struct node *));
    qsort(sorted, map->n, sizeof(struct node *), by_text);
    for (size_t i = 0; i < map->n; i++) {
        if (!first || strcmp(first->text, sorted[i]->text) != 0)
            first = sorted[i];
        else
            (void)finding(b->reader, sorted[i], NULL,
                          "duplicate key '%s' (the first is at line %u, column %u)",
                          sorted[i]->text, first->line, first->column);
    }
}

static void
on_end(struct build *b, const yaml_event_t *event)
{
    struct node *n = b->depth ? b->levels[--b->depth].node : NULL;

    if (!n)
        return; /* libyaml ends only what it has begun */
    n->open = false;
    if (n->kind == NODE_MAP)
        find_duplicates(b, n);
    account(b, n, event);
}

/* Return: false when there is nothing more to come. */
static bool
on_event(struct build *b, const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(b, event);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        on_start(b, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_end(b, event);
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            stop_at(b, &event->start_mark, "a second document: one file is one document");
        break;
    default:
        break;
    }
    return !b->stop && event->type != YAML_STREAM_END_EVENT;
}

static bool
tab_at(const struct source *s, unsigned line, unsigned column)
{
    size_t n;
    const char *text = source_line(s, line, &n);
    size_t at = utf8_skip(text, n, column - 1);

    return at < n && text[at] == '\t';
}

/* libyaml's own words. Errors of the character reader come with an offset instead of a mark. */
static void
parser_error(struct build *b, const yaml_parser_t *p)
{
    unsigned line = (unsigned)p->problem_mark.line, column = (unsigned)p->problem_mark.column;

    if (p->error == YAML_MEMORY_ERROR) {
        stop_no_memory(b);
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        line = column = 0;
        for (size_t i = 0; i < p->problem_offset && i < b->source->n; i++) {
            column = b->source->bytes[i] == '\n' ? 0 : column + 1;
            line += b->source->bytes[i] == '\n';
        }
    }
    if (p->error == YAML_SCANNER_ERROR && tab_at(b->source, line + 1, column + 1))
        (void)finding_at(b->reader, b->source, line + 1, column + 1,
                         "a tab cannot stand here: YAML indents with spaces");
    else
        (void)finding_at(b->reader, b->source, line + 1, column + 1, "this is not YAML: %s%s%s",
                         p->problem ? p->problem : "unknown problem", p->context ? " " : "",
                         p->context ? p->context : "");
    b->stop = true;
}

const struct node *
yaml_read(struct reader *r, const struct source *source)
{
    struct build b = {.reader = r, .source = source};
    yaml_parser_t parser;
    bool more = true;

    if (!yaml_parser_initialize(&parser)) {
        (void)no_memory(r);
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* lines are counted in these bytes */
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->bytes, source->n);
    while (more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            parser_error(&b, &parser);
            break;
        }
        more = on_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    while (b.anchors) {
        struct anchor *a = b.anchors;

        b.anchors = a->next;
        free(a->name);
        free(a);
    }
    if (!b.stop && !b.root)
        (void)finding_at(r, source, 0, 0, "the file is empty");
    return b.stop ? NULL : b.root;
}
