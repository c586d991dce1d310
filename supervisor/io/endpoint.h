/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ENDPOINT_H
#define STINT_IO_ENDPOINT_H

#include <sys/socket.h>

#include "base/text.h"

struct error;

/* A socket address and its length, as the system calls want it. */
struct endpoint {
    struct sockaddr_storage sa;
    socklen_t bytes;
};

/**
 * endpoint_parse - "tcp://127.0.0.1:80", "tcp://[::1]:80", "unix:/run/x.sock".
 *
 * Numbers only, no name service ("localhost" is taken as 127.0.0.1); port 0 is allowed.
 * Return: 0, -EINVAL or -ENAMETOOLONG with the sentence.
 */
int endpoint_parse(const char *text, struct endpoint *ret, struct error *reterr);

/* endpoint_format - the text endpoint_parse() reads back, appended. */
void endpoint_format(const struct endpoint *a, struct text *out);

#endif
