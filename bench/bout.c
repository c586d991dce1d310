// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/rival.h"

#define START_BUDGET_US   (20 * US_PER_S)
#define STOP_BUDGET_US    (15 * US_PER_S)
#define COMMAND_BUDGET_US (30 * US_PER_S)

static struct child_spec
spec_of(const struct bout *b, const char *const *argv)
{
    return (struct child_spec){.argv = argv,
                               .log = b->log,
                               .directory = b->dir,
                               .uid = b->arena->uid,
                               .gid = b->arena->gid};
}

pid_t
bout_child(const struct bout *b, const char *const *argv, struct error *reterr)
{
    const struct child_spec spec = spec_of(b, argv);

    return child_start(&spec, reterr);
}

int
bout_command(const struct bout *b, const char *const *argv, struct error *reterr)
{
    const struct child_spec spec = spec_of(b, argv);
    int r = child_run(&spec, COMMAND_BUDGET_US, reterr);

    return r > 0 ? error_say(reterr, -EIO, "%s ended with status %d", argv[0], r) : r;
}

int
bout_signal(const struct bout *b, pid_t pid, int sig, struct error *reterr)
{
    char number[16], name[16];
    const char *const argv[] = {"/bin/kill", name, number, NULL};

    if (b->arena->by_cli) {
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        (void)snprintf(name, sizeof(name), "-%s", sigabbrev_np(sig));
        return bout_command(b, argv, reterr);
    }
    return kill(pid, sig) == -1 ? error_set(reterr, -errno, "signal %s", b->rival->name) : 0;
}

/* A port nobody has now; the server is to bind it in a moment. */
static int
free_port(unsigned *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof(at);
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || bind(fd, (struct sockaddr *)&at, n) == -1 ||
        getsockname(fd, (struct sockaddr *)&at, &n) == -1)
        return -errno;
    *ret = ntohs(at.sin_port);
    return 0;
}

/* Does it answer? One question, asked with a connection of its own. */
static bool
answers(const struct bout *b)
{
    static const char question[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    const struct timeval second = {.tv_sec = 1};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)b->port)};
    char answer[16] = "";
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd != -1 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) == 0 &&
           connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
           send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) == sizeof(question) - 1 &&
           recv(fd, answer, 12, MSG_WAITALL) == 12 && strcmp(answer, "HTTP/1.1 200") == 0;
}

static int
wait_for_answer(struct bout *b, struct error *reterr)
{
    int64_t deadline = mono_now_us() + START_BUDGET_US;
    int status = 0;

    while (!answers(b)) {
        if (child_wait(b->pid, mono_now_us() + 5 * US_PER_MS, &status) == 0) {
            b->pid = 0;
            return error_say(reterr, -EIO, "%s ended at once (wait status %#x)", b->rival->name,
                             (unsigned)status);
        }
        if (mono_now_us() > deadline)
            return error_say(reterr, -ETIMEDOUT, "%s did not answer in time", b->rival->name);
    }
    return 0;
}

int
bout_open(struct bout *b, const struct arena *arena, const struct rival *rival,
          struct error *reterr)
{
    int r;

    memset(b, 0, sizeof(*b));
    b->arena = arena;
    b->rival = rival;
    b->generation = 1;
    if (snprintf(b->dir, sizeof(b->dir), "%s/%s-XXXXXX", arena->work, rival->name) >=
            (int)sizeof(b->dir) ||
        !mkdtemp(b->dir))
        return error_set(reterr, -errno, "a directory in '%s'", arena->work);
    if (chmod(b->dir, 0755) == -1 ||
        (arena->uid != (uid_t)-1 && chown(b->dir, arena->uid, arena->gid) == -1))
        return error_set(reterr, -errno, "hand over '%s'", b->dir);
    (void)snprintf(b->log, sizeof(b->log), "%.*s/log", (int)sizeof(b->log) - 8, b->dir);
    r = free_port(&b->port);
    if (r < 0)
        return error_set(reterr, r, "find a free port");
    r = rival->configure(b, reterr);
    if (r < 0)
        return r;
    b->pid = rival->start(b, reterr);
    if (b->pid < 0) {
        r = b->pid;
        b->pid = 0;
        return r;
    }
    return wait_for_answer(b, reterr);
}

int
bout_command_reload(struct bout *b, int64_t *ret_commanded_us, struct error *reterr)
{
    int r;

    b->generation++;
    r = b->rival->configure(b, reterr);
    if (r < 0)
        return r;
    *ret_commanded_us = mono_now_us();
    return b->rival->reload(b, reterr);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path) == -1 && errno != ENOENT ? -1 : 0;
}

int
bout_close(struct bout *b)
{
    int killed;

    if (b->pid > 0 && b->rival->stop)
        b->rival->stop(b);
    killed = child_end(b->pid, b->rival->stop_signal, STOP_BUDGET_US) == -ETIMEDOUT;
    b->pid = 0;
    killed += child_end_orphans(2 * US_PER_S);
    if (b->dir[0] != '\0')
        (void)nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return killed;
}

void
bout_show_log(const struct bout *b)
{
    auto_free char *text = NULL;
    size_t n = 0;

    if (file_read(b->log, (size_t)64 << 20, &text, &n, NULL) < 0 || n == 0)
        return;
    (void)fprintf(stderr, "---- the last words of %s ----\n%s----\n", b->rival->name,
                  n > 3000 ? text + n - 3000 : text);
}
