/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_W3C_HTTP_H
#define STINT_TESTS_W3C_HTTP_H

/* As much of HTTP/1.1 as the W3C's harness speaks: one request a connection, whose length is told. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stint.h>

#define HTTP_HEADERS 64
#define HTTP_BYTES   65536 /* of a message, head and body */

struct message {
    char bytes[HTTP_BYTES + 1]; /* a NUL behind */
    const char *start;          /* its first line, with a NUL in place of the line's end */
    struct stint_header
        headers[HTTP_HEADERS]; /* as they came: blanks around the values are still there */
    size_t n;
    const char *body; /* with a NUL behind; may be "" */
};

/* The next message of @fd. Return: 0, -EPROTO for what is not one, -EMSGSIZE, -ECONNRESET for half a message, or
 * as stint_read(). */
int http_read(struct stint_token *token, int fd, struct message *ret, int64_t by_us);

/* All of @n bytes. 0, or as stint_write(). */
int http_write(struct stint_token *token, int fd, const char *bytes, size_t n, int64_t by_us);

/* POST @json to @url, "http://ADDRESS[:PORT][/PATH]" with a numeric address, with the headers of a new span of what
 * the calling thread works for. Return: the status of the answer, -errno. */
int http_post(struct stint_token *token, const char *url, const char *json, int64_t by_us);

#endif
