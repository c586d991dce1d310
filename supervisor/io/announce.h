/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ANNOUNCE_H
#define STINT_IO_ANNOUNCE_H

/*
 * What the service manager is told, sd_notify(3), decided from levels: each turn says how things are,
 * and what has changed since is put into words. Nothing is sent here; a text is one datagram.
 *
 *   begin ──▶ (RELOADING=1) ──▶ under way … EXTEND_TIMEOUT_USEC= … ──▶ READY=1, once, however it ended
 *
 * A master that takes over begins a reload: it looks at all inputs anew, and whatever the master
 * before it had announced, or was told to do and had not announced yet, is finished by that.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct announce {
    bool open;          /* begun, and READY=1 has not been said */
    bool stopping;      /* STOPPING=1 was said */
    int64_t extend_us;  /* when to ask for more time; TIME_NEVER: nothing takes any */
    int64_t status_us;  /* no STATUS= before: once a second is enough for people */
    struct text status; /* owned; as it was said last */
};

void announce_init(struct announce *a);
void announce_finish(struct announce *a);

/* announce_begin - the first start. */
void announce_begin(struct announce *a);

/* announce_reload - a reload of everything begins, maybe before the last one is over. @out: the text. */
void announce_reload(struct announce *a, const char *cause, int64_t now_us, struct text *out);

struct announce_facts {
    int64_t now_us; /* CLOCK_MONOTONIC */
    bool under_way; /* what was begun has not come to its end */
    bool busy;      /* somebody may be waiting for us; with under_way or without */
    bool stopping;
    int64_t stop_until_us; /* when stopping is over at the latest */
    const char *status;    /* borrowed; any bytes; NULL: not looked at, see announce_status_due() */
};

/**
 * announce_turn - how things are now.
 * @out: appended: the datagram; empty when there is nothing to say
 *
 * Return: when to come again although nothing happens; TIME_NEVER: not.
 */
int64_t announce_turn(struct announce *a, const struct announce_facts *f, struct text *out);

/* announce_status_due - would a turn like this one make use of a status? Making one takes time. */
bool announce_status_due(const struct announce *a, const struct announce_facts *f);

#endif
