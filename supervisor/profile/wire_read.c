/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/wire_read.h"

static bool
bad(struct cursor *c)
{
    c->bad = true;
    return false;
}

bool
cursor_number(struct cursor *c, uint64_t *ret)
{
    uint64_t n = 0;

    if (c->at == c->end)
        return false;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (c->at == c->end)
            return bad(c);
        byte = *c->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = n;
            return true;
        }
    }
    return bad(c); /* more than ten bytes */
}

static bool
fixed(struct cursor *c, size_t n, uint64_t *ret)
{
    uint64_t value = 0;

    if ((size_t)(c->end - c->at) < n)
        return bad(c);
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)c->at[i] << (8 * i);
    c->at += n;
    *ret = value;
    return true;
}

static bool
body(struct cursor *c, struct cursor *ret)
{
    uint64_t n;

    if (!cursor_number(c, &n) || n > (uint64_t)(c->end - c->at))
        return bad(c);
    *ret = (struct cursor){.at = c->at, .end = c->at + n};
    c->at += n;
    return true;
}

bool
cursor_next(struct cursor *c, struct field *ret)
{
    uint64_t head;

    if (c->bad || !cursor_number(c, &head))
        return false;
    if (head >> 3 == 0 || head >> 3 > UINT32_MAX)
        return bad(c);
    *ret = (struct field){.id = (uint32_t)(head >> 3)};
    switch (head & 7) {
    case WIRE_VARINT:
        ret->kind = WIRE_VARINT;
        return cursor_number(c, &ret->number) || bad(c);
    case WIRE_FIXED64:
        ret->kind = WIRE_FIXED64;
        return fixed(c, 8, &ret->number);
    case WIRE_FIXED32:
        ret->kind = WIRE_FIXED32;
        return fixed(c, 4, &ret->number);
    case WIRE_BYTES:
        ret->kind = WIRE_BYTES;
        return body(c, &ret->body);
    default: /* groups went out of use before there were profiles */
        return bad(c);
    }
}
