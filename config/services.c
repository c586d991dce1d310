/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The services of all files: noted, named, read with their defaults, validated. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/schema.h"

enum { SERVICE_NAME_MAX = 64 };

static bool
service_name(const char *s)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t n = strlen(s);

    return n > 0 && n <= SERVICE_NAME_MAX && s[0] != '.' && s[0] != '-' && strspn(s, letters) == n;
}

void
load_services(struct load *l, const struct node *n)
{
    struct entry *bigger;

    if (n->kind != NODE_MAP) {
        (void)wrong_type(&l->reader, schema_find(OBJECT_CONFIG, "services"), n);
        return;
    }
    bigger = realloc(l->entries, (l->n_entries + n->n + 1) * sizeof(*bigger));
    if (!bigger) {
        (void)no_memory(&l->reader);
        return;
    }
    l->entries = bigger;
    for (size_t i = 0; i < n->n; i++)
        bigger[l->n_entries++] = (struct entry){.name = n->keys[i], .value = n->items[i]};
}

int
entry_read(struct load *l, struct entry *e)
{
    struct reader *r = &l->reader;
    struct service_spec *s;
    int result;

    if (!service_name(e->name->text))
        (void)finding(r, e->name, NULL,
                      "'%s' is no name of a service: 1 to %d of A-Z a-z 0-9 _ . -, no . or - first",
                      e->name->text, SERVICE_NAME_MAX);
    if (e->value->kind != NODE_MAP)
        return finding(r, e->name, NULL, "service '%s' wants a map of keys, not %s", e->name->text,
                       node_kind_name(e->value));
    /* Defaults are read anew for each service, so they count each time, like an alias. */
    r->weight += l->defaults ? l->defaults->weight : 0;
    if (r->weight > YAML_NODES_MAX)
        return finding(r, e->name, NULL,
                       "too much: with 'defaults' in each service there are more than %d values",
                       YAML_NODES_MAX);
    s = e->spec = calloc(1, sizeof(*s));
    if (!s)
        return no_memory(r);
    s->references = 1;
    s->name = strdup(e->name->text);
    if (!s->name)
        return no_memory(r);
    result = object_default(r, OBJECT_SERVICE, e->value, s);
    if (result == 0 && l->defaults)
        result = object_read(r, OBJECT_SERVICE, l->defaults, s);
    if (result == 0)
        result = object_read(r, OBJECT_SERVICE, e->value, s);
    if (result == 0)
        result = oneshot_settle(r, e->value, s);
    if (!r->no_memory && (service_log_name(s) < 0 || service_resolve(s) < 0))
        return no_memory(r);
    return result;
}

const struct node *
entry_node(const struct load *l, const struct entry *e, const char *key)
{
    const struct node *n = node_get(e->value, key);

    if (!n)
        n = node_get(l->defaults, key);
    return n ? n : e->name;
}

const struct node *
entry_hook_node(const struct load *l, const struct entry *e, enum hook h)
{
    const struct node *n = node_get(node_get(e->value, "hooks"), hook_name(h)), *command;

    if (!n)
        n = node_get(node_get(l->defaults, "hooks"), hook_name(h));
    command = node_get(n, "command");
    return command ? command : n ? n : e->name;
}

static int
by_name(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    int order = strcmp(x->name->text, y->name->text);

    return order ? order : x < y ? -1 : x > y; /* in one array: the first one stays first */
}

const struct entry *
entry_find(const struct load *l, const char *name)
{
    size_t low = 0, high = l->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(l->by_name[middle]->name->text, name);

        if (order == 0)
            return l->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void
sort_names(struct load *l)
{
    const struct entry *first = NULL;

    l->by_name = calloc(l->n_entries + 1, sizeof(struct entry *));
    if (!l->by_name) {
        (void)no_memory(&l->reader);
        return;
    }
    for (size_t i = 0; i < l->n_entries; i++)
        l->by_name[i] = &l->entries[i];
    qsort(l->by_name, l->n_entries, sizeof(struct entry *), by_name);
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct node *name = l->by_name[i]->name;

        if (!first || strcmp(first->name->text, name->text) != 0)
            first = l->by_name[i];
        else if (first->name->source != name->source) /* else it is a duplicate key, said already */
            (void)finding(&l->reader, name, NULL,
                          "duplicate service '%s' (the first is at %s:%u:%u)", name->text,
                          first->name->source->name, first->name->line, first->name->column);
    }
}

void
load_all_services(struct load *l, enum config_check check)
{
    sort_names(l);
    for (size_t i = 0; i < l->n_entries && !l->reader.no_memory; i++)
        (void)entry_read(l, &l->entries[i]);
    for (size_t i = 0; i < l->n_entries && !l->reader.no_memory; i++) {
        if (!l->entries[i].spec)
            continue;
        validate_service(l, &l->entries[i]);
        validate_log(l, &l->entries[i]);
        validate_trace(l, &l->entries[i]);
        if (check == CONFIG_CHECK_SYSTEM)
            validate_system(l, &l->entries[i]);
    }
    if (!l->reader.no_memory) {
        validate_addresses(l);
        validate_log_files(l);
        if (!l->one_service) /* the others are elsewhere */
            validate_dependencies(l);
    }
}
