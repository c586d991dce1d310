/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_OTLP_PARTS_H
#define STINT_EXPORT_OTLP_PARTS_H

/* Between the files otlp*.c alone. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/export/otlp.h"

/* A list of attributes that is being made. */
struct otlp_attributes {
    json_t *list; /* owned; NULL: no memory */
    unsigned dropped;
};

void otlp_attributes_init(struct otlp_attributes *a);
/* otlp_attribute - @value: borrowed; what has no form of an attribute is dropped and counted. */
void otlp_attribute(struct otlp_attributes *a, const char *key, json_t *value);
void otlp_attribute_text(struct otlp_attributes *a, const char *key, const char *text);
/* otlp_attributes_rest - each key of @record that is not in @known, as stint.KEY. */
void otlp_attributes_rest(struct otlp_attributes *a, json_t *record, const char *const *known);
/* otlp_attributes_into - as members of @object: attributes, droppedAttributesCount. Takes the list over. */
void otlp_attributes_into(struct otlp_attributes *a, json_t *object);

json_t *otlp_text(const char *text, size_t bytes); /* {"stringValue": …}, cut to OTLP_VALUE_MAX */
json_t *otlp_number(int64_t n);                    /* "123": how JSON has 64 bits */

bool otlp_is_id(const char *hex, size_t digits); /* so many of 0-9a-f, and not all of them 0 */

/* otlp_span, otlp_log - one element of `spans`, of `logRecords`. NULL: @record is none, or no memory. */
json_t *otlp_span(json_t *record);
json_t *otlp_log(json_t *record);

/* otlp_time - "2026-01-31T23:59:59.123Z" as nanoseconds since 1970; -1: it is none. */
int64_t otlp_time(const char *rfc3339);

#endif
