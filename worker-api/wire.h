/* SPDX-License-Identifier: MIT */
#ifndef STINT_WIRE_H
#define STINT_WIRE_H

/*
 * What crosses the process border between a worker that links libstint and the master.
 * Both sides include this file; neither trusts the other. Host byte order: one machine.
 */
#include <stdint.h>

/* ---- The channel: AF_UNIX SOCK_SEQPACKET, its number in $STINT_CHANNEL ------------------- */
/* This and the registry are for the process that $LISTEN_PID names, as the listeners are. */

#define STINT_WIRE_MAJOR 1
#define STINT_WIRE_MINOR 1    /* 1: LISTENERS */
#define STINT_FRAME_MAX  4096 /* header and body together, in bytes */

enum stint_frame_type {
    STINT_FRAME_HELLO = 1,    /* both ways, first: struct stint_hello */
    STINT_FRAME_READY = 2,    /* worker: no body */
    STINT_FRAME_CANCEL = 3,   /* master: struct stint_cancel_frame */
    STINT_FRAME_EXTEND = 4,   /* worker: struct stint_extend */
    STINT_FRAME_STOPPING = 5, /* worker: no body; it has begun to leave by itself */
    STINT_FRAME_BYE = 6,      /* worker: no body; nothing follows */
    STINT_FRAME_LISTENERS = 7 /* master: struct stint_listeners, with descriptors (SCM_RIGHTS) */
};

struct stint_frame {
    uint16_t type;     /* enum stint_frame_type; an unknown one is skipped */
    uint16_t flags;    /* 0 */
    uint32_t length;   /* of the body, in bytes */
    uint64_t sequence; /* per direction, from 1; no gaps but where a new master begins */
};

struct stint_hello {
    uint16_t major, minor; /* the lower minor counts; majors must be equal */
    uint32_t pid;
};

/* Why a worker is asked to leave; the same numbers as enum stint_cause of stint.h (asserted in channel.c). */
enum stint_wire_cause {
    STINT_WIRE_RELIEVED = 2, /* a newer generation serves */
    STINT_WIRE_STOPPED = 3,  /* the service stops, or shrinks */
    STINT_WIRE_REJECTED = 4  /* this generation never got to serve */
};

struct stint_cancel_frame {
    int64_t deadline_us; /* absolute CLOCK_MONOTONIC µs; INT64_MAX = none */
    uint32_t cause;      /* enum stint_wire_cause */
    char text[128];      /* NUL-terminated: "relieved by generation 8" */
};

struct stint_extend {
    uint64_t usec; /* from now */
};

#define STINT_LISTENERS_MAX 32 /* in one frame; their names are 64 bytes each at most */

/*
 * The listening sockets of a gated service, whose names $STINT_GATED told at the start, once the
 * worker may have clients. May come again, whole, after a change of masters: who has one of that name keeps it.
 */
struct stint_listeners {
    uint16_t
        count; /* of descriptors, and of the names that follow, each with its NUL, in their order */
    uint16_t more; /* 1: another frame of them follows */
};

/* ---- The registry: a memfd of fixed size, its number in $STINT_REGISTRY ------------------ */

/*
 * The library writes it, the master reads it with pread() into memory of its own and never maps it.
 * The file's size is sealed (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); its content is the
 * worker's and may be anything. A slot is read as: seq (even), copy, seq again (equal).
 */
#define STINT_REGISTRY_MAGIC        UINT32_C(0x53544e54) /* "STNT" */
#define STINT_REGISTRY_MAJOR        1
#define STINT_REGISTRY_MINOR        1
#define STINT_REGISTRY_MINOR_SERVED 1 /* from here on the header has `served` */
#define STINT_REGISTRY_SLOTS        1024

struct stint_registry_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t slot_size; /* stride in bytes; a reader uses it, not sizeof */
    uint32_t slots;
    uint32_t overflow; /* threads that found no free slot */
    uint32_t reserved0;
    uint64_t served; /* counted by stint_served(); since minor 1, 0 before */
    uint32_t reserved[8];
};

enum stint_slot_state {
    STINT_SLOT_FREE = 0,
    STINT_SLOT_LIVE = 1, /* the thread is between its first and its last instruction */
    STINT_SLOT_DONE = 2  /* it returned; kept until the slot is needed */
};

struct stint_registry_slot {
    uint32_t seq;   /* odd while being written */
    uint32_t state; /* enum stint_slot_state */
    uint32_t tid;
    uint32_t creator_tid;
    uint64_t start_time;   /* /proc stat field 22, clock ticks since boot: with tid, the identity */
    uint64_t started_us;   /* CLOCK_MONOTONIC */
    uint64_t cancelled_us; /* CLOCK_MONOTONIC when the thread's token was cancelled; 0 = not */
    int64_t deadline_us;   /* of the token; INT64_MAX = none */
    uint64_t beats;        /* progress counter */
    uint32_t token_cause;  /* enum stint_cause; 0 = live */
    uint32_t line;         /* of the creator */
    uint32_t exempt;       /* 1: declared to outlive its token, see `reason` */
    uint32_t reserved0;
    char name[48];
    char file[96];         /* creator's source file, tail kept when too long */
    char function[48];     /* creator's function */
    char creator_name[48]; /* name of the creating thread */
    char token[48];        /* name of the token it obeys */
    char wait_site[96];    /* where it said it waits; "" = nothing said */
    char trace_id[33];     /* 32 hex digits or "" */
    char reserved1[15];
    char reason[64]; /* of the exemption */
};

#define STINT_REGISTRY_BYTES                \
    (sizeof(struct stint_registry_header) + \
     STINT_REGISTRY_SLOTS * sizeof(struct stint_registry_slot))

#endif
