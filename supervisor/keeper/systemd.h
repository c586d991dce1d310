/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_SYSTEMD_H
#define STINT_KEEPER_SYSTEMD_H

/*
 * The service manager above us, by its datagram socket: texts of the master as they are, the
 * watchdog, and listeners mirrored to its store of descriptors. What it does not take at once is
 * sent later, in order; nothing here waits.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "supervisor/keeper/kept.h"

#define SYSTEMD_QUEUE_MAX 32768 /* bytes of texts that wait, each with a length before it */

struct systemd {
    int fd; /* owned; -1: there is no service manager */
    socklen_t address_bytes;
    struct sockaddr_un address;
    int64_t ping_every_us; /* 0: no watchdog */
    int64_t next_ping_us;
    int64_t retry_us;   /* TIME_NEVER: nothing waits */
    uint32_t store_max; /* 0: nobody told, so nothing is mirrored */
    uint32_t stored;    /* entries that are MIRROR_WANTED or _DONE */
    uint32_t wanted;    /* … MIRROR_WANTED */
    uint32_t refused;   /* listeners for which its store had no room */
    uint32_t dropped;   /* texts for which the queue had none */
    uint32_t queued;    /* bytes */
    char queue[SYSTEMD_QUEUE_MAX];
};

/* systemd_open - from NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID and FDSTORE (or STINT_FDSTORE_MAX). */
void systemd_open(struct systemd *s);

void systemd_tell(struct systemd *s, const char *text); /* to be sent in systemd_turn() */

/*
 * systemd_mirror - @e is new: have it in systemd's store too, if it is a listener.
 * Return: 0, -E2BIG: that store is full.
 */
int systemd_mirror(struct systemd *s, struct kept_entry *e);
void systemd_unmirror(struct systemd *s, struct kept_entry *e); /* it is about to go */

/* systemd_turn - ping if it is time, send what waits. Return: when to be called again. */
int64_t systemd_turn(struct systemd *s, struct kept *kept, int64_t now_us);

/*
 * systemd_take_sockets - into @kept what LISTEN_FDS says was passed to us, under its own name when it
 * comes from the store, as "activated.N" otherwise; no room is said in the log.
 */
void systemd_take_sockets(struct systemd *s, struct kept *kept);

#endif
