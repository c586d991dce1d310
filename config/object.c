/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be done with all keys of a map at once. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "config/reader.h"
#include "config/schema.h"

int
key_default(struct reader *r, const struct key *k, const struct node *at, void *base)
{
    struct node scalar = {.kind = NODE_SCALAR, .plain = true, .n = 0};
    char text[64];

    if (!k->fallback || !k->type->parse)
        return 0;
    /* The node does not own its text: it is gone before anybody could free it. */
    (void)stpncpy(text, k->fallback, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    scalar.text = text;
    scalar.source = at->source;
    scalar.line = at->line;
    scalar.column = at->column;
    return k->type->parse(r, k, &scalar, base);
}

/* Parents recurse into maps within; the table nests them three deep at most. */
int /* NOLINTNEXTLINE(misc-no-recursion) */
object_default(struct reader *r, enum object o, const struct node *at, void *base)
{
    int result = 0;

    schema_for_each(k, o)
    {
        if (k->type->nested)
            result = object_default(r, (enum object)k->arg, at, base);
        if (result == 0)
            result = key_default(r, k, at, base);
        if (result < 0)
            return result;
    }
    return result;
}

static int
unknown_key(struct reader *r, enum object o, const struct node *key)
{
    struct suggestion s = {.wanted = key->text};

    if (!findings_full(r))
        schema_for_each(k, o) suggest(&s, k->name);
    for (size_t i = 0; i < schema_n && !s.best; i++)
        if (strcmp(schema_keys[i].name, key->text) == 0)
            return finding(r, key, NULL, "unknown key '%s': it belongs in %s", key->text,
                           object_place(schema_keys[i].object));
    return finding(r, key, s.best, "unknown key '%s'", key->text);
}

int /* NOLINTNEXTLINE(misc-no-recursion) */
object_read(struct reader *r, enum object o, const struct node *n, void *base)
{
    int result = 0;

    for (size_t i = 0; i < n->n; i++) {
        const struct key *k = schema_find(o, n->keys[i]->text);
        int one = 0;

        if (!k)
            one = unknown_key(r, o, n->keys[i]);
        else if (k->type->parse)
            one = k->type->parse(r, k, n->items[i], base);
        if (one == -ENOMEM)
            return one;
        if (one < 0)
            result = one;
    }
    return result;
}

void /* NOLINTNEXTLINE(misc-no-recursion) */
object_clear(enum object o, void *base)
{
    schema_for_each(k, o)
    {
        if (k->type->nested)
            object_clear((enum object)k->arg, base);
        else if (k->type->clear)
            k->type->clear(k, base);
    }
}

bool /* NOLINTNEXTLINE(misc-no-recursion) */
object_equal(enum object o, const void *a, const void *b)
{
    schema_for_each(k, o)
    {
        if (k->type->nested) {
            if (!object_equal((enum object)k->arg, a, b))
                return false;
        } else if (k->type->equal && !k->type->equal(k, a, b)) {
            return false;
        }
    }
    return true;
}

void
object_write(enum object o, const void *base, struct text *out)
{
    bool first = true;

    text_add(out, "{");
    schema_for_each(k, o)
    {
        if (!k->type->write || (k->type->absent && k->type->absent(k, base)))
            continue;
        text_addf(out, "%s%s: ", first ? "" : ", ", k->name);
        k->type->write(k, base, out);
        first = false;
    }
    text_add(out, "}");
}

int
wrong_type(struct reader *r, const struct key *k, const struct node *n)
{
    return finding(r, n, NULL, "'%s' wants %s, not %s", k->name, k->type->about, node_kind_name(n));
}

const char *
scalar_text(struct reader *r, const struct key *k, const struct node *n)
{
    if (n->kind == NODE_SCALAR && !node_null(n))
        return n->text;
    (void)wrong_type(r, k, n);
    return NULL;
}
