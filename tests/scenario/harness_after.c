/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "harness.h"

#define BLOCKED_MS \
    250           /* a disk may keep us that long while others write; a name server takes seconds */
#define TURNS 200 /* questions to the master: each is at least a turn of its loop */

unsigned
scn_baseline(void)
{
    unsigned fds = scn_fds();

    /* An exec that succeeded, a connection that ended, our own last one too: told in later turns. */
    for (int quiet = 0; quiet < 3; quiet++) {
        unsigned now;

        (void)scn_cli(NULL, "version", NULL);
        now = scn_fds();
        if (now >= fds)
            continue;
        fds = now;
        quiet = -1;
    }
    return fds;
}

/* A child of the keeper whose title says so; the keeper may have other children, adopted ones. */
static bool
is_master(const char *pid)
{
    char path[64], title[32] = "";
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || read(fd, title, sizeof(title) - 1) < 0)
        title[0] = '\0';
    fd_close(fd);
    return strcmp(title, "stint: master") == 0;
}

pid_t
scn_master(void)
{
    char path[64], text[65536] = "", *rest, *pid;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)scn_keeper(),
                   (int)scn_keeper());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    fd_close(fd);
    for (pid = strtok_r(text, " ", &rest); pid; pid = strtok_r(NULL, " ", &rest))
        if (is_master(pid))
            return (pid_t)atoi(pid);
    return 0;
}

pid_t
scn_kill_master(void)
{
    unsigned before = scn_count("event=took_over");
    pid_t master = scn_master();

    ck_assert_int_gt(master, 0);
    ck_assert_int_eq(kill(master, SIGKILL), 0);
    while (scn_count("event=took_over") == before)
        (void)scn_await("event=took_over", 10000);
    return scn_master();
}

/* @tell: each, for whoever reads of a test that failed. */
static unsigned
count_fds(bool tell)
{
    char path[64], link[256];
    unsigned count = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)scn_master());
    d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)); count++) {
        ssize_t n = tell ? readlinkat(dirfd(d), e->d_name, link, sizeof(link)) : -1;

        if (n > 0)
            (void)fprintf(stderr, "fd %s: %.*s\n", e->d_name, (int)n, link);
    }
    (void)closedir(d);
    return count - 2;
}

unsigned
scn_fds(void)
{
    return count_fds(false);
}

void
scn_ask_past(const char *socket_name, long generation, struct scn_answer *ret)
{
    int64_t deadline_us = mono_now_us() + (int64_t)SCN_PATIENCE * 5 * US_PER_S;

    do
        ck_assert_int_eq(scn_ask(socket_name, ret), 0);
    while (ret->generation < generation && mono_now_us() < deadline_us);
}

void
scn_await_fds(unsigned fds)
{
    int64_t deadline_us = mono_now_us() + (int64_t)SCN_PATIENCE * 5 * US_PER_S;
    unsigned now = scn_fds();

    /* after so many turns of the loop, or when a helper, which gives way to everybody, had its time */
    for (int i = 0; (i < TURNS || mono_now_us() < deadline_us) && now > fds; i++) {
        (void)scn_cli(NULL, "version", NULL);
        now = scn_fds();
    }
    if (now > fds)
        (void)count_fds(true);
    ck_assert_uint_le(now, fds);
}

/* Is @pid a process whose executable lies (or lay) on the stage? */
static bool
of_the_stage(const char *pid)
{
    char link[300], target[512];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/%s/exe", pid);
    n = readlink(link, target, sizeof(target) - 1);
    return n > 0 && strncmp(target, scn_dir(), strlen(scn_dir())) == 0;
}

void
scn_nobody_left(void)
{
    DIR *d = opendir("/proc");

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        pid_t pid = (pid_t)atoi(e->d_name);

        if (pid <= 0 || !of_the_stage(e->d_name))
            continue;
        if (scn_await_gone(pid, 1000))
            continue; /* it was on its way */
        (void)kill(pid, SIGKILL);
        ck_abort_msg("process %d was left behind", (int)pid);
    }
    (void)closedir(d);
}

void
scn_after(unsigned fds)
{
    ck_assert(scn_alive(scn_master()));
    scn_await_fds(fds);
    ck_assert_uint_eq(scn_count("event=bug"), 0);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}

int
scn_fifo(const char *name)
{
    int fd;

    ck_assert_int_eq(mkfifo(scn_path("%s", name), 0666), 0);
    ck_assert_int_eq(chmod(scn_path("%s", name), 0666), 0); /* whatever the umask is */
    fd = open(scn_path("%s", name), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    return fd;
}

void
scn_fifo_read(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    timeout_ms *= SCN_PATIENCE;
    ck_assert_msg(poll(&p, 1, timeout_ms) == 1, "within %d ms nothing came", timeout_ms);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
}

void
scn_fifo_write(int fd, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        ck_assert_int_eq(write(fd, "!", 1), 1);
}

int
scn_connect(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", scn_dir(), name);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0, "%s: %s", name,
                  strerror(errno));
    return fd;
}

long
scn_cpu_ms(void)
{
    char path[64];
    auto_free char *stat = NULL;
    unsigned long user = 0, system = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)scn_master());
    ck_assert_int_eq(file_read(path, 65536, &stat, NULL, NULL), 0);
    (void)sscanf(strrchr(stat, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                 &user, &system);
    return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

long
scn_rss_kib(void)
{
    char path[64];
    auto_free char *statm = NULL;
    long pages = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)scn_master());
    ck_assert_int_eq(file_read(path, 65536, &statm, NULL, NULL), 0);
    (void)sscanf(statm, "%*d %ld", &pages);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

bool
scn_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    return false;
#endif
}

void
scn_grew_little(long before)
{
    long most = scn_sanitized() ? 256 << 10 : 8192; /* KiB; there is a quarantine */

    ck_assert_int_lt(scn_rss_kib() - before, most);
}
