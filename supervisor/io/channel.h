/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CHANNEL_H
#define STINT_IO_CHANNEL_H

/*
 * The master's side of the channel to one worker that links libstint (worker-api/wire.h). The
 * worker is not trusted: what breaks the rules closes the channel, is told once, and leaves the
 * worker alone. Nothing here ever blocks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker-api/wire.h"

struct channel;
struct error;
struct ev_loop;

/* One frame, checked and in memory of its own. */
struct wire_message {
    struct stint_frame frame;
    bool known; /* false: a type of a later minor version, to be skipped; the union is void */
    union {
        struct stint_hello hello;
        struct stint_cancel_frame cancel; /* text is NUL-terminated */
        struct stint_extend extend;
        struct stint_look look; /* text is NUL-terminated */
    };
};

/**
 * wire_decode - one datagram into one message. Pure.
 *
 * A body may be longer than we know it (a later minor version), never shorter. The order of
 * sequence numbers is the caller's to check. Return: 0 or -EPROTO with the sentence in @reterr.
 */
int wire_decode(const void *bytes, size_t n, struct wire_message *ret, struct error *reterr);

/* All optional. Any of them may call channel_destroy(). */
struct channel_events {
    uint16_t least_minor; /* of its HELLO: what cannot understand us is bad */
    void (*on_hello)(void *env, const struct stint_hello *hello); /* first, once */
    void (*on_ready)(void *env);
    void (*on_extend)(void *env, uint64_t usec); /* from now */
    void (*on_stopping)(void *env);
    void (*on_look)(void *env, const struct stint_look *look); /* its threads, at that time */
    void (*on_bye)(void *env);
    void (*on_room)(void *env);                     /* after channel_await_room() */
    void (*on_bad)(void *env, const char *reason);  /* broke the rules, or another major; last */
    void (*on_lost)(void *env, const char *reason); /* closed without a BYE; last */
};

/* channel_pair - ours is non-blocking, theirs blocking; both CLOEXEC. Return: 0 or negative errno. */
int channel_pair(int *ret_ours, int *ret_theirs);

/**
 * channel_open - say HELLO and listen.
 * @fd: taken over when this succeeds
 * @ev: copied
 *
 * The worker's HELLO may never come: then it is an unmanaged worker, and that is no error.
 * Return: 0 or negative errno.
 */
int channel_open(struct ev_loop *loop, int fd, const struct channel_events *ev, void *env,
                 struct channel **ret);

/**
 * channel_adopt - go on where a master before us was; @fd is taken over when this succeeds.
 * @managed: its HELLO came already
 * @masters: how many masters there were, this one included: our numbers begin behind all of theirs
 *
 * A frame is taken out when its callback has returned, so the first may be one that a master was
 * killed over: it comes again, a HELLO too.
 */
int channel_adopt(struct ev_loop *loop, int fd, const struct channel_events *ev, void *env,
                  bool managed, unsigned masters, struct channel **ret);
int channel_fd(const struct channel *ch); /* for whoever keeps it, too; borrowed; -1: it is over */
void channel_destroy(struct channel *ch); /* NULL is fine; no callback follows */

bool channel_managed(const struct channel *ch); /* its HELLO came and the channel is still good */

/**
 * channel_cancel - tell the worker that its time has come.
 * @cause:       enum stint_cause
 * @text:        cut at 127 bytes
 * @deadline_us: CLOCK_MONOTONIC; TIME_NEVER = none
 *
 * Return: 0; -EAGAIN: the worker does not read (the drain signal follows anyway); -ENOTCONN: the
 * channel is gone; or another negative errno.
 */
int channel_cancel(struct channel *ch, uint32_t cause, const char *text, int64_t deadline_us);

/**
 * channel_listeners - the sockets of a gated service; the worker gets descriptors of its own.
 * @names: each at most 64 bytes with its NUL
 * @fds:   borrowed, as many as names
 *
 * In one frame, or several. May be said again, whole: a worker keeps what it has.
 * Return: as channel_cancel(); with -EAGAIN some may be on their way already.
 */
int channel_listeners(struct channel *ch, const char *const *names, const int *fds, size_t n);

/* channel_await_room - on_room, once, as soon as something can be said again. */
void channel_await_room(struct channel *ch);

#endif
