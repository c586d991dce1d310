/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars as text that reads back as exactly the same. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/node.h"
#include "config/schema.h"

/* Words that no YAML reader takes for anything but text. */
static bool
bare_word(const char *s)
{
    static const char *const not_text[] = {"null", "true", "false", "yes", "no",
                                           "on",   "off",  "y",     "n"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/-";

    if (!(s[0] == '/' || (s[0] && strchr(letters, s[0]))))
        return false;
    for (size_t i = 0; i < sizeof(not_text) / sizeof(not_text[0]); i++)
        if (strcasecmp(s, not_text[i]) == 0)
            return false;
    for (; *s; s++)
        if (!strchr(others, *s) && *s != '.')
            return false;
    return true;
}

/* Characters that may stand as they are between double quotes, by libyaml's idea of printable. */
static bool
may_stand(unsigned code)
{
    return (code >= 0x20 && code < 0x7f) || (code >= 0xa0 && code < 0x2028) ||
           (code > 0x2029 && code < 0xd800) || (code >= 0xe000 && code < 0xfeff) ||
           (code > 0xfeff && code < 0xfffe) || code >= 0x10000;
}

void
write_string(const char *s, struct text *out)
{
    size_t n = strlen(s);

    if (bare_word(s)) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (size_t at = 0; at < n;) {
        unsigned code = 0xfffd; /* not UTF-8: the contract of spec.h says there is none */
        size_t length = utf8_decode(s + at, n - at, &code);

        if (code == '"' || code == '\\')
            text_addf(out, "\\%c", (char)code);
        else if (code == '\n')
            text_add(out, "\\n");
        else if (code == '\t')
            text_add(out, "\\t");
        else if (length && may_stand(code))
            text_addn(out, s + at, length);
        else if (code < 0x10000)
            text_addf(out, "\\u%04X", code);
        at += length ? length : 1;
    }
    text_add(out, "\"");
}

void
write_strings(const struct strv *v, struct text *out)
{
    text_add(out, "[");
    for (size_t i = 0; i < v->n; i++) {
        text_add(out, i ? ", " : "");
        write_string(v->items[i], out);
    }
    text_add(out, "]");
}

char *
path_join(const char *directory, const char *path)
{
    size_t used = 0;
    char *joined = malloc(strlen(directory) + strlen(path) + 3), *out = joined, *end = joined;

    if (!joined)
        return NULL;
    if (path[0] != '/')
        end = stpcpy(joined, directory);
    *end = '/';
    (void)stpcpy(end + 1, path);
    for (const char *p = joined; *p;) { /* what is written is never ahead of what is read */
        size_t part = strcspn(p, "/");

        if (part > 0 && !(part == 1 && p[0] == '.')) {
            out[used++] = '/';
            memmove(out + used, p, part);
            used += part;
        }
        p += part;
        p += *p == '/';
    }
    if (used == 0)
        out[used++] = '/';
    out[used] = '\0';
    return joined;
}
