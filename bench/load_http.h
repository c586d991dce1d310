/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_LOAD_HTTP_H
#define STINT_BENCH_LOAD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One HTTP/1.x answer, fed in pieces of any size. It trusts nothing: a length that is no number, two
 * different lengths, a line without an end are errors. Framing is Content-Length or the end of the
 * connection; an answer in chunks is refused as an error, since none of the servers measured here
 * sends its fixed body so.
 */
#define HTTP_LINE_MAX  2048
#define HTTP_LINES_MAX 100
#define HTTP_MARK_MAX  64

/* What an answer must look like. Lives longer than every answer that borrows it. */
struct http_expect {
    const char *generation_header; /* borrowed; its value tells the generations apart */
    const char *substring;         /* borrowed; must occur in the body; NULL = anything goes */
    size_t substring_bytes;        /* at most 255 */
    unsigned char retreat[256];    /* where to go on in @substring after a mismatch */
};

/* http_expect_init - @substring may be NULL. Return: 0, or -E2BIG when it is over 255 bytes. */
int http_expect_init(struct http_expect *e, const char *generation_header, const char *substring);

enum http_state { HTTP_STATUS_LINE, HTTP_HEADERS, HTTP_BODY, HTTP_COMPLETE };

struct http_answer {
    const struct http_expect *expect; /* borrowed */
    enum http_state state;
    int status;               /* valid from HTTP_HEADERS on */
    int64_t length;           /* of the body; -1: until the connection ends */
    int64_t seen;             /* bytes of the body so far */
    size_t matched;           /* bytes of expect->substring matched; stays at its end once found */
    bool any;                 /* a byte has come */
    bool close;               /* the server will close after this answer */
    unsigned lines;           /* header lines so far */
    size_t line_bytes;        /* in @line */
    char line[HTTP_LINE_MAX]; /* the line being collected */
    char generation[HTTP_MARK_MAX]; /* value of the generation header; "" = none */
};

void http_answer_init(struct http_answer *a, const struct http_expect *expect);

/**
 * http_answer_feed - take the next bytes.
 *
 * Return: how many of @bytes belong to this answer (fewer only once it is complete), or -EBADMSG:
 * this is not an answer, and the connection is of no further use.
 */
int64_t http_answer_feed(struct http_answer *a, const char *data, size_t bytes);

/* http_answer_eof - the connection ended. Return: true when that completes the answer. */
bool http_answer_eof(struct http_answer *a);

/* http_answer_right - complete, status 200, and the body holds what was expected. */
bool http_answer_right(const struct http_answer *a);

#endif
