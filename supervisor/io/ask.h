/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ASK_H
#define STINT_IO_ASK_H

/* One question over TCP: does it connect, and if asked for, is a GET answered with 2xx or 3xx? */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/io/endpoint.h"

struct ask;
struct error;
struct ev_loop;

/* Where and what. ask_target_parse() fills it, ask_target_finish() frees. */
struct ask_target {
    struct endpoint at;
    char *get;  /* owned; path and query for HTTP ("/healthz"); NULL = connecting is enough */
    char *host; /* owned; what the Host header says; NULL without @get */
};

/**
 * ask_target_parse - "tcp://HOST:PORT" or "http://HOST[:PORT][/PATH]", numeric HOST or localhost.
 * @instead: NULL, or the "tcp://HOST:PORT" to connect to instead of what @text names
 *
 * Return: 0, or negative errno with the sentence; @ret untouched then.
 */
int ask_target_parse(const char *text, const char *instead, struct ask_target *ret,
                     struct error *reterr);
void ask_target_finish(struct ask_target *target);

/**
 * ask_start - ask once, on the loop.
 * @target:     borrowed until the answer or ask_cancel()
 * @timeout_us: from now
 * @on_answer:  once, never from within ask_start(); the question is gone then. @text says how it
 *              went in words and is borrowed for the call
 *
 * Return: NULL when memory or descriptors are used up (nothing is called then).
 */
typedef void ask_answer_fn(void *env, bool yes, const char *text);
struct ask *ask_start(struct ev_loop *loop, const struct ask_target *target, int64_t timeout_us,
                      ask_answer_fn *on_answer, void *env);
void ask_cancel(struct ask *ask); /* NULL is fine */

#endif
