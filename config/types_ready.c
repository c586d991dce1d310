/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ready: notify, or a map with exactly one of the forms in the table. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

static const struct key *
form_of(enum ready_mode mode)
{
    schema_for_each(k, OBJECT_READY) if ((enum ready_mode)k->arg == mode) return k;
    return NULL; /* notify has no value */
}

static void
ready_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    (void)k;
    schema_for_each(form, OBJECT_READY) if (form->type->clear) form->type->clear(form, base);
    memset(&s->ready, 0, sizeof(s->ready));
    s->ready.mode = READY_NOTIFY;
}

static int
ready_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct service_spec *s = base;
    const struct key *form;
    int result;

    if (n->kind == NODE_SCALAR && strcmp(n->text, "notify") == 0) {
        ready_clear(k, base);
        return 0;
    }
    if (n->kind == NODE_SCALAR && !node_null(n)) {
        struct suggestion guess = {.wanted = n->text};

        suggest(&guess, "notify");
        return finding(r, n, guess.best, "'%s' wants %s, not '%s'", k->name, k->type->about,
                       n->text);
    }
    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (n->n != 1)
        return finding(r, n, NULL, "'%s' wants exactly one form, not %zu", k->name, n->n);
    form = schema_find((enum object)k->arg, n->keys[0]->text);
    if (!form)
        return object_read(r, (enum object)k->arg, n, base); /* says what it does not know */
    ready_clear(k, base);
    result = form->type->parse(r, form, n->items[0], base);
    if (result == 0)
        s->ready.mode = (enum ready_mode)form->arg;
    return result;
}

static void
ready_write(const struct key *k, const void *base, struct text *out)
{
    const struct service_spec *s = base;
    const struct key *form = form_of(s->ready.mode);

    (void)k;
    if (!form) {
        text_add(out, "notify");
        return;
    }
    text_addf(out, "{%s: ", form->name);
    form->type->write(form, base, out);
    text_add(out, "}");
}

static bool
ready_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;
    const struct key *form = form_of(x->ready.mode);

    (void)k;
    return x->ready.mode == y->ready.mode && (!form || form->type->equal(form, a, b));
}

static void
ready_schema(const struct key *k, struct text *out)
{
    text_add(out, "\"anyOf\": [{\"const\": \"notify\"}, {");
    object_schema_ref((enum object)k->arg, out);
    text_add(out, ", \"minProperties\": 1, \"maxProperties\": 1}]");
}

const struct type type_ready = {
    .about = "notify, or a map with one of fd, file, exec, assume_after, tcp, http",
    .child = true,
    .parse = ready_parse,
    .write = ready_write,
    .equal = ready_equal,
    .clear = ready_clear,
    .schema = ready_schema};
