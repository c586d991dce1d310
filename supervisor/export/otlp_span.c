/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/export/otlp_parts.h"

/* One span. */

enum { KIND_INTERNAL = 1 }; /* Span.SpanKind; the others follow in this order */
static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer"};

enum { STATUS_OK = 1, STATUS_ERROR = 2 };

/* Told elsewhere: in the resource, in the scope, or in members of their own. */
static const char *const known[] = {"seq",         "ts",
                                    "level",       "event",
                                    "service",     "gen",
                                    "slot",        "pid",
                                    "trace",       "span",
                                    "parent",      "name",
                                    "kind",        "start_unix_ns",
                                    "end_unix_ns", "duration_us",
                                    "status",      "msg",

                                    "thread",      "tid",
                                    "attributes",  "dropped_attributes",
                                    NULL};

static const char *
text_of(const json_t *record, const char *key)
{
    return json_string_value(json_object_get(record, key));
}

static int
kind_of(const json_t *record)
{
    const char *kind = text_of(record, "kind");

    for (size_t i = 0; kind && i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i], kind) == 0)
            return KIND_INTERNAL + (int)i;
    return KIND_INTERNAL;
}

/* A description is of an error; of what went well it is an attribute. */
static void
set_status(json_t *span, json_t *record, struct otlp_attributes *a)
{
    const char *status = text_of(record, "status");
    json_t *msg = json_object_get(record, "msg");
    bool failed = status && strcmp(status, "error") == 0;
    json_t *object;

    if (!failed && msg)
        otlp_attribute(a, "stint.msg", msg);
    if (!status || (!failed && strcmp(status, "ok") != 0))
        return; /* unset */
    object = json_pack("{s:i}", "code", failed ? STATUS_ERROR : STATUS_OK);
    if (failed && json_is_string(msg))
        (void)json_object_set(object, "message", msg); /* no memory: one without */
    (void)json_object_set_new(span, "status", object);
}

/* What the program itself says of it keeps its names. */
static void
own_attributes(struct otlp_attributes *a, const json_t *record)
{
    json_t *own = json_object_get(record, "attributes"), *value;
    const char *key;

    json_object_foreach(own, key, value) otlp_attribute(a, key, value);
    a->dropped += (unsigned)json_integer_value(json_object_get(record, "dropped_attributes"));
}

json_t *
otlp_span(json_t *record)
{
    const char *trace = text_of(record, "trace"), *id = text_of(record, "span");
    const char *parent = text_of(record, "parent"), *name = text_of(record, "name");
    const json_t *start = json_object_get(record, "start_unix_ns");
    const json_t *end = json_object_get(record, "end_unix_ns");
    json_t *thread = json_object_get(record, "thread"), *tid = json_object_get(record, "tid");
    struct otlp_attributes a;
    json_t *span;

    if (!otlp_is_id(trace, 32) || !otlp_is_id(id, 16) || !name || !json_is_integer(start) ||
        !json_is_integer(end))
        return NULL;
    span = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "traceId", trace, "spanId", id, "name", name,
                     "kind", kind_of(record), "startTimeUnixNano",
                     otlp_number(json_integer_value(start)), "endTimeUnixNano",
                     otlp_number(json_integer_value(end)));
    if (!span)
        return NULL;
    if (otlp_is_id(parent, 16))
        (void)json_object_set_new(span, "parentSpanId", json_string(parent));
    otlp_attributes_init(&a);
    if (thread)
        otlp_attribute(&a, "thread.name", thread);
    if (tid)
        otlp_attribute(&a, "thread.id", tid);
    otlp_attributes_rest(&a, record, known);
    own_attributes(&a, record);
    set_status(span, record, &a);
    otlp_attributes_into(&a, span);
    return span;
}
