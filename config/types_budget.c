/* SPDX-License-Identifier: GPL-2.0-or-later */
/* leak_budget: [{thread: "flush-*", max: 4, max_age: 10m}] */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

static void
budget_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    (void)k;
    for (size_t i = 0; i < s->n_leak_budget; i++)
        object_clear(OBJECT_LEAK_BUDGET, &s->leak_budget[i]);
    free(s->leak_budget);
    s->leak_budget = NULL;
    s->n_leak_budget = 0;
}

static int
entry_read(struct reader *r, const struct key *k, const struct node *n, struct leak_budget *b)
{
    int result = object_default(r, (enum object)k->arg, n, b);

    if (result < 0)
        return result;
    if (n->kind != NODE_MAP)
        return finding(r, n, NULL,
                       "an entry of '%s' wants a map such as {thread: \"flush-*\", max: "
                       "4}, not %s",
                       k->name, node_kind_name(n));
    result = object_read(r, (enum object)k->arg, n, b);
    if (result < 0)
        return result;
    if (!b->thread || !b->thread[0])
        return finding(r, n, NULL,
                       "an entry of '%s' has no 'thread': a pattern of names, such as "
                       "flush-* or *",
                       k->name);
    if (!node_get(n, "max") && !node_get(n, "max_age"))
        return finding(r, n, NULL, "an entry of '%s' limits nothing: 'max', 'max_age' or both",
                       k->name);
    return 0;
}

static int
budget_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct service_spec *s = base;
    int result = 0;

    if (n->kind != NODE_LIST)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu entries: at most %" PRId64, k->name, n->n, k->max);
    budget_clear(k, base);
    if (n->n == 0)
        return 0;
    s->leak_budget = calloc(n->n, sizeof(*s->leak_budget));
    if (!s->leak_budget)
        return no_memory(r);
    for (size_t i = 0; i < n->n; i++)
        if (entry_read(r, k, n->items[i], &s->leak_budget[s->n_leak_budget++]) < 0)
            result = -EINVAL;
    if (result < 0)
        budget_clear(k, base); /* nobody sees half of it */
    return r->no_memory ? -ENOMEM : result;
}

static void
budget_write(const struct key *k, const void *base, struct text *out)
{
    const struct service_spec *s = base;

    text_add(out, "[");
    for (size_t i = 0; i < s->n_leak_budget; i++) {
        text_add(out, i ? ", " : "");
        object_write((enum object)k->arg, &s->leak_budget[i], out);
    }
    text_add(out, "]");
}

static bool
budget_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;

    if (x->n_leak_budget != y->n_leak_budget)
        return false;
    for (size_t i = 0; i < x->n_leak_budget; i++)
        if (!object_equal((enum object)k->arg, &x->leak_budget[i], &y->leak_budget[i]))
            return false;
    return true;
}

static bool
budget_absent(const struct key *k, const void *base)
{
    const struct service_spec *s = base;

    (void)k;
    return s->n_leak_budget == 0;
}

static void
budget_schema(const struct key *k, struct text *out)
{
    text_addf(out, "\"type\": \"array\", \"maxItems\": %" PRId64 ", \"items\": {", k->max);
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}");
}

const struct type type_budget = {.about = "a list of maps {thread, max, max_age}",
                                 .child = true,
                                 .parse = budget_parse,
                                 .write = budget_write,
                                 .equal = budget_equal,
                                 .clear = budget_clear,
                                 .absent = budget_absent,
                                 .schema = budget_schema};
