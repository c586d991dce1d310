/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/load_client.h"
#include "cell.h"

/* Clients in processes of their own: who waits for an answer holds up no story. */

#define CLIENTS     2
#define PAUSE_MS    5
#define PATIENCE_US (20 * US_PER_S)

static struct {
    pid_t pids[CLIENTS];
    int n;
    int stop[2];                /* they end when our end of it is closed */
    struct load_result *result; /* shared; one each */
} load;

static int
connected(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_US / US_PER_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == -1 ||
        connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1)
        return fd_close(fd);
    return fd;
}

/* One request is a connection: the actor answers with a line and closes. NULL: well answered. */
static const char *
ask_actor(const char *path)
{
    char answer[256];
    size_t used = 0;
    ssize_t n = 0;
    auto_fd int fd = connected(path);

    if (fd == -1)
        return strerror(errno);
    while (used < sizeof(answer) && (n = read(fd, answer + used, sizeof(answer) - used)) > 0)
        used += (size_t)n;
    if (n == -1)
        return strerror(errno);
    if (used == 0)
        return "closed without an answer";
    return answer[used - 1] == '\n' ? NULL : "cut short";
}

static void
press_actor(const char *path, struct load_result *r)
{
    struct pollfd stop = {.fd = load.stop[0], .events = POLLIN};

    while (poll(&stop, 1, PAUSE_MS) == 0) {
        const char *why = ask_actor(path);

        r->asked++;
        if (why && r->failed++ == 0)
            (void)snprintf(r->why, sizeof(r->why), "%s", why);
    }
}

/* Connections that stay, and one for each request. */
static void
press_http(const char *path, struct load_result *r)
{
    struct load_options o = {.host = "stage", .path = "/", .timeout_us = PATIENCE_US};
    struct load_stats *stats = load_stats_create(mono_now_us());
    struct load_client *c = NULL;
    struct error err = {0};
    char address[256];

    (void)snprintf(address, sizeof(address), "unix:%s", path);
    o.rate = 100;
    o.keepalive = 2;
    o.single = 60;
    if (!stats || load_address_parse(address, &o, &err) < 0 ||
        http_expect_init(&o.expect, "X-Stint-Generation", NULL) < 0 ||
        load_client_create(&o, stats, mono_now_us(), &c, &err) < 0 ||
        load_client_watch(c, load.stop[0]) < 0) {
        r->failed = 1;
        (void)snprintf(r->why, sizeof(r->why), "no client: %s", err.text);
        return;
    }
    while (load_client_turn(c, TIME_NEVER) == 0)
        continue;
    load_client_stop(c, mono_now_us());
    while (!load_client_done(c))
        (void)load_client_turn(c, mono_now_us() + US_PER_S);
    r->asked = stats->requests;
    r->failed = load_stats_failed(stats);
    for (int i = 0; i < LOAD_FAILURE_COUNT; i++)
        if (stats->failed[i] > 0)
            (void)snprintf(r->why, sizeof(r->why), "%s", load_failure_name((enum load_failure)i));
}

void
load_begin(const char *socket_path, bool http)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s", socket_path);
    ck_assert_int_eq(pipe2(load.stop, O_CLOEXEC), 0);
    load.result = mmap(NULL, CLIENTS * sizeof(*load.result), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(load.result, MAP_FAILED);
    memset(load.result, 0, CLIENTS * sizeof(*load.result));
    for (load.n = 0; load.n < (http ? 1 : CLIENTS); load.n++) {
        load.pids[load.n] = fork();
        ck_assert_int_ge(load.pids[load.n], 0);
        if (load.pids[load.n] != 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fd_close(load.stop[1]);
        (http ? press_http : press_actor)(path, &load.result[load.n]);
        _exit(0);
    }
    fd_close(load.stop[0]);
}

bool
load_running(void)
{
    return load.n > 0;
}

struct load_result
load_end(void)
{
    struct load_result sum = {0};
    int status = 0;

    fd_close(load.stop[1]);
    for (int i = 0; i < load.n; i++) {
        const struct load_result *r = &load.result[i];

        ck_assert_int_eq(waitpid(load.pids[i], &status, 0), load.pids[i]);
        ck_assert_msg(status == 0, "a client ended with wait status %#x", (unsigned)status);
        sum.asked += r->asked;
        sum.failed += r->failed;
        if (r->failed > 0)
            (void)snprintf(sum.why, sizeof(sum.why), "%s", r->why);
    }
    load.n = 0;
    (void)munmap(load.result, CLIENTS * sizeof(*load.result));
    return sum;
}
