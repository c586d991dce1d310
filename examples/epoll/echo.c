/* SPDX-License-Identifier: MIT */
/*
 * echo - one thread, one epoll loop, and a token among its descriptors. See README.md.
 *
 * What to look at: stint_fd() is polled like any other descriptor, so the supervisor's word is heard
 * before its signal; stint_token_fd() says when to leave, however that came about. It stays readable, so
 * it is taken out of the set once it has spoken. Then the loop goes on without the listener until its clients are done.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <stint.h>

#define QUIET_US \
    INT64_C(250000) /* a client that is quiet for so long loses nothing when it is let go */
#define EVENTS 64

struct client {
    struct client *next, *prev;
    int fd;
    int64_t heard_us;
};

static struct {
    int epoll, listener, token_fd, channel; /* channel: -1 without a supervisor */
    struct client *clients;
    bool leaving;
} loop;

/* What is no client is told by its address. */
static char for_listener, for_token, for_channel;

static int
fail(const char *what, int error)
{
    (void)fprintf(stderr, "echo: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

static int
watch(int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = who}};

    return epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &event) == -1 ? -errno : 0;
}

static void
unwatch(int fd)
{
    (void)epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, NULL); /* it is in the set */
}

static void
client_drop(struct client *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        loop.clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    close(c->fd);
    free(c);
}

static void
client_take(void)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c)
        return; /* it waits in the queue until there is memory */
    c->fd = accept4(loop.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (c->fd == -1) { /* EAGAIN: another worker was quicker */
        free(c);
        return;
    }
    c->heard_us = stint_now_us();
    c->next = loop.clients;
    if (c->next)
        c->next->prev = c;
    loop.clients = c;
    if (watch(c->fd, c) < 0)
        client_drop(c);
}

static void
client_hear(struct client *c)
{
    char bytes[4096];
    ssize_t n = read(c->fd, bytes, sizeof(bytes));

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    c->heard_us = stint_now_us();
    /* Short lines into an empty socket: one that does not take them is no client of ours. */
    if (n <= 0 || send(c->fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
        client_drop(c);
    else
        stint_served(1);
}

static void
begin_to_leave(void)
{
    loop.leaving = true;
    unwatch(loop.token_fd); /* it would be readable in every turn */
    unwatch(loop.listener); /* the successor takes them. Never shutdown(): the socket is its, too */
}

/* Those who were quiet long enough go. Return: ms until the next may; -1: nobody to wait for. */
static int
let_go(void)
{
    int64_t now_us = stint_now_us(), next_us = STINT_NEVER;
    struct client *next;

    for (struct client *c = loop.clients; loop.leaving && c; c = next) {
        next = c->next;
        if (c->heard_us + QUIET_US <= now_us)
            client_drop(c);
        else if (c->heard_us + QUIET_US < next_us)
            next_us = c->heard_us + QUIET_US;
    }
    return next_us == STINT_NEVER ? -1 : (int)((next_us - now_us) / 1000) + 1;
}

static void
turn(const struct epoll_event *event)
{
    if (event->data.ptr == &for_listener)
        client_take();
    else if (event->data.ptr == &for_token)
        begin_to_leave();
    else if (event->data.ptr != &for_channel)
        client_hear(event->data.ptr);
    else if (stint_dispatch() < 0) /* the supervisor has gone: its descriptor is closed */
        loop.channel = -1;
}

static int
run(void)
{
    struct epoll_event events[EVENTS];
    int n;

    for (;;) {
        int timeout_ms = let_go();

        if (loop.leaving && !loop.clients)
            return EXIT_SUCCESS;
        STINT_BLOCK("for clients", NULL)
        n = epoll_wait(loop.epoll, events, EVENTS, timeout_ms);
        if (n == -1 && errno != EINTR)
            return fail("wait", -errno);
        for (int i = 0; i < n; i++)
            turn(&events[i]);
        stint_beat();
    }
}

int
main(void)
{
    int r = stint_init(NULL);

    if (r < 0)
        return fail("attach to the supervisor", r);
    loop.listener = stint_listen_fd("echo");
    loop.token_fd = stint_token_fd(stint_root());
    loop.channel = stint_fd();
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.listener < 0)
        return fail("no listener named 'echo'", loop.listener);
    if (loop.token_fd < 0 || loop.epoll == -1)
        return fail("make a loop", loop.token_fd < 0 ? loop.token_fd : -errno);
    if ((r = watch(loop.listener, &for_listener)) < 0 || (r = watch(loop.token_fd, &for_token)) < 0)
        return fail("fill the loop", r);
    if (loop.channel >= 0 && (r = watch(loop.channel, &for_channel)) < 0)
        return fail("listen to the supervisor", r);
    r = stint_ready();
    if (r < 0)
        return fail("say ready", r);
    return run();
}
