/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of a file as a whole. load.c reads them; here is what they look like. */
#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

static int
version_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    int64_t v = 0;

    (void)base;
    if (!text)
        return -EINVAL;
    if (!n->plain || decimal_parse(text, &v) < 0)
        return finding(r, n, NULL, "'version' wants %s, not '%s'", k->type->about, text);
    if (v < k->min || v > k->max)
        return finding(r, n, NULL, "version %s is not known: this stint reads version %" PRId64,
                       text, k->max);
    return 0;
}

static void
version_schema(const struct key *k, struct text *out)
{
    text_addf(out, "\"const\": %" PRId64, k->max);
}

static void
include_schema(const struct key *k, struct text *out)
{
    text_addf(out, "\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"maxItems\": %" PRId64,
              k->max);
}

static void
defaults_schema(const struct key *k, struct text *out)
{
    object_schema_ref((enum object)k->arg, out);
}

static void
services_schema(const struct key *k, struct text *out)
{
    text_add(out, "\"type\": \"object\", \"propertyNames\": {\"pattern\": "
                  "\"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$\"}, \"additionalProperties\": {");
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}");
}

const struct type type_version = {
    .about = "the number 1", .number = true, .parse = version_parse, .schema = version_schema};
const struct type type_include = {.about = "a list of patterns", .schema = include_schema};
const struct type type_defaults = {
    .about = "a map of a service's keys", .child = true, .schema = defaults_schema};
const struct type type_services = {
    .about = "a map of services by name", .child = true, .schema = services_schema};
