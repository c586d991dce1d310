/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/plain.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

/* The well-formed sequences of UTF-8, by their first byte and the bounds of the second one. */
static const struct form {
    unsigned char first_from, first_to, second_from, second_to, bytes;
} forms[] = {
    {0x20, 0x7e, 0x00, 0x00, 1},
    {0xc2, 0xc2, 0xa0, 0xbf, 2}, /* below it: more control characters */
    {0xc3, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool
matches(const struct form *f, const unsigned char *s)
{
    if (s[0] < f->first_from || s[0] > f->first_to)
        return false;
    if (f->bytes > 1 && (s[1] < f->second_from || s[1] > f->second_to))
        return false;
    for (unsigned i = 2; i < f->bytes; i++) /* stops at the NUL: it does not match */
        if ((s[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* printable - bytes of the harmless character at @s, or 0. */
static unsigned
printable(const unsigned char *s)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (matches(&forms[i], s))
            return forms[i].bytes;
    return 0;
}

void
plain_text(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p != '\0';) {
        unsigned n = printable(p);

        if (n == 0)
            *p = '?';
        p += n ? n : 1;
    }
}
