/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_ADDRESS_H
#define STINT_CONFIG_ADDRESS_H

/* Private to config/: addresses as users write them, and their one canonical form. */
#include <stdbool.h>
#include <stdint.h>

#include "config/spec.h"

struct error;

struct address {
    enum listener_family family;
    char *canonical; /* owned; "tcp://127.0.0.1:80", "tcp://[::1]:80", "unix:/run/x.sock" */
    char *host;      /* owned; tcp: numeric, without brackets */
    uint16_t port;   /* tcp */
    char *path;      /* owned; unix */
};

void address_finish(struct address *a);
#define auto_address __attribute__((cleanup(address_finish)))

/**
 * address_parse - tcp://HOST:PORT (numeric host, [v6], * or localhost) or unix:/PATH.
 *
 * Return: 0, -EINVAL with the sentence in @reterr, or -ENOMEM.
 */
int address_parse(const char *text, struct address *ret, struct error *reterr);

/* address_of_url - the tcp address that http://HOST[:PORT][/PATH] talks to. Same errors. */
int address_of_url(const char *url, struct address *ret, struct error *reterr);

/* address_meets - a connection to @to may be taken by a socket bound to @bound. */
bool address_meets(const struct address *to, const char *bound_host, uint16_t bound_port);

#endif
