/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
text_finish(struct text *t)
{
    free(t->data);
    *t = (struct text)TEXT_INIT;
}

void
text_clear(struct text *t)
{
    t->bytes = 0;
    t->failed = false;
    if (t->data)
        t->data[0] = '\0';
}

const char *
text_str(const struct text *t)
{
    return t->data ? t->data : "";
}

char *
text_steal(struct text *t)
{
    char *data = NULL;

    if (!t->failed)
        data = t->data ? t->data : strdup("");
    else
        free(t->data);
    *t = (struct text)TEXT_INIT;
    return data;
}

static bool
text_room(struct text *t, size_t more)
{
    size_t want = t->room ? t->room : 64;
    char *bigger;

    if (t->failed)
        return false;
    while (want < t->bytes + more + 1)
        want *= 2;
    if (want == t->room)
        return true;
    bigger = realloc(t->data, want);
    if (!bigger) {
        t->failed = true;
        return false;
    }
    t->data = bigger;
    t->room = want;
    return true;
}

void
text_addn(struct text *t, const char *s, size_t bytes)
{
    if (!text_room(t, bytes))
        return;
    if (bytes > 0)
        memcpy(t->data + t->bytes, s, bytes);
    t->bytes += bytes;
    t->data[t->bytes] = '\0';
}

void
text_add(struct text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        t->failed = true;
    else if (text_room(t, (size_t)n)) {
        (void)vsnprintf(t->data + t->bytes, (size_t)n + 1, fmt, again); /* measured just above */
        t->bytes += (size_t)n;
    }
    va_end(again);
}

/* Length of the UTF-8 sequence at @s, 0 when it is not one (overlong, surrogate, cut, > U+10FFFF). */
static size_t
utf8_length(const unsigned char *s, size_t bytes)
{
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;

    if (n == 0 || n > bytes)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

#define EACH UINT64_C(0x0101010101010101)
#define TOP  UINT64_C(0x8080808080808080)

static uint64_t
has_byte(uint64_t eight, unsigned char byte)
{
    uint64_t zero = eight ^ (EACH * byte);

    return (zero - EACH) & ~zero & TOP;
}

/* Do all eight stand for themselves? None is below a blank or above a tilde, a quote or a backslash. */
static bool
are_plain(const char *s)
{
    uint64_t eight;

    memcpy(&eight, s, sizeof(eight));
    return ((eight | ((eight - EACH * 0x20) & ~eight) | has_byte(eight, 0x7f) |
             has_byte(eight, '"') | has_byte(eight, '\\')) &
            TOP) == 0;
}

/* How many of the bytes at @s, which most texts are made of, stand for themselves. */
static size_t
plain_run(const char *s, size_t bytes)
{
    size_t n = 0;

    while (bytes - n >= sizeof(uint64_t) && are_plain(s + n))
        n += sizeof(uint64_t);
    while (n < bytes && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

static void
text_add_escaped(struct text *t, const char *s, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        unsigned char c = (unsigned char)s[i];
        size_t n = plain_run(s + i, bytes - i);

        if (n > 0) {
            text_addn(t, s + i, n);
            i += n;
            continue;
        }
        n = utf8_length((const unsigned char *)s + i, bytes - i);
        if (c == '"' || c == '\\')
            text_addn(t, (const char[]){'\\', s[i]}, 2); /* a line of JSON has dozens of them */
        else if (c == '\n')
            text_add(t, "\\n");
        else if (c == '\t')
            text_add(t, "\\t");
        else if (c < 0x20 || c == 0x7f)
            text_addf(t, "\\u%04x", c);
        else if (n == 0)
            text_add(t, "\xef\xbf\xbd");
        else
            text_addn(t, s + i, n);
        i += n ? n : 1;
    }
}

void
text_add_json(struct text *t, const char *s, size_t bytes)
{
    text_add(t, "\"");
    text_add_escaped(t, s, bytes);
    text_add(t, "\"");
}

void
text_add_value(struct text *t, const char *s, size_t bytes)
{
    bool plain = bytes > 0;

    for (size_t i = 0; i < bytes && plain; i++)
        plain = s[i] > 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' && s[i] != '=';
    if (plain)
        text_addn(t, s, bytes);
    else
        text_add_json(t, s, bytes);
}

void
text_add_line(struct text *t, const char *s, size_t most)
{
    size_t bytes = strlen(s);

    for (size_t i = 0, n; i < bytes; i += n ? n : 1) {
        n = utf8_length((const unsigned char *)s + i, bytes - i);
        if ((n ? n : 1) > most)
            return;
        most -= n ? n : 1;
        if (n == 0)
            text_add(t, "?");
        else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            text_add(t, " ");
        else
            text_addn(t, s + i, n);
    }
}

void
strv_finish(struct strv *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct strv){NULL, 0};
}

static int
strv_take(struct strv *v, char *s)
{
    char **bigger = s ? realloc(v->items, (v->n + 2) * sizeof(*bigger)) : NULL;

    if (!bigger) {
        free(s);
        return -ENOMEM;
    }
    v->items = bigger;
    v->items[v->n++] = s;
    v->items[v->n] = NULL;
    return 0;
}

int
strv_add(struct strv *v, const char *s)
{
    return strv_take(v, strdup(s));
}

int
strv_addf(struct strv *v, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? -ENOMEM : strv_take(v, s);
}

int
strv_copy(struct strv *to, const struct strv *from)
{
    struct strv copy = {NULL, 0};

    for (size_t i = 0; i < from->n; i++) {
        if (strv_add(&copy, from->items[i]) < 0) {
            strv_finish(&copy);
            return -ENOMEM;
        }
    }
    *to = copy;
    return 0;
}

bool
strv_equal(const struct strv *a, const struct strv *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}
