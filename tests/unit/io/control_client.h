/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_CONTROL_CLIENT_H
#define STINT_TESTS_IO_CONTROL_CLIENT_H

/* A client of the control socket inside the test's own loop: what it does is as exact as bytes. */
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"

#define PATIENCE_US (20 * US_PER_S)

struct client {
    int fd;
    struct text got; /* everything received */
    bool closed;     /* by the other side */
};

static inline void
client_open(struct client *c, const char *runtime_dir)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    *c = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_ge(c->fd, 0);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/control.sock", runtime_dir);
    ck_assert_msg(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0, "connect: %m");
    ck_assert_int_eq(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void
client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    text_finish(&c->got);
}

static inline void
client_send(struct client *c, const char *bytes, size_t n)
{
    ck_assert_int_eq(send(c->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static inline void
client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

static inline void
client_request(struct client *c, const char *method, const char *path, const char *body)
{
    char head[512];

    (void)snprintf(
        head, sizeof(head),
        "%s %s HTTP/1.1\r\nHost: stint\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", method,
        path, body ? strlen(body) : 0);
    client_say(c, head);
    if (body)
        client_say(c, body);
}

static inline void
client_take(struct client *c)
{
    char buf[65536];
    ssize_t n;

    while (!c->closed && (n = recv(c->fd, buf, sizeof(buf), 0)) >= 0) {
        if (n == 0)
            c->closed = true;
        text_addn(&c->got, buf, (size_t)n);
    }
    if (!c->closed && errno != EAGAIN)
        c->closed = true; /* reset */
}

static inline void
on_turn_end(EV_P_ ev_timer *timer, int revents)
{
    (void)timer;
    (void)revents;
    ev_break(EV_A_ EVBREAK_ONE);
}

/* One bounded turn of the loop: events wake it at once, the timer only lets the test look around. */
static inline void
turn(struct ev_loop *loop)
{
    ev_timer tick;

    ev_timer_init(&tick, on_turn_end, 0.02, 0.);
    ev_now_update(loop);
    ev_timer_start(loop, &tick);
    ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &tick);
}

#define UNTIL(loop, condition)                                                  \
    do {                                                                        \
        int64_t end_ = mono_now_us() + PATIENCE_US;                             \
        while (!(condition)) {                                                  \
            ck_assert_msg(mono_now_us() < end_, "waited in vain: " #condition); \
            turn(loop);                                                         \
        }                                                                       \
    } while (0)

static inline bool
client_has(struct client *c, const char *text)
{
    client_take(c);
    return strstr(text_str(&c->got), text) != NULL;
}

static inline bool
client_ended(struct client *c)
{
    client_take(c);
    return c->closed;
}

static inline int
client_status(const struct client *c)
{
    int status = 0;

    (void)sscanf(text_str(&c->got), "HTTP/1.1 %d", &status);
    return status;
}

/* The JSON body; the caller's. */
static inline json_t *
client_json(const struct client *c)
{
    const char *body = strstr(text_str(&c->got), "\r\n\r\n");
    json_t *json = body ? json_loads(body + 4, 0, NULL) : NULL;

    ck_assert_msg(json != NULL, "no JSON in: %s", text_str(&c->got));
    return json;
}

static inline const char *
json_at(const json_t *json, const char *key)
{
    const char *s = json_string_value(json_object_get(json, key));

    return s ? s : "";
}

#endif
