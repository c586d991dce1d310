/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/io/lint_internal.h"
#include "supervisor/io/lint_scan.h"

/* Lines are taken apart in one go from left to right, and no byte is looked at more than three times. */

#define DEPTH_MAX 2 /* of objects within objects whose keys count */

/* The end of a string whose opening quote stands before @at: its closing quote, or @end. */
static const char *
string_end(const struct lint_scan *s, const char *at)
{
    for (const char *quote, *from = at; (quote = scan_byte(s, from, '"')) != NULL;
         from = quote + 1) {
        const char *slash = quote;

        while (slash > from && slash[-1] == '\\')
            slash--;
        if ((quote - slash) % 2 == 0)
            return quote;
    }
    return s->end;
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

static bool
ends_key(char c)
{
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case ',':
    case ';':
    case '[':
    case '(':
    case '{':
    case '"':
    case '|':
        return true;
    default:
        return false;
    }
}

/* By the last two letters of those we know: most keys are none of them, and need not be looked at. @n: at most. */
static bool
may_be_usual(const char *end, size_t n)
{
    char last = (char)(end[-1] | 0x20), before = (char)(n > 1 ? end[-2] | 0x20 : 0);

    switch (last) {
    case 'd': /* trace_id, span_id, tid; thread */
        return before == 'i' || before == 'a';
    case 'e': /* trace; thread_name, and not time, name, file, line, type, code */
        return before == 'c' || (before == 'm' && n >= 10);
    case 't': /* traceparent */
    case 'n': /* reason */
        return before == (last == 't' ? 'n' : 'o');
    default:
        return false;
    }
}

/* Of a key that ends before @end and has at most @n bytes. */
static bool
may_be_wanted(const struct lint_words *w, const char *end, size_t n)
{
    return n > 0 && (w->named || may_be_usual(end, n));
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
json_value(struct lint_words *w, const struct lint_piece *key, const char *at,
           const struct lint_scan *s)
{
    const char *end = s->end, *stop;

    at = skip_blanks(at, end);
    if (at == end || *at == '{' || *at == '[')
        return at;
    stop = *at == '"' ? string_end(s, at + 1) : plain_end(at, end);
    if (stop == end)
        return end; /* cut: half a value is none */
    if (may_be_wanted(w, key->at + key->n, key->n)) {
        bool quoted = *at == '"';

        lint_pair(w, key->at, key->n, at + quoted, (size_t)(stop - at) - quoted);
    }
    return *at == '"' ? stop + 1 : stop;
}

void
lint_json(struct lint_words *w, const char *bytes, size_t n)
{
    const struct lint_scan scan = {bytes, bytes + n};
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
        at = string_end(&scan, at);
        key.n = (size_t)(at - key.at);
        at += at < end;
        colon = skip_blanks(at, end);
        if (colon == end || *colon != ':')
            continue; /* in a list */
        at = colon + 1;
        if (depth <= DEPTH_MAX && lists == 0)
            at = json_value(w, &key, at, &scan);
        if (lint_has_enough(w))
            return;
    }
}

void
lint_logfmt(struct lint_words *w, const char *bytes, size_t n)
{
    const struct lint_scan scan = {bytes, bytes + n};
    const char *end = scan.end, *from = bytes, *equals;

    while ((equals = scan_byte(&scan, from, '=')) != NULL) {
        const char *key = equals, *at = equals + 1, *stop, *before = from;

        if (at < end && *at == '"') {
            stop = string_end(&scan, ++at);
            if (stop == end)
                return; /* cut */
            from = stop + 1;
        } else {
            from = stop = scan_value_end(&scan, at);
        }
        if (!may_be_wanted(w, equals, (size_t)(equals - before)))
            continue;
        while (key > before && equals - key < LINT_KEY_MAX && !ends_key(key[-1]))
            key--;
        lint_pair(w, key, (size_t)(equals - key), at, (size_t)(stop - at));
        if (lint_has_enough(w))
            return;
    }
}
