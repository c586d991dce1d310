/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/environment.h"

struct cursor {
    const char *at, *end; /* one line, without its newline */
};

static void
skip_blanks(struct cursor *c)
{
    while (c->at < c->end && isspace((unsigned char)*c->at))
        c->at++;
}

static size_t
name_length(const struct cursor *c)
{
    const char *p = c->at;

    while (p < c->end && (isalnum((unsigned char)*p) || *p == '_'))
        p++;
    return p > c->at && isdigit((unsigned char)*c->at) ? 0 : (size_t)(p - c->at);
}

/* "…": a backslash keeps only what would end or split the value; any other stays as it is. */
static void
add_escaped(char c, struct text *out)
{
    if (c == 'n')
        text_add(out, "\n");
    else if (c == 't')
        text_add(out, "\t");
    else {
        if (!strchr("\"\\$`", c))
            text_add(out, "\\");
        text_addn(out, &c, 1);
    }
}

/* parse_quoted - from behind the opening quote to behind the closing one. Return: what is wrong. */
static const char *
parse_quoted(struct cursor *c, char quote, struct text *out)
{
    for (; c->at < c->end; c->at++) {
        if (*c->at == quote) {
            c->at++;
            skip_blanks(c);
            if (c->at < c->end && *c->at != '#')
                return "there is more text after the closing quote";
            return NULL;
        }
        if (quote == '"' && *c->at == '\\' && c->at + 1 < c->end)
            add_escaped(*++c->at, out);
        else
            text_addn(out, c->at, 1);
    }
    return "the closing quote is missing";
}

static const char *
parse_value(struct cursor *c, struct text *out)
{
    const char *end = c->end;

    skip_blanks(c);
    if (c->at < c->end && (*c->at == '"' || *c->at == '\''))
        return parse_quoted(c, *c->at++, out);
    while (end > c->at && isspace((unsigned char)end[-1]))
        end--;
    text_addn(out, c->at, (size_t)(end - c->at));
    return NULL;
}

static const char *
parse_line(struct cursor c, struct strv *env)
{
    auto_text struct text value = TEXT_INIT;
    auto_free char *name = NULL;
    const char *wrong;
    size_t n;

    skip_blanks(&c);
    if (c.at == c.end || *c.at == '#')
        return NULL;
    if (memchr(c.at, '\0', (size_t)(c.end - c.at)))
        return "there is a NUL byte in it";
    if (c.end - c.at > 7 && memcmp(c.at, "export", 6) == 0 && isblank((unsigned char)c.at[6])) {
        c.at += 7;
        skip_blanks(&c);
    }
    n = name_length(&c);
    if (n == 0)
        return "expected NAME=VALUE";
    name = strndup(c.at, n);
    c.at += n;
    if (c.at == c.end || *c.at != '=')
        return "expected '=' right after the name";
    c.at++;
    wrong = parse_value(&c, &value);
    if (wrong)
        return wrong;
    if (!name || value.failed || environment_set(env, name, text_str(&value)) < 0)
        return strerrordesc_np(ENOMEM);
    return NULL;
}

int
environment_parse(const char *path, const char *data, size_t bytes, struct strv *ret,
                  struct error *reterr)
{
    const char *end = data + bytes;
    unsigned line = 0;

    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        const char *wrong;

        line++;
        wrong = parse_line((struct cursor){data, newline ? newline : end}, ret);
        if (wrong)
            return error_say(reterr, -EINVAL, "%s:%u: %s", path, line, wrong);
        if (!newline)
            break;
        data = newline + 1;
    }
    return 0;
}
