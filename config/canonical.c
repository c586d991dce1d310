/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service as text, as a digest, and compared with another: all by walking the table. */
#include <string.h>

#include "base/text.h"
#include "config/schema.h"
#include "config/spec.h"

static void
row_write(const struct key *k, const struct service_spec *s, struct text *out)
{
    if (!k->type->write || (k->type->absent && k->type->absent(k, s)))
        return;
    text_addf(out, "  %s: ", k->name);
    k->type->write(k, s, out);
    text_add(out, "\n");
}

void
service_spec_canonical(const struct service_spec *s, struct text *out)
{
    write_string(s->name, out);
    text_add(out, ":\n");
    schema_for_each(k, OBJECT_SERVICE) row_write(k, s, out);
}

struct digest
service_spec_launch_digest(const struct service_spec *s)
{
    auto_text struct text t = TEXT_INIT;
    struct digest none = {0, 0};

    write_string(s->name, &t);
    text_add(&t, ":\n");
    schema_for_each(k, OBJECT_SERVICE)
    {
        if (k->type->launch)
            k->type->launch(k, s, &t);
        else if (k->reload == RELOAD_NEW_GENERATION)
            row_write(k, s, &t);
    }
    return t.failed ? none : digest_of(text_str(&t), t.bytes);
}

bool
service_spec_equal(const struct service_spec *a, const struct service_spec *b)
{
    return strcmp(a->name, b->name) == 0 && object_equal(OBJECT_SERVICE, a, b);
}

struct difference {
    enum reload_class reload;
    enum reload_class least; /* weaker ones are not named */
    struct text *keys;       /* borrowed; NULL = not wanted */
    const void *a, *b;
};

static void
differs(struct difference *d, const char *above, const char *name, enum reload_class reload)
{
    if (d->reload < reload)
        d->reload = reload;
    if (d->keys && reload >= d->least)
        text_addf(d->keys, "%s%s%s%s", d->keys->bytes ? ", " : "", above, above[0] ? "." : "",
                  name);
}

/* Goes as deep as the table nests: respawn.backoff.first. */
static void /* NOLINTNEXTLINE(misc-no-recursion) */
object_diff(struct difference *d, enum object o, const char *above)
{
    schema_for_each(k, o)
    {
        if (k->type->nested) {
            auto_text struct text name = TEXT_INIT;

            text_addf(&name, "%s%s%s", above, above[0] ? "." : "", k->name);
            object_diff(d, (enum object)k->arg, text_str(&name));
        } else if (k->type->equal && !k->type->equal(k, d->a, d->b)) {
            differs(d, above, k->name, k->reload);
        }
    }
}

enum reload_class
service_spec_diff(const struct service_spec *a, const struct service_spec *b, struct text *ret_keys)
{
    struct difference d = {.reload = RELOAD_NONE, .keys = ret_keys, .a = a, .b = b};

    if (strcmp(a->name, b->name) != 0)
        differs(&d, "", "name", RELOAD_NEW_GENERATION);
    object_diff(&d, OBJECT_SERVICE, "");
    return d.reload;
}

enum reload_class
spec_diff(const struct spec *a, const struct spec *b, struct text *ret_keys)
{
    struct difference d = {.reload = RELOAD_NONE, .a = a, .b = b};

    object_diff(&d, OBJECT_CONFIG, "");
    d.least = d.reload;
    d.keys = ret_keys;
    object_diff(&d, OBJECT_CONFIG, "");
    return d.reload;
}
