/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker-api/state.h"

/* Reads frames as they come and runs what signal handlers left due, for programs that never wait
 * in this library. Lives as long as the process: exempt. */
static void
listen_for_ever(void *arg)
{
    struct pollfd fds[2] = {
        {.fd = stn.nudge_fd, .events = POLLIN},
        {.events = POLLIN                 }
    };
    uint64_t count;

    (void)arg;
    stint_thread_exempt("the listener of libstint ends with the process", STINT_NEVER);
    for (;;) {
        fds[1].fd = stn_channel_poll_fd(); /* -1 once the supervisor has gone: poll skips it */
        if (poll(fds, 2, -1) == -1)
            continue; /* EINTR: its signals are blocked, a debugger's are not */
        if (fds[0].revents && read(fds[0].fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
            return;
        (void)stint_dispatch();
    }
}

int
stn_listener_start(void)
{
    sigset_t all, before;
    int r;

    stn.nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stn.nudge_fd == -1)
        return -errno;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's business */
    r = stint_thread_spawn(NULL, NULL, "stint-listener", listen_for_ever, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}
