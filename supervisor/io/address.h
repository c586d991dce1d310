/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ADDRESS_H
#define STINT_IO_ADDRESS_H

#include <sys/socket.h>

#include "base/text.h"

struct error;

/* A socket address and its length, as the system calls want it. */
struct address {
    struct sockaddr_storage sa;
    socklen_t bytes;
};

/**
 * socket_address_parse - "tcp://127.0.0.1:80", "tcp://[::1]:80", "unix:/run/x.sock".
 *
 * Numbers only, no name service ("localhost" is taken as 127.0.0.1); port 0 is allowed.
 * Return: 0, -EINVAL or -ENAMETOOLONG with the sentence.
 */
int socket_address_parse(const char *text, struct address *ret, struct error *reterr);

/* socket_address_format - the text socket_address_parse() reads back, appended. */
void socket_address_format(const struct address *a, struct text *out);

#endif
