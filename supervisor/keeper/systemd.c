/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/systemd.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/keeper/environ.h"
#include "supervisor/keeper/log.h"

#define RETRY_US (50 * US_PER_MS)

static void
open_socket(struct systemd *s)
{
    const char *path = environ_get("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;

    if (n < 2 || (path[0] != '/' && path[0] != '@') || n >= sizeof s->address.sun_path) {
        if (n > 0)
            keeper_log("warning", "notify_ignored", 0, "msg=\"NOTIFY_SOCKET is not an address\"");
        return;
    }
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, path, n);
    if (path[0] == '@')
        s->address.sun_path[0] = '\0';
    s->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
systemd_open(struct systemd *s)
{
    int64_t pid = environ_number("WATCHDOG_PID", getpid());
    int64_t watchdog_us = environ_number("WATCHDOG_USEC", 0);

    s->fd = -1;
    s->retry_us = TIME_NEVER;
    open_socket(s);
    if (s->fd == -1)
        return;
    if (pid == getpid() && watchdog_us > 1)
        s->ping_every_us = watchdog_us / 2;
    s->next_ping_us = mono_now_us();
    s->store_max = (uint32_t)environ_number("FDSTORE", environ_number("STINT_FDSTORE_MAX", 0));
}

/* transmit - Return: 0, -EAGAIN: not now. All else is as good as sent: nobody can do anything about it. */
static int
transmit(const struct systemd *s, const char *text, size_t bytes, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct sockaddr_un to = s->address;
    struct iovec part = {.iov_len = bytes};
    struct msghdr message = {
        .msg_name = &to, .msg_namelen = s->address_bytes, .msg_iov = &part, .msg_iovlen = 1};

    memcpy(&part.iov_base, &text, sizeof text); /* it is only read */
    if (fd >= 0) {
        struct cmsghdr *c;

        message.msg_control = control;
        message.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? -EAGAIN : 0;
}

void
systemd_tell(struct systemd *s, const char *text)
{
    uint32_t bytes = (uint32_t)strlen(text);

    if (s->fd == -1)
        return;
    if (s->queued + sizeof bytes + bytes > sizeof s->queue) {
        s->dropped++;
        keeper_log("warning", "notify_dropped", 0,
                   "dropped=%u msg=\"the service manager does not read\"", s->dropped);
        return;
    }
    memcpy(s->queue + s->queued, &bytes, sizeof bytes);
    memcpy(s->queue + s->queued + sizeof bytes, text, bytes);
    s->queued += (uint32_t)sizeof bytes + bytes;
    s->retry_us = 0;
}

int
systemd_mirror(struct systemd *s, struct kept_entry *e)
{
    if (s->store_max == 0 || !kept_begins(e->name, KEEPER_LISTENER_PREFIX))
        return 0;
    if (s->stored >= s->store_max) {
        s->refused++;
        return -E2BIG;
    }
    e->mirror = MIRROR_WANTED;
    s->stored++;
    s->wanted++;
    s->retry_us = 0;
    return 0;
}

void
systemd_unmirror(struct systemd *s, struct kept_entry *e)
{
    char text[64 + KEEPER_NAME_MAX];

    if (e->mirror == MIRROR_NONE)
        return;
    s->stored--;
    if (e->mirror == MIRROR_WANTED) {
        s->wanted--;
    } else {
        (void)snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", e->name);
        systemd_tell(s, text);
    }
    e->mirror = MIRROR_NONE;
}

static int
send_queue(struct systemd *s)
{
    uint32_t at = 0, bytes;
    int r = 0;

    while (at < s->queued) {
        memcpy(&bytes, s->queue + at, sizeof bytes);
        r = transmit(s, s->queue + at + sizeof bytes, bytes, -1);
        if (r < 0)
            break;
        at += (uint32_t)sizeof bytes + bytes;
    }
    memmove(s->queue, s->queue + at, s->queued - at);
    s->queued -= at;
    return r;
}

/* FDPOLL=0: a worker may shut a listener down, and the master undoes it; systemd would drop it then.
 * After the queue: the removal of the name's former descriptor is in there. */
static int
send_listeners(struct systemd *s, struct kept *kept)
{
    char text[64 + KEEPER_NAME_MAX];

    for (uint32_t i = 0; i < kept->n && s->wanted > 0; i++) {
        struct kept_entry *e = &kept->entries[i];

        if (e->mirror != MIRROR_WANTED)
            continue;
        (void)snprintf(text, sizeof text, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", e->name);
        if (transmit(s, text, strlen(text), e->fd) < 0)
            return -EAGAIN;
        e->mirror = MIRROR_DONE;
        s->wanted--;
    }
    return 0;
}

int64_t
systemd_turn(struct systemd *s, struct kept *kept, int64_t now_us)
{
    if (s->fd == -1)
        return TIME_NEVER;
    if (s->ping_every_us > 0 && now_us >= s->next_ping_us) {
        s->next_ping_us = now_us + s->ping_every_us;
        (void)transmit(s, "WATCHDOG=1", strlen("WATCHDOG=1"),
                       -1); /* one too few: the next is near */
    }
    if (now_us >= s->retry_us) {
        bool waits = send_queue(s) < 0 || send_listeners(s, kept) < 0;

        s->retry_us = waits ? now_us + RETRY_US : TIME_NEVER;
    }
    if (s->ping_every_us > 0 && s->next_ping_us < s->retry_us)
        return s->next_ping_us;
    return s->retry_us;
}
