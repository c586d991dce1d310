/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/report_internal.h"

json_t *
report_text(const char *s)
{
    json_t *plain = json_string(s);
    auto_text struct text quoted = TEXT_INIT;

    if (plain)
        return plain;
    text_add_json(&quoted, s, strlen(s)); /* worker output and file names can be any bytes */
    return quoted.failed ? NULL : json_loads(text_str(&quoted), JSON_DECODE_ANY, NULL);
}

struct object
object_new(void)
{
    json_t *json = json_object();

    return (struct object){json, json == NULL};
}

json_t *
object_take(struct object *o)
{
    json_t *json = o->json;

    o->json = NULL;
    if (!o->failed)
        return json;
    json_decref(json);
    return NULL;
}

void
object_set(struct object *o, const char *key, json_t *value)
{
    if (json_object_set_new(o->json, key, value) != 0) /* takes the value in any case */
        o->failed = true;
}

void
object_text(struct object *o, const char *key, const char *s)
{
    object_set(o, key, report_text(s));
}

void
object_text_unless_empty(struct object *o, const char *key, const char *s)
{
    if (s && s[0])
        object_text(o, key, s);
}

void
object_number(struct object *o, const char *key, int64_t n)
{
    object_set(o, key, json_integer(n));
}

void
object_bool(struct object *o, const char *key, bool b)
{
    object_set(o, key, json_boolean(b));
}

void
object_left_ms(struct object *o, const char *key, int64_t deadline_us, int64_t now_us)
{
    if (deadline_us != TIME_NEVER && deadline_us != 0)
        object_number(o, key, (deadline_us - now_us) / US_PER_MS);
}

void
object_ago_ms(struct object *o, const char *key, int64_t at_us, int64_t now_us)
{
    if (at_us > 0)
        object_number(o, key, (now_us - at_us) / US_PER_MS);
}

void
object_optional(struct object *o, const char *key, json_t *value)
{
    if (value)
        object_set(o, key, value);
}

bool
array_add(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0;
}
