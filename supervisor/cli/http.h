/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_HTTP_H
#define STINT_CLI_HTTP_H

/*
 * One HTTP/1.1 request over a unix socket, blocking, with a deadline. Just what the control socket
 * speaks: a length, chunks, or the end of the connection. `stint reload` starts in a millisecond
 * because of what this does not bring along.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define HTTP_HEAD_MAX ((size_t)64 << 10)
#define HTTP_BODY_MAX ((size_t)64 << 20)

struct http_request {
    const char *socket, *method, *path;
    const char *body;    /* NULL: none */
    int64_t deadline_us; /* CLOCK_MONOTONIC; TIME_NEVER: none */
    /* NULL: the body is kept. Else it gets each piece of a 200's body; false ends the exchange. */
    bool (*piece)(void *env, const char *bytes, size_t n);
    void *env;
};

struct http_reply {
    int status;
    char *body; /* owned, NUL-terminated; NULL when pieces were given out */
    size_t bytes;
    bool connected; /* somebody was there; set also when the exchange then fails */
};

/**
 * http_exchange - say it, hear it.
 *
 * Return: 0; -ENOENT, -ECONNREFUSED: nobody there; -EACCES; -ETIMEDOUT; -ECONNRESET: cut short;
 * -EPROTO: not HTTP; -EFBIG. The sentence is in @reterr.
 */
int http_exchange(const struct http_request *rq, struct http_reply *ret, struct error *reterr);

#endif
