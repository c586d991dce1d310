/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker-api/state.h"

#define NOTIFY_MAX 1024 /* bytes of one datagram of ours */

/* One datagram of the sd_notify protocol. 0 also when nobody listens. */
int
stn_notify_send(const char *text)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(stn.notify);
    ssize_t sent;
    int fd, saved, state;

    if (n == 0 || n >= sizeof(to.sun_path) || (stn.notify[0] != '/' && stn.notify[0] != '@'))
        return 0;
    memcpy(to.sun_path, stn.notify, n);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* abstract: no NUL behind it counts */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    state = stn_cancel_hold();
    sent = sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    saved = errno;
    stn_close(fd);
    stn_cancel_let(state);
    if (sent == -1 && saved != ECONNREFUSED && saved != ENOENT)
        return -saved;
    return 0; /* its socket without it, or not even that: the supervisor has gone */
}

/* Free text must not smuggle in assignments of its own. */
static void
one_line(char *text)
{
    for (; *text; text++)
        if (*text == '\n' || *text == '\r')
            *text = ' ';
}

int
stint_ready(void)
{
    int r;

    stn_entry();
    r = stn_channel_send(STINT_FRAME_READY, NULL, 0);
    return r == -EPIPE ? stn_notify_send("READY=1\n") : r;
}

int
stint_status(const char *text)
{
    char line[NOTIFY_MAX];

    (void)snprintf(line, sizeof(line), "STATUS=%s", text ? text : "");
    one_line(line);
    return stn_notify_send(line);
}

int
stint_stopping(const char *why)
{
    int r = stn_channel_send(STINT_FRAME_STOPPING, NULL, 0);

    if (r == -EPIPE)
        r = stn_notify_send("STOPPING=1\n");
    if (r == 0 && why)
        r = stint_status(why);
    return r;
}

int
stint_extend(int64_t usec)
{
    struct stint_extend extend = {.usec = (uint64_t)usec};
    char text[64];
    int r;

    if (usec < 0)
        return -EINVAL;
    r = stn_channel_send(STINT_FRAME_EXTEND, &extend, sizeof(extend));
    if (r != -EPIPE)
        return r;
    (void)snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRId64 "\n", usec);
    return stn_notify_send(text);
}
