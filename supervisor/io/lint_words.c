/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/io/lint_internal.h"

/* Lines are taken apart in one go from left to right, and no byte is looked at more than three times. */

#define DEPTH_MAX 2 /* of objects within objects whose keys count */

/* The end of a string whose opening quote stands before @at: its closing quote, or @end. */
static const char *
string_end(const char *at, const char *end)
{
    for (const char *quote; at < end; at = quote + 1) {
        size_t slashes = 0;

        quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return end;
        while (quote - (ptrdiff_t)slashes > at && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return quote;
    }
    return end;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* A number, true, null: up to what ends it. */
static const char *
plain_end(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_blank(*at))
        at++;
    return at;
}

/* Behind the colon of @key. Return: where to go on; objects and lists are gone into by the caller. */
static const char *
json_value(struct lint_words *w, const struct lint_piece *key, const char *at, const char *end)
{
    const char *stop;

    at = skip_blanks(at, end);
    if (at == end || *at == '{' || *at == '[')
        return at;
    stop = *at == '"' ? string_end(at + 1, end) : plain_end(at, end);
    if (stop == end)
        return end; /* cut: half a value is none */
    if (*at == '"')
        lint_pair(w, key->at, key->n, at + 1, (size_t)(stop - at - 1));
    else
        lint_pair(w, key->at, key->n, at, (size_t)(stop - at));
    return *at == '"' ? stop + 1 : stop;
}

void
lint_json(struct lint_words *w, const char *bytes, size_t n)
{
    const char *end = bytes + n, *at = bytes;
    int depth = 0, lists = 0;

    while (at < end) {
        char c = *at++;
        struct lint_piece key;
        const char *colon;

        if (c == '[')
            lists++;
        else if (c == ']')
            lists -= lists > 0;
        else if (c == '{')
            depth++;
        else if (c == '}')
            depth -= depth > 0;
        if (c != '"')
            continue;
        key.at = at;
        at = string_end(at, end);
        key.n = (size_t)(at - key.at);
        at += at < end;
        colon = skip_blanks(at, end);
        if (colon == end || *colon != ':')
            continue; /* in a list */
        at = colon + 1;
        if (depth <= DEPTH_MAX && lists == 0)
            at = json_value(w, &key, at, end);
    }
}

static bool
ends_key(char c)
{
    return is_blank(c) || c == ',' || c == ';' || c == '[' || c == '(' || c == '{' || c == '"' ||
           c == '|';
}

static bool
ends_value(char c)
{
    return is_blank(c) || c == ',' || c == ';' || c == ']' || c == ')' || c == '}' || c == '"' ||
           c == '|';
}

void
lint_logfmt(struct lint_words *w, const char *bytes, size_t n)
{
    const char *end = bytes + n, *from = bytes, *equals;

    while (from < end && (equals = memchr(from, '=', (size_t)(end - from))) != NULL) {
        const char *key = equals, *at = equals + 1, *stop = at;

        while (key > from && equals - key < LINT_KEY_MAX && !ends_key(key[-1]))
            key--;
        if (at < end && *at == '"') {
            stop = string_end(++at, end);
            if (stop == end)
                return; /* cut */
            from = stop + 1;
        } else {
            while (stop < end && !ends_value(*stop))
                stop++;
            from = stop;
        }
        lint_pair(w, key, (size_t)(equals - key), at, (size_t)(stop - at));
    }
}
