/* SPDX-License-Identifier: MIT */
/*
 * inherits - the same server with the two things that make a handoff lose nothing: the listener is descriptor 3,
 * bound by whoever started it, and SIGTERM is only let in while no request is in hand.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "hello.h"

static volatile sig_atomic_t leaving;

static void
leave(int sig)
{
    (void)sig;
    leaving = 1;
}

int
main(void)
{
    struct pollfd listener = {.fd = 3, .events = POLLIN}; /* the one */
    sigset_t term, none;

    (void)sigemptyset(&none);
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    (void)signal(SIGTERM, leave);
    (void)fcntl(listener.fd, F_SETFL, O_NONBLOCK); /* another worker may be quicker */
    while (!leaving) {
        int fd = ppoll(&listener, 1, NULL, &none) > 0 /* … and the other */
                     ? accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC)
                     : -1;

        if (fd >= 0)
            hello_serve(fd);
    }
    return 0;
}
