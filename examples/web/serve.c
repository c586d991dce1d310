/* SPDX-License-Identifier: MIT */
#include "examples/web/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stint.h>

#include "examples/web/conn.h"

#define EVENTS           64
#define ACCEPT_PAUSE_US  100000   /* after EMFILE */
#define LINGER_US        2000000  /* for the client's end after ours */
#define STALLED_US       10000000 /* half a request, or an answer nobody reads */
#define SWEEP_US         500000   /* how often all connections are looked at */
#define SWEEP_LEAVING_US 20000

struct server {
    const struct site *site;   /* borrowed */
    struct stint_token *token; /* borrowed: the thread's own */
    int listener;              /* borrowed, non-blocking, shared with other threads and workers */
    int epoll;                 /* owned */
    struct conn *conns;        /* owned */
    bool accepting;            /* the listener is in the epoll set */
    int64_t accept_again_us;   /* when paused; 0 = not */
    int64_t leaving_us;        /* since when we leave; 0 = not */
    int64_t sweep_us;          /* when to look at all connections */
};

static int
watch(const struct server *s, int op, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};

    return epoll_ctl(s->epoll, op, fd, &event);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void
conn_close(struct server *s, struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    close(c->fd); /* leaves the epoll set by itself */
    conn_finish(c);
    free(c);
}

/* After each turn of a connection: what next? False: it has gone. */
static bool
conn_settle(struct server *s, struct conn *c)
{
    uint32_t wants = conn_wants(c);

    if (!c->dead && wants != c->events)
        c->dead = watch(s, EPOLL_CTL_MOD, c->fd, wants, c) == -1;
    if (c->dead) {
        conn_close(s, c);
        return false;
    }
    c->events = wants;
    if (c->due_us != 0)
        s->sweep_us = earlier(s->sweep_us, c->due_us);
    return true;
}

static void
conn_add(struct server *s, int fd, int64_t now_us)
{
    struct conn *c = calloc(1, sizeof(*c));
    int on = 1;

    /* Fails on a unix socket, where there is nothing to delay. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!c || watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, c) == -1) {
        close(fd);
        free(c);
        return;
    }
    c->fd = fd;
    c->events = EPOLLIN;
    c->used_us = now_us;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
}

/* Only the epoll set forgets the listener. shutdown() would end it for our successor too. */
static void
stop_accepting(struct server *s)
{
    if (s->accepting)
        (void)watch(s, EPOLL_CTL_DEL, s->listener, 0, NULL); /* it is there */
    s->accepting = false;
}

static void
start_accepting(struct server *s)
{
    s->accept_again_us = 0;
    s->accepting = watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, s) == 0;
}

/*
 * One per turn: what is left wakes the other threads and workers too, and they are as good. Not
 * EPOLLEXCLUSIVE, though each client wakes all who are idle: a wake-up given to one who leaves at
 * that moment would be lost, and the client wait until the next one comes.
 */
static void
accept_one(struct server *s, int64_t now_us)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        conn_add(s, fd, now_us);
        return;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        stop_accepting(s); /* it would stay readable, and we would spin */
        s->accept_again_us = now_us + ACCEPT_PAUSE_US;
    } /* EAGAIN: another worker was faster; the others: that client has gone */
}

/* What the clock asks of a connection. False: it has gone. */
static bool
sweep_one(struct server *s, struct conn *c, int64_t now_us)
{
    int64_t quiet_us = (int64_t)s->site->config->drain_quiet_ms * 1000;
    int64_t idle_us = now_us - c->used_us;

    if (c->due_us != 0 && (s->leaving_us != 0 || now_us >= c->due_us))
        conn_turn(c, s->site, s->leaving_us != 0, now_us);
    else if (c->lingering)
        c->dead = idle_us >= LINGER_US;
    else if (c->due_us == 0 && (c->in_n > 0 || c->skip > 0 || c->out_n > 0))
        c->dead = idle_us >= STALLED_US;
    else if (s->leaving_us != 0 && now_us - s->leaving_us >= quiet_us &&
             conn_is_quiet(c, now_us - quiet_us)) {
        conn_turn(c, s->site, true, now_us); /* the last look: did something come just now? */
        c->dead = c->dead || conn_is_quiet(c, now_us - quiet_us);
    }
    return conn_settle(s, c);
}

static void
sweep(struct server *s, int64_t now_us)
{
    struct conn *next;

    s->sweep_us = now_us + (s->leaving_us != 0 ? SWEEP_LEAVING_US : SWEEP_US);
    for (struct conn *c = s->conns; c; c = next) {
        next = c->next;
        (void)sweep_one(s, c, now_us); /* gone or not, the next one follows */
    }
    if (s->accept_again_us != 0 && now_us >= s->accept_again_us && s->leaving_us == 0)
        start_accepting(s);
    if (s->accept_again_us != 0)
        s->sweep_us = earlier(s->sweep_us, s->accept_again_us);
}

/* From here on a lame duck: every open connection is still served, none is taken on. */
static void
leave(struct server *s, int64_t now_us)
{
    stop_accepting(s);
    s->accept_again_us = 0;
    (void)watch(s, EPOLL_CTL_DEL, stint_token_fd(s->token), 0, NULL); /* readable for ever now */
    s->leaving_us = now_us;
    s->sweep_us = now_us;
}

static void
turn(struct server *s)
{
    struct epoll_event events[EVENTS];
    int64_t now_us = stint_now_us();
    int64_t wait_ms = s->sweep_us > now_us ? (s->sweep_us - now_us + 999) / 1000 : 0;
    int n = epoll_wait(s->epoll, events, EVENTS, (int)wait_ms);

    now_us = stint_now_us();
    if (s->leaving_us == 0 && stint_token_cancelled(s->token))
        leave(s, now_us);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if (events[i].data.ptr == s) {
            if (s->accepting)
                accept_one(s, now_us);
        } else if (c) { /* NULL: the token */
            c->dead = (events[i].events & (EPOLLERR | EPOLLHUP)) != 0 &&
                      (events[i].events & EPOLLIN) == 0;
            conn_turn(c, s->site, s->leaving_us != 0, now_us);
            (void)conn_settle(s, c);
        }
    }
    if (now_us >= s->sweep_us)
        sweep(s, now_us);
    stint_beat();
}

/* In a gated service it comes when all workers are ready, so this thread begins by waiting for it. */
static bool
has_listener(struct server *s)
{
    int flags;

    STINT_BLOCK("for the listener", NULL)
    s->listener = stint_listen_wait(s->token, "http", STINT_NEVER);
    if (s->listener < 0)
        return false; /* told to leave before it had a client */
    flags = fcntl(s->listener, F_GETFL);
    return flags != -1 && fcntl(s->listener, F_SETFL, flags | O_NONBLOCK) == 0;
}

void
serve(void *arg)
{
    struct server s = {.site = arg, .token = stint_current()};
    int token_fd = stint_token_fd(s.token);

    if (!has_listener(&s))
        return;
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.epoll == -1 || token_fd < 0 || watch(&s, EPOLL_CTL_ADD, token_fd, EPOLLIN, NULL) == -1) {
        (void)fprintf(stderr, "web: no descriptors to serve with\n");
        exit(EXIT_FAILURE); /* half a worker would look healthy */
    }
    start_accepting(&s);
    STINT_BLOCK("epoll_wait for clients", NULL)
    while (s.leaving_us == 0 || s.conns)
        turn(&s);
    close(s.epoll);
}
