/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of keys for people, and as a JSON Schema for editors and other tools. */
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "config/schema.h"

static const char *
reload_name(enum reload_class c)
{
    switch (c) {
    case RELOAD_NONE:
        return "none";
    case RELOAD_IN_PLACE:
        return "in place";
    case RELOAD_NEW_GENERATION:
        return "new generation";
    case RELOAD_RESTART:
        return "restart of stint";
    }
    return "none";
}

static void
print_row(const struct key *k, const char *above, struct text *out)
{
    text_addf(out, "%s%s\n    %s\n    %s", above, k->name, k->help, k->type->about);
    if (k->type->ranged) {
        text_add(out, ", ");
        k->type->range(k, k->min, out);
        text_add(out, " to ");
        k->type->range(k, k->max, out);
    }
    if (k->type->words) {
        text_add(out, " ");
        k->type->words(k, out);
    }
    if (k->fallback)
        text_addf(out, "; default %s", k->fallback);
    text_addf(out, "; change: %s\n", reload_name(k->reload));
}

/* `defaults` has the keys of a service: they are listed once, under `services`. */
static void /* NOLINTNEXTLINE(misc-no-recursion) */
print_object(enum object o, const char *above, struct text *out)
{
    schema_for_each(k, o)
    {
        auto_text struct text within = TEXT_INIT;

        print_row(k, above, out);
        if (!k->type->child || k->type == &type_defaults)
            continue;
        text_addf(&within, "%s%s%s", above, k->name,
                  k->type == &type_services || k->type == &type_listen ? ".NAME." : ".");
        print_object((enum object)k->arg, text_str(&within), out);
        if ((enum object)k->arg == OBJECT_LIMITS) { /* the long form that each limit may take */
            text_add(&within, "NAME.");
            print_object(OBJECT_LIMIT_PAIR, text_str(&within), out);
        }
    }
}

void
config_schema_text(struct text *out)
{
    print_object(OBJECT_CONFIG, "", out);
}

static void
json_property(const struct key *k, struct text *out)
{
    text_addf(out, "\"%s\": {", k->name);
    k->type->schema(k, out);
    text_add(out, ", \"description\": ");
    text_add_json(out, k->help, strlen(k->help));
    if (k->fallback) {
        text_add(out, ", \"default\": ");
        if (k->type->number)
            text_add(out, k->fallback);
        else
            text_add_json(out, k->fallback, strlen(k->fallback));
    }
    text_addf(out, ", \"x-stint-reload\": \"%s\"}", reload_name(k->reload));
}

static void
json_object(enum object o, struct text *out)
{
    const char *between = "";

    text_add(out, "\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    schema_for_each(k, o)
    {
        text_add(out, between);
        text_add(out, "\n      ");
        json_property(k, out);
        between = ",";
    }
    text_add(out, "}");
}

void
config_schema_json(struct text *out)
{
    text_add(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                  "  \"title\": \"stint configuration\",\n  \"$defs\": {\n");
    for (enum object o = OBJECT_CONFIG + 1; o < OBJECT_COUNT; o++) {
        text_addf(out, "    \"%s\": {", object_name(o));
        json_object(o, out);
        text_add(out, o + 1 < OBJECT_COUNT ? "},\n" : "}\n");
    }
    text_add(out, "  },\n  ");
    json_object(OBJECT_CONFIG, out);
    text_add(out, ",\n  \"required\": [\"version\"]\n}\n");
}
