/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/lint_line.h"

#include <string.h>
#include <strings.h>

#include "supervisor/io/lint_internal.h"
#include "supervisor/io/lint_scan.h"

/* ---- Ids ------------------------------------------------------------------------------------- */

static bool
is_zero(const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] != '0')
            return false;
    return true;
}

static bool
equals(const struct lint_piece *p, const char *text)
{
    return p->n == strlen(text) && strncasecmp(p->at, text, p->n) == 0;
}

/* What loggers write when there is none. */
static bool
is_none(const struct lint_piece *p)
{
    static const char *const words[] = {"none", "null", "nil", "undefined", "-", "<nil>"};

    if (p->n == 0)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (equals(p, words[i]))
            return true;
    return false;
}

static enum lint_id
judge(const struct lint_piece *p, size_t digits, const char **ret)
{
    *ret = NULL;
    if (!p->at)
        return LINT_NONE;
    if (p->n == digits && scan_is_hex(p->at, digits)) {
        if (is_zero(p->at, digits))
            return LINT_ZERO;
        *ret = p->at;
        return LINT_GOOD;
    }
    if (is_none(p))
        return LINT_NONE;
    return is_zero(p->at, p->n) ? LINT_ZERO : LINT_BAD;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* In lower case, without what stands between words: trace_id, traceId, trace.id are one. */
static size_t
squeeze(const char *key, size_t n, char out[LINT_KEY_MAX])
{
    size_t used = 0;

    if (n >= LINT_KEY_MAX)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = (char)(key[i] >= 'A' && key[i] <= 'Z' ? key[i] - 'A' + 'a' : key[i]);

        if (is_letter(c))
            out[used++] = c;
        else if (c != '_' && c != '-' && c != '.')
            return 0; /* /?trace_id= is a part of something else */
    }
    out[used] = '\0';
    return used;
}

static bool
ends_in(const char *key, size_t n, const char *end)
{
    size_t bytes = strlen(end);

    return n >= bytes && memcmp(key + n - bytes, end, bytes) == 0;
}

static void
keep(struct lint_piece *p, const char *at, size_t n)
{
    if (!p->at) /* the first one counts */
        *p = (struct lint_piece){at, n};
}

static uint64_t
number(const char *at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n && n <= 10; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(at[i] - '0');
    }
    return value;
}

static bool
is_named(const char *name, const char *key, size_t n)
{
    return strlen(name) == n && memcmp(name, key, n) == 0;
}

static void
take_usual(struct lint_words *w, const char *key, size_t n, const char *at, size_t bytes)
{
    char word[LINT_KEY_MAX];
    size_t letters = squeeze(key, n, word);

    if (ends_in(word, letters, "traceid") && !w->keys->trace)
        keep(&w->trace, at, bytes);
    else if (ends_in(word, letters, "spanid") && !ends_in(word, letters, "parentspanid") &&
             !w->keys->span)
        keep(&w->span, at, bytes);
    else if (is_named("traceparent", word, letters))
        keep(&w->parent, at, bytes);
    else if (is_named("tid", word, letters) || is_named("threadid", word, letters))
        w->tid = w->tid ? w->tid : number(at, bytes);
    else if (is_named("thread", word, letters) || is_named("threadname", word, letters))
        keep(&w->thread, at, bytes);
    else if (is_named("trace", word, letters))
        keep(&w->word, at, bytes);
    else if (is_named("reason", word, letters))
        keep(&w->reason, at, bytes);
}

void
lint_pair(struct lint_words *w, const char *key, size_t n, const char *at, size_t bytes)
{
    const struct lint_keys *keys = w->keys;

    if (n == 0)
        return;
    if (keys->trace ? is_named(keys->trace, key, n) : is_named("trace_id", key, n))
        keep(&w->trace, at, bytes); /* as most write them */
    else if (keys->span ? is_named(keys->span, key, n) : is_named("span_id", key, n))
        keep(&w->span, at, bytes);
    else
        take_usual(w, key, n, at, bytes);
}

/* ---- A traceparent --------------------------------------------------------------------------- */

static bool
split_parent(const struct lint_piece *p, struct lint_words *w)
{
    if (!p->at || p->n < 55 || p->at[2] != '-' || p->at[35] != '-' || p->at[52] != '-' ||
        !scan_is_hex(p->at, 2) || !scan_is_hex(p->at + 53, 2))
        return false;
    keep(&w->trace, p->at + 3, 32);
    keep(&w->span, p->at + 36, 16);
    return true;
}

/* One without a key: 00-, 32 digits, 16 digits, 2 digits, and no word goes on before or behind it. */
static void
find_parent(struct lint_words *w, const char *bytes, size_t n)
{
    const char *end = bytes + n, *dash;

    for (const char *at = bytes; n >= 55 && (dash = memchr(at, '-', (size_t)(end - at))) != NULL;
         at = dash + 1) {
        struct lint_piece p = {dash - 2, 55};

        if (dash < bytes + 2 || dash[-1] != '0' || dash[-2] != '0' || end - dash < 53)
            continue;
        if ((dash > bytes + 2 && is_letter(dash[-3])) || (end - dash > 53 && is_letter(dash[53])))
            continue;
        if (dash[33] == '-' && dash[50] == '-' && scan_is_hex(dash + 1, 32) &&
            scan_is_hex(dash + 34, 16) && split_parent(&p, w))
            return;
    }
}

/* ---- The line -------------------------------------------------------------------------------- */

static bool
looks_like_json(const char *bytes, size_t n)
{
    size_t at = 0;

    while (at < n && (bytes[at] == ' ' || bytes[at] == '\t'))
        at++;
    return at < n && bytes[at] == '{';
}

static enum trace_format
format_of(const struct lint_keys *keys, const char *bytes, size_t n)
{
    if (keys->format != TRACE_AUTO)
        return keys->format;
    return looks_like_json(bytes, n) ? TRACE_JSON : TRACE_LOGFMT;
}

/* Return: all of the line was looked at. */
static bool
find(const struct lint_keys *keys, const char *bytes, size_t n, bool ids, struct lint_found *ret)
{
    struct lint_words w = {.keys = keys, .named = keys->trace || keys->span, .ids = ids};
    enum trace_format format;

    if (n > LINT_BYTES)
        n = LINT_BYTES;
    format = format_of(keys, bytes, n);
    if (format == TRACE_JSON)
        lint_json(&w, bytes, n);
    else if (format == TRACE_LOGFMT)
        lint_logfmt(&w, bytes, n);
    if (w.parent.at && !split_parent(&w.parent, &w) && !is_none(&w.parent))
        keep(&w.trace, w.parent.at, w.parent.n); /* a malformed one is a malformed trace */
    if (!w.trace.at && !w.span.at && format != TRACE_JSON)
        find_parent(&w, bytes, n);
    if (!w.trace.at && w.word.n == 32)
        w.trace = w.word; /* trace=<id> */
    *ret = (struct lint_found){.tid = w.tid, .thread = w.thread};
    ret->trace = judge(&w.trace, 32, &ret->trace_id);
    ret->span = judge(&w.span, 16, &ret->span_id);
    ret->explained = ret->trace == LINT_NONE && ret->span == LINT_NONE && w.word.at &&
                     equals(&w.word, "none") && w.reason.n > 0;
    return !w.stopped;
}

void
lint_find(const struct lint_keys *keys, const char *bytes, size_t n, struct lint_found *ret)
{
    (void)find(keys, bytes, n, false, ret);
}

bool
lint_find_ids(const struct lint_keys *keys, const char *bytes, size_t n, struct lint_found *ret)
{
    if (find(keys, bytes, n, true, ret))
        return true;
    if (ret->trace == LINT_GOOD && ret->span == LINT_GOOD)
        return false;
    return find(keys, bytes, n, false, ret);
}
