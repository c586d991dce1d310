/* SPDX-License-Identifier: MIT */
#ifndef WEB_CONN_H
#define WEB_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/web/http.h"
#include "examples/web/serve.h"

#define OUT_MAX \
    8192 /* bytes of answers waiting; no more is read from a client that does not read */

struct conn {
    struct conn *next, *prev;     /* of this thread's connections */
    int fd;                       /* owned */
    uint32_t events;              /* what epoll watches */
    int64_t used_us;              /* last time a byte came or went */
    int64_t due_us;               /* a slow answer is due then; 0 = none */
    struct request slow;          /* that one */
    struct stint_token *patience; /* its deadline, as the client said it; NULL = none is slow */
    size_t skip;                  /* bytes of a request's body still to come */
    bool last;                    /* the answer said Connection: close */
    bool lingering;               /* our side is shut; waiting for the client's end */
    bool eof;                     /* the client has shut its side */
    bool dead;                    /* to be closed at once */
    size_t in_n, out_n, out_at;
    char in[HTTP_HEAD_MAX];
    char out[OUT_MAX];
};

/* conn_turn - do all that can be done now: read, answer, write. @leaving: say Connection: close.
 * Afterwards: dead, or waiting for conn_wants(). */
void conn_turn(struct conn *conn, const struct site *site, bool leaving, int64_t now_us);

/* conn_finish - it is closed with an answer still owed. */
void conn_finish(struct conn *conn);

/* conn_wants - the epoll events that would let it go on. */
uint32_t conn_wants(const struct conn *conn);

/* conn_is_quiet - nothing begun and nothing owed, since before @since_us. */
bool conn_is_quiet(const struct conn *conn, int64_t since_us);

#endif
