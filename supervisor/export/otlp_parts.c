/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/otlp_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void
otlp_attributes_init(struct otlp_attributes *a)
{
    *a = (struct otlp_attributes){.list = json_array()};
}

json_t *
otlp_number(int64_t n)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%" PRId64, n);
    return json_string(digits);
}

/* The bytes that fit, and no half of a character. */
static size_t
whole_characters(const char *text, size_t bytes, size_t most)
{
    if (bytes <= most)
        return bytes;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

json_t *
otlp_text(const char *text, size_t bytes)
{
    size_t n = whole_characters(text, bytes, OTLP_VALUE_MAX);

    return json_pack("{s:o}", "stringValue", json_stringn_nocheck(text, n));
}

static json_t *
any_value(json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return otlp_text(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return json_pack("{s:o}", "intValue", otlp_number(json_integer_value(value)));
    case JSON_REAL:
        return json_pack("{s:O}", "doubleValue", value);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_pack("{s:O}", "boolValue", value);
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NULL:
        break;
    }
    return NULL;
}

void
otlp_attribute(struct otlp_attributes *a, const char *key, json_t *value)
{
    json_t *any = json_array_size(a->list) < OTLP_ATTRIBUTES_MAX ? any_value(value) : NULL;

    if (!any || json_array_append_new(a->list, json_pack("{s:s, s:o}", "key", key, "value", any)))
        a->dropped++;
}

void
otlp_attribute_text(struct otlp_attributes *a, const char *key, const char *text)
{
    json_t *value = json_string(text);

    if (value)
        otlp_attribute(a, key, value);
    json_decref(value);
}

static bool
is_among(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(*known, key) == 0)
            return true;
    return false;
}

/* Nobody's: it is in a record that another program wrote, and has no form here. */
static bool
says_nothing(const json_t *value)
{
    return json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0);
}

void
otlp_attributes_rest(struct otlp_attributes *a, json_t *record, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach(record, key, value)
    {
        auto_text struct text name = TEXT_INIT;

        if (is_among(key, known) || says_nothing(value))
            continue;
        text_addf(&name, "stint.%s", key);
        if (name.failed)
            a->dropped++;
        else
            otlp_attribute(a, text_str(&name), value);
    }
}

void
otlp_attributes_into(struct otlp_attributes *a, json_t *object)
{
    if (json_array_size(a->list) > 0)
        (void)json_object_set(object, "attributes", a->list); /* no memory: an object without */
    if (a->dropped > 0)
        (void)json_object_set_new(object, "droppedAttributesCount", json_integer(a->dropped));
    json_decref(a->list);
    a->list = NULL;
}

bool
otlp_is_id(const char *hex, size_t digits)
{
    return hex && strlen(hex) == digits && strspn(hex, "0123456789abcdef") == digits &&
           strspn(hex, "0") < digits;
}

/* Days since 1970 of a day of the Gregorian calendar: years begin in March, so that leap days end them. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2), m = (month + 9) % 12;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* Digits stand for digits in @form, anything else for itself; each run of digits is a number. */
static bool
read_numbers(const char *text, const char *form, int64_t *numbers)
{
    for (bool inside = false; *form; form++, text++) {
        if (*form != '0') {
            if (*text != *form)
                return false;
            numbers += inside;
            inside = false;
            continue;
        }
        if (*text < '0' || *text > '9')
            return false;
        *numbers = (inside ? *numbers * 10 : 0) + (*text - '0');
        inside = true;
    }
    return *text == '\0';
}

int64_t
otlp_time(const char *rfc3339)
{
    enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MS, PARTS };
    int64_t n[PARTS], s;

    if (!rfc3339 || !read_numbers(rfc3339, "0000-00-00T00:00:00.000Z", n))
        return -1;
    if (n[YEAR] < 1970 || n[MONTH] < 1 || n[MONTH] > 12 || n[DAY] < 1 || n[DAY] > 31 ||
        n[HOUR] > 23 || n[MINUTE] > 59 || n[SECOND] > 60)
        return -1;
    s = ((days_of(n[YEAR], n[MONTH], n[DAY]) * 24 + n[HOUR]) * 60 + n[MINUTE]) * 60 + n[SECOND];
    return (s * 1000 + n[MS]) * 1000000;
}
