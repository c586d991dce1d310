/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export: {endpoint: http://127.0.0.1:4318, headers: {x-tenant: a}} */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

enum { HEADER_NAME_MAX = 64, HEADER_VALUE_MAX = 4096, ENDPOINT_MAX = 1024, HOST_MAX = 253 };

/* ---- the endpoint ------------------------------------------------------------------------------- */

static bool
port_is_good(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    unsigned long number = digits > 0 && digits <= 5 ? strtoul(port, NULL, 10) : 0;

    return port[digits] == '\0' && number > 0 && number <= 65535;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. Names are looked up by who sends, each time. */
static bool
authority_is_good(const char *text, size_t n)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    char of[HOST_MAX + 8];
    size_t host;

    if (n == 0 || n >= sizeof(of))
        return false;
    memcpy(of, text, n);
    of[n] = '\0';
    if (of[0] == '[') {
        host = 1 + strspn(of + 1, "0123456789abcdefABCDEF:.");
        if (of[host] != ']' || host < 3)
            return false;
        host++;
    } else {
        host = strspn(of, letters);
        if (host == 0 || host > HOST_MAX)
            return false;
    }
    return of[host] == '\0' || (of[host] == ':' && port_is_good(of + host + 1));
}

/* What is wrong with it; NULL: nothing. */
static const char *
endpoint_fault(const char *url)
{
    const char *rest = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;
    size_t n = rest ? strcspn(rest, "/?#") : 0;

    if (!rest)
        return "wants http://HOST:PORT or https://HOST:PORT";
    if (memchr(rest, '@', n))
        return "holds no user and password, which every status would show: 'headers_file' does";
    if (!authority_is_good(rest, n))
        return "wants a host after its //, and perhaps a port: 127.0.0.1:4318, "
               "collector.example, [::1]:4318";
    if (strpbrk(rest, "?#"))
        return "ends with a path: no ? and no #";
    for (const char *c = rest + n; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return "is plain ASCII without blanks";
    return strlen(url) > ENDPOINT_MAX ? "is longer than 1024 bytes" : NULL;
}

static int
endpoint_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n), *fault;
    size_t bytes;

    if (!text)
        return -EINVAL;
    fault = endpoint_fault(text);
    if (fault)
        return finding(r, n, NULL, "'%s' %s", k->name, fault);
    bytes = strlen(text);
    while (text[bytes - 1] == '/')
        bytes--;
    return string_set(r, k, base, strndup(text, bytes));
}

static void
endpoint_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"type\": \"string\", \"pattern\": \"^https?://[^@?#]+$\"");
}

const struct type type_endpoint = STRING_TYPE("a URL", endpoint_parse, endpoint_schema);

/* ---- headers ------------------------------------------------------------------------------------- */

static struct export_spec *
export_of(void *base)
{
    return &((struct spec *)base)->export;
}

static const struct export_spec *
export_of_const(const void *base)
{
    return &((const struct spec *)base)->export;
}

static void
headers_clear(const struct key *k, void *base)
{
    struct export_spec *x = export_of(base);

    (void)k;
    for (size_t i = 0; i < x->n_headers; i++) {
        free(x->headers[i].name);
        free(x->headers[i].value);
    }
    free(x->headers);
    x->headers = NULL;
    x->n_headers = 0;
}

/* What a request has of its own cannot be said twice. */
static bool
is_ours(const char *name)
{
    static const char *const ours[] = {"content-type", "content-length", "content-encoding",
                                       "host",         "expect",         "transfer-encoding",
                                       "connection"};

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool
name_is_good(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    return name[0] && strlen(name) <= HEADER_NAME_MAX && name[strspn(name, letters)] == '\0';
}

static bool
value_is_good(const char *value)
{
    if (strlen(value) > HEADER_VALUE_MAX)
        return false;
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

/* There is room for one more. Sorted, so that the order in the file does not matter. */
static int
header_add(struct reader *r, const struct node *key, struct export_spec *x, const char *value)
{
    auto_free char *name = strdup(key->text), *copy = strdup(value);
    size_t at = 0;

    if (!name || !copy)
        return no_memory(r);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    while (at < x->n_headers && strcmp(x->headers[at].name, name) < 0)
        at++;
    if (at < x->n_headers && strcmp(x->headers[at].name, name) == 0)
        return finding(r, key, NULL, "header '%s' is there twice: case does not matter", name);
    memmove(x->headers + at + 1, x->headers + at, (x->n_headers - at) * sizeof(*x->headers));
    x->headers[at] = (struct environment_entry){steal(name), steal(copy)};
    x->n_headers++;
    return 0;
}

static int
header_read(struct reader *r, const struct node *key, const struct node *n, struct export_spec *x)
{
    if (!name_is_good(key->text))
        return finding(r, key, NULL, "'%s' is no name of a header: letters, digits and hyphens",
                       key->text);
    if (is_ours(key->text))
        return finding(r, key, NULL, "header '%s' is made by stint", key->text);
    if (n->kind != NODE_SCALAR || node_null(n))
        return finding(r, n, NULL, "header '%s' wants a text, not %s", key->text,
                       node_kind_name(n));
    if (!value_is_good(n->text)) /* it may be a secret: it is not repeated */
        return finding(r, key, NULL, "header '%s' wants one line of at most %d bytes", key->text,
                       HEADER_VALUE_MAX);
    return header_add(r, key, x, n->text);
}

static int
headers_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct export_spec *x = export_of(base);
    int result = 0;

    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu entries: at most %" PRId64, k->name, n->n, k->max);
    headers_clear(k, base);
    x->headers = calloc(n->n + 1, sizeof(*x->headers));
    if (!x->headers)
        return no_memory(r);
    for (size_t i = 0; i < n->n; i++)
        if (header_read(r, n->keys[i], n->items[i], x) < 0)
            result = -EINVAL;
    return r->no_memory ? -ENOMEM : result;
}

static void
headers_write(const struct key *k, const void *base, struct text *out)
{
    const struct export_spec *x = export_of_const(base);

    (void)k;
    text_add(out, "{");
    for (size_t i = 0; i < x->n_headers; i++) {
        text_add(out, i ? ", " : "");
        write_string(x->headers[i].name, out);
        text_add(out, ": ");
        write_string(x->headers[i].value, out);
    }
    text_add(out, "}");
}

static bool
headers_equal(const struct key *k, const void *a, const void *b)
{
    const struct export_spec *x = export_of_const(a), *y = export_of_const(b);

    (void)k;
    if (x->n_headers != y->n_headers)
        return false;
    for (size_t i = 0; i < x->n_headers; i++)
        if (strcmp(x->headers[i].name, y->headers[i].name) != 0 ||
            strcmp(x->headers[i].value, y->headers[i].value) != 0)
            return false;
    return true;
}

static bool
headers_absent(const struct key *k, const void *base)
{
    (void)k;
    return export_of_const(base)->n_headers == 0;
}

static void
headers_schema(const struct key *k, struct text *out)
{
    text_addf(out,
              "\"type\": \"object\", \"maxProperties\": %" PRId64
              ", \"additionalProperties\": {\"type\": [\"string\", \"number\", \"boolean\"]}",
              k->max);
}

const struct type type_export_headers = {.about = "a map of headers",
                                         .parse = headers_parse,
                                         .write = headers_write,
                                         .equal = headers_equal,
                                         .clear = headers_clear,
                                         .absent = headers_absent,
                                         .schema = headers_schema};
