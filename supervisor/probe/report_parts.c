/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/report_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

struct json_made
json_begin(void)
{
    struct json_made o = {.object = json_object()};

    o.failed = !o.object;
    return o;
}

json_t *
json_end(struct json_made *o)
{
    if (o->failed) {
        json_decref(o->object);
        return NULL;
    }
    return o->object;
}

void
json_put(struct json_made *o, const char *key, json_t *value)
{
    if (!o->object || json_object_set_new(o->object, key, value) < 0) {
        if (!o->object)
            json_decref(value);
        o->failed = true;
    }
}

/* What a worker says may be any bytes. */
void
json_put_text(struct json_made *o, const char *key, const char *s)
{
    auto_text struct text clean = TEXT_INIT;

    if (s[0] == '\0')
        return;
    text_add_line(&clean, s, 4096);
    json_put(o, key, clean.failed ? NULL : json_string(text_str(&clean)));
}

void
json_put_number(struct json_made *o, const char *key, int64_t n)
{
    json_put(o, key, json_integer(n));
}

void
json_put_true(struct json_made *o, const char *key, bool value)
{
    if (value)
        json_put(o, key, json_true());
}

void
json_put_hex(struct json_made *o, const char *key, uint64_t n)
{
    char hex[24];

    if (n == 0)
        return;
    (void)snprintf(hex, sizeof(hex), "0x%" PRIx64, n);
    json_put(o, key, json_string(hex));
}

void
json_put_span(struct json_made *o, const char *key, int64_t us)
{
    if (us != INT64_MAX)
        json_put_number(o, key, us);
}

void
json_append(struct json_made *o, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        o->failed = true;
}
