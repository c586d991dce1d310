// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/rival.h"

/* No check, nothing watched, settle 0: what is measured is the handoff itself. */
static int
stint_configure(const struct bout *b, struct error *reterr)
{
    int r;

    if (b->generation > 1) /* a roll without a change, as the limit does it */
        return 0;
    r = bout_web_config(b, reterr);
    if (r < 0)
        return r;
    return bout_write(b, "stint.yaml", reterr,
                      "version: 1\n"
                      "runtime_dir: %1$s/run\n"
                      "state_dir: %1$s/state\n"
                      "services:\n"
                      "  web:\n"
                      "    command: [%2$s, --config, web.conf]\n"
                      "    workers: 2\n"
                      "    listen:\n"
                      "      http: {address: 'tcp://127.0.0.1:%3$u', backlog: 1024}\n"
                      "    libstint: true\n"
                      "    ready: notify\n"
                      "    watch: {binary: false, settle: 0}\n",
                      b->dir, b->arena->web, b->port);
}

static pid_t
stint_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    const char *const argv[] = {b->arena->stint, "run", "-c", conf, NULL};

    (void)snprintf(conf, sizeof(conf), "%s/stint.yaml", b->dir);
    return bout_child(b, argv, reterr);
}

static int
control_connect(const struct bout *b, struct error *reterr)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = 30};
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/control.sock", b->dir) >=
        (int)sizeof(to.sun_path))
        return error_set(reterr, -ENAMETOOLONG, "the control socket below '%s'", b->dir);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == -1 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
        return error_set(reterr, -errno, "connect to '%s'", to.sun_path);
    return steal_fd(fd);
}

/* One request on the control socket, and its verdict: anything but 200 is a failed benchmark. */
static int
reload_by_socket(const struct bout *b, struct error *reterr)
{
    static const char body[] = "{\"services\": [\"web\"], \"force\": true}";
    char request[512];
    char answer[4096];
    size_t n = 0;
    ssize_t part = 0;
    int bytes;
    auto_fd int fd = control_connect(b, reterr);

    if (fd < 0)
        return fd;
    bytes = snprintf(request, sizeof(request),
                     "POST /v1/reload HTTP/1.1\r\nHost: stint\r\nConnection: close\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof(body) - 1, body);
    if (send(fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        return error_set(reterr, -errno, "ask for the reload");
    while (n < sizeof(answer) - 1 && (part = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0)
        n += (size_t)part;
    if (part == -1)
        return error_set(reterr, -errno, "wait for the verdict");
    answer[n] = '\0';
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        return error_say(reterr, -EIO, "the verdict is not good: %.400s", answer);
    return 0;
}

static int
stint_reload(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    const char *const argv[] = {b->arena->stint, "reload", "web", "--force", "-c", conf, NULL};

    if (!b->arena->by_cli)
        return reload_by_socket(b, reterr);
    (void)snprintf(conf, sizeof(conf), "%s/stint.yaml", b->dir);
    return bout_command(b, argv, reterr);
}

const struct rival rival_stint = {
    .name = "stint",
    .configure = stint_configure,
    .start = stint_start,
    .reload = stint_reload,
    .stop_signal = SIGTERM,
};
