// SPDX-License-Identifier: GPL-2.0-or-later
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
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/react.h"

#define START_US   (60 * US_PER_S)
#define ANSWER_US  (12 * US_PER_S)    /* the slowest of them polls every few seconds */
#define SETTLED_US (1500 * US_PER_MS) /* up for so long: longer than anybody's throttle */
#define AGAIN_US   (50 * US_PER_MS)
#define FINISH_US  (5 * US_PER_S)

pid_t
react_spawn(struct react *r, const char *const *argv, struct error *reterr)
{
    const struct child_spec spec = {
        .argv = argv, .log = r->log, .directory = r->dir, .uid = (uid_t)-1};
    char path[PATH_MAX + 8];

    (void)snprintf(path, sizeof(path), "%s/socket", r->dir);
    if (setenv("REACT_SOCKET", path, 1) == -1)
        return error_set(reterr, -errno, "setenv");
    return child_start(&spec, reterr);
}

bool
react_installed(const char *build, const char *program)
{
    const char *usual = getenv("PATH");
    auto_free char *folders = strdup(usual ? usual : "/usr/bin:/bin");
    char path[PATH_MAX], *rest = folders;

    (void)snprintf(path, sizeof(path), "%s/bench/peers/node_modules/.bin/%s", build, program);
    if (access(program[0] == '/' ? program : path, X_OK) == 0)
        return true;
    for (const char *folder; program[0] != '/' && (folder = strsep(&rest, ":"));) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* ---- what the service says ------------------------------------------------------------------------- */

static int
listen_to(struct react *r, struct error *reterr)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int on = 1;

    r->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", r->dir) >= (int)sizeof(at.sun_path))
        return error_say(reterr, -ENAMETOOLONG, "%s is too long for a socket", r->dir);
    if (r->socket == -1 || bind(r->socket, (const struct sockaddr *)&at, sizeof(at)) == -1 ||
        setsockopt(r->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1)
        return error_set(reterr, -errno, "make the socket of %s", r->rival->name);
    return chmod(at.sun_path, 0666) == -1 ? error_set(reterr, -errno, "chmod") : 0;
}

/* The next first line. Return: when that was, in µs with fractions; < 0: none came until @end_us. */
static double
next_start(struct react *r, int64_t end_us)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct timespec began;
    struct iovec iov = {&began, sizeof(began)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    struct pollfd p = {r->socket, POLLIN, 0};
    int64_t left_us = end_us - mono_now_us();
    struct ucred who;

    if (poll(&p, 1, left_us <= 0 ? 0 : (int)(left_us / US_PER_MS) + 1) != 1 ||
        recvmsg(r->socket, &m, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(began) || !CMSG_FIRSTHDR(&m))
        return -1;
    memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(who));
    r->service = who.pid;
    r->up_us = mono_now_us();
    return (double)began.tv_sec * 1e6 + (double)began.tv_nsec / 1e3;
}

static double
now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Starts that nobody has asked for, until then. */
static void
wait_until(struct react *r, int64_t end_us)
{
    while (mono_now_us() < end_us)
        if (next_start(r, end_us) >= 0)
            r->extra++;
}

/* ---- a turn -------------------------------------------------------------------------------------------- */

static double
crash(struct react *r)
{
    double began_us = now(), at_us;

    if (kill(r->service, SIGKILL) == -1)
        return -1;
    at_us = next_start(r, mono_now_us() + ANSWER_US);
    return at_us < 0 ? -1 : (at_us - began_us) / 1000;
}

/* Another build: the same program, with a number behind it, so that its content differs. */
static double
change(struct react *r)
{
    char from[PATH_MAX], next[PATH_MAX + 8], number[24];
    auto_free char *data = NULL;
    double began_us, at_us;
    size_t bytes = 0;
    int n = snprintf(number, sizeof(number), "\n%u\n", ++r->changes);

    if (snprintf(from, sizeof(from), "%s/bench/react-worker", r->build) >= PATH_MAX ||
        file_read(from, 64 << 20, &data, &bytes, NULL) < 0)
        return -1;
    data = realloc(data, bytes + (size_t)n);
    if (!data)
        return -1;
    memcpy(data + bytes, number, (size_t)n);
    (void)snprintf(next, sizeof(next), "%s/next",
                   r->work); /* beside its directory: nobody sees it */
    if (file_swap(next, data, bytes + (size_t)n, 0755, NULL) < 0)
        return -1;
    wait_until(r, mono_now_us() + 100 * US_PER_MS); /* whatever writing that woke is over */
    began_us = now();
    if (rename(next, r->worker) == -1)
        return -1;
    at_us = next_start(r, mono_now_us() + ANSWER_US);
    return at_us < 0 ? -1 : (at_us - began_us) / 1000;
}

static bool
count(struct react *r, double ms, double *ret)
{
    *ret = ms;
    if (ms >= 0)
        return true;
    r->missed++;
    if (kill(r->service, 0) == -1)
        (void)snprintf(r->failure, sizeof(r->failure), "its service did not come back within %d s",
                       (int)(ANSWER_US / US_PER_S));
    return false;
}

void
react_measure(struct react *r, enum react_to to)
{
    r->again_ms[r->n] = -1;
    wait_until(r, r->up_us + SETTLED_US);
    if (to == REACT_CHANGE) {
        (void)count(r, change(r), &r->first_ms[r->n]);
    } else if (count(r, crash(r), &r->first_ms[r->n])) {
        wait_until(r, r->up_us + AGAIN_US);
        (void)count(r, crash(r), &r->again_ms[r->n]);
    }
    r->n++;
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

int
react_begin(struct react *r, const char *name, struct error *reterr)
{
    char from[PATH_MAX];
    auto_free char *data = NULL;
    size_t bytes = 0;
    int rc;

    r->socket = -1;
    if (snprintf(r->dir, sizeof(r->dir), "%s/%s", r->work, name) >= PATH_MAX - 16 ||
        snprintf(from, sizeof(from), "%s/bench/react-worker", r->build) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "make a directory");
    (void)snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
    (void)snprintf(r->worker, sizeof(r->worker), "%s/worker", r->dir);
    rc = dir_make(r->dir, 0755, reterr);
    if (rc == 0)
        rc = listen_to(r, reterr);
    if (rc == 0)
        rc = file_read(from, 64 << 20, &data, &bytes, reterr);
    if (rc == 0)
        rc = file_swap(r->worker, data, bytes, 0755, reterr);
    if (rc == 0)
        rc = r->rival->start(r, reterr);
    if (rc < 0)
        return rc;
    if (next_start(r, mono_now_us() + START_US) < 0)
        return error_say(reterr, -ETIMEDOUT, "%s did not start its service", r->rival->name);
    return 0;
}

void
react_end(struct react *r)
{
    char link[64], exe[PATH_MAX];
    ssize_t n;

    if (r->rival->finish && r->pid > 0)
        r->rival->finish(r);
    if (r->pid > 0)
        (void)child_end(r->pid, SIGTERM, FINISH_US);
    r->pid = 0;
    r->socket = fd_close(r->socket);
    (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)r->service);
    n = r->service > 0 ? readlink(link, exe, sizeof(exe)) : -1;
    if (n > 0 && strncmp(exe, r->dir, strlen(r->dir)) == 0) /* a shell that ends leaves it behind */
        (void)kill(r->service, SIGKILL);
}
