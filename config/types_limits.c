/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limits: {nofile: 4096, core: {soft: 0, hard: unlimited}} */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/reader.h"
#include "config/types.h"

static int
value_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    const struct type *kind = r->limit->type;
    uint64_t v = 0;
    int64_t number = 0;
    int result;

    if (!text)
        return -EINVAL;
    if (strcmp(text, "unlimited") == 0) {
        *(rlim_t *)key_member(k, base) = RLIM_INFINITY;
        return 0;
    }
    if (kind == &type_limit_size) {
        result = size_parse(text, &v);
    } else if (kind == &type_limit_time) {
        result = duration_parse(text, &number);
        if (result == 0 && number % US_PER_S != 0)
            result = -EINVAL;
        v = (uint64_t)(number / US_PER_S);
    } else {
        result = decimal_parse(text, &number);
        v = (uint64_t)number;
    }
    if (result == -EINVAL)
        return finding(r, n, NULL, "'%s' wants %s, not '%s'", r->limit->name, kind->about, text);
    if (result < 0)
        return finding(r, n, NULL, "'%s' is out of range: 0 to unlimited", r->limit->name);
    *(rlim_t *)key_member(k, base) = (rlim_t)v;
    return 0;
}

/* A value is written in the notation of its resource, so the row of the pair is not enough. */
static void
value_write(const struct key *resource, rlim_t v, struct text *out)
{
    char buf[32];

    if (v == RLIM_INFINITY)
        text_add(out, "unlimited");
    else if (resource->type == &type_limit_size)
        text_add(out, size_format(v, buf, sizeof(buf)));
    else
        text_addf(out, "%" PRIu64 "%s", (uint64_t)v,
                  resource->type == &type_limit_time && v ? "s" : "");
}

static const struct limit_spec *
limit_of(const struct service_spec *s, int resource)
{
    for (size_t i = 0; i < s->n_limits; i++)
        if (s->limits[i].resource == resource)
            return &s->limits[i];
    return NULL;
}

/* In the order of the resource numbers, so that the order in the file does not matter. */
static int
limit_set(struct service_spec *s, const struct limit_spec *l)
{
    struct limit_spec *bigger;
    size_t at = 0;

    while (at < s->n_limits && s->limits[at].resource < l->resource)
        at++;
    if (at == s->n_limits || s->limits[at].resource != l->resource) {
        bigger = realloc(s->limits, (s->n_limits + 1) * sizeof(*bigger));
        if (!bigger)
            return -ENOMEM;
        s->limits = bigger;
        memmove(bigger + at + 1, bigger + at, (s->n_limits - at) * sizeof(*bigger));
        s->n_limits++;
    }
    s->limits[at] = *l;
    return 0;
}

static int
limit_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct limit_spec l = {.resource = k->arg};
    const struct key *soft = schema_find(OBJECT_LIMIT_PAIR, "soft");
    int result;

    if (n->kind == NODE_LIST || node_null(n))
        return wrong_type(r, k, n);
    r->limit = k;
    if (n->kind == NODE_SCALAR) {
        result = soft->type->parse(r, soft, n, &l);
        l.hard = l.soft;
    } else {
        if (!node_get(n, "soft") || !node_get(n, "hard"))
            return finding(r, n, NULL, "'%s' wants one value, or both 'soft' and 'hard'", k->name);
        result = object_read(r, OBJECT_LIMIT_PAIR, n, &l);
    }
    if (result < 0)
        return result;
    if (l.soft > l.hard)
        return finding(r, n, NULL, "the soft limit of '%s' is above the hard one", k->name);
    return limit_set(base, &l) < 0 ? no_memory(r) : 0;
}

static void
limit_write(const struct key *k, const void *base, struct text *out)
{
    const struct limit_spec *l = limit_of(base, k->arg);

    if (l->soft == l->hard) {
        value_write(k, l->soft, out);
        return;
    }
    text_add(out, "{soft: ");
    value_write(k, l->soft, out);
    text_add(out, ", hard: ");
    value_write(k, l->hard, out);
    text_add(out, "}");
}

static bool
limit_absent(const struct key *k, const void *base)
{
    return !limit_of(base, k->arg);
}

/* Adds to what is there already: the limits of 'defaults' were read first. */
static int
limits_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    return object_read(r, (enum object)k->arg, n, base);
}

static void
limits_write(const struct key *k, const void *base, struct text *out)
{
    object_write((enum object)k->arg, base, out);
}

static bool
limits_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;

    (void)k;
    if (x->n_limits != y->n_limits)
        return false;
    for (size_t i = 0; i < x->n_limits; i++)
        if (x->limits[i].resource != y->limits[i].resource ||
            x->limits[i].soft != y->limits[i].soft || x->limits[i].hard != y->limits[i].hard)
            return false;
    return true;
}

static void
limits_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    (void)k;
    free(s->limits);
    s->limits = NULL;
    s->n_limits = 0;
}

static void
limits_schema(const struct key *k, struct text *out)
{
    object_schema_ref((enum object)k->arg, out);
}

static void
value_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", "
                  "\"pattern\": \"^(unlimited|[0-9]+([.][0-9]+)?[A-Za-z]*)$\"}]");
}

static void
limit_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", "
                  "\"pattern\": \"^(unlimited|[0-9]+([.][0-9]+)?[A-Za-z]*)$\"}, {");
    object_schema_ref(OBJECT_LIMIT_PAIR, out);
    text_add(out, "}]");
}

const struct type type_limits = {.about = "a map of limits",
                                 .child = true,
                                 .parse = limits_parse,
                                 .write = limits_write,
                                 .equal = limits_equal,
                                 .clear = limits_clear,
                                 .schema = limits_schema};

#define LIMIT_TYPE(about_)                                                                     \
    {                                                                                          \
        .about = (about_), .parse = limit_parse, .write = limit_write, .absent = limit_absent, \
        .schema = limit_schema                                                                 \
    }

const struct type type_limit_count = LIMIT_TYPE("a number, unlimited, or {soft: …, hard: …}");
const struct type type_limit_size =
    LIMIT_TYPE("a size such as 64MiB, unlimited, or {soft: …, hard: …}");
const struct type type_limit_time =
    LIMIT_TYPE("whole seconds such as 90s, unlimited, or {soft: …, hard: …}");
const struct type type_limit_value = {
    .about = "a limit or unlimited", .parse = value_parse, .schema = value_schema};
