/* SPDX-License-Identifier: MIT */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 16384 /* bytes of request line and headers */

struct request {
    size_t head;       /* bytes up to and with the empty line */
    size_t body;       /* bytes that follow, to be skipped */
    bool head_only;    /* HEAD: no body in the answer */
    bool allowed;      /* GET or HEAD */
    bool close;        /* the client wants the connection closed after the answer */
    unsigned delay_ms; /* of /slow?ms=N */
};

/* http_parse - the request at the start of @bytes. Return: 1 whole, 0 not all there yet, -1 malformed. */
int http_parse(const char *bytes, size_t n, struct request *ret);

/* http_header - the value of header @name (any case) of the whole head at @bytes, without blanks around it.
 * False: it is not there, or does not fit. */
bool http_header(const char *bytes, size_t n, const char *name, char *value, size_t room);

#endif
