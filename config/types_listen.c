/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets: listen, probe_listener, and what readiness probes talk to. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/address.h"
#include "config/reader.h"
#include "config/types.h"
#include "config/words.h"

enum { LISTENER_NAME_MAX = 64 };

static void
listener_finish(struct listener_spec *l)
{
    object_clear(OBJECT_LISTENER, l);
    free(l->name);
    free(l->host);
    free(l->path);
}

static int
address_finding(struct reader *r, const struct key *k, const struct node *n,
                const struct error *err)
{
    const char *text = n->text;
    char guess[128] = "";

    if (err->code == -ENOMEM)
        return no_memory(r);
    if (text[0] == '/')
        (void)snprintf(guess, sizeof(guess), "unix:%s", text);
    else if (!strstr(text, "//") && strchr(text, ':') && strncmp(text, "unix:", 5) != 0)
        (void)snprintf(guess, sizeof(guess), "%s%s%s", k->type == &type_url ? "http://" : "tcp://",
                       text[0] == ':' ? "*" : "", strncmp(text, "tcp:", 4) ? text : text + 4);
    return finding(r, n, guess, "'%s': %s", k->name, err->text);
}

/* What a scalar says, read by @parse; a finding when that is no address. */
static int
address_given(struct reader *r, const struct key *k, const struct node *n,
              int (*parse)(const char *text, struct address *ret, struct error *reterr),
              struct address *ret)
{
    const char *text = scalar_text(r, k, n);
    struct error err = {0};

    if (!text)
        return -EINVAL;
    if (slot_in_text(text))
        return finding(r, n, NULL,
                       "{slot} has no meaning in '%s': a socket is bound once, and all workers of "
                       "all generations share it; a worker that wants one of its own binds it "
                       "itself, with SO_REUSEPORT, and gets {slot} in its 'command'",
                       k->name);
    return parse(text, ret, &err) < 0 ? address_finding(r, k, n, &err) : 0;
}

static int
address_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct listener_spec *l = base;
    auto_address struct address a = {0};
    int result = address_given(r, k, n, address_parse, &a);

    if (result < 0)
        return result;
    free(l->address);
    free(l->host);
    free(l->path);
    l->address = steal(a.canonical);
    l->host = steal(a.host);
    l->path = steal(a.path);
    l->family = a.family;
    l->port = a.port;
    return 0;
}

static int
tcp_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    auto_address struct address a = {0};
    int result = address_given(r, k, n, address_parse, &a);

    if (result < 0)
        return result;
    if (a.family != LISTENER_TCP)
        return finding(r, n, NULL, "'%s' wants tcp://HOST:PORT, not '%s'", k->name, n->text);
    return string_set(r, k, base, steal(a.canonical));
}

/* Kept as written: the path counts too. */
static int
url_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    auto_address struct address a = {0};
    int result = address_given(r, k, n, address_of_url, &a);

    return result < 0 ? result : string_set(r, k, base, strdup(n->text));
}

static void
address_schema(const struct key *k, struct text *out)
{
    text_addf(out, "\"type\": \"string\", \"pattern\": \"%s\"",
              k->type == &type_url   ? "^http://.+$"
              : k->type == &type_tcp ? "^tcp://.+:[0-9]+$"
                                     : "^(tcp://.+:[0-9]+|unix:/.+)$");
}

const struct type type_address =
    STRING_TYPE("an address: tcp://HOST:PORT or unix:/PATH", address_read, address_schema);
const struct type type_tcp = STRING_TYPE("an address: tcp://HOST:PORT", tcp_read, address_schema);
const struct type type_url = STRING_TYPE("a URL: http://HOST:PORT/PATH", url_read, address_schema);

static bool
listener_name(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= LISTENER_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

/* One entry: an address alone, or a map with the rest of what a socket has. */
static int
listener_read(struct reader *r, const struct node *name, const struct node *n,
              struct listener_spec *l)
{
    const struct key *address = schema_find(OBJECT_LISTENER, "address");
    int result = object_default(r, OBJECT_LISTENER, n, l);

    l->name = strdup(name->text);
    if (!l->name)
        return no_memory(r);
    if (result < 0)
        return result;
    if (!listener_name(name->text))
        result =
            finding(r, name, NULL, "'%s' is no name of a listener: 1 to %d of A-Z a-z 0-9 _ . -",
                    name->text, LISTENER_NAME_MAX);
    if (n->kind == NODE_SCALAR)
        return address->type->parse(r, address, n, l) < 0 ? -EINVAL : result;
    if (n->kind == NODE_LIST)
        return finding(r, n, NULL, "listener '%s' wants an address or a map, not a list",
                       name->text);
    if (object_read(r, OBJECT_LISTENER, n, l) < 0)
        result = -EINVAL;
    if (!node_get(n, "address"))
        return finding(r, name, NULL, "listener '%s' has no 'address'", name->text);
    schema_for_each(k, OBJECT_LISTENER)
    {
        const struct node *given = node_get(n, k->name);

        if (k->arg == UNIX_ONLY && given && l->address && l->family != LISTENER_UNIX)
            result = finding(r, given, NULL, "'%s' means something for unix sockets only", k->name);
    }
    return result;
}

static void
listen_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    (void)k;
    for (size_t i = 0; i < s->n_listen; i++)
        listener_finish(&s->listen[i]);
    free(s->listen);
    s->listen = NULL;
    s->n_listen = 0;
}

static int
listen_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct service_spec *s = base;
    int result = 0;

    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu sockets: at most %" PRId64, k->name, n->n, k->max);
    listen_clear(k, base);
    if (n->n == 0)
        return 0;
    s->listen = calloc(n->n, sizeof(*s->listen));
    if (!s->listen)
        return no_memory(r);
    for (size_t i = 0; i < n->n; i++)
        if (listener_read(r, n->keys[i], n->items[i], &s->listen[s->n_listen++]) < 0)
            result = -EINVAL;
    if (result < 0)
        listen_clear(k, base); /* nobody sees half of them */
    return r->no_memory ? -ENOMEM : result;
}

static void
listener_write(const struct listener_spec *l, struct text *out)
{
    const char *between = "";

    write_string(l->name, out);
    text_add(out, ": {");
    schema_for_each(k, OBJECT_LISTENER)
    {
        if ((k->arg == UNIX_ONLY && l->family != LISTENER_UNIX) ||
            (k->type->absent && k->type->absent(k, l)))
            continue;
        text_addf(out, "%s%s: ", between, k->name);
        k->type->write(k, l, out);
        between = ", ";
    }
    text_add(out, "}");
}

static void
listen_write(const struct key *k, const void *base, struct text *out)
{
    const struct service_spec *s = base;

    (void)k;
    text_add(out, "{");
    for (size_t i = 0; i < s->n_listen; i++) {
        text_add(out, i ? ", " : "");
        listener_write(&s->listen[i], out);
    }
    text_add(out, "}");
}

static bool
listen_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;

    (void)k;
    if (x->n_listen != y->n_listen)
        return false;
    for (size_t i = 0; i < x->n_listen; i++)
        if (strcmp(x->listen[i].name, y->listen[i].name) != 0 ||
            !object_equal(OBJECT_LISTENER, &x->listen[i], &y->listen[i]))
            return false;
    return true;
}

static void
listen_schema(const struct key *k, struct text *out)
{
    text_addf(out,
              "\"type\": \"object\", \"maxProperties\": %" PRId64 ", \"propertyNames\": "
              "{\"pattern\": \"^[A-Za-z0-9_.-]{1,%d}$\"}, \"additionalProperties\": {\"anyOf\": "
              "[{\"type\": \"string\"}, {",
              k->max, LISTENER_NAME_MAX);
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}]}");
}

const struct type type_listen = {.about = "a map of sockets by name",
                                 .child = true,
                                 .parse = listen_parse,
                                 .write = listen_write,
                                 .equal = listen_equal,
                                 .clear = listen_clear,
                                 .schema = listen_schema};
