// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/load_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/load_slot.h"

#define SINGLES_MAX 4096
#define SWEEP_US    (50 * US_PER_MS) /* how finely time-outs are noticed */
#define EVENTS_MAX  256

/* Requests number 0, 1, 2 … are due at begin + number / rate; those below `next` were dealt with. */
struct stream {
    unsigned rate;           /* per second; 0 = none */
    uint64_t next;           /* the first request neither sent nor given up */
    struct load_slot *slots; /* owned */
    size_t n_slots;
    struct list free; /* slots without a request, longest rested first */
    char request[1024];
    int request_bytes;
};

struct load_client {
    struct load_shared shared;
    struct stream streams[2];
    int64_t timeout_us;
    int64_t begin_us;
    int64_t stop_us;  /* nothing is scheduled from then on; TIME_NEVER while running */
    int64_t sweep_us; /* next look for time-outs */
};

static int64_t
due_us(const struct load_client *c, const struct stream *st, uint64_t number)
{
    return c->begin_us + (int64_t)(number * (uint64_t)US_PER_S / st->rate);
}

static bool
is_due(const struct load_client *c, const struct stream *st, int64_t now_us)
{
    int64_t due;

    if (st->rate == 0)
        return false;
    due = due_us(c, st, st->next);
    return due <= now_us && due < c->stop_us;
}

/* Enough for a server that answers nothing until the time-out. */
static size_t
singles_needed(const struct load_options *o)
{
    uint64_t n = (uint64_t)o->single * (uint64_t)(o->timeout_us / US_PER_MS) / 1000 + 16;

    return n < SINGLES_MAX ? (size_t)n : SINGLES_MAX;
}

static int
stream_init(struct load_client *c, struct stream *st, const struct load_options *o, bool keep)
{
    list_init(&st->free);
    st->rate = keep ? o->rate : o->single;
    if (st->rate == 0)
        return 0;
    st->n_slots = keep ? o->keepalive : singles_needed(o);
    st->slots = calloc(st->n_slots, sizeof(*st->slots));
    if (!st->slots)
        return -ENOMEM;
    st->request_bytes =
        snprintf(st->request, sizeof(st->request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", o->path,
                 o->host, keep ? "" : "Connection: close\r\n");
    if (st->request_bytes >= (int)sizeof(st->request))
        return -E2BIG;
    for (size_t i = 0; i < st->n_slots; i++) {
        struct load_slot *slot = &st->slots[i];

        slot->shared = &c->shared;
        slot->home = &st->free;
        slot->request = st->request;
        slot->request_bytes = (size_t)st->request_bytes;
        slot->keep = keep;
        slot->fd = -1;
        list_add(&st->free, &slot->link);
    }
    return 0;
}

int
load_client_create(const struct load_options *o, struct load_stats *stats, int64_t begin_us,
                   struct load_client **ret, struct error *reterr)
{
    struct load_client *c;
    int r;

    if (o->rate > 0 && o->keepalive == 0)
        return error_say(reterr, -EINVAL, "a rate without keep-alive connections to carry it");
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->shared.address = o->address;
    c->shared.address_bytes = o->address_bytes;
    c->shared.expect = o->expect;
    c->shared.blind = o->blind;
    c->shared.stats = stats;
    c->shared.epoll = epoll_create1(EPOLL_CLOEXEC);
    c->timeout_us = o->timeout_us;
    c->begin_us = c->sweep_us = begin_us;
    c->stop_us = TIME_NEVER;
    r = c->shared.epoll == -1 ? -errno : 0;
    if (r == 0)
        r = stream_init(c, &c->streams[0], o, true);
    if (r == 0)
        r = stream_init(c, &c->streams[1], o, false);
    if (r < 0) {
        load_client_destroy(c);
        return error_set(reterr, r, "set up the client");
    }
    *ret = c;
    return 0;
}

void
load_client_destroy(struct load_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++) {
        struct stream *st = &c->streams[i];

        for (size_t k = 0; st->slots && k < st->n_slots; k++)
            fd_close(st->slots[k].fd);
        free(st->slots);
    }
    fd_close(c->shared.epoll);
    free(c);
}

int
load_client_watch(struct load_client *c, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

    return epoll_ctl(c->shared.epoll, EPOLL_CTL_ADD, fd, &ev) == -1 ? -errno : 0;
}

static void
stream_send_due(struct load_client *c, struct stream *st)
{
    while (!list_empty(&st->free) && is_due(c, st, mono_now_us()) && c->shared.broken == 0) {
        struct load_slot *slot = container_of(st->free.next, struct load_slot, link);

        load_slot_begin(slot, due_us(c, st, st->next++));
    }
}

/* Give up what has been under way, or has waited for a connection, for too long. */
static void
stream_sweep(struct load_client *c, struct stream *st, int64_t now_us)
{
    for (size_t i = 0; i < st->n_slots; i++)
        if (st->slots[i].state != LOAD_SLOT_FREE &&
            st->slots[i].scheduled_us + c->timeout_us <= now_us)
            load_slot_fail(&st->slots[i], LOAD_TIMEOUT);
    while (is_due(c, st, now_us - c->timeout_us)) {
        load_stats_failure(c->shared.stats, LOAD_QUEUED_OUT, due_us(c, st, st->next), now_us);
        st->next++;
    }
}

static int64_t
next_wake(const struct load_client *c, int64_t until_us)
{
    int64_t wake = c->sweep_us < until_us ? c->sweep_us : until_us;

    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++) {
        const struct stream *st = &c->streams[i];
        int64_t due;

        if (st->rate == 0 || list_empty(&st->free)) /* all busy: an answer will wake us */
            continue;
        due = due_us(c, st, st->next);
        if (due < c->stop_us && due < wake)
            wake = due;
    }
    return wake;
}

int
load_client_turn(struct load_client *c, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t wait_us;
    struct timespec wait;
    int woken = 0;
    int n;

    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        stream_send_due(c, &c->streams[i]);
    wait_us = next_wake(c, until_us) - mono_now_us();
    if (wait_us < 0)
        wait_us = 0;
    wait.tv_sec = wait_us / US_PER_S;
    wait.tv_nsec = (wait_us % US_PER_S) * 1000;
    n = epoll_pwait2(c->shared.epoll, events, EVENTS_MAX, &wait, NULL);
    if (n == -1 && errno != EINTR)
        return -errno;
    for (int i = 0; i < n; i++) {
        if (!events[i].data.ptr)
            woken = 1;
        else
            load_slot_event(events[i].data.ptr);
    }
    if (mono_now_us() >= c->sweep_us) {
        for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
            stream_sweep(c, &c->streams[i], mono_now_us());
        c->sweep_us = mono_now_us() + SWEEP_US;
    }
    return c->shared.broken != 0 ? c->shared.broken : woken;
}

void
load_client_stop(struct load_client *c, int64_t now_us)
{
    if (now_us < c->stop_us)
        c->stop_us = now_us;
}

bool
load_client_done(const struct load_client *c)
{
    if (c->stop_us == TIME_NEVER)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++) {
        const struct stream *st = &c->streams[i];

        if (is_due(c, st, TIME_NEVER))
            return false;
        for (size_t k = 0; k < st->n_slots; k++)
            if (st->slots[k].state != LOAD_SLOT_FREE)
                return false;
    }
    return true;
}

int64_t
load_client_stopped(const struct load_client *c)
{
    return c->stop_us;
}
