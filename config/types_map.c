/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps whose keys belong to the same struct as the map itself. */
#include <string.h>

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

/* "deadlines: none" is nearly right: a word that is a key of the map. */
static int
mixed_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const struct key *meant =
        n->kind == NODE_SCALAR ? schema_find((enum object)k->arg, n->text) : NULL;

    if (!meant)
        return map_parse(r, k, n, base);
    return finding(r, n, NULL, "'%s' wants %s: '%s: {%s: …}', with %s", k->name, k->type->about,
                   k->name, meant->name, meant->type->about);
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

/*
 * A map of a service some of whose keys are of the launch part. It is told only when somebody wrote it,
 * so a service of before there was the map is what it was.
 */

/* As if nobody had written it, in the launch part or as a whole. */
static bool
is_default(const struct key *map, const struct service_spec *s, bool launch)
{
    schema_for_each(k, (enum object)map->arg)
    {
        auto_text struct text is = TEXT_INIT;

        if (launch && k->reload != RELOAD_NEW_GENERATION)
            continue;
        if (k->type->absent && k->type->absent(k, s))
            continue;
        k->type->write(k, s, &is);
        if (!k->fallback || strcmp(text_str(&is), k->fallback) != 0)
            return false;
    }
    return true;
}

static bool
mixed_absent(const struct key *k, const void *base)
{
    return is_default(k, base, false);
}

static void
mixed_launch(const struct key *map, const void *base, struct text *out)
{
    if (is_default(map, base, true))
        return;
    text_addf(out, "  %s:", map->name);
    schema_for_each(k, (enum object)map->arg)
    {
        if (k->reload != RELOAD_NEW_GENERATION || (k->type->absent && k->type->absent(k, base)))
            continue;
        text_addf(out, " %s: ", k->name);
        k->type->write(k, base, out);
    }
    text_add(out, "\n");
}

const struct type type_mixed = {.about = "a map of keys",
                                .nested = true,
                                .child = true,
                                .parse = mixed_parse,
                                .write = map_write,
                                .absent = mixed_absent,
                                .launch = mixed_launch,
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
