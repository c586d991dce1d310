/* SPDX-License-Identifier: MIT */
#ifndef STINT_EXAMPLES_STATIC_HELLO_H
#define STINT_EXAMPLES_STATIC_HELLO_H

/* What alone.c and inherits.c have in common: the work. */
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef RELEASE
#define RELEASE "1"
#endif

/* One request, one answer; closes @fd. */
static void
hello_serve(int fd)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n"
        "hello, release " RELEASE "\n";
    const struct timeval patience = {.tv_sec = 2};
    char request[4096] = "";
    size_t used = 0;
    ssize_t n;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (!strstr(request, "\r\n\r\n")) {
        n = read(fd, request + used, sizeof(request) - 1 - used);
        if (n <= 0) {
            (void)close(fd);
            return;
        }
        used += (size_t)n;
        request[used] = '\0';
    }
    (void)!write(fd, answer, sizeof(answer) - 1);
    (void)close(fd);
}

#endif
