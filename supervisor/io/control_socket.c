/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

/* Whoever may write there could put a socket of his own in the place of each of ours. */
static int
folder_check(const char *path, struct error *reterr)
{
    struct stat st;

    if (stat(path, &st) == -1)
        return error_set(reterr, -errno, "look at '%s'", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return error_say(reterr, -EPERM, "'%s' belongs to uid %u: it has to be root's or our own",
                         path, (unsigned)st.st_uid);
    if (st.st_mode & S_IWOTH)
        return error_say(reterr, -EPERM, "others may write into '%s' (mode %04o)", path,
                         (unsigned)st.st_mode & 07777U);
    return 0;
}

/* The lock of a master before us, which nobody let go of: the same file still. */
static bool
lock_is(int fd, const char *path)
{
    struct stat held, there;

    return fd > 0 && fstat(fd, &held) == 0 && stat(path, &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino && fd_cloexec(fd, 1) == 0;
}

/* A lock, not a connect(2): a master that is busy or stopped still owns its place. */
static int
lock_take(const struct control_place *at, int held, int *ret_fd, struct error *reterr)
{
    auto_free char *path = NULL;
    char pid[32] = "";
    auto_fd int fd = held;
    int n;

    if (asprintf(&path, "%s/control.lock", at->runtime_dir) == -1)
        return error_set(reterr, -ENOMEM, "lock '%s'", at->runtime_dir);
    if (!lock_is(fd, path)) {
        (void)fd_close(fd);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (fd == -1)
        return error_set(reterr, -errno, "open '%s'", path);
    /* who may read it may lock it: nobody else shall keep the next master from starting */
    if (fchmod(fd, 0600) == -1)
        return error_set(reterr, -errno, "set the mode of '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK)
            return error_set(reterr, -errno, "lock '%s'", path);
        n = (int)pread(fd, pid, sizeof(pid) - 1, 0);
        if (n > 0)
            pid[strcspn(pid, "\n")] = '\0';
        return error_say(reterr, -EADDRINUSE,
                         "stint already runs here with pid %s ('%s' is locked)",
                         n > 0 ? pid : "(unknown)", path);
    }
    n = snprintf(pid, sizeof(pid), "%ld\n", (long)(at->pid > 0 ? at->pid : getpid()));
    if (ftruncate(fd, 0) == -1 || pwrite(fd, pid, (size_t)n, 0) != n)
        return error_set(reterr, -errno, "write '%s'", path);
    *ret_fd = steal_fd(fd);
    return 0;
}

/* With the lock in hand, a socket file that is still there belongs to nobody. */
static int
socket_bind(const char *path, int *ret_fd, struct error *reterr)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    auto_fd int fd = -1;
    mode_t umask_before;
    int r;

    if (strlen(path) >= sizeof(sa.sun_path))
        return error_say(
            reterr, -ENAMETOOLONG,
            "the control socket '%s' is longer than the %zu bytes a unix socket allows: "
            "choose a shorter runtime_dir",
            path, sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return error_set(reterr, -errno, "control socket");
    if (unlink(path) == -1 && errno != ENOENT)
        return error_set(reterr, -errno, "remove the stale socket '%s'", path);
    umask_before = umask(0117); /* never open to others, not even for an instant */
    r = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ? -errno : 0;
    (void)umask(umask_before); /* cannot fail */
    if (r < 0)
        return error_set(reterr, r, "bind '%s'", path);
    if (listen(fd, SOMAXCONN) == -1)
        return error_set(reterr, -errno, "listen on '%s'", path);
    *ret_fd = steal_fd(fd);
    return 0;
}

/* What was left to us, if it is still what those who connect come to. */
static int
socket_take(struct control_socket *s, int left, struct error *reterr)
{
    auto_fd int fd = left;

    if (fd >= 0 && control_socket_still(s, fd)) {
        s->listen_fd = steal_fd(fd);
        return 0;
    }
    return socket_bind(s->path, &s->listen_fd, reterr);
}

int
control_socket_open(const struct control_place *at, struct control_socket *ret,
                    struct error *reterr)
{
    struct control_socket s = {.lock_fd = -1, .listen_fd = -1, .leave = true};
    auto_fd int left = at->listen_fd > 0 ? at->listen_fd : -1;
    auto_fd int held = at->lock_fd > 0 ? at->lock_fd : -1;
    int r;

    r = dir_make(at->runtime_dir, 0755, reterr);
    if (r == 0)
        r = folder_check(at->runtime_dir, reterr);
    if (r < 0)
        return error_wrap(reterr, r, "runtime_dir");
    if (asprintf(&s.path, "%s/control.sock", at->runtime_dir) == -1)
        return error_set(reterr, -ENOMEM, "control socket");
    r = lock_take(at, steal_fd(held), &s.lock_fd, reterr);
    if (r == 0)
        r = socket_take(&s, steal_fd(left), reterr);
    if (r < 0) {
        control_socket_close(&s);
        return r;
    }
    s.leave = false;
    *ret = s;
    return 0;
}

void
control_socket_close(struct control_socket *s)
{
    if (s->path && !s->leave)
        (void)unlink(s->path); /* gone already is fine: the lock decides, not the file */
    free(s->path);
    s->path = NULL;
    while (s->n_early > 0)
        (void)fd_close(s->early[--s->n_early]);
    s->listen_fd = fd_close(s->listen_fd);
    s->lock_fd = fd_close(s->lock_fd);
}
