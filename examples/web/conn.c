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

#define MALFORMED  "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
#define TOO_LATE   "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n"
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
    put(c, MALFORMED, "");
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

/* ---- A request that takes its time ---------------------------------------------------------------- */

struct lookup {
    const char *head; /* borrowed */
    size_t bytes;
    char value[64];
};

/* For libstint, which knows the names that `deadlines` of the configuration has. */
static const char *
header(void *env, const char *name)
{
    struct lookup *l = env;

    return http_header(l->head, l->bytes, name, l->value, sizeof(l->value)) ? l->value : NULL;
}

/* Its client waits so long and no longer. Return: 0, or why it is refused. */
static int
begin_slow(struct conn *c, const struct request *r, int64_t now_us)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("slow", NULL);
    struct lookup lookup = {.head = c->in, .bytes = r->head};
    int result;

    call.header = header;
    call.env = &lookup;
    result = stint_deadline_open(&c->patience, NULL, &call); /* who leaves answers what it has */
    if (result < 0)
        return result;
    c->slow = *r;
    c->due_us = now_us + (int64_t)r->delay_ms * 1000;
    if (stint_token_deadline(c->patience) < c->due_us)
        c->due_us = stint_token_deadline(c->patience);
    return 0;
}

/* The sleep is over, or was cancelled, or the client has no use for the answer any more. */
static void
end_slow(struct conn *c, const struct site *site, bool leaving)
{
    c->due_us = 0;
    c->last = is_last(c, &c->slow, leaving);
    if (stint_token_err(c->patience) == -ETIMEDOUT)
        put(c, TOO_LATE, "");
    else
        answer(c, site, &c->slow);
    conn_finish(c);
}

void
conn_finish(struct conn *c)
{
    stint_deadline_close(c->patience);
    c->patience = NULL;
}

/* ---- Requests ------------------------------------------------------------------------------------- */

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

/* True: it stopped for want of room, not of requests. */
static bool
answer_some(struct conn *c, const struct site *site, bool leaving, int64_t now_us)
{
    struct request r;

    if (c->due_us != 0 && now_us < c->due_us && !leaving)
        return false;
    if (c->due_us != 0)
        end_slow(c, site, leaving);
    while (!c->last && sizeof(c->out) - c->out_n >= ANSWER_MAX) {
        int whole, why;

        skip_body(c);
        if (c->skip > 0 || c->in_n == 0 || (whole = http_parse(c->in, c->in_n, &r)) == 0)
            return false;
        if (whole < 0) {
            refuse(c);
            return false;
        }
        why = r.delay_ms > 0 && !leaving ? begin_slow(c, &r, now_us) : 0;
        consume(c, r.head);
        c->skip = r.body;
        skip_body(c);
        if (c->due_us != 0)
            return false;
        c->last = is_last(c, &r, leaving);
        if (why == 0)
            answer(c, site, &r);
        else
            put(c, why == -EINVAL ? MALFORMED : TOO_LATE, "");
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
