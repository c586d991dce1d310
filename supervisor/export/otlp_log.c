/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/export/otlp_parts.h"
#include "supervisor/export/severity.h"

/* One line of a worker, or one event of stint's own. */

static const char *const known[] = {"seq", "ts",    "level", "event", "service", "gen", "slot",
                                    "pid", "trace", "span",  "msg",   "stream",  NULL};

static const char *
text_of(const json_t *record, const char *key)
{
    return json_string_value(json_object_get(record, key));
}

static void
set_severity(json_t *log, enum severity is)
{
    if (is == SEVERITY_UNKNOWN)
        return;
    (void)json_object_set_new(log, "severityNumber", json_integer(is)); /* no memory: without */
    (void)json_object_set_new(log, "severityText", json_string(severity_name(is)));
}

/* The whole line, however long: it is what was said. */
static void
set_body(json_t *log, const char *text, size_t n)
{
    (void)json_object_set_new(log, "body",
                              json_pack("{s:o}", "stringValue", json_stringn_nocheck(text, n)));
}

static void
of_worker(json_t *log, const json_t *record, struct otlp_attributes *a)
{
    const json_t *msg = json_object_get(record, "msg");
    const char *text = json_is_string(msg) ? json_string_value(msg) : "";
    size_t skip = 0, n = json_is_string(msg) ? json_string_length(msg) : 0;
    json_t *stream = json_object_get(record, "stream");

    set_severity(log, severity_of_line(text, n, &skip));
    set_body(log, text + skip, n - skip);
    if (stream)
        otlp_attribute(a, "log.iostream", stream);
}

static void
of_stint(json_t *log, json_t *record, const char *event, struct otlp_attributes *a)
{
    const char *level = text_of(record, "level");
    const json_t *msg = json_object_get(record, "msg");

    set_severity(log, level ? severity_of_word(level, strlen(level)) : SEVERITY_UNKNOWN);
    if (json_is_string(msg))
        set_body(log, json_string_value(msg), json_string_length(msg));
    else
        set_body(log, event, strlen(event));
    otlp_attribute_text(a, "event.name", event);
}

json_t *
otlp_log(json_t *record)
{
    const char *event = text_of(record, "event"), *trace = text_of(record, "trace");
    const char *span = text_of(record, "span");
    int64_t at_ns = otlp_time(text_of(record, "ts"));
    struct otlp_attributes a;
    json_t *log;

    if (!event || at_ns < 0)
        return NULL;
    log = json_pack("{s:o, s:o}", "timeUnixNano", otlp_number(at_ns), "observedTimeUnixNano",
                    otlp_number(at_ns));
    if (!log)
        return NULL;
    otlp_attributes_init(&a);
    if (strcmp(event, "output") == 0)
        of_worker(log, record, &a);
    else
        of_stint(log, record, event, &a);
    otlp_attributes_rest(&a, record, known);
    otlp_attributes_into(&a, log);
    if (otlp_is_id(trace, 32)) {
        (void)json_object_set_new(log, "traceId", json_string(trace));
        if (otlp_is_id(span, 16)) /* a span without its trace names nothing */
            (void)json_object_set_new(log, "spanId", json_string(span));
    }
    return log;
}
