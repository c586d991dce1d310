/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: a word, or {mode: overlap, require_preflight: true}; and preflight: {…}. */
#include <string.h>

#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

/* The row of the word, under the name that the user wrote. */
static struct key
word_row(const struct key *k)
{
    struct key word = *schema_find((enum object)k->arg, "mode");

    word.name = k->name;
    return word;
}

static int
handoff_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const struct key word = word_row(k);

    return n->kind == NODE_MAP ? object_read(r, (enum object)k->arg, n, base)
                               : word.type->parse(r, &word, n, base);
}

static void
handoff_write(const struct key *k, const void *base, struct text *out)
{
    const struct service_spec *s = base;
    const struct key word = word_row(k);

    if (s->require_preflight)
        object_write((enum object)k->arg, base, out);
    else
        word.type->write(&word, base, out);
}

static bool
handoff_equal(const struct key *k, const void *a, const void *b)
{
    return object_equal((enum object)k->arg, a, b);
}

static void
handoff_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    (void)k;
    s->require_preflight = false;
}

static void
handoff_schema(const struct key *k, struct text *out)
{
    const struct key word = word_row(k);

    text_add(out, "\"anyOf\": [{");
    word.type->schema(&word, out);
    text_add(out, "}, {");
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}]");
}

static void
handoff_words(const struct key *k, struct text *out)
{
    const struct key word = word_row(k);

    word.type->words(&word, out);
}

const struct type type_handoff = {.about = "one of the words",
                                  .child = true,
                                  .words = handoff_words,
                                  .parse = handoff_parse,
                                  .write = handoff_write,
                                  .equal = handoff_equal,
                                  .clear = handoff_clear,
                                  .schema = handoff_schema};

/* ---- preflight -------------------------------------------------------------------------------- */

static void
preflight_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    object_clear((enum object)k->arg, base);
    memset(&s->preflight, 0, sizeof(s->preflight));
}

/* As a whole: what `defaults` says of it is not mixed with what a service says. */
static int
preflight_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct service_spec *s = base;
    int result;

    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    preflight_clear(k, base);
    result = object_default(r, (enum object)k->arg, n, base);
    if (result == 0)
        result = object_read(r, (enum object)k->arg, n, base);
    s->preflight.may = true;
    return result;
}

static void
preflight_write(const struct key *k, const void *base, struct text *out)
{
    object_write((enum object)k->arg, base, out);
}

static bool
preflight_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;

    return x->preflight.may == y->preflight.may && object_equal((enum object)k->arg, a, b);
}

static bool
preflight_absent(const struct key *k, const void *base)
{
    const struct service_spec *s = base;

    (void)k;
    return !s->preflight.may;
}

static void
preflight_schema(const struct key *k, struct text *out)
{
    object_schema_ref((enum object)k->arg, out);
}

const struct type type_preflight = {.about = "a map of keys, {} for none of them",
                                    .child = true,
                                    .parse = preflight_parse,
                                    .write = preflight_write,
                                    .equal = preflight_equal,
                                    .clear = preflight_clear,
                                    .absent = preflight_absent,
                                    .schema = preflight_schema};
