/* SPDX-License-Identifier: MIT */
#ifndef STINT_EXAMPLES_SEEDS_SERVER_H
#define STINT_EXAMPLES_SEEDS_SERVER_H

/* The part that all seeds have: a small HTTP server, one request a connection, two threads. */
#include <stdbool.h>
#include <stddef.h>

#include <stint.h>

struct request {
    char path[128];
    char head[4096]; /* the lines of the header, with their ends */
};

/* request_header - the value of @name (any case), without blanks around it. False: it is not there. */
bool request_header(const struct request *rq, const char *name, char *value, size_t room);

/* Answers @rq: the status, and a text in @answer. Called in a thread named serve-0 or serve-1. */
typedef int handler_fn(const struct request *rq, char *answer, size_t room);

/*
 * server_start - two threads that serve the socket `http` until the worker is to leave. After
 * stint_init(). Return: 0 or negative errno.
 */
int server_start(handler_fn *handler);
void server_join(void); /* once the root token is cancelled */

/* answer_one - for whoever accepts by himself: read a request of @fd, answer it, close @fd. */
void answer_one(int fd, handler_fn *handler);

#endif
