/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/reply.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum reply_outcome
reply_outcome(long status)
{
    if (status >= 200 && status <= 299)
        return REPLY_TAKEN;
    switch (status) {
    case 0:
    case 429:
    case 502:
    case 503:
    case 504:
        return REPLY_LATER;
    case 413:
        return REPLY_TOO_LARGE;
    default:
        return REPLY_REFUSED;
    }
}

/* 64 bits are a text in this JSON, and some write a number all the same. */
static uint64_t
number_of(const json_t *value)
{
    const char *text = json_string_value(value);
    json_int_t n = json_is_integer(value) ? json_integer_value(value)
                   : text                 ? (json_int_t)strtoll(text, NULL, 10)
                                          : 0;

    return n > 0 ? (uint64_t)n : 0;
}

uint64_t
reply_rejected(enum otlp_signal signal, const char *body, size_t n, char *ret_why, size_t room)
{
    json_t *reply = json_loadb(body, n, 0, NULL);
    const json_t *partial = json_object_get(reply, "partialSuccess");
    const char *why = json_string_value(json_object_get(partial, "errorMessage"));
    uint64_t rejected = number_of(
        json_object_get(partial, signal == OTLP_TRACES ? "rejectedSpans" : "rejectedLogRecords"));
    auto_text struct text line = TEXT_INIT;

    text_add_line(&line, why ? why : "", room - 1);
    memcpy(ret_why, text_str(&line), strlen(text_str(&line)) + 1);
    json_decref(reply);
    return rejected;
}

int64_t
reply_backoff_us(unsigned tries, int64_t retry_after_us, uint32_t chance)
{
    int64_t wait_us = REPLY_BACKOFF_FIRST_US;

    if (retry_after_us > 0)
        return retry_after_us < REPLY_RETRY_AFTER_MAX_US ? retry_after_us
                                                         : REPLY_RETRY_AFTER_MAX_US;
    for (; tries > 1 && wait_us < REPLY_BACKOFF_MAX_US; tries--)
        wait_us *= 2;
    if (wait_us > REPLY_BACKOFF_MAX_US)
        wait_us = REPLY_BACKOFF_MAX_US;
    return wait_us * 3 / 4 + wait_us / 2 * (int64_t)(chance % 1024) / 1024;
}
