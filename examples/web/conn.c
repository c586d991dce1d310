/* SPDX-License-Identifier: MIT */
#include "examples/web/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stint.h>

#define ANSWER_MAX 1024 /* head and body of one answer of ours */

_Static_assert(sizeof(((struct site *)0)->head) + sizeof(((struct site *)0)->body) + 64 <=
                   ANSWER_MAX,
               "an answer fits");

static void
put(struct conn *c, const char *head, const char *body)
{
    int n = snprintf(c->out + c->out_n, sizeof(c->out) - c->out_n, "%s%s\r\n%s", head,
                     c->last ? "Connection: close\r\n" : "", body);

    c->out_n += (size_t)n; /* room for ANSWER_MAX was asked for before */
}

static void
answer(struct conn *c, const struct site *site, const struct request *r)
{
    stint_served(1);
    if (r->allowed)
        put(c, site->head, r->head_only ? "" : site->body);
    else
        put(c, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n", "");
}

static void
refuse(struct conn *c)
{
    c->last = true;
    c->in_n = 0;
    put(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n", "");
}

static void
consume(struct conn *c, size_t n)
{
    c->in_n -= n;
    memmove(c->in, c->in + n, c->in_n);
}

static void
skip_body(struct conn *c)
{
    size_t n = c->skip < c->in_n ? c->skip : c->in_n;

    consume(c, n);
    c->skip -= n;
}

/*
 * A lame duck's answer says "close", so that the client goes to our successor with its next request.
 * Not while more of this client's bytes are here: what follows a "close" is never answered.
 */
static bool
is_last(const struct conn *c, const struct request *r, bool leaving)
{
    char byte;

    if (r->close || !leaving || c->in_n > 0 || c->skip > 0)
        return r->close;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0; /* nor in the socket, unread */
}

/* True: it stopped for want of room, not of requests. */
static bool
answer_some(struct conn *c, const struct site *site, bool leaving, int64_t now_us)
{
    struct request r;

    if (c->due_us != 0 && now_us < c->due_us && !leaving)
        return false;
    if (c->due_us != 0) { /* the sleep is over, or was cancelled */
        c->due_us = 0;
        c->last = is_last(c, &c->slow, leaving);
        answer(c, site, &c->slow);
    }
    while (!c->last && sizeof(c->out) - c->out_n >= ANSWER_MAX) {
        int whole;

        skip_body(c);
        if (c->skip > 0 || c->in_n == 0 || (whole = http_parse(c->in, c->in_n, &r)) == 0)
            return false;
        if (whole < 0) {
            refuse(c);
            return false;
        }
        consume(c, r.head);
        c->skip = r.body;
        skip_body(c);
        if (r.delay_ms > 0 && !leaving) {
            c->due_us = now_us + (int64_t)r.delay_ms * 1000;
            c->slow = r;
            return false;
        }
        c->last = is_last(c, &r, leaving);
        answer(c, site, &r);
    }
    return !c->last;
}

static void
flush(struct conn *c, int64_t now_us)
{
    while (c->out_at < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1) {
            c->dead = errno != EAGAIN;
            return;
        }
        c->out_at += (size_t)n;
        c->used_us = now_us;
    }
    c->out_at = c->out_n = 0;
    if (c->last) { /* close() on unread bytes would be a reset that eats the answer */
        c->lingering = true;
        c->dead = shutdown(c->fd, SHUT_WR) == -1;
    }
}

/* True: the buffer was filled to the brim, so there may be more to read. */
static bool
take_in(struct conn *c, int64_t now_us)
{
    size_t room;
    ssize_t n;

    if (c->lingering)
        c->in_n = 0; /* of no interest any more */
    room = sizeof(c->in) - c->in_n;
    if (room == 0 || c->eof || (c->out_n > 0 && !c->lingering))
        return false;
    do
        n = recv(c->fd, c->in + c->in_n, room, MSG_DONTWAIT);
    while (n == -1 && errno == EINTR);
    if (n == 0)
        c->eof = true; /* its half: what it asked before is still answered */
    if (n == -1 && errno != EAGAIN)
        c->dead = true;
    if (n <= 0)
        return false;
    c->in_n += (size_t)n;
    if (!c->lingering)
        c->used_us = now_us;
    return (size_t)n == room;
}

void
conn_turn(struct conn *c, const struct site *site, bool leaving, int64_t now_us)
{
    bool more = true;

    /* Bounded: a client that sends without end shares the thread with the others. */
    for (int i = 0; i < 4 && more && !c->dead; i++) {
        bool stopped = true;

        more = take_in(c, now_us);
        while (stopped && !c->dead && !c->lingering) {
            stopped = answer_some(c, site, leaving, now_us);
            flush(c, now_us);
            stopped = stopped && c->out_n == 0;
        }
    }
    if (c->eof && (c->lingering || (c->out_n == 0 && c->due_us == 0)))
        c->dead = true;
}

uint32_t
conn_wants(const struct conn *c)
{
    if (c->out_n > 0)
        return EPOLLOUT;
    return c->in_n < sizeof(c->in) && !c->eof ? EPOLLIN : 0;
}

bool
conn_is_quiet(const struct conn *c, int64_t since_us)
{
    return c->in_n == 0 && c->out_n == 0 && c->skip == 0 && c->due_us == 0 &&
           c->used_us <= since_us;
}

void
site_init(struct site *site, const struct config *config)
{
    memset(site, 0, sizeof(*site));
    site->config = config;
    site->body_bytes =
        (size_t)snprintf(site->body, sizeof(site->body),
                         "{\"greeting\":\"%s\",\"generation\":%" PRIu64 ",\"slot\":%u,\"pid\":%d}",
                         config->greeting, stint_generation(), stint_slot(), (int)getpid());
    (void)snprintf(site->head, sizeof(site->head),
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                   "Server: web/" WEB_RELEASE "\r\nX-Stint-Generation: %" PRIu64 "\r\n",
                   site->body_bytes, stint_generation());
}
