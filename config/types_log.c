/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log: stderr, journal, or a map with the file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/reader.h"
#include "config/types.h"

#define PLACEHOLDER "{service}"

static int
size_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    uint64_t bytes = 0;
    int result;

    if (!text)
        return -EINVAL;
    result = size_parse(text, &bytes);
    if (result == -EINVAL)
        return finding(r, n, NULL, "'%s' wants %s, not '%s'", k->name, k->type->about, text);
    if (result < 0 || bytes < (uint64_t)k->min || bytes > (uint64_t)k->max)
        return out_of_range(r, k, n);
    *(uint64_t *)key_member(k, base) = bytes;
    return 0;
}

static void
size_range(const struct key *k, int64_t bytes, struct text *out)
{
    char buf[32];

    (void)k;
    text_add(out, bytes ? size_format((uint64_t)bytes, buf, sizeof(buf)) : "0");
}

static void
size_write(const struct key *k, const void *base, struct text *out)
{
    size_range(k, (int64_t) * (const uint64_t *)key_member_const(k, base), out);
}

static bool
size_equal(const struct key *k, const void *a, const void *b)
{
    return *(const uint64_t *)key_member_const(k, a) == *(const uint64_t *)key_member_const(k, b);
}

static void
size_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", "
                  "\"pattern\": \"^[0-9]+([.][0-9]+)?[A-Za-z]*$\"}]");
}

const struct type type_size = {.about = "a size such as 64KiB or 100MiB",
                               .ranged = true,
                               .parse = size_read,
                               .write = size_write,
                               .equal = size_equal,
                               .range = size_range,
                               .schema = size_schema};

/* log: journal is log: {to: journal}, and log: {file: x} is log: {to: file, file: x}. */
static int
log_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const struct key *to = schema_find((enum object)k->arg, "to");
    struct service_spec *s = base;

    if (n->kind == NODE_SCALAR && !node_null(n))
        return to->type->parse(r, to, n, base);
    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (node_get(n, "file") && !node_get(n, "to"))
        s->log.to = LOG_TO_FILE;
    return object_read(r, (enum object)k->arg, n, base);
}

static void
log_write(const struct key *k, const void *base, struct text *out)
{
    object_write((enum object)k->arg, base, out);
}

static void
log_schema(const struct key *k, struct text *out)
{
    const struct key *to = schema_find((enum object)k->arg, "to");

    text_add(out, "\"anyOf\": [{");
    to->type->schema(to, out);
    text_add(out, "}, {");
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}]");
}

const struct type type_log = {.about = "stderr, journal, file, or a map of keys",
                              .nested = true,
                              .child = true,
                              .parse = log_parse,
                              .write = log_write,
                              .schema = log_schema};

int
service_log_name(struct service_spec *s)
{
    const char *at = s->log.file, *found;
    struct text path = TEXT_INIT;

    if (!at || !strstr(at, PLACEHOLDER))
        return 0;
    while ((found = strstr(at, PLACEHOLDER)) != NULL) {
        text_addn(&path, at, (size_t)(found - at));
        text_add(&path, s->name);
        at = found + strlen(PLACEHOLDER);
    }
    text_add(&path, at);
    if (path.failed) {
        text_finish(&path);
        return -ENOMEM;
    }
    free(s->log.file);
    s->log.file = text_steal(&path);
    return 0;
}
