/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/leftover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/probe/capture_peers.h"
#include "supervisor/probe/proc.h"

#define CMDLINE_ROOM ((size_t)64 << 10)

static void
read_command(pid_t pid, char *buf, size_t room)
{
    auto_free char *bytes = NULL;
    char path[48];
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    if (file_read(path, CMDLINE_ROOM, &bytes, &n, NULL) < 0 || n == 0)
        return;
    n = n < room ? n : room;
    memcpy(buf, bytes, n);
    for (size_t i = 0; i + 1 < n; i++)
        if (buf[i] == '\0')
            buf[i] = ' ';
    buf[n - 1] = '\0';
    plain_text(buf);
}

static void
read_exe(pid_t pid, char *buf, size_t room)
{
    char path[48];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    n = readlink(path, buf, room - 1);
    buf[n > 0 ? n : 0] = '\0';
    plain_text(buf);
}

static int64_t
age_us(uint64_t start_time)
{
    struct timespec since_boot = {0};
    int64_t hz = sysconf(_SC_CLK_TCK), age;

    if (hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &since_boot) == -1)
        return 0;
    age = (int64_t)since_boot.tv_sec * US_PER_S + since_boot.tv_nsec / 1000 -
          (int64_t)start_time * (US_PER_S / hz);
    return age > 0 ? age : 0;
}

static void
read_chain(struct leftover *l, const pid_t top[2])
{
    struct proc_stat st;

    for (pid_t pid = l->ppid; pid > 1 && l->n_chain < LEFTOVER_CHAIN; pid = st.ppid) {
        if (pid == top[0] || pid == top[1] || proc_stat_read(pid, &st) < 0)
            return;
        l->chain[l->n_chain].pid = pid;
        memcpy(l->chain[l->n_chain].comm, st.comm, sizeof(st.comm));
        plain_text(l->chain[l->n_chain++].comm);
    }
}

static bool
hold(struct leftover *l, const struct leftover_look *look, const struct end *end)
{
    for (size_t i = 0; i < look->n_held && look->held[i].inode; i++) {
        if (look->held[i].inode != end->inode)
            continue;
        if (l->n_holds == LEFTOVER_HOLDS) {
            l->more_holds++;
            return true;
        }
        l->holds[l->n_holds].what = (unsigned)i;
        l->holds[l->n_holds++].fd = end->fd;
        return true;
    }
    return false;
}

static void
read_holds(struct leftover *l, pid_t voice, const struct leftover_look *look)
{
    char number[16];
    size_t n = 0;

    (void)snprintf(number, sizeof(number), "%d", (int)voice);
    auto_dir DIR *d = look->fds > 0 ? fds_open(number) : NULL;

    if (!d) {
        l->refused = look->fds > 0 && (errno == EACCES || errno == EPERM);
        return;
    }
    for (struct dirent *e;
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        struct end end;

        if (e->d_name[0] == '.')
            continue;
        if (n++ == look->fds) {
            l->cut = true;
            return;
        }
        if (!end_read(dirfd(d), e->d_name, &end) || hold(l, look, &end))
            continue;
        if (end.socket)
            l->sockets++;
        else
            l->pipes++;
    }
}

int
leftover_read(pid_t pid, const struct leftover_look *look, struct leftover *ret)
{
    struct leftover l = {.pid = pid};
    struct proc_stat st;
    int r = proc_stat_read(pid, &st);

    pid_t voice;

    if (r == 0 && proc_is_dead(&st))
        r = -ESRCH;
    if (r < 0)
        return r;
    l.ppid = st.ppid;
    l.session = st.session;
    l.start_time = st.start_time;
    l.state = st.state;
    l.age_us = age_us(st.start_time);
    memcpy(l.comm, st.comm, sizeof(l.comm));
    plain_text(l.comm);
    voice = proc_voice(&st);
    read_command(voice, l.command, sizeof(l.command));
    read_exe(voice, l.exe, sizeof(l.exe));
    read_chain(&l, look->top);
    read_holds(&l, voice, look);
    /* the number may have become another's while that was read */
    if (proc_stat_read(pid, &st) < 0 || st.start_time != l.start_time)
        return -ESRCH;
    *ret = l;
    return 0;
}

size_t
leftover_inodes(pid_t pid, uint64_t *ret, size_t max)
{
    struct proc_stat st;
    char number[16];
    size_t n = 0;

    if (proc_stat_read(pid, &st) < 0)
        return 0;
    (void)snprintf(number, sizeof(number), "%d", (int)proc_voice(&st));
    auto_dir DIR *d = fds_open(number);

    if (!d)
        return 0;
    for (struct dirent *e; n < max && (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe) */
        struct end end;

        if (e->d_name[0] != '.' && end_read(dirfd(d), e->d_name, &end))
            ret[n++] = end.inode;
    }
    return n;
}
