// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/load_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int
http_expect_init(struct http_expect *e, const char *generation_header, const char *substring)
{
    size_t border = 0;

    memset(e, 0, sizeof(*e));
    e->generation_header = generation_header;
    if (!substring)
        return 0;
    e->substring = substring;
    e->substring_bytes = strlen(substring);
    if (e->substring_bytes > 255)
        return -E2BIG;
    for (size_t i = 1; i < e->substring_bytes; i++) {
        while (border > 0 && substring[i] != substring[border])
            border = e->retreat[border - 1];
        if (substring[i] == substring[border])
            border++;
        e->retreat[i] = (unsigned char)border;
    }
    return 0;
}

void
http_answer_init(struct http_answer *a, const struct http_expect *expect)
{
    a->expect = expect;
    a->state = HTTP_STATUS_LINE;
    a->status = 0;
    a->length = -1;
    a->seen = 0;
    a->matched = 0;
    a->any = false;
    a->close = false;
    a->lines = 0;
    a->line_bytes = 0;
    a->generation[0] = '\0';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int
status_line(struct http_answer *a)
{
    const char *s = a->line;

    if (strncmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') || s[8] != ' ')
        return -EBADMSG;
    if (!is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) || (s[12] != ' ' && s[12] != '\0'))
        return -EBADMSG;
    a->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    a->close = s[7] == '0';
    a->state = HTTP_HEADERS;
    return 0;
}

/* Is @word one of the comma-separated words of @list? */
static bool
has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    while (*list != '\0') {
        size_t part;

        list += strspn(list, " \t,");
        part = strcspn(list, " \t,");
        if (part == n && strncasecmp(list, word, n) == 0)
            return true;
        list += part;
    }
    return false;
}

static int
length_header(struct http_answer *a, const char *value)
{
    char *end = NULL;
    long long n;

    if (!is_digit(value[0]))
        return -EBADMSG;
    errno = 0;
    n = strtoll(value, &end, 10);
    if (errno != 0 || *end != '\0' || (a->length >= 0 && a->length != n))
        return -EBADMSG;
    a->length = n;
    return 0;
}

static int
header_line(struct http_answer *a)
{
    char *colon = strchr(a->line, ':');
    char *value;
    size_t n;

    if (!colon || colon == a->line)
        return -EBADMSG;
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = '\0';
    if (strcasecmp(a->line, "Content-Length") == 0)
        return length_header(a, value);
    if (strcasecmp(a->line, "Transfer-Encoding") == 0)
        return -EBADMSG;
    if (strcasecmp(a->line, "Connection") == 0) {
        if (has_word(value, "close"))
            a->close = true;
        else if (has_word(value, "keep-alive"))
            a->close = false;
    } else if (strcasecmp(a->line, a->expect->generation_header) == 0) {
        if (n >= sizeof(a->generation))
            return -EBADMSG;
        memcpy(a->generation, value, n + 1);
    }
    return 0;
}

static void
headers_end(struct http_answer *a)
{
    if (a->status >= 100 && a->status < 200) { /* an interim answer: the real one follows */
        bool close = a->close;

        http_answer_init(a, a->expect);
        a->close = close;
        a->any = true;
        return;
    }
    if (a->status == 204 || a->status == 304)
        a->length = 0;
    if (a->length < 0)
        a->close = true;
    a->state = a->length == 0 ? HTTP_COMPLETE : HTTP_BODY;
}

static int
line_end(struct http_answer *a)
{
    if (a->line_bytes > 0 && a->line[a->line_bytes - 1] == '\r')
        a->line_bytes--;
    a->line[a->line_bytes] = '\0';
    if (strlen(a->line) != a->line_bytes)
        return -EBADMSG;
    if (a->state == HTTP_STATUS_LINE) {
        a->line_bytes = 0;
        return status_line(a);
    }
    if (a->line_bytes == 0) {
        headers_end(a);
        return 0;
    }
    a->line_bytes = 0;
    if (++a->lines > HTTP_LINES_MAX)
        return -EBADMSG;
    return header_line(a);
}

/* Look for the expected text as the body flows by; nothing of it is kept. */
static void
match(struct http_answer *a, const char *data, size_t bytes)
{
    const struct http_expect *e = a->expect;

    for (size_t i = 0; i < bytes && a->matched < e->substring_bytes; i++) {
        while (a->matched > 0 && data[i] != e->substring[a->matched])
            a->matched = e->retreat[a->matched - 1];
        if (data[i] == e->substring[a->matched])
            a->matched++;
    }
}

int64_t
http_answer_feed(struct http_answer *a, const char *data, size_t bytes)
{
    size_t i = 0;

    if (bytes > 0)
        a->any = true;
    while (i < bytes && a->state < HTTP_BODY) {
        char c = data[i++];

        if (c == '\n') {
            if (line_end(a) < 0)
                return -EBADMSG;
        } else if (a->line_bytes == sizeof(a->line) - 1) {
            return -EBADMSG;
        } else {
            a->line[a->line_bytes++] = c;
        }
    }
    if (a->state == HTTP_BODY && i < bytes) {
        size_t part = bytes - i;

        if (a->length >= 0 && (int64_t)part > a->length - a->seen)
            part = (size_t)(a->length - a->seen);
        match(a, data + i, part);
        a->seen += (int64_t)part;
        i += part;
        if (a->seen == a->length)
            a->state = HTTP_COMPLETE;
    }
    return (int64_t)i;
}

bool
http_answer_eof(struct http_answer *a)
{
    if (a->state == HTTP_BODY && a->length < 0)
        a->state = HTTP_COMPLETE;
    return a->state == HTTP_COMPLETE;
}

bool
http_answer_right(const struct http_answer *a)
{
    return a->state == HTTP_COMPLETE && a->status == 200 &&
           a->matched == a->expect->substring_bytes;
}
