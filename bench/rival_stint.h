/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_RIVAL_STINT_H
#define STINT_BENCH_RIVAL_STINT_H

#include "bench/rival.h"

/* What is in stint.yaml about a program that is not ours. All texts are YAML, borrowed. */
struct stint_service {
    const char *command;      /* a list */
    const char *ready;        /* as it is written there */
    const char *drain_signal; /* NULL: TERM */
    const char *environment;  /* a map; NULL: nothing to add */
    unsigned workers;
    unsigned max_draining; /* generations; 0: the default */
    bool nonblocking;      /* the program counts on that, but does not see to it */
};

/*
 * stint_service - stint.yaml with one service, "web", that inherits the port: no check, nothing
 * watched, settle 0. What is measured is the handoff itself. Return: 0 or negative errno.
 */
int stint_service(const struct bout *b, const struct stint_service *s, struct error *reterr);

/* The start and the reload of every rival that is stint with something. */
pid_t stint_start(const struct bout *b, struct error *reterr);
int stint_reload(const struct bout *b, struct error *reterr);

#define STINT_RIVAL \
    .how = "stint reload", .start = stint_start, .reload = stint_reload, .stop_signal = SIGTERM

#endif
