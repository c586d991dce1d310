/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_LOAD_CLIENT_H
#define STINT_BENCH_LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/load_http.h"
#include "bench/load_stats.h"

struct error;

/*
 * An open-loop HTTP/1.1 client on one epoll. Requests come by a timetable of absolute times, whether
 * or not the server keeps up; a request that finds no free connection waits, and its wait counts.
 * Nothing is ever tried twice: what fails is counted and gone.
 *
 * Two streams. Keep-alive: `rate` requests/s over `keepalive` connections, taken in turn (the one
 * that rested longest goes next), so that at a high rate none of them ever rests long. Single:
 * `single` requests/s, each on a connection of its own.
 */
struct load_options {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    const char *host, *path;   /* borrowed; for the request's text */
    unsigned rate, keepalive;  /* requests/s, connections; rate 0 = no such stream */
    unsigned single;           /* requests/s; 0 = no such stream */
    int64_t timeout_us;        /* from the scheduled time to the last byte */
    bool blind;                /* send on a kept connection without looking whether it has ended */
    struct http_expect expect; /* copied; the texts in it are borrowed */
};

/**
 * load_address_parse - "127.0.0.1:8080", "[::1]:8080" or "unix:/path" into @o->address.
 *
 * Numbers only: no name service is asked. Return: 0 or negative errno with the sentence in @reterr.
 */
int load_address_parse(const char *text, struct load_options *o, struct error *reterr);

struct load_client;

/**
 * load_client_create - ready to run; the first request of each stream is due at @begin_us.
 * @o:     copied
 * @stats: borrowed; outlives the client
 *
 * Return: 0 or negative errno with the sentence in @reterr.
 */
int load_client_create(const struct load_options *o, struct load_stats *stats, int64_t begin_us,
                       struct load_client **ret, struct error *reterr);
void load_client_destroy(struct load_client *c); /* requests under way are not counted */

/* load_client_watch - load_client_turn() also returns, with 1, when @fd (borrowed) is readable. */
int load_client_watch(struct load_client *c, int fd);

/**
 * load_client_turn - send what is due, take what has come; return by @until_us at the latest.
 *
 * Return: 1 when the watched descriptor has something, 0 otherwise, negative errno when the client
 * itself is broken (out of memory, epoll).
 */
int load_client_turn(struct load_client *c, int64_t until_us);

/* load_client_stop - schedule nothing from @now_us on; what is under way or waits goes on. */
void load_client_stop(struct load_client *c, int64_t now_us);

/* load_client_stopped - from when on nothing was scheduled; TIME_NEVER while it runs. */
int64_t load_client_stopped(const struct load_client *c);

/* load_client_done - stopped, and every request scheduled before has ended. */
bool load_client_done(const struct load_client *c);

#endif
