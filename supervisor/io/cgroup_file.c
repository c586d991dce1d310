/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"

#define DEPTH_MAX   16 /* of cgroups that workers make in their leaf; deeper ones are left alone */
#define BREADTH_MAX 16384
#define KILL_MAX    4096 /* pids in one round … */
#define KILL_ROUNDS 8    /* … and what is born meanwhile is seen in the next */

int
cgroup_file_read(int dir_fd, const char *name, char *buf, size_t room)
{
    auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n = 0;

    if (fd == -1)
        return -errno;
    while (used < room - 1) {
        n = read(fd, buf + used, room - 1 - used);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    if (n == -1)
        return -errno;
    buf[used] = '\0';
    return (int)used;
}

int
cgroup_file_write(int dir_fd, const char *name, const char *text)
{
    auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd == -1)
        return -errno;
    do
        n = write(fd, text, strlen(text));
    while (n == -1 && errno == EINTR);
    return n == -1 ? -errno : 0;
}

int
cgroup_populated(int events_fd)
{
    char text[256];
    const char *value;
    ssize_t n = pread(events_fd, text, sizeof text - 1, 0);

    if (n == -1)
        return -errno;
    text[n] = '\0';
    value = strstr(text, "populated ");
    return value ? value[strlen("populated ")] == '1' : -EPROTO;
}

int
cgroup_move(int dir_fd, pid_t pid)
{
    char digits[16];

    (void)snprintf(digits, sizeof digits, "%d", (int)pid);
    return cgroup_file_write(dir_fd, "cgroup.procs", digits);
}

int
cgroup_each(int dir_fd, int (*on_child)(void *env, int dir_fd, const char *name), void *env)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd == -1 ? NULL : fdopendir(fd);
    unsigned n = 0;
    int r = 0;

    if (!dir) {
        r = -errno;
        (void)fd_close(fd);
        return r;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a DIR of our own */
    for (struct dirent *e; r >= 0 && n < BREADTH_MAX && (e = readdir(dir));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.') /* the kernel tells the type here */
            continue;
        n++;
        r = on_child(env, dir_fd, e->d_name);
    }
    (void)closedir(dir);
    return r < 0 ? r : 0;
}

/* ---- who is there -------------------------------------------------------------------------------- */

struct census {
    pid_t *pids; /* borrowed; room for `max` */
    size_t n, max;
    unsigned depth;
};

static int count_below(void *env, int dir_fd, const char *name);

/* count - of this cgroup, then of those below it. */
static int
count(struct census *c, int dir_fd)
{
    int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *f = fd == -1 ? NULL : fdopen(fd, "r");
    char line[32];

    if (!f) {
        int r = -errno;

        (void)fd_close(fd);
        return r;
    }
    while (c->n < c->max && fgets(line, sizeof line, f)) {
        long pid = strtol(line, NULL, 10);

        if (pid > 0) /* 0: of a pid namespace that we do not see */
            c->pids[c->n++] = (pid_t)pid;
    }
    (void)fclose(f); /* was only read */
    if (c->depth >= DEPTH_MAX)
        return 0;
    c->depth++;
    (void)cgroup_each(dir_fd, count_below, c); /* what is gone meanwhile holds nobody */
    c->depth--;
    return 0;
}

static int
count_below(void *env, int dir_fd, const char *name)
{
    auto_fd int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd != -1)
        (void)count(env, fd); /* as above */
    return 0;
}

int
cgroup_pids(int dir_fd, pid_t *ret, size_t max)
{
    struct census c = {.pids = ret, .max = max};
    int r = count(&c, dir_fd);

    return r < 0 ? r : (int)c.n;
}

/* ---- ending them --------------------------------------------------------------------------------- */

static bool
is_among(pid_t pid, const pid_t *pids, int n)
{
    for (int i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/*
 * kill_round - a pid is a process of this cgroup when it was in the list after its pidfd was opened:
 * were it another one by then, the pidfd would be of a dead process. Return: how many were seen.
 */
static int
kill_round(int dir_fd, pid_t *before, pid_t *after)
{
    int n = cgroup_pids(dir_fd, before, KILL_MAX);

    for (int i = 0; i < n;) {
        int fds[64], batch = 0, still;

        for (; batch < 64 && i + batch < n; batch++)
            fds[batch] = pidfd_open(before[i + batch], 0);
        still = cgroup_pids(dir_fd, after, KILL_MAX);
        for (int j = 0; j < batch; j++) {
            if (fds[j] != -1 && is_among(before[i + j], after, still))
                (void)pidfd_send_signal(fds[j], SIGKILL, NULL, 0); /* seen in the next round */
            (void)fd_close(fds[j]);
        }
        i += batch;
    }
    return n;
}

int
cgroup_kill_each(int dir_fd)
{
    auto_free pid_t *pids = calloc((size_t)2 * KILL_MAX, sizeof *pids);
    int n = 1;

    if (!pids)
        return -ENOMEM;
    (void)cgroup_file_write(dir_fd, "cgroup.freeze", "1"); /* or they fork meanwhile: rounds */
    for (int round = 0; n > 0 && round < KILL_ROUNDS; round++)
        n = kill_round(dir_fd, pids, pids + KILL_MAX);
    (void)cgroup_file_write(dir_fd, "cgroup.freeze", "0"); /* nobody may wait for ever for this */
    return n > 0 ? -EAGAIN : n;
}

/* ---- removing ------------------------------------------------------------------------------------ */

static int remove_deep(int dir_fd, const char *name, unsigned depth);

static int
remove_below(void *env, int dir_fd, const char *name)
{
    return remove_deep(dir_fd, name, *(unsigned *)env);
}

static int
remove_deep(int dir_fd, const char *name, unsigned depth)
{
    int r = unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;

    if (r == -ENOENT)
        return 0;
    if (r != -EBUSY || depth >= DEPTH_MAX)
        return r;
    auto_fd int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    depth++;
    if (fd == -1 || cgroup_each(fd, remove_below, &depth) < 0)
        return -EBUSY;
    r = unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
    return r;
}

int
cgroup_remove(int dir_fd, const char *name)
{
    return remove_deep(dir_fd, name, 0);
}
