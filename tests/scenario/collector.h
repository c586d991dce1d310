/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_COLLECTOR_H
#define STINT_TESTS_SCENARIO_COLLECTOR_H

/*
 * A collector for the tests: a thread that takes requests by HTTP on 127.0.0.1 and answers as it is told. What it
 * takes is kept as text, one line for each request: its path, a blank, its body.
 */
#include <stdbool.h>

enum collector_mood {
    COLLECTOR_TAKES,
    COLLECTOR_BUSY,    /* 503, Retry-After: 1 */
    COLLECTOR_REFUSES, /* 400 with a message */
    COLLECTOR_HANGS,   /* no answer, ever */
    COLLECTOR_SMALL,   /* 413 for what is longer than 64 KiB */
    COLLECTOR_PICKY    /* takes it, and says that it rejected one row of it */
};

/* collector_open - listen. @port: 0: any that is free, and the same again after a collector_close(). */
void collector_open(int port, enum collector_mood mood);
void collector_close(void); /* connections are refused from now on; harmless when it is not open */
int collector_port(void);
void collector_be(enum collector_mood mood);

/* collector_await - until a request that was taken has each of @words in its line (separated by newlines). */
void collector_await(const char *words, int timeout_ms);
/* collector_await_requests - until so many came, whatever was answered. */
void collector_await_requests(unsigned n, int timeout_ms);
unsigned collector_requests(void);
unsigned collector_count(const char *text); /* how often it is in what was taken */
bool collector_header(const char *line);    /* the last request had it, "name: value" */
char *collector_taken(void);                /* all of it; free() */

#endif
