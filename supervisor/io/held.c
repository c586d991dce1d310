/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/held.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/master_state.h"

#define FDS_MAX 65536

uint64_t
held_inode(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void
add(struct held ret[HELD_MAX], size_t *n, int fd, const char *what, pid_t worker)
{
    uint64_t inode = held_inode(fd);

    if (inode == 0 || *n >= HELD_MAX)
        return;
    ret[*n].inode = inode;
    ret[*n].own = worker > 0;
    if (worker > 0)
        (void)snprintf(ret[*n].name, sizeof(ret[*n].name), "%s of worker %d", what, (int)worker);
    else
        (void)snprintf(ret[*n].name, sizeof(ret[*n].name), "%s", what);
    (*n)++;
}

static int
capture_fd_of(const struct hand *h, enum capture_stream stream)
{
    return h->capture ? capture_fd(h->capture, stream) : -1;
}

/* Of its channel it has the other end, which is another socket; that of a master before us is not known. */
static void
add_own(const struct hand *h, bool out, bool err, bool channel, struct held ret[HELD_MAX],
        size_t *n)
{
    if (out)
        add(ret, n, capture_fd_of(h, CAPTURE_STDOUT), "stdout", h->pid);
    if (err)
        add(ret, n, capture_fd_of(h, CAPTURE_STDERR), "stderr", h->pid);
    if (!channel || h->leaks.channel_inode == 0 || *n >= HELD_MAX)
        return;
    ret[*n].inode = h->leaks.channel_inode;
    ret[*n].own = true;
    (void)snprintf(ret[(*n)++].name, sizeof(ret[0].name), "channel of worker %d", (int)h->pid);
}

void
held_of(const struct snapshot *snap, const struct hand *h, struct held ret[HELD_MAX])
{
    char name[80];
    size_t n = 0;

    memset(ret, 0, HELD_MAX * sizeof(*ret));
    for (size_t i = 0; snap && i < snap->n_listeners && i < HELD_LISTENERS; i++) {
        (void)snprintf(name, sizeof(name), "listener %s", snap->spec->listen[i].name);
        add(ret, &n, snap->listeners[i]->fd, name, 0);
    }
    if (h)
        add_own(h, true, true, true, ret, &n);
    for (size_t i = 0; snap && i < HELD_PAST && n < HELD_MAX; i++)
        if (snap->past.of[i].inode)
            ret[n++] = snap->past.of[i];
}

/* The kernel knows whether anybody at all has the other end, also whom nobody may ask. */
static bool
is_returned(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd < 0 || (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)));
}

void
held_gone(const struct hand *h)
{
    struct held own[HELD_MAX] = {0};
    size_t n = 0;

    if (!h->snapshot)
        return;
    add_own(h, !is_returned(capture_fd_of(h, CAPTURE_STDOUT)),
            !is_returned(capture_fd_of(h, CAPTURE_STDERR)),
            h->channel && !is_returned(channel_fd(h->channel)), own, &n);
    for (size_t i = 0; i < n; i++)
        h->snapshot->past.of[h->snapshot->past.next++ % HELD_PAST] = own[i];
}

static uint64_t
socket_of(const char *link)
{
    return strncmp(link, "socket:[", 8) == 0 ? strtoull(link + 8, NULL, 10) : 0;
}

/* One by one: a directory of descriptors may be large, and ours have small numbers. */
void
held_tell(const struct held held[HELD_MAX], pid_t pid, int misses, struct text *out)
{
    char path[64], link[64];
    int missed = 0;

    for (int fd = 0; held[0].inode && fd < FDS_MAX && missed < misses; fd++) {
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
        n = readlink(path, link, sizeof(link) - 1);
        if (n == -1 && errno != ENOENT)
            return; /* not permitted */
        missed = n == -1 ? missed + 1 : 0;
        link[n > 0 ? n : 0] = '\0';
        for (size_t i = 0; n > 0 && i < HELD_MAX && held[i].inode; i++)
            if (!held[i].own && held[i].inode == socket_of(link))
                text_addf(out, "%s%s still held by pid %d, fd %d", out->bytes > 0 ? ", " : "",
                          held[i].name, (int)pid, fd);
    }
}

bool
held_has(const struct hand *h, const struct listener *l)
{
    const struct snapshot *snap = h->snapshot;

    for (size_t i = 0; snap && i < snap->n_listeners; i++)
        if (snap->listeners[i] == l)
            return true;
    return snap && snap->probe == l;
}
