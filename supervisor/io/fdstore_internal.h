/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_FDSTORE_INTERNAL_H
#define STINT_IO_FDSTORE_INTERNAL_H

/* What fdstore.c (beginning, names), fdstore_send.c and fdstore_hear.c share. */
#include <ev.h>

#include "base/list.h"
#include "base/table.h"
#include "supervisor/io/fdstore.h"

/* A descriptor that was given at the start, or that we put. */
struct kept {
    struct list all;  /* in fdstore.all */
    struct list node; /* in fdstore.given while it was not taken, else alone */
    struct table_node by_name;
    char name[KEEPER_NAME_MAX];
    int fd;          /* owned; given and not taken; else -1 */
    uint64_t number; /* of the message that put it last; 0 = none */
    bool refused;
};

/* A message that waits for room in the socket. */
struct unsent {
    struct list node;
    int fd; /* owned; -1 */
    size_t bytes;
    char message[]; /* frame and body */
};

/* An obituary that came before anybody could hear it. */
struct early {
    struct list node;
    struct keeper_obituary obituary;
};

struct fdstore {
    int fd; /* owned; -1 once the keeper is gone */
    struct keeper_welcome welcome;
    struct ev_loop *loop; /* borrowed; NULL before fdstore_begin() */
    struct fdstore_hooks hooks;
    ev_io readable, writable;
    ev_timer tell; /* early obituaries, and that the keeper is gone */
    struct list all, given, unsent, early;
    struct table by_name; /* struct kept */
    uint64_t sent;        /* number of the last message */
    uint64_t upgrade;     /* number of the UPGRADE that is not answered; 0 = none */
    unsigned n_kept, n_refused, n_unsent;
    bool ended; /* END came */
    bool lost;  /* the keeper is gone, and nobody was told */
};

struct kept *fdstore_kept_find(const struct fdstore *fs, const char *name); /* NULL: none */
struct kept *fdstore_kept_make(struct fdstore *fs,
                               const char *name); /* found or new; NULL: no memory */
void fdstore_kept_free(struct fdstore *fs, struct kept *k);

/* say - one message, now or when there is room. Return: 0, -ENOMEM, -EMFILE, -EMSGSIZE. */
int fdstore_say(struct fdstore *fs, enum keeper_type type, const void *body, size_t n, int fd);
/* What waits, in order. Return: 0: nothing waits any more; -EAGAIN: the keeper does not read. */
int fdstore_send(struct fdstore *fs);
void fdstore_unsent_free(struct fdstore *fs, struct unsent *u);

/* One message, taken in. Return: 1; 0: there is none (now); negative errno: the keeper is gone. */
int fdstore_hear(struct fdstore *fs);
void fdstore_gone(struct fdstore *fs);
void fdstore_tell_soon(struct fdstore *fs); /* what the loop has to tell */

#endif
