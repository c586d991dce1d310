/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_LOAD_SLOT_H
#define STINT_BENCH_LOAD_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "bench/load_http.h"
#include "bench/load_stats.h"

/* What all connections of a client share. */
struct load_shared {
    int epoll;                       /* owned by the client */
    struct sockaddr_storage address; /* where they connect to */
    socklen_t address_bytes;
    struct http_expect expect;
    bool blind;               /* use a kept connection without looking whether it has ended */
    struct load_stats *stats; /* borrowed */
    int broken;               /* negative errno once the client cannot go on; 0 = fine */
};

enum load_slot_state {
    LOAD_SLOT_FREE,       /* no request; fd is -1 or an idle keep-alive connection */
    LOAD_SLOT_CONNECTING, /* with a request, waiting for the connection */
    LOAD_SLOT_SENDING,    /* the request did not go out in one piece */
    LOAD_SLOT_WAITING     /* the request is out */
};

/* One connection at a time, one request at a time. */
struct load_slot {
    struct load_shared *shared; /* borrowed */
    struct list link;           /* in *home while free, alone otherwise */
    struct list *home;          /* borrowed: the stream's free slots, longest rested first */
    const char *request;        /* borrowed */
    size_t request_bytes, sent;
    bool keep;            /* keep the connection for the next request */
    int fd;               /* owned; -1 when none */
    unsigned used;        /* requests sent on this connection, this one included */
    int64_t scheduled_us; /* of the request; valid unless FREE */
    enum load_slot_state state;
    struct http_answer answer;
};

/* load_slot_begin - send the request that was due at @scheduled_us; it always ends in the accounts. */
void load_slot_begin(struct load_slot *slot, int64_t scheduled_us);

/* load_slot_event - the slot's descriptor has something to say. */
void load_slot_event(struct load_slot *slot);

/* load_slot_fail - end the request as failed and close the connection. Only when not FREE. */
void load_slot_fail(struct load_slot *slot, enum load_failure kind);

#endif
