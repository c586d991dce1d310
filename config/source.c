/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/node.h"

struct source *
source_create(const char *name, const char *path, char *bytes, size_t n)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 with it */
    struct source *s = calloc(1, sizeof(*s));
    const char *slash = strrchr(path, '/');

    if (!s) {
        free(bytes);
        return NULL;
    }
    if (n >= 3 && memcmp(bytes, mark, 3) == 0) {
        n -= 3;
        memmove(bytes, bytes + 3, n);
    }
    s->bytes = bytes;
    s->n = n;
    s->name = strdup(name);
    s->path = strdup(path);
    s->directory = slash && slash != path ? strndup(path, (size_t)(slash - path)) : strdup("/");
    if (!s->name || !s->path || !s->directory) {
        source_destroy(s);
        return NULL;
    }
    return s;
}

void
source_destroy(struct source *s)
{
    if (!s)
        return;
    free(s->name);
    free(s->path);
    free(s->directory);
    free(s->bytes);
    free(s->real);
    free(s);
}

size_t
utf8_decode(const char *s, size_t n, unsigned *ret_code)
{
    static const unsigned least_code[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = n ? (unsigned char)s[0] : 0xff;
    size_t length = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
    unsigned code = length == 1 ? c : length ? c & (0xffU >> (length + 1)) : 0;

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)s[i] & 0x3fU);
    }
    if (code < least_code[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return length;
}

size_t
utf8_cut(const char *s, size_t n, size_t max)
{
    size_t used = 0;

    while (used < n) {
        unsigned code;
        size_t length = utf8_decode(s + used, n - used, &code);

        if (used + (length ? length : 1) > max)
            break;
        used += length ? length : 1;
    }
    return used;
}

size_t
utf8_skip(const char *s, size_t n, unsigned characters)
{
    size_t at = 0;

    for (; at < n && characters > 0; characters--) {
        unsigned code;
        size_t length = utf8_decode(s + at, n - at, &code);

        at += length ? length : 1;
    }
    return at;
}

/* Length of the line break at @s, by YAML 1.1's idea of one; 0 = there is none. */
static size_t
break_length(const char *s, size_t n)
{
    unsigned code;
    size_t length = utf8_decode(s, n, &code);

    if (length == 0)
        return 0;
    if (code == '\r' && n > 1 && s[1] == '\n')
        return 2;
    if (code == '\n' || code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029)
        return length;
    return 0;
}

const char *
source_line(const struct source *s, unsigned line, size_t *ret_n)
{
    size_t at = 0, end;
    unsigned now = 1;

    while (at < s->n && now < line) {
        size_t length = break_length(s->bytes + at, s->n - at);

        at += length ? length : 1;
        now += length > 0;
    }
    for (end = at; end < s->n; end++)
        if (break_length(s->bytes + end, s->n - end) > 0)
            break;
    *ret_n = now == line ? end - at : 0;
    return s->bytes + at;
}
