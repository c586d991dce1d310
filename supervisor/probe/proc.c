/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* A chain of parents longer than this is a loop made by pid reuse while we were reading it. */
#define ANCESTORS_MAX 128
#define ENVIRON_MAX   (4U << 20) /* larger than the kernel lets an environment be by default */

static void
close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d); /* only reads were done */
}

#define auto_dir __attribute__((cleanup(close_dir)))

/* slurp - a small file of /proc in one read: such a text is made anew for each read at offset 0. */
static int
slurp(const char *path, char *buf, size_t room)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n;

    if (fd == -1)
        return errno == ENOENT ? -ESRCH : -errno;
    do
        n = read(fd, buf, room - 1);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        return -errno;
    buf[n] = '\0';
    return (int)n;
}

static bool
number(const char *s, pid_t *ret)
{
    char *end;
    long v;

    if (!isdigit((unsigned char)*s))
        return false;
    errno = 0;
    v = strtol(s, &end, 10);
    if (errno != 0 || *end != '\0' || v <= 0 || v > INT32_MAX)
        return false;
    *ret = (pid_t)v;
    return true;
}

static int
stat_read(const char *path, struct proc_stat *ret)
{
    char text[1024];
    int r = slurp(path, text, sizeof(text));

    return r < 0 ? r : proc_stat_parse(text, ret);
}

int
proc_stat_read(pid_t pid, struct proc_stat *ret)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return stat_read(path, ret);
}

int
proc_thread_stat_read(pid_t pid, pid_t tid, struct proc_stat *ret)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    return stat_read(path, ret);
}

int
proc_rss_read(pid_t pid, uint64_t *ret_bytes)
{
    char path[64], text[256];
    const char *second;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return -errno;
    n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return n < 0 ? -errno : -ESRCH;
    text[n] = '\0';
    second = strchr(text, ' '); /* "SIZE RESIDENT SHARED …", in pages */
    if (!second)
        return -EPROTO;
    *ret_bytes = strtoull(second + 1, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

int
proc_belongs(pid_t pid, pid_t leader)
{
    struct proc_stat st;
    int r;

    if (pid == leader)
        return 1;
    r = proc_stat_read(pid, &st);
    if (r < 0)
        return r;
    if (st.session == leader)
        return 1;
    for (int n = 0; n < ANCESTORS_MAX && st.ppid > 1; n++) {
        if (st.ppid == leader)
            return 1;
        if (proc_stat_read(st.ppid, &st) < 0)
            return 0; /* the chain broke under our hands: no proof */
    }
    return 0;
}

static int
by_value(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

int
proc_threads(pid_t pid, pid_t *ret_tids, size_t max, size_t *ret_n, size_t *ret_total)
{
    char path[64];
    size_t n = 0, total = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    auto_dir DIR *d = opendir(path);

    if (!d)
        return errno == ENOENT ? -ESRCH : -errno;
    for (struct dirent *e;
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        pid_t tid;

        if (!number(e->d_name, &tid))
            continue;
        total++;
        if (n < max)
            ret_tids[n++] = tid;
    }
    if (total == 0)
        return -ESRCH; /* it went away between opendir() and here */
    qsort(ret_tids, n, sizeof(*ret_tids), by_value);
    *ret_n = n;
    *ret_total = total;
    return 0;
}

int
proc_syscall_read(pid_t pid, pid_t tid, struct proc_syscall *ret)
{
    char path[64], text[512];
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    r = slurp(path, text, sizeof(text));
    return r < 0 ? r : proc_syscall_parse(text, ret);
}

int
proc_wchan_read(pid_t pid, pid_t tid, char *buf, size_t room)
{
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", (int)pid, (int)tid);
    r = slurp(path, buf, room);
    if (r < 0)
        return r;
    if (strcmp(buf, "0") == 0) /* not blocked, or we may not know */
        buf[0] = '\0';
    return 0;
}

int
proc_fd_target(pid_t pid, int fd, char *buf, size_t room)
{
    char path[64];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    n = readlink(path, buf, room - 1);
    if (n == -1)
        return errno == ENOENT ? -ESRCH : -errno;
    buf[n] = '\0';
    return 0;
}

int
proc_environ_get(pid_t pid, const char *name, char *buf, size_t room)
{
    char path[64];
    auto_free char *data = NULL;
    size_t bytes = 0, n = strlen(name);
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    r = file_read(path, ENVIRON_MAX, &data, &bytes, NULL);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    for (const char *p = data; p < data + bytes;
         p += strlen(p) + 1) { /* file_read() ends it with a NUL */
        if (strncmp(p, name, n) != 0 || p[n] != '=')
            continue;
        if ((size_t)snprintf(buf, room, "%s", p + n + 1) >= room)
            return -ENOBUFS;
        return 0;
    }
    return -ENOENT;
}

/* Who is looking for whose children. */
struct children {
    pid_t parent;
    bool (*skip)(void *env, pid_t child); /* may be NULL */
    bool (*on_child)(void *env, const struct proc_stat *child);
    void *env;
};

/* child - a process by the text of its number. Return: false to stop. */
static bool
child(const struct children *c, const char *text)
{
    struct proc_stat st;
    pid_t pid;

    return !number(text, &pid) || (c->skip && c->skip(c->env, pid)) ||
           proc_stat_read(pid, &st) < 0 || st.ppid != c->parent || c->on_child(c->env, &st);
}

/* children_listed - where the kernel has CONFIG_PROC_CHILDREN. -ENOENT: it has not. */
static int
children_listed(const struct children *c)
{
    char path[64];
    auto_free char *text = NULL;
    char *rest;
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)c->parent, (int)c->parent);
    r = file_read(path, ENVIRON_MAX, &text, NULL, NULL);
    if (r < 0)
        return r;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        if (!child(c, word))
            break;
    return 0;
}

int
proc_children(pid_t pid, bool (*skip)(void *env, pid_t child),
              bool (*on_child)(void *env, const struct proc_stat *child), void *env)
{
    const struct children c = {pid, skip, on_child, env};
    size_t n_threads = 0, listed = 0;
    pid_t first;

    /* That list is of one thread's children, so it is the whole truth for one thread only. */
    if (proc_threads(pid, &first, 1, &listed, &n_threads) == 0 && n_threads == 1 &&
        children_listed(&c) == 0)
        return 0;
    auto_dir DIR *d = opendir("/proc");

    if (!d)
        return -errno;
    for (struct dirent *e; (e = readdir(d));) /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        if (!child(&c, e->d_name))
            break;
    return 0;
}

#define VOICES_MAX 64 /* threads of it that are asked */

pid_t
proc_voice(const struct proc_stat *st)
{
    pid_t tids[VOICES_MAX];
    size_t n = 0, total = 0;
    struct proc_stat thread;

    if (st->state != 'Z' || proc_threads(st->pid, tids, VOICES_MAX, &n, &total) < 0)
        return st->pid;
    for (size_t i = 0; i < n; i++)
        if (proc_thread_stat_read(st->pid, tids[i], &thread) == 0 && thread.state != 'Z' &&
            thread.state != 'X')
            return tids[i]; /* /proc knows it by its number, though it does not list it */
    return st->pid;
}
