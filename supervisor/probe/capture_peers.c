/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the other end of what a thread waits for, and whom does the process still serve? */
#include "supervisor/probe/capture_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_parts.h"

#define FDS_MAX 16384 /* of the process that are looked at */

static int
by_inode(const void *a, const void *b)
{
    const struct end *x = a, *y = b;

    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

static int
by_fd(const void *a, const void *b)
{
    const struct end *x = a, *y = b;

    return (x->fd > y->fd) - (x->fd < y->fd);
}

size_t
inode_first(const void *of, size_t n, size_t stride, uint64_t inode)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint64_t at;

        memcpy(&at, (const char *)of + mid * stride, sizeof(at));
        if (at < inode)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

_Static_assert(offsetof(struct end, inode) == 0 && offsetof(struct socket_end, inode) == 0 &&
                   offsetof(struct wanted, inode) == 0,
               "inode_first() finds them by it");

const struct end *
ends_find(const struct ends *ends, uint64_t inode)
{
    size_t low = inode_first(ends->of, ends->n, sizeof(*ends->of), inode);

    return low < ends->n && ends->of[low].inode == inode ? &ends->of[low] : NULL;
}

struct socket_end *
ends_socket(const struct ends *ends, uint64_t inode)
{
    size_t low = inode_first(ends->sockets, ends->n_sockets, sizeof(*ends->sockets), inode);

    return low < ends->n_sockets && ends->sockets[low].inode == inode ? &ends->sockets[low] : NULL;
}

bool
end_read(int dir, const char *name, struct end *ret)
{
    char link[64], *bracket;
    ssize_t n = readlinkat(dir, name, link, sizeof(link) - 1);

    if (n <= 0)
        return false;
    link[n] = '\0';
    *ret = (struct end){.fd = (int)strtol(name, NULL, 10)};
    ret->socket = strncmp(link, "socket:[", 8) == 0;
    if (!ret->socket && strncmp(link, "pipe:[", 6) != 0)
        return false;
    bracket = strchr(link, '[');
    ret->inode = bracket ? strtoull(bracket + 1, NULL, 10) : 0;
    return true;
}

void
end_mode(int dir, const char *name, struct end *end)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    end->reads = (st.st_mode & S_IRUSR) != 0;
    end->writes = (st.st_mode & S_IWUSR) != 0;
}

DIR *
fds_open(const char *pid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    return opendir(path);
}

static int
ends_read(struct capture *c, struct ends *ends)
{
    char pid[24];
    size_t seen = 0;

    (void)snprintf(pid, sizeof(pid), "%d", (int)c->req->pid);
    auto_dir DIR *d = fds_open(pid);

    if (!d) {
        c->fds_refused = errno == EACCES || errno == EPERM ? -errno : c->fds_refused;
        return 0;
    }
    for (struct dirent *e;
         !capture_late(c) &&
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        struct end end;

        if (e->d_name[0] == '.' || !end_read(dirfd(d), e->d_name, &end))
            continue;
        if (++seen > FDS_MAX) {
            ends->cut = true;
            break;
        }
        end_mode(dirfd(d), e->d_name, &end);
        if (ends->n % 64 == 0) {
            struct end *more = realloc(ends->of, (ends->n + 64) * sizeof(*more));

            if (!more)
                return -ENOMEM;
            ends->of = more;
        }
        ends->of[ends->n++] = end;
    }
    ends->by_fd = calloc(ends->n + 1, sizeof(*ends->by_fd));
    if (!ends->by_fd)
        return -ENOMEM;
    if (ends->n > 0) {
        memcpy(ends->by_fd, ends->of, ends->n * sizeof(*ends->of));
        qsort(ends->of, ends->n, sizeof(*ends->of), by_inode);
        qsort(ends->by_fd, ends->n, sizeof(*ends->by_fd), by_fd);
    }
    return 0;
}

/* end_of - the pipe or socket behind descriptor @fd of the process. */
static const struct end *
end_of(const struct ends *ends, int fd)
{
    const struct end key = {.fd = fd};

    return ends->n > 0 ? bsearch(&key, ends->by_fd, ends->n, sizeof(key), by_fd) : NULL;
}

/* other_end - of what @t waits for. Return: false: there is none, or it is on another machine. */
static bool
other_end(const struct ends *ends, const struct thread_facts *t, struct wanted *ret)
{
    const struct end *end = t->fd >= 0 && t->n_fds <= 1 ? end_of(ends, t->fd) : NULL;
    const struct socket_end *socket = end && end->socket ? ends_socket(ends, end->inode) : NULL;

    if (!end || (end->socket && (!socket || socket->peer == 0)))
        return false;
    *ret = (struct wanted){.inode = socket ? socket->peer : end->inode,
                           .readers = socket || !end->reads,
                           .writers = socket || end->reads};
    return true;
}

static int
thread_peers(struct capture *c, const struct ends *ends)
{
    struct process_facts *f = c->facts;
    struct holders holders = {0};
    struct wanted w;
    int r = holders_init(&holders, f->n);

    for (size_t i = 0; r == 0 && i < f->n; i++)
        if (other_end(ends, &f->threads[i], &w))
            holders_want(&holders, &w);
    if (r == 0)
        holders_find(c, ends, &holders);
    for (size_t i = 0; r == 0 && i < f->n; i++) {
        struct thread_facts *t = &f->threads[i];
        if (other_end(ends, t, &w))
            holders_tell(c, &holders, &w, t->fd_peer, sizeof(t->fd_peer));
    }
    free(holders.of);
    return r;
}

static void
list_add(char *list, size_t room, const char *text)
{
    size_t at = strlen(list), n = strlen(text);

    if (at + n + 3 <= room) /* whole ones only */
        (void)snprintf(list + at, room - at, "%s%s", at > 0 ? "; " : "", text);
}

/* How libstint talks with the supervisor is nobody's client. */
static uint64_t
channel_inode(const struct capture *c, const struct ends *ends)
{
    char value[24];
    const struct end *end;

    if (proc_environ_get(c->req->pid, "STINT_CHANNEL", value, sizeof(value)) < 0)
        return 0;
    end = end_of(ends, (int)strtol(value, NULL, 10));
    return end && end->socket ? end->inode : 0;
}

/* Clients first: for them a process has to stay, for those that it called it need not. */
static void
process_peers(struct capture *c, const struct ends *ends)
{
    struct process_facts *f = c->facts;
    uint64_t channel = ends->n_sockets > 0 ? channel_inode(c, ends) : 0;

    for (int outgoing = 0; outgoing < 2; outgoing++)
        for (size_t i = 0; i < ends->n_sockets; i++) {
            const struct socket_end *s = &ends->sockets[i];

            if (!s->established || s->inode == channel ||
                ends_find(ends, s->inode)->fd <= STDERR_FILENO ||
                (s->peer != 0 && ends_find(ends, s->peer)) ||
                (strstr(s->text, "→") != NULL) != (outgoing == 1))
                continue;
            f->connections++;
            list_add(f->peers, sizeof(f->peers), s->text);
        }
    for (size_t i = 0; i < ends->n_sockets; i++)
        if (ends->sockets[i].listening) {
            f->listeners++;
            list_add(f->listening, sizeof(f->listening), ends->sockets[i].text);
        }
}

const char *
capture_socket_text(const struct capture *c, uint64_t inode)
{
    const struct socket_end *s = c->ends ? ends_socket(c->ends, inode) : NULL;

    return s ? s->text : "";
}

int
capture_ends_read(struct capture *c)
{
    int r;

    c->ends = calloc(1, sizeof(*c->ends));
    if (!c->ends)
        return -ENOMEM;
    r = ends_read(c, c->ends);
    return r == 0 ? ends_sockets_read(c, c->ends) : r;
}

void
capture_ends_free(struct capture *c)
{
    if (!c->ends)
        return;
    free(c->ends->of);
    free(c->ends->by_fd);
    free(c->ends->sockets);
    free(c->ends);
    c->ends = NULL;
}

int
capture_peers(struct capture *c)
{
    int r = thread_peers(c, c->ends);

    if (r == 0)
        process_peers(c, c->ends);
    return r;
}
