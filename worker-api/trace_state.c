/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "worker-api/state.h"

/*
 * tracestate, by the rules of W3C trace context: at most 32 members, keys and values of at most 256
 * characters, empty members allowed and dropped, several headers are one list. One bad member makes all
 * of it bad. Two members with one key are somebody else's mistake and are passed on.
 */
#define TEXT_MAX_   256
#define LONG_MEMBER 128 /* longer ones go first when there is not room for all */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool
starts_key(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
in_key(char c)
{
    return starts_key(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

static bool
good_member(const char *at, size_t n)
{
    const char *equals = memchr(at, '=', n);
    size_t key = equals ? (size_t)(equals - at) : 0, value = n - key - 1;

    if (!equals || key == 0 || key > TEXT_MAX_ || value == 0 || value > TEXT_MAX_ ||
        !starts_key(at[0]))
        return false;
    for (size_t i = 1; i < key; i++)
        if (!in_key(at[i]))
            return false;
    for (size_t i = key + 1; i < n; i++)
        if (at[i] < ' ' || at[i] > '~' || at[i] == '=') /* a comma ended it; char may be signed */
            return false;
    return true;
}

void
stn_tracestate_add(struct tracestate *list, const char *value, size_t n)
{
    const char *end = value + n, *comma;

    for (const char *at = value; at < end && !list->bad; at = comma + 1) {
        const char *last;

        comma = memchr(at, ',', (size_t)(end - at));
        if (!comma)
            comma = end;
        last = comma;
        while (at < last && is_blank(*at))
            at++;
        while (at < last && is_blank(last[-1]))
            last--;
        if (at == last)
            continue;
        if (list->members == TRACESTATE_TEXTS || !good_member(at, (size_t)(last - at))) {
            list->bad = true;
            return;
        }
        list->of[list->members].at = at;
        list->of[list->members++].n = (size_t)(last - at);
    }
}

size_t
stn_tracestate_bytes(const struct tracestate *list)
{
    size_t bytes = 0;

    for (size_t i = 0; i < list->members && !list->bad; i++)
        bytes += list->of[i].n + 1; /* the comma, or the NUL */
    return bytes;
}

void
stn_tracestate_put(const struct tracestate *list, char *to)
{
    for (size_t i = 0; i < list->members; i++) {
        memcpy(to, list->of[i].at, list->of[i].n);
        to += list->of[i].n;
        *to++ = i + 1 < list->members ? ',' : '\0';
    }
}

/* The last of the long ones, or the last: whoever is on the right has not been here for the longest time. */
static void
drop_one(struct tracestate *list)
{
    size_t i = list->members;

    while (i > 0 && list->of[i - 1].n <= LONG_MEMBER)
        i--;
    i = i > 0 ? i - 1 : list->members - 1;
    list->members--;
    memmove(&list->of[i], &list->of[i + 1], (list->members - i) * sizeof(list->of[0]));
}

void
stn_tracestate_fit(const char *state, char *to, size_t size)
{
    struct tracestate list;
    size_t bytes = state ? strlen(state) + 1 : 0;

    if (size == 0)
        return;
    to[0] = '\0';
    if (bytes <= size) {
        if (state)
            memcpy(to, state, bytes);
        return;
    }
    list.members = 0;
    list.bad = false;
    stn_tracestate_add(&list, state, bytes - 1);
    while (stn_tracestate_bytes(&list) > size)
        drop_one(&list);
    stn_tracestate_put(&list, to);
}
