/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps whose keys belong to the same struct as the map itself. */
#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

static int /* NOLINTNEXTLINE(misc-no-recursion) */
map_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    return object_read(r, (enum object)k->arg, n, base);
}

static void /* NOLINTNEXTLINE(misc-no-recursion) */
map_write(const struct key *k, const void *base, struct text *out)
{
    object_write((enum object)k->arg, base, out);
}

void
object_schema_ref(enum object o, struct text *out)
{
    text_addf(out, "\"$ref\": \"#/$defs/%s\"", object_name(o));
}

static void
map_schema(const struct key *k, struct text *out)
{
    object_schema_ref((enum object)k->arg, out);
}

const struct type type_map = {.about = "a map of keys",
                              .nested = true,
                              .child = true,
                              .parse = map_parse,
                              .write = map_write,
                              .schema = map_schema};

/* check: [./web, --check] is check: {command: [./web, --check]}. */
static int
check_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const struct key *command = schema_find((enum object)k->arg, "command");

    return n->kind == NODE_LIST  ? command->type->parse(r, command, n, base)
           : n->kind == NODE_MAP ? object_read(r, (enum object)k->arg, n, base)
                                 : wrong_type(r, k, n);
}

static void
check_schema(const struct key *k, struct text *out)
{
    const struct key *command = schema_find((enum object)k->arg, "command");

    text_add(out, "\"anyOf\": [{");
    command->type->schema(command, out);
    text_add(out, "}, {");
    object_schema_ref((enum object)k->arg, out);
    text_add(out, "}]");
}

const struct type type_check = {.about = "a command as a list, or a map with 'command'",
                                .nested = true,
                                .child = true,
                                .parse = check_parse,
                                .write = map_write,
                                .schema = check_schema};
