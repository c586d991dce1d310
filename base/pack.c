/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NO_TEXT UINT64_MAX /* the length of NULL */

void
pack_u64(struct text *out, uint64_t n)
{
    text_addn(out, (const char *)&n, sizeof(n));
}

void
pack_i64(struct text *out, int64_t n)
{
    pack_u64(out, (uint64_t)n);
}

void
pack_bytes(struct text *out, const void *bytes, size_t n)
{
    pack_u64(out, n);
    text_addn(out, bytes ? bytes : "", n);
}

void
pack_str(struct text *out, const char *s)
{
    if (s)
        pack_bytes(out, s, strlen(s));
    else
        pack_u64(out, NO_TEXT);
}

void
pack_strv(struct text *out, const struct strv *v)
{
    pack_u64(out, v->n);
    for (size_t i = 0; i < v->n; i++)
        pack_str(out, v->items[i]);
}

uint64_t
unpack_u64(struct unpack *in)
{
    uint64_t n;

    if (in->bad || in->left < sizeof(n)) {
        in->bad = true;
        return 0;
    }
    memcpy(&n, in->at, sizeof(n));
    in->at += sizeof(n);
    in->left -= sizeof(n);
    return n;
}

int64_t
unpack_i64(struct unpack *in)
{
    return (int64_t)unpack_u64(in);
}

uint64_t
unpack_most(struct unpack *in, uint64_t most)
{
    uint64_t n = unpack_u64(in);

    if (n <= most)
        return n;
    in->bad = true;
    return 0;
}

bool
unpack_bool(struct unpack *in)
{
    return unpack_most(in, 1) != 0;
}

static const char *
take(struct unpack *in, uint64_t n)
{
    const char *at = in->at;

    if (in->bad || n > in->left) {
        in->bad = true;
        return NULL;
    }
    in->at += n;
    in->left -= n;
    return at;
}

const char *
unpack_bytes(struct unpack *in, size_t *ret_n)
{
    uint64_t n = unpack_u64(in);
    const char *at = take(in, n);

    *ret_n = at ? n : 0;
    return at ? at : "";
}

char *
unpack_str(struct unpack *in)
{
    uint64_t n = unpack_u64(in);
    const char *at = n == NO_TEXT ? NULL : take(in, n);
    char *s = NULL;

    if (!at)
        return NULL;
    if (!memchr(at, '\0', n))
        s = malloc(n + 1);
    if (s) {
        memcpy(s, at, n);
        s[n] = '\0';
    }
    in->bad = in->bad || !s;
    return s;
}

void
unpack_chars(struct unpack *in, char *to, size_t room)
{
    size_t n;
    const char *at = unpack_bytes(in, &n);

    if (n >= room || memchr(at, '\0', n)) {
        in->bad = true;
        n = 0;
    }
    memcpy(to, at, n);
    to[n] = '\0';
}

void
unpack_strv(struct unpack *in, struct strv *ret)
{
    uint64_t n = unpack_most(in, in->left / sizeof(uint64_t));

    for (uint64_t i = 0; i < n && !in->bad; i++) {
        char *s = unpack_str(in);

        if (!s || strv_add(ret, s) < 0)
            in->bad = true;
        free(s);
    }
}

bool
unpack_done(const struct unpack *in)
{
    return !in->bad && in->left == 0;
}
