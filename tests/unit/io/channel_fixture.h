/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_CHANNEL_FIXTURE_H
#define STINT_TESTS_UNIT_IO_CHANNEL_FIXTURE_H

/* A channel on a loop, the worker's end of it in the test's hand, and a log of what was heard. */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "supervisor/io/channel.h"
#include "tests/unit/unit.h"

static struct {
    struct ev_loop *loop;
    struct channel *ch;
    int worker; /* its end */
    uint64_t sequence;
    char log[512]; /* what was called back */
    bool destroy;  /* in the next callback */
} at;

static inline void
note(const char *what)
{
    (void)strncat(at.log, what, sizeof(at.log) - strlen(at.log) - 1);
    (void)strncat(at.log, " ", sizeof(at.log) - strlen(at.log) - 1);
    if (at.destroy) {
        channel_destroy(at.ch);
        at.ch = NULL;
    }
}

static inline void
on_hello(void *env, const struct stint_hello *h)
{
    ck_assert_ptr_eq(env, &at);
    ck_assert_uint_eq(h->pid, 42);
    note("hello");
}

static inline void
on_ready(void *env)
{
    (void)env;
    note("ready");
}

static inline void
on_extend(void *env, uint64_t usec)
{
    char text[32];

    (void)env;
    (void)snprintf(text, sizeof(text), "extend=%lu", (unsigned long)usec);
    note(text);
}

static inline void
on_stopping(void *env)
{
    (void)env;
    note("stopping");
}

static inline void
on_bye(void *env)
{
    (void)env;
    note("bye");
}

static inline void
on_bad(void *env, const char *reason)
{
    (void)env;
    note("bad:");
    note(reason);
}

static inline void
on_lost(void *env, const char *reason)
{
    (void)env;
    (void)reason;
    note("lost");
}

static inline void
on_room(void *env)
{
    (void)env;
    note("room");
}

static void
on_look(void *env, const struct stint_look *look)
{
    char text[96];

    (void)env;
    (void)snprintf(text, sizeof(text), "look=%ld/%lu/%s", (long)look->at_us,
                   (unsigned long)look->generation, look->text);
    note(text);
}

static const struct channel_events events = {
    .on_hello = on_hello,
    .on_ready = on_ready,
    .on_extend = on_extend,
    .on_stopping = on_stopping,
    .on_look = on_look,
    .on_bye = on_bye,
    .on_room = on_room,
    .on_bad = on_bad,
    .on_lost = on_lost,
};

static inline void
setup(void)
{
    int ours = -1;

    memset(&at, 0, sizeof(at));
    at.loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(channel_pair(&ours, &at.worker), 0);
    ck_assert_int_eq(channel_open(at.loop, ours, &events, &at, &at.ch), 0);
}

static inline void
teardown(void)
{
    channel_destroy(at.ch);
    (void)fd_close(at.worker);
    ev_loop_destroy(at.loop);
}

static inline void
send_frame(uint16_t type, uint64_t sequence, const void *body, uint32_t n)
{
    struct stint_frame f = {.type = type, .length = n, .sequence = sequence};
    char bytes[STINT_FRAME_MAX];

    memcpy(bytes, &f, sizeof(f));
    if (n > 0)
        memcpy(bytes + sizeof(f), body, n);
    ck_assert_int_eq(send(at.worker, bytes, sizeof(f) + n, 0), (ssize_t)(sizeof(f) + n));
}

static inline void
say(uint16_t type, const void *body, uint32_t n)
{
    send_frame(type, ++at.sequence, body, n);
}

static inline void
say_hello(uint16_t major)
{
    struct stint_hello h = {.major = major, .pid = 42};

    say(STINT_FRAME_HELLO, &h, sizeof(h));
}

/* turn - let the loop take all that was said. */
static inline void
turn(void)
{
    for (int i = 0; i < 8; i++)
        ev_run(at.loop, EVRUN_NOWAIT);
}

#endif
