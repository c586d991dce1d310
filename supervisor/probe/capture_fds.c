/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a descriptor is, in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_parts.h"

#define INFO_MAX ((size_t)256 << 10) /* an epoll or inotify set has a line for each member */

static uint64_t
number_behind(const char *text, const char *key, int base)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

static unsigned
lines_with(const char *text, const char *begin)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, begin)); at += strlen(begin))
        n += at == text || at[-1] == '\n';
    return n;
}

static void
timer_words(const char *info, char *buf, size_t room)
{
    uint64_t s = number_behind(info, "it_value: (", 10),
             every = number_behind(info, "it_interval: (", 10);

    if (strstr(info, "it_value: (0, 0)"))
        (void)snprintf(buf, room, "timerfd (not set)");
    else
        (void)snprintf(buf, room, "timerfd (in %" PRIu64 " s%s)", s,
                       every > 0 || !strstr(info, "it_interval: (0, 0)") ? ", and again" : "");
}

/* anonymous - what the kernel has to say of one that is in no file system. */
static void
anonymous(const struct capture *c, int fd, const char *kind, char *buf, size_t room)
{
    char path[64];
    auto_free char *info = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)c->memory.pid, fd);
    if (file_read(path, INFO_MAX, &info, NULL, NULL) < 0) {
        (void)snprintf(buf, room, "%s", kind);
        return;
    }
    if (strstr(kind, "eventfd"))
        (void)snprintf(buf, room, "eventfd (%" PRIu64 ")",
                       number_behind(info, "eventfd-count:", 16));
    else if (strstr(kind, "timerfd"))
        timer_words(info, buf, room);
    else if (strstr(kind, "inotify"))
        (void)snprintf(buf, room, "inotify (%u watches)", lines_with(info, "inotify wd:"));
    else if (strstr(kind, "eventpoll"))
        (void)snprintf(buf, room, "epoll (%u descriptors)", lines_with(info, "tfd:"));
    else if (strstr(kind, "pidfd"))
        (void)snprintf(buf, room, "pidfd (process %d)", (int)number_behind(info, "\nPid:", 10));
    else
        (void)snprintf(buf, room, "%s", kind);
}

void
capture_fd_target(struct capture *c, int fd, char *buf, size_t room)
{
    static const char anon[] = "anon_inode:";
    char link[256];
    int r;

    buf[0] = '\0';
    if (c->fds_refused || fd < 0)
        return;
    r = proc_fd_target(c->memory.pid, fd, link, sizeof(link));
    if (r == -EACCES || r == -EPERM)
        c->fds_refused = r;
    if (r < 0)
        return;
    plain_text(link);
    if (strncmp(link, anon, sizeof(anon) - 1) == 0)
        anonymous(c, fd, link + sizeof(anon) - 1, buf, room);
    else if (strncmp(link, "socket:[", 8) == 0 &&
             capture_socket_text(c, strtoull(link + 8, NULL, 10))[0] != '\0')
        (void)snprintf(buf, room, "%s", capture_socket_text(c, strtoull(link + 8, NULL, 10)));
    else
        (void)snprintf(buf, room, "%s", link);
}
