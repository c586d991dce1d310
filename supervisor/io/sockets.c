/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

static const char *
unix_path(const struct endpoint *a)
{
    return ((const struct sockaddr_un *)(const void *)&a->sa)->sun_path;
}

/* A path is free when nothing is there, or a socket file that nobody answers on: that goes. */
static int
unix_make_room(const struct endpoint *a, struct error *reterr)
{
    const char *path = unix_path(a);
    struct stat st;
    int r;

    if (lstat(path, &st) == -1)
        return errno == ENOENT ? 0 : error_set(reterr, -errno, "look at '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return error_say(reterr, -EEXIST, "'%s' exists and is not a socket", path);

    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        return error_set(reterr, -errno, "make a socket");
    r = connect(fd, (const struct sockaddr *)&a->sa, a->bytes) == -1 ? -errno : 0;
    if (r == -ENOENT)
        return 0;
    if (r == -EACCES || r == -EPERM)
        return error_set(reterr, r, "see whether '%s' is in use", path);
    if (r != -ECONNREFUSED) /* also EAGAIN (its queue is full) and EPROTOTYPE (a datagram socket) */
        return error_say(reterr, -EADDRINUSE, "'%s' is in use by another process", path);
    if (unlink(path) == -1 && errno != ENOENT)
        return error_set(reterr, -errno, "remove the stale socket '%s'", path);
    return 0;
}

/*
 * unix_dress - mode and owner of the socket file. Nobody can connect before listen(). The folder may
 * be a service's own: what its user puts in the place of our file is not touched.
 */
static int
unix_dress(struct listener *l, struct error *reterr)
{
    const char *path = unix_path(&l->bound);
    auto_fd int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char itself[64];
    struct stat st;

    if (fd == -1 || fstat(fd, &st) == -1)
        return error_set(reterr, -errno, "look at '%s'", path);
    if (!S_ISSOCK(st.st_mode) ||
        (l->inode != 0 && (st.st_dev != l->device || st.st_ino != l->inode)))
        return error_say(reterr, -ESTALE, "'%s' is not the socket that was made there", path);
    (void)snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd); /* fchmod() takes no O_PATH */
    if ((st.st_mode & 07777) != l->mode && chmod(itself, l->mode) == -1)
        return error_set(reterr, -errno, "set the mode of '%s'", path);
    if ((l->owner.uid != (uid_t)-1 || l->owner.gid != (gid_t)-1) &&
        fchownat(fd, "", l->owner.uid, l->owner.gid, AT_EMPTY_PATH) == -1)
        return error_set(reterr, -errno, "set the owner of '%s'", path);
    l->device = st.st_dev;
    l->inode = st.st_ino;
    return 0;
}

/* Only ours: while it is open the inode's number cannot be somebody else's. */
static void
unix_unlink(const struct listener *l)
{
    const char *path = unix_path(&l->bound);
    struct stat st;

    if (l->inode != 0 && lstat(path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        (void)unlink(path); /* what cannot be removed is stale, and is replaced next time */
}

/* A socket file has its mode from its first instant on: nothing is done to its name. */
static int
bind_with_mode(int fd, const struct endpoint *at, mode_t mode)
{
    mode_t before = umask(~mode & 0777);
    int r = bind(fd, (const struct sockaddr *)&at->sa, at->bytes) == -1 ? -errno : 0;

    (void)umask(before); /* cannot fail */
    return r;
}

/* bind_at - a new socket at @at, dressed but not yet listening, into l->fd and l->bound. */
static int
bind_at(struct listener *l, const struct endpoint *at, struct error *reterr)
{
    int family = at->sa.ss_family;
    auto_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool blocks = l->fd == -1 || !(fcntl(l->fd, F_GETFL) & O_NONBLOCK); /* as the one before it */
    int one = 1, r = 0;

    if (fd == -1 || (!blocks && fd_nonblock(fd) < 0))
        return error_set(reterr, -errno, "make a socket for '%s'", l->address);
    if (family == AF_UNIX)
        r = unix_make_room(at, reterr);
    else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 ||
             (family == AF_INET6 &&
              setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == -1))
        r = error_set(reterr, -errno, "set the options of '%s'", l->address);
    if (r < 0)
        return r;
    r = bind_with_mode(fd, at, l->mode);
    if (r == -EADDRINUSE)
        return error_say(reterr, r, "bind '%s': it is in use by another process", l->address);
    if (r < 0)
        return error_set(reterr, r, "bind '%s'", l->address);
    l->bound = *at;
    l->bound.bytes = sizeof l->bound.sa;
    if (getsockname(fd, (struct sockaddr *)&l->bound.sa, &l->bound.bytes) == -1)
        return error_set(reterr, -errno, "bind '%s'", l->address);
    l->is_unix = family == AF_UNIX;
    l->inode = 0; /* of a file made before, if any */
    if (l->is_unix)
        r = unix_dress(l, reterr);
    if (r == 0) {
        listener_unguard(l);
        (void)fd_close(l->fd);
        l->fd = steal_fd(fd);
    } else if (l->is_unix) {
        (void)unlink(unix_path(&l->bound)); /* made a moment ago, by us */
    }
    return r;
}

static int
start_listening(struct listener *l, int backlog, struct error *reterr)
{
    if (listen(l->fd, backlog) == -1)
        return error_set(reterr, -errno, "listen on '%s'", l->address);
    l->backlog = backlog;
    return 0;
}

static void
listener_destroy(struct listener *l)
{
    if (!l)
        return;
    listener_unguard(l);
    if (l->on_close)
        l->on_close(l->env, l);
    if (l->is_unix && !l->foreign)
        unix_unlink(l);
    list_del(&l->node);
    (void)fd_close(l->fd);
    free(l->address);
    free(l);
}

static int
listener_create(const struct listener_spec *spec, struct listener_owner owner,
                struct listener **ret, struct error *reterr)
{
    struct listener *l = calloc(1, sizeof *l);
    struct endpoint at = {0};
    int r;

    if (!l)
        return error_set(reterr, -ENOMEM, "bind '%s'", spec->address);
    list_init(&l->node);
    l->fd = l->guard = -1;
    l->references = 1;
    l->address = strdup(spec->address);
    r = l->address ? endpoint_parse(spec->address, &at, reterr)
                   : error_set(reterr, -ENOMEM, "bind '%s'", spec->address);
    l->mode = spec->mode;
    l->owner = owner;
    if (r == 0)
        r = bind_at(l, &at, reterr);
    if (r == 0)
        r = start_listening(l, spec->backlog, reterr);
    if (r < 0) {
        listener_destroy(l);
        return r;
    }
    *ret = l;
    return 0;
}

int
listener_adjust(struct listener *l, const struct listener_spec *spec, struct listener_owner owner,
                struct error *reterr)
{
    bool same = l->mode == spec->mode && l->owner.uid == owner.uid && l->owner.gid == owner.gid;
    int r = 0;

    l->mode = spec->mode;
    l->owner = owner;
    if (l->is_unix && !same && !l->foreign)
        r = unix_dress(l, reterr);
    if (r == 0 && l->backlog != spec->backlog)
        r = start_listening(l, spec->backlog, reterr);
    return r;
}

void
listeners_init(struct listeners *set)
{
    list_init(&set->all);
}

void
listeners_finish(struct listeners *set)
{
    list_for_each_safe (pos, &set->all)
        listener_destroy(container_of(pos, struct listener, node));
}

struct listener *
listeners_find(const struct listeners *set, const char *address)
{
    list_for_each (pos, &set->all) {
        struct listener *l = container_of(pos, struct listener, node);

        if (strcmp(l->address, address) == 0)
            return l;
    }
    return NULL;
}

/* in_our_way - the open socket of ours that has the port of @address, if any; all of a port overlap. */
static const struct listener *
in_our_way(const struct listeners *set, const char *address)
{
    const char *port = strrchr(address, ':');

    list_for_each (pos, &set->all) {
        const struct listener *l = container_of(pos, struct listener, node);
        const char *taken = strrchr(l->address, ':');

        if (port && taken && !l->is_unix && strcmp(port, taken) == 0)
            return l;
    }
    return NULL;
}

int
listeners_acquire(struct listeners *set, const struct listener_spec *spec,
                  struct listener_owner owner, struct listener **ret, struct error *reterr)
{
    struct listener *l = listeners_find(set, spec->address);
    const struct listener *ours;
    int r;

    if (l) {
        *ret = listener_ref(l);
        return 0;
    }
    r = listener_create(spec, owner, ret, reterr);
    if (r == 0)
        list_add(&set->all, &(*ret)->node);
    ours = r == -EADDRINUSE ? in_our_way(set, spec->address) : NULL;
    if (ours)
        return error_say(reterr, r,
                         "bind '%s': the open '%s' is in its way, which the generation that serves "
                         "needs until it is relieved; go by way of another port",
                         spec->address, ours->address);
    return r;
}

struct listener *
listener_ref(struct listener *l)
{
    l->references++;
    return l;
}

void
listener_unref(struct listener *l)
{
    if (l && --l->references == 0)
        listener_destroy(l);
}

int
listeners_probe(struct listeners *set, const char *address, struct listener **ret,
                struct error *reterr)
{
    auto_free char *copy = strdup(address);
    struct listener_spec spec = {.address = copy, .mode = 0666, .backlog = SOMAXCONN};
    size_t n = strlen(address);

    if (!copy)
        return error_set(reterr, -ENOMEM, "bind '%s'", address);
    if (n > 2 && strcmp(address + n - 2, ":0") == 0)
        return listener_create(&spec, LISTENER_OWNER_ANY, ret, reterr);
    return listeners_acquire(set, &spec, LISTENER_OWNER_ANY, ret, reterr);
}

int
listener_guard(struct listener *l, int epoll)
{
    struct epoll_event ev = {.events = EPOLLRDHUP, .data.fd = l->fd}; /* a unix socket's SHUT_RD */

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &ev) == -1 && errno != EEXIST)
        return -errno;
    l->guard = epoll;
    return 0;
}

void
listener_unguard(struct listener *l)
{
    if (l->guard >= 0)
        (void)epoll_ctl(l->guard, EPOLL_CTL_DEL, l->fd, NULL); /* it is in there: cannot fail */
    l->guard = -1;
}

bool
listener_is_listening(const struct listener *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLRDHUP};
    socklen_t bytes = sizeof(int);
    int yes = 0;

    if (getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &bytes) == -1 || !yes)
        return false;
    /* A unix socket stays "listening" after shutdown() and yet refuses everybody. */
    return !l->is_unix || poll(&p, 1, 0) != 1 || !(p.revents & (POLLRDHUP | POLLHUP));
}

/*
 * After a shutdown() a TCP socket keeps its port only if the port was asked for by number, and
 * getsockname() shows the old one in either case. So: bind again; EINVAL says it still is bound.
 */
static int
tcp_rebind(struct listener *l, struct error *reterr)
{
    if (bind(l->fd, (const struct sockaddr *)&l->bound.sa, l->bound.bytes) == -1 && errno != EINVAL)
        return error_set(reterr, -errno, "bind '%s' again", l->address);
    return 0;
}

int
listener_relisten(struct listener *l, struct error *reterr)
{
    struct endpoint at = l->bound;
    int r;

    if (listener_is_listening(l))
        return 0;
    listener_unguard(l);
    r = l->is_unix ? bind_at(l, &at, reterr) : tcp_rebind(l, reterr);
    if (r == 0)
        r = start_listening(l, l->backlog, reterr);
    return r < 0 ? r : l->is_unix;
}

void
listener_address(const struct listener *l, struct text *out)
{
    endpoint_format(&l->bound, out);
}
