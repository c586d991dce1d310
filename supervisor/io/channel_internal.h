/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CHANNEL_INTERNAL_H
#define STINT_IO_CHANNEL_INTERNAL_H

#include <ev.h>

#include "supervisor/io/channel.h"

struct channel {
    ev_io io;
    struct ev_loop *loop;     /* borrowed */
    int fd;                   /* owned; -1 once the channel is over */
    struct channel_events ev; /* each may be NULL */
    void *env;                /* borrowed */
    uint64_t sent, received;  /* sequence numbers used last */
    bool hello, bye;
    bool adopted; /* and nothing has been read yet: any frame may be the first */
    bool busy;    /* inside a callback: destroy waits */
    bool doomed;  /* destroyed by a callback */
};

/* channel_transmit - one frame. @n_fds: STINT_LISTENERS_MAX at most. Return: as channel_cancel(). */
int channel_transmit(struct channel *ch, uint16_t type, const void *body, uint32_t bytes,
                     const int *fds, size_t n_fds);

#endif
