/* SPDX-License-Identifier: MIT */
/*
 * alone PORT, alone -r PORT - a server that knows of no supervisor: it binds its own port (-r: with SO_REUSEPORT),
 * answers one connection after the other, and SIGTERM ends it wherever it is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "hello.h"

int
main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    at.sin_port = htons((in_port_t)strtoul(argv[argc - 1], NULL, 10));
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (argc > 2)
        (void)setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(listener, (const struct sockaddr *)&at, sizeof(at)) == -1 ||
        listen(listener, 4096) == -1) {
        perror("alone: the port");
        return 1;
    }
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            hello_serve(fd);
    }
}
