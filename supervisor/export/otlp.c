/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/otlp.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "supervisor/export/otlp_parts.h"

/* What differs between the two kinds of request. */
struct form {
    const char *name;
    const char *resources, *scopes, *rows; /* names of the lists within each other */
    json_t *(*row)(json_t *record);
};

static const struct form forms[OTLP_SIGNALS] = {
    [OTLP_TRACES] = {"traces", "resourceSpans", "scopeSpans", "spans",      otlp_span},
    [OTLP_LOGS] = {"logs",   "resourceLogs",  "scopeLogs",  "logRecords", otlp_log },
};

const char *
otlp_signal_name(enum otlp_signal s)
{
    return forms[s].name;
}

/* A request that is being made. */
struct request {
    const struct form *form;
    const struct otlp_origin *origin;
    json_t *resources; /* owned: the list that is sent */
    json_t *lists;     /* owned: by whom it is about and who tells it, the list of rows */
};

/* A whole number, or nothing: what it is in the JSON of a master. */
static bool
number_of(const json_t *record, const char *key, json_int_t *ret)
{
    const json_t *value = json_object_get(record, key);

    if (!json_is_integer(value))
        return false;
    *ret = json_integer_value(value);
    return true;
}

static void
add_number(struct otlp_attributes *a, const char *name, const json_t *record, const char *key)
{
    json_int_t n;

    if (number_of(record, key, &n))
        otlp_attribute(a, name, json_object_get(record, key));
}

static json_t *
resource_of(const struct request *rq, const json_t *record, const char *service)
{
    json_t *resource = json_object();
    struct otlp_attributes a;

    otlp_attributes_init(&a);
    otlp_attribute_text(&a, "service.name", service ? service : "stint");
    if (!service)
        otlp_attribute_text(&a, "service.version", rq->origin->version);
    add_number(&a, "stint.generation", record, "gen");
    add_number(&a, "stint.slot", record, "slot");
    add_number(&a, "process.pid", record, "pid");
    if (rq->origin->host)
        otlp_attribute_text(&a, "host.name", rq->origin->host);
    otlp_attributes_into(&a, resource);
    return resource;
}

static void
key_of(struct text *key, const json_t *record, const char *service, const char *scope)
{
    static const char *const numbers[] = {"gen", "slot", "pid"};
    json_int_t n;

    text_addf(key, "%s", service ? service : "");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        text_add(key, "/");
        if (number_of(record, numbers[i], &n))
            text_addf(key, "%lld", (long long)n);
    }
    text_addf(key, "/%s", scope);
}

/* A worker tells of its own spans by libstint, and only those have a kind. */
static const char *
scope_of(const json_t *record)
{
    return json_object_get(record, "kind") ? "libstint" : "stint";
}

/* The rows of the same resource and scope stand together. Borrowed; NULL: no memory. */
static json_t *
list_for(struct request *rq, const json_t *record)
{
    const char *service = json_string_value(json_object_get(record, "service"));
    const char *scope = scope_of(record);
    auto_text struct text key = TEXT_INIT;
    json_t *list, *whole;

    if (service && !service[0])
        service = NULL;
    key_of(&key, record, service, scope);
    list = json_object_get(rq->lists, text_str(&key));
    if (list || key.failed)
        return list;
    list = json_array();
    whole = json_pack("{s:o, s:[{s:{s:s, s:s}, s:O}]}", "resource",
                      resource_of(rq, record, service), rq->form->scopes, "scope", "name", scope,
                      "version", rq->origin->version, rq->form->rows, list);
    if (json_array_append_new(rq->resources, whole) < 0) {
        json_decref(list);
        return NULL;
    }
    return json_object_set_new(rq->lists, text_str(&key), list) == 0 ? list : NULL;
}

static bool
add(struct request *rq, const struct otlp_record *r)
{
    json_t *record = json_loadb(r->json, r->bytes, JSON_ALLOW_NUL, NULL);
    json_t *row = json_is_object(record) ? rq->form->row(record) : NULL;
    json_t *list = row ? list_for(rq, record) : NULL;
    bool added = list && json_array_append(list, row) == 0;

    json_decref(row);
    json_decref(record);
    return added;
}

char *
otlp_encode(enum otlp_signal signal, const struct otlp_origin *origin,
            const struct otlp_record *records, size_t n, size_t *ret_rows, size_t *ret_bytes)
{
    struct request rq = {.form = &forms[signal],
                         .origin = origin,
                         .resources = json_array(),
                         .lists = json_object()};
    json_t *whole;
    char *text = NULL;
    size_t rows = 0;

    for (size_t i = 0; rq.resources && rq.lists && i < n; i++)
        rows += add(&rq, &records[i]);
    whole = json_pack("{s:O?}", rq.form->resources, rq.resources);
    if (rows > 0)
        text = json_dumps(whole, JSON_COMPACT);
    *ret_rows = text ? rows : 0;
    *ret_bytes = text ? strlen(text) : 0;
    json_decref(whole);
    json_decref(rq.lists);
    json_decref(rq.resources);
    return text;
}
