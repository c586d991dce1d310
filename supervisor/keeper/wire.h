/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_WIRE_H
#define STINT_KEEPER_WIRE_H

/*
 * What the keeper and the master say to each other, one SEQPACKET datagram each: a frame, then
 * `length` bytes of body, then at most one descriptor (SCM_RIGHTS).
 *
 *   master            keeper
 *     HELLO ──────────▶                       first, once
 *           ◀────────── WELCOME               what became of the master before
 *           ◀────────── FD name + fd          each one that is kept, then
 *           ◀────────── OBITUARY              each death that was not acknowledged, then
 *           ◀────────── END
 *     STORE name + fd ▶ ACK number            kept, or why not
 *     DROP name ──────▶
 *     ALIVE ──────────▶                       at least as often as WELCOME asks for
 *           ◀────────── OBITUARY              a child died and was reaped
 *     BURIED ─────────▶                       it is in the state: forget it
 *     NOTIFY text ────▶                       to the service manager, as it is
 *     UPGRADE + fd ───▶ ACK number            become this program, then start its master
 *     LEAVING status ─▶                       I am about to exit, and that is meant
 *
 * Both are the same program or one release apart: majors have to be equal, unknown types are
 * skipped. The keeper never waits for the master, nor the master for the keeper but at its start.
 */
#include <stdint.h>

#define KEEPER_MAJOR 1

#define KEEPER_FD    3               /* the master finds its end of the socket there … */
#define KEEPER_TITLE "stint: master" /* … when this is its argv[0] */
#define KEEPER_EXIT_DISTRUST \
    65 /* EX_DATAERR: a master exits with it that cannot read the state: the next gets DISTRUST */
#define KEEPER_NAME_MAX 64 /* of a kept descriptor, with its NUL; [a-z0-9_.-] */
#define KEEPER_BODY_MAX 8192

/*
 * Names that mean something to the keeper. A listener is mirrored to systemd's store under its name;
 * the others are told apart by the master alone. "activated.N" are sockets that systemd opened for
 * us (socket units), in its order; listeners that come back from systemd's store have their own name.
 */
#define KEEPER_LISTENER_PREFIX  "listener."
#define KEEPER_ACTIVATED_PREFIX "activated."
#define KEEPER_WORKER_PREFIX    "pidfd." /* a worker's pidfd: whom the keeper ends if no master can */

enum keeper_type {
    KEEPER_HELLO = 1, /* struct keeper_hello */
    KEEPER_WELCOME,   /* struct keeper_welcome */
    KEEPER_GIVE,      /* name; one fd (FD in the picture) */
    KEEPER_OBITUARY,  /* struct keeper_obituary */
    KEEPER_END,       /* nothing */
    KEEPER_STORE,     /* name; one fd. A name that is kept already is replaced */
    KEEPER_DROP,      /* name; one that is not kept is fine */
    KEEPER_ACK,       /* struct keeper_ack; number = that of what is answered */
    KEEPER_ALIVE,     /* nothing */
    KEEPER_BURIED,    /* struct keeper_buried */
    KEEPER_NOTIFY,    /* text, newline-separated KEY=VALUE */
    KEEPER_UPGRADE,   /* path, for people; one fd, the program; its ACK may take 5 s */
    KEEPER_LEAVING    /* struct keeper_leaving; calls off an upgrade asked for */
};

struct keeper_frame {
    uint16_t type; /* enum keeper_type */
    uint16_t flags;
    uint32_t length; /* of the body */
    uint64_t number; /* counts what one side sent, from 1 */
};

struct keeper_hello {
    uint32_t major;
    uint32_t pid;
};

enum keeper_welcome_flag {
    KEEPER_SUCCEEDS = 1, /* there was a master before: what is kept is its */
    KEEPER_DISTRUST = 2, /* several died young, one after the other: do not trust the state */
    KEEPER_UPGRADED = 4, /* the one before left for this program */
    KEEPER_STALLED = 8,  /* the one before was killed, because it said nothing for too long */
    KEEPER_SYSTEMD = 16, /* there is a service manager: NOTIFY gets somewhere */
    KEEPER_STOPPING = 32 /* SIGTERM or SIGINT came while there was no master: stop everything */
};

struct keeper_welcome {
    uint32_t major;
    uint32_t flags;      /* enum keeper_welcome_flag */
    uint32_t masters;    /* started so far, this one included */
    int32_t wait_status; /* of the one before, as waitpid(2) writes it */
    int64_t died_us;     /* CLOCK_MONOTONIC; of the one before; 0 = there was none */
    int64_t began_us;    /* … of the keeper */
    int64_t alive_us;    /* say ALIVE at least this often; 0 = nobody waits for it */
    uint32_t lost;       /* obituaries that did not fit into the ring, ever */
    uint32_t room;       /* how many descriptors can be kept */
    uint32_t
        listeners; /* how many of them systemd's store takes; 0 = there is none, or it is not told */
    uint32_t reserved;
};

struct keeper_obituary {
    int32_t pid;
    int32_t wait_status;
    uint64_t
        start_time; /* clock ticks since boot, field 22 of /proc/PID/stat: with the pid, who it was */
    int64_t at_us;              /* CLOCK_MONOTONIC */
    int64_t user_us, system_us; /* CPU time */
    int64_t rss_max_kib;
    char name[16]; /* comm */
};

struct keeper_buried {
    int32_t pid;
    int32_t reserved;
    uint64_t start_time;
};

struct keeper_ack {
    int32_t
        error; /* 0: kept; negative errno: -ENFILE: no room, -E2BIG: systemd's store has none (kept here),
                  -EBADMSG: the frame; of UPGRADE: -EACCES, -ENOEXEC: not executable, not stint; -EBUSY */
    int32_t reserved;
};

struct keeper_leaving {
    int32_t status; /* what stint as a whole exits with */
    int32_t reserved;
};

#endif
