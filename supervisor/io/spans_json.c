/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/spans.h"

/* One span: its id, and what people and collectors are told of it. */

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t
span_id(const char *trace, unsigned what, uint64_t id, unsigned phase, int64_t at_us)
{
    uint64_t hash = what * 64 + phase;

    for (const char *c = trace; *c; c++)
        hash = mix(hash + (unsigned char)*c);
    hash = mix(mix(hash ^ id) ^ (uint64_t)at_us);
    return hash ? hash : 1;
}

bool
span_attribute(const struct span *span, size_t *at, const char **key, const char **value)
{
    const char *end = span->attributes + sizeof(span->attributes), *k, *v;
    size_t next;

    if (*at >= sizeof(span->attributes) || span->attributes[*at] == '\0')
        return false;
    k = span->attributes + *at;
    v = k + strnlen(k, (size_t)(end - k)) + 1;
    if (v >= end)
        return false;
    next = (size_t)(v - span->attributes) + strnlen(v, (size_t)(end - v)) + 1;
    if (next > sizeof(span->attributes))
        return false; /* it has no end */
    *at = next;
    *key = k;
    *value = v;
    return true;
}

static void
add_text(struct text *out, const char *key, const char *s)
{
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, s, strlen(s));
}

static const char *
kind_name(enum span_kind kind)
{
    static const char *const names[] = {
        [SPAN_UNSPECIFIED] = "internal", [SPAN_INTERNAL] = "internal",
        [SPAN_SERVER] = "server",        [SPAN_CLIENT] = "client",
        [SPAN_PRODUCER] = "producer",    [SPAN_CONSUMER] = "consumer"};

    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "internal";
}

static void
add_attributes(const struct span *span, struct text *out)
{
    const char *key, *value, *between = "";
    size_t at = 0;

    if (!span->attributes[0])
        return;
    text_add(out, ",\"attributes\":{");
    while (span_attribute(span, &at, &key, &value)) {
        text_add(out, between);
        text_add_json(out, key, strlen(key));
        text_add(out, ":");
        text_add_json(out, value, strlen(value));
        between = ",";
    }
    text_add(out, "}");
}

static void
add_worker(const struct span *span, struct text *out)
{
    add_text(out, "kind", kind_name(span->kind));
    if (span->of)
        add_text(out, "of", span->of);
    if (span->tid)
        text_addf(out, ",\"tid\":%d", (int)span->tid);
    if (span->thread[0])
        add_text(out, "thread", span->thread);
    if (span->creator[0])
        add_text(out, "creator", span->creator);
    if (span->scope[0])
        add_text(out, "scope", span->scope);
    if (span->cause)
        add_text(out, "cause", span->cause);
    if (span->deadline_ns)
        text_addf(out, ",\"deadline_unix_ns\":%" PRId64, span->deadline_ns);
    add_attributes(span, out);
}

void
span_json(const struct span *span, struct text *out)
{
    char ts[RFC3339_TEXT];

    text_addf(out, "{\"seq\":%" PRIu64, span->seq);
    add_text(out, "ts", rfc3339(span->end_ns / 1000, ts));
    add_text(out, "level", span->failed ? "warning" : "info");
    text_add(out, ",\"event\":\"span\"");
    if (span->service[0])
        add_text(out, "service", span->service);
    if (span->generation)
        text_addf(out, ",\"gen\":%" PRIu64, span->generation);
    if (span->has_slot)
        text_addf(out, ",\"slot\":%u", span->slot);
    if (span->pid)
        text_addf(out, ",\"pid\":%d", (int)span->pid);
    add_text(out, "trace", span->trace);
    if (span->reload)
        text_addf(out, ",\"reload\":%" PRIu64, span->reload);
    text_addf(out, ",\"span\":\"%016" PRIx64 "\"", span->id);
    if (span->parent)
        text_addf(out, ",\"parent\":\"%016" PRIx64 "\"", span->parent);
    add_text(out, "name", span->name);
    text_addf(out, ",\"start_unix_ns\":%" PRId64 ",\"end_unix_ns\":%" PRId64, span->start_ns,
              span->end_ns);
    text_addf(out, ",\"duration_us\":%" PRId64, (span->end_ns - span->start_ns) / 1000);
    add_text(out, "status", span->failed ? "error" : "ok");
    if (span->text[0])
        add_text(out, "msg", span->text);
    if (span->of_worker)
        add_worker(span, out);
    text_add(out, "}");
}
