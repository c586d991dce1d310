/* SPDX-License-Identifier: MIT */
#include "examples/web/http.h"

#include <string.h>
#include <strings.h>

#define BODY_MAX  (1u << 20) /* of a request we skip the body of */
#define DELAY_MAX 60000

struct text {
    const char *at;
    size_t n;
};

static bool
is(struct text text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.at, word, text.n) == 0;
}

static struct text
trimmed(struct text text)
{
    while (text.n > 0 && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.n--;
    }
    while (text.n > 0 && (text.at[text.n - 1] == ' ' || text.at[text.n - 1] == '\t'))
        text.n--;
    return text;
}

/* Digits only, at most @max; false otherwise. */
static bool
number(struct text text, size_t max, size_t *ret)
{
    size_t value = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (size_t)(text.at[i] - '0');
        if (value > max)
            return false;
    }
    *ret = value;
    return text.n > 0;
}

/* Cut off what is before @mark, and @mark; the whole when there is none. */
static struct text
cut(struct text *rest, char mark)
{
    struct text first = *rest;
    const char *end = memchr(rest->at, mark, rest->n);

    if (end)
        first.n = (size_t)(end - rest->at);
    rest->at += end ? first.n + 1 : first.n;
    rest->n -= end ? first.n + 1 : first.n;
    return first;
}

static bool
request_line(struct text line, struct request *r)
{
    const char slow[] = "/slow?ms=";
    struct text method = cut(&line, ' ');
    struct text target = cut(&line, ' ');
    struct text delay;
    size_t ms;

    if (method.n == 0 || target.n == 0 || target.at[0] != '/')
        return false;
    for (size_t i = 0; i < method.n; i++)
        if (method.at[i] < 'A' || method.at[i] > 'Z')
            return false;
    for (size_t i = 0; i < target.n; i++)
        if (target.at[i] <= ' ' || target.at[i] == 0x7f)
            return false;
    if (!is(line, "HTTP/1.1") && !is(line, "HTTP/1.0"))
        return false;
    r->close = is(line, "HTTP/1.0");
    r->head_only = is(method, "HEAD");
    r->allowed = r->head_only || is(method, "GET");
    if (target.n > sizeof(slow) - 1 && strncmp(target.at, slow, sizeof(slow) - 1) == 0) {
        delay.at = target.at + sizeof(slow) - 1;
        delay.n = target.n - (sizeof(slow) - 1);
        if (!number(delay, DELAY_MAX, &ms))
            return false;
        r->delay_ms = (unsigned)ms;
    }
    return true;
}

static bool
header(struct text line, struct request *r, bool *have_length)
{
    struct text value = line;
    struct text name = cut(&value, ':');
    size_t length;

    if (name.n == 0 || name.n == line.n)
        return false; /* no name, or no colon */
    for (size_t i = 0; i < name.n; i++)
        if (name.at[i] <= ' ' || name.at[i] >= 0x7f)
            return false; /* folded lines begin with a blank: refused as the standard asks */
    value = trimmed(value);
    if (memchr(value.at, '\0', value.n) || memchr(value.at, '\r', value.n))
        return false;
    if (is(name, "transfer-encoding"))
        return false; /* we could not tell where the next request begins */
    if (is(name, "content-length")) {
        if (!number(value, BODY_MAX, &length) || (*have_length && length != r->body))
            return false;
        *have_length = true;
        r->body = length;
    }
    while (is(name, "connection") && value.n > 0) {
        struct text option = trimmed(cut(&value, ','));

        if (is(option, "close"))
            r->close = true;
        else if (is(option, "keep-alive"))
            r->close = false;
    }
    return true;
}

int
http_parse(const char *bytes, size_t n, struct request *ret)
{
    const char *end = memmem(bytes, n, "\r\n\r\n", 4);
    struct request r = {0};
    struct text rest = {bytes, 0}, line;
    bool have_length = false;

    if (!end)
        return n >= HTTP_HEAD_MAX ? -1 : 0;
    r.head = (size_t)(end - bytes) + 4;
    rest.n = r.head - 2; /* the lines, each with its end */
    for (bool first = true; rest.n > 0; first = false) {
        line = cut(&rest, '\n');
        if (line.n == 0 || line.at[line.n - 1] != '\r')
            return -1;
        line.n--;
        if (first ? !request_line(line, &r) : !header(line, &r, &have_length))
            return -1;
    }
    *ret = r;
    return 1;
}

bool
http_header(const char *bytes, size_t n, const char *name, char *value, size_t room)
{
    struct text rest = {bytes, n}, line, found;

    while (rest.n > 0) {
        line = cut(&rest, '\n');
        if (line.n > 0 && line.at[line.n - 1] == '\r')
            line.n--;
        found = line;
        if (!is(cut(&found, ':'), name))
            continue;
        found = trimmed(found);
        if (found.n >= room)
            return false;
        memcpy(value, found.at, found.n);
        value[found.n] = '\0';
        return true;
    }
    return false;
}
