/* SPDX-License-Identifier: GPL-2.0-or-later */

/* F: what goes wrong when a program reloads. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

#define GRACE_US 300000

/* F01: each reload within the process starts a watcher, and the old one does not hear that it is over. */
static NOINLINE THREAD_RESULT
f01_watch_config(void *arg)
{
    char buffer[4096] __attribute__((aligned(8)));
    int fd = inotify_init1(IN_CLOEXEC);
    struct pollfd p[2] = {
        {.fd = fd,                         .events = POLLIN},
        {.fd = fixed ? token_fd(arg) : -1, .events = POLLIN}
    };

    (void)inotify_add_watch(fd, "/", IN_MOVE_SELF);
    here();
    while (poll(p, 2, -1) >= 0 && !(p[1].revents & POLLIN))
        (void)!read(fd, buffer, sizeof(buffer));
    (void)close(fd);
    LEAVE;
}

static NOINLINE struct scope *
f01_load_config(unsigned version)
{
    char label[32];
    struct scope *s;

    (void)snprintf(label, sizeof(label), "config-%u", version);
    s = generation_open(label);
    (void)scope_spawn(s, "f01-watch", f01_watch_config, scope_token(s));
    return s;
}

void
row_F01(void)
{
    unsigned n = some(3, 5);
    struct scope *now = f01_load_config(1);

    tell("count",
         REGISTERED ? n : n + 1); /* the last one is in force until the process has to leave */
    for (unsigned i = 0; i < n; i++) {
        struct scope *next;

        all_here(i + 1);
        next = f01_load_config(i + 2);
        all_here(i + 2);
        generation_retire(now, GRACE_US);
        now = next;
    }
    serve();
    join_all();
}

/* F02: each reload opens a timer's thread, which looks at the flag of the newest. */
static NOINLINE THREAD_RESULT
f02_refresh(void *arg)
{
    here();
    while (!token_cancelled(fixed ? arg : root())) {
        struct timespec ts = {.tv_nsec = 15000000};

        (void)nanosleep(&ts, NULL);
    }
    LEAVE;
}

void
row_F02(void)
{
    struct scope *old = generation_open("one"), *new;

    (void)scope_spawn(old, "f02-refresh", f02_refresh, scope_token(old));
    all_here(1);
    new = generation_open("two");
    (void)scope_spawn(new, "f02-refresh", f02_refresh, scope_token(new));
    all_here(2);
    generation_retire(old, GRACE_US);
    serve();
    join_all();
}

/* F03: it is stopped twice, and the second one talks to a loop that is dead. */
static struct queue f03_quit = QUEUE(0);

static NOINLINE THREAD_RESULT
f03_loop(void *arg)
{
    (void)queue_get(arg, NULL);
    here();
    LEAVE;
}

static NOINLINE void
f03_stop(void)
{
    (void)queue_put(&f03_quit, fixed ? root() : NULL);
}

static NOINLINE THREAD_RESULT
f03_caller(void *arg)
{
    (void)arg;
    f03_stop();
    all_here(1);
    here();
    f03_stop();
    NOT_THE_LAST();
    LEAVE;
}

void
row_F03(void)
{
    (void)spawn(root(), "f03-loop", f03_loop, &f03_quit);
    (void)spawn(root(), "f03-caller", f03_caller, NULL);
    all_here(2);
    serve();
    join_all();
}

/* F05: the file is saved by remove and create: the watcher ends, and nobody is told. */
static NOINLINE THREAD_RESULT
f05_watch(void *arg)
{
    (void)arg;
    vital(0);
    for (unsigned i = some(1, 5); i > 0; i--)
        beat();
    here();
    if (!fixed)
        LEAVE; /* IN_DELETE_SELF: "done" */
    (void)token_await(root(), NEVER);
    LEAVE;
}

void
row_F05(void)
{
    struct thread *watcher = spawn(root(), "f05-watcher", f05_watch, NULL);

    all_here(1);
    if (!fixed)
        join(watcher);
    serve();
    join_all();
}

/* F06: the watcher is there, and does nothing any more. */
static struct queue f06_stuck = QUEUE(1);

static NOINLINE THREAD_RESULT
f06_watch(void *arg)
{
    (void)arg;
    vital(200000);
    beat();
    here();
    if (!fixed)
        (void)queue_get(&f06_stuck, root());
    while (!token_await(root(), 50000))
        beat();
    LEAVE;
}

void
row_F06(void)
{
    (void)spawn(root(), "f06-watcher", f06_watch, NULL);
    all_here(1);
    serve();
    join_all();
}

/* F07: a client stays, and who serves it stays for it. The runner is that client. */
static int f07_client = -1;

static NOINLINE THREAD_RESULT
f07_serve_events(void *arg)
{
    struct pollfd p[2] = {
        {.fd = f07_client,                    .events = POLLIN},
        {.fd = fixed ? token_fd(root()) : -1, .events = POLLIN}
    };

    (void)arg;
    here();
    (void)poll(p, 2, -1);
    (void)close(f07_client);
    LEAVE;
}

void
row_F07(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == -1 || listen(fd, 4) == -1 ||
        getsockname(fd, (struct sockaddr *)&at, &bytes) == -1)
        return;
    tell("port", ntohs(at.sin_port));
    f07_client = accept(fd, NULL, NULL);
    (void)close(fd);
    (void)spawn(root(), "f07-events", f07_serve_events, NULL);
    all_here(1);
    serve();
    join_all();
}
