/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/plain.h"

#include <stdbool.h>
#include <stddef.h>

/* utf8_bytes - length of the valid UTF-8 sequence at @s (which ends with a NUL), or 0. */
static size_t
utf8_bytes(const unsigned char *s)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
        return 0; /* overlong, surrogate */
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
        return 0; /* overlong, beyond U+10FFFF */
    return n;
}

void
plain_text(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p != '\0';) {
        size_t n = utf8_bytes(p);
        bool control = n == 1 ? *p < 0x20 || *p == 0x7f : n == 2 && p[0] == 0xc2 && p[1] < 0xa0;

        if (n == 0 || control)
            *p = '?';
        p += n == 0 || control ? 1 : n;
    }
}
