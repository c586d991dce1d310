/* SPDX-License-Identifier: GPL-2.0-or-later */
/* deadlines: {default: 5s, max: 30s, headers: {x-request-timeout: s}, client_timeout: {gateway: 10s}} */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/reader.h"
#include "config/types.h"

/* ---- Durations by name ------------------------------------------------------------------------ */

enum { CALLER_NAME_MAX = 39 }; /* as in the registry */

static void
timeouts_clear(const struct key *k, void *base)
{
    struct named_timeouts *t = key_member(k, base);

    for (size_t i = 0; i < t->n; i++) {
        free(t->of[i].name);
        free(t->of[i].file);
    }
    free(t->of);
    *t = (struct named_timeouts){NULL, 0};
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct named_timeout *)a)->name, ((const struct named_timeout *)b)->name);
}

/* One duration, read as the type of that name reads it; no caller waits no time. */
static int
time_read(struct reader *r, const struct key *k, const struct node *n, int64_t *ret)
{
    const struct key one = {.name = k->name,
                            .type = &type_duration,
                            .object = k->object,
                            .min = US_PER_MS,
                            .max = INT64_C(7) * 86400 * US_PER_S};

    return type_duration.parse(r, &one, n, ret);
}

static int
timeout_read(struct reader *r, const struct key *k, const struct node *key, const struct node *n,
             struct named_timeouts *t)
{
    const char *name = key ? key->text : "*";
    int64_t us = 0;
    int result;

    if (key && (name[0] == '\0' || strlen(name) > CALLER_NAME_MAX))
        return finding(r, key, NULL,
                       "'%s' in '%s' is no name of a caller or a service: 1 to %d bytes", name,
                       k->name, CALLER_NAME_MAX);
    result = time_read(r, k, n, &us);
    if (result < 0)
        return result;
    t->of[t->n] = (struct named_timeout){.name = strdup(name),
                                         .us = us,
                                         .file = strdup(n->source->name),
                                         .line = key ? key->line : n->line,
                                         .column = key ? key->column : n->column};
    if (!t->of[t->n].name || !t->of[t->n].file) {
        free(t->of[t->n].name);
        free(t->of[t->n].file);
        return no_memory(r);
    }
    t->n++;
    return 0;
}

static int
timeouts_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct named_timeouts *t = key_member(k, base);
    size_t count = n->kind == NODE_MAP ? n->n : 1;
    int result = 0;

    if (n->kind == NODE_LIST)
        return wrong_type(r, k, n);
    if (count > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu entries: at most %" PRId64, k->name, count,
                       k->max);
    timeouts_clear(k, base);
    t->of = calloc(count + 1, sizeof(*t->of));
    if (!t->of)
        return no_memory(r);
    for (size_t i = 0; i < count; i++)
        if (timeout_read(r, k, n->kind == NODE_MAP ? n->keys[i] : NULL,
                         n->kind == NODE_MAP ? n->items[i] : n, t) < 0)
            result = -EINVAL;
    if (t->n > 0)
        qsort(t->of, t->n, sizeof(*t->of), by_name);
    return r->no_memory ? -ENOMEM : result;
}

static void
timeouts_write(const struct key *k, const void *base, struct text *out)
{
    const struct named_timeouts *t = key_member_const(k, base);
    char buf[32];

    text_add(out, "{");
    for (size_t i = 0; i < t->n; i++) {
        text_add(out, i ? ", " : "");
        write_string(t->of[i].name, out);
        text_addf(out, ": %s", duration_format(t->of[i].us, buf, sizeof(buf)));
    }
    text_add(out, "}");
}

static bool
timeouts_equal(const struct key *k, const void *a, const void *b)
{
    const struct named_timeouts *x = key_member_const(k, a), *y = key_member_const(k, b);

    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->of[i].name, y->of[i].name) != 0 || x->of[i].us != y->of[i].us)
            return false;
    return true;
}

static bool
timeouts_absent(const struct key *k, const void *base)
{
    return ((const struct named_timeouts *)key_member_const(k, base))->n == 0;
}

static void
timeouts_schema(const struct key *k, struct text *out)
{
    text_add(out, "\"anyOf\": [{");
    type_duration.schema(k, out);
    text_add(out, "}, {\"type\": \"object\", \"additionalProperties\": {");
    type_duration.schema(k, out);
    text_add(out, "}}]");
}

const struct type type_timeouts = {.about = "a map of names and durations, or a duration",
                                   .parse = timeouts_parse,
                                   .write = timeouts_write,
                                   .equal = timeouts_equal,
                                   .clear = timeouts_clear,
                                   .absent = timeouts_absent,
                                   .schema = timeouts_schema};

/* ---- Headers ------------------------------------------------------------------------------------ */

enum { HEADER_NAME_MAX = 63 };

static const char *const unit_names[] = {
    [TIMEOUT_S] = "s", [TIMEOUT_MS] = "ms", [TIMEOUT_US] = "us", [TIMEOUT_GRPC] = "grpc"};

const char *
timeout_unit_name(enum timeout_unit unit)
{
    return unit_names[unit];
}

static void
headers_clear(const struct key *k, void *base)
{
    struct deadline_policy *d = &((struct service_spec *)base)->deadlines;

    (void)k;
    for (size_t i = 0; i < d->n_headers; i++)
        free(d->headers[i].name);
    free(d->headers);
    d->headers = NULL;
    d->n_headers = 0;
}

static bool
header_name(const char *s)
{
    return s[0] && strlen(s) <= HEADER_NAME_MAX &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool
header_known(const struct deadline_policy *d, const char *name)
{
    for (size_t i = 0; i < d->n_headers; i++)
        if (strcmp(d->headers[i].name, name) == 0)
            return true;
    return strcmp(name, "grpc-timeout") == 0;
}

/* There is room for one more. Names of headers know no case: kept in lower case, in order. */
static int
header_set(struct reader *r, const struct node *at, struct deadline_policy *d, const char *text,
           enum timeout_unit unit)
{
    char *name = strdup(text);
    size_t to = d->n_headers;

    if (!name)
        return no_memory(r);
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (header_known(d, name)) {
        free(name);
        return finding(r, at, NULL, "header '%s' is there already: names of headers know no case",
                       text);
    }
    for (; to > 0 && strcmp(d->headers[to - 1].name, name) > 0; to--)
        d->headers[to] = d->headers[to - 1];
    d->headers[to] = (struct timeout_header){name, unit};
    d->n_headers++;
    return 0;
}

static int
header_read(struct reader *r, const struct key *k, const struct node *key, const struct node *n,
            struct deadline_policy *d)
{
    const char *text;

    if (!header_name(key->text))
        return finding(r, key, NULL,
                       "'%s' is no name of a header: 1 to %d letters, digits and hyphens",
                       key->text, HEADER_NAME_MAX);
    text = scalar_text(r, k, n);
    if (!text)
        return -EINVAL;
    for (size_t unit = 0; unit < ARRAY_LEN(unit_names); unit++)
        if (strcmp(text, unit_names[unit]) == 0)
            return header_set(r, key, d, key->text, (enum timeout_unit)unit);
    return finding(r, n, NULL, "header '%s' wants its unit, s, ms, us or grpc, not '%s'", key->text,
                   text);
}

static int
headers_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct deadline_policy *d = &((struct service_spec *)base)->deadlines;
    int result = 0;

    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu entries: at most %" PRId64, k->name, n->n, k->max);
    headers_clear(k, base);
    d->headers = calloc(n->n + 1, sizeof(*d->headers));
    if (!d->headers)
        return no_memory(r);
    for (size_t i = 0; i < n->n; i++)
        if (header_read(r, k, n->keys[i], n->items[i], d) < 0)
            result = -EINVAL;
    return r->no_memory ? -ENOMEM : result;
}

static void
headers_write(const struct key *k, const void *base, struct text *out)
{
    const struct deadline_policy *d = &((const struct service_spec *)base)->deadlines;

    (void)k;
    text_add(out, "{");
    for (size_t i = 0; i < d->n_headers; i++) {
        text_add(out, i ? ", " : "");
        write_string(d->headers[i].name, out);
        text_addf(out, ": %s", unit_names[d->headers[i].unit]);
    }
    text_add(out, "}");
}

static bool
headers_equal(const struct key *k, const void *a, const void *b)
{
    const struct deadline_policy *x = &((const struct service_spec *)a)->deadlines;
    const struct deadline_policy *y = &((const struct service_spec *)b)->deadlines;

    (void)k;
    if (x->n_headers != y->n_headers)
        return false;
    for (size_t i = 0; i < x->n_headers; i++)
        if (strcmp(x->headers[i].name, y->headers[i].name) != 0 ||
            x->headers[i].unit != y->headers[i].unit)
            return false;
    return true;
}

static bool
headers_absent(const struct key *k, const void *base)
{
    (void)k;
    return ((const struct service_spec *)base)->deadlines.n_headers == 0;
}

static void
headers_schema(const struct key *k, struct text *out)
{
    text_addf(out,
              "\"type\": \"object\", \"maxProperties\": %" PRId64
              ", \"additionalProperties\": {\"enum\": [\"s\", \"ms\", \"us\", \"grpc\"]}",
              k->max);
}

const struct type type_headers = {.about = "a map of headers and their units",
                                  .parse = headers_parse,
                                  .write = headers_write,
                                  .equal = headers_equal,
                                  .clear = headers_clear,
                                  .absent = headers_absent,
                                  .schema = headers_schema};
