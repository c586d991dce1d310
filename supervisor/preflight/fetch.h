/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_FETCH_H
#define STINT_PREFLIGHT_FETCH_H

/* One GET over TCP or a unix socket, with a deadline: what a client of the rehearsed service sees. */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct error;

#define FETCH_BODY 8192

struct fetched {
    int status;   /* 0: no HTTP came back */
    size_t bytes; /* of the body that are there */
    char body[FETCH_BODY + 1];
};

/**
 * fetch - ask @to for @path, as @host, with @headers (lines with their CRLF, "" for none).
 * @deadline_us: CLOCK_MONOTONIC, for all of it
 *
 * Return: 0, when something came back (ret->status says what), or a negative errno with a sentence.
 */
int fetch(const struct sockaddr *to, socklen_t bytes, const char *host, const char *path,
          const char *headers, int64_t deadline_us, struct fetched *ret, struct error *reterr);

/* fetch_address - "tcp://HOST:PORT" or "unix:/PATH" as a sockaddr. Return: its size; 0: it is none. */
socklen_t fetch_address(const char *address, struct sockaddr_storage *ret);

#endif
