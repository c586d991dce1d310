/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_PROFILE_HTTP_H
#define STINT_CLI_PROFILE_HTTP_H

/* The socket of `stint profile --http`, and one request on it. */
#include <stdbool.h>
#include <stddef.h>

struct error;

#define PROFILE_TOKEN_TEXT 33

struct profile_listener {
    int fd;        /* owned */
    char url[320]; /* "http://127.0.0.1:6060" or "unix:/run/x.sock"; without a path */
    bool local;    /* a unix socket: who may connect is a matter of its mode */
    bool public;   /* others than this machine can reach it */
};

/**
 * profile_listen - @where: "[ADDR]:PORT", ADDR a number, [v6] or localhost; or "unix:PATH".
 *
 * Without ADDR it is 127.0.0.1. A socket that is there already is not replaced. Return: 0, or a negative
 * errno with the sentence; -EINVAL: @where is none of these.
 */
int profile_listen(const char *where, struct profile_listener *ret, struct error *reterr);

struct profile_call {
    char method[8];
    char path[256];  /* behind the token, without the query */
    char query[256]; /* behind '?' */
    bool known;      /* it brought the token, in its path or its header */
};

/* profile_call_read - Return: 0; -EPROTO: not HTTP, or too long; -ETIMEDOUT; -ECONNRESET. */
int profile_call_read(int fd, const char *token, struct profile_call *ret);

/* Answers; what the client does not take is lost. @type: of the body */
void profile_answer(int fd, int status, const char *type, const void *body, size_t bytes);
void profile_answer_text(int fd, int status, const char *text);
/* The rest of @from is the body. */
void profile_answer_file(int fd, int from, const char *name);

#endif
