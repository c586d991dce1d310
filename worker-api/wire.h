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
#define STINT_WIRE_MINOR 3    /* 1: LISTENERS; 2: LOOK; 3: PROFILE */
#define STINT_FRAME_MAX  4096 /* header and body together, in bytes */

enum stint_frame_type {
    STINT_FRAME_HELLO = 1,     /* both ways, first: struct stint_hello */
    STINT_FRAME_READY = 2,     /* worker: no body */
    STINT_FRAME_CANCEL = 3,    /* master: struct stint_cancel_frame */
    STINT_FRAME_EXTEND = 4,    /* worker: struct stint_extend */
    STINT_FRAME_STOPPING = 5,  /* worker: no body; it has begun to leave by itself */
    STINT_FRAME_BYE = 6,       /* worker: no body; nothing follows */
    STINT_FRAME_LISTENERS = 7, /* master: struct stint_listeners, with descriptors (SCM_RIGHTS) */
    STINT_FRAME_LOOK = 8,      /* worker: struct stint_look */
    STINT_FRAME_PROFILE = 9    /* master's helper: struct stint_profile_frame, with a descriptor */
};

struct stint_frame {
    uint16_t type;   /* enum stint_frame_type; an unknown one is skipped */
    uint16_t flags;  /* 0 */
    uint32_t length; /* of the body, in bytes */
    uint64_t
        sequence; /* per direction, from 1; no gaps but where a new master begins; 0: not counted */
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

/*
 * "Judge my threads at that time": a generation of the configuration was retired and its grace ends
 * then, or a scope was closed and not everybody left. What is to be judged is in the registry.
 */
struct stint_look {
    int64_t at_us;       /* absolute CLOCK_MONOTONIC µs; past = now */
    uint64_t generation; /* of the configuration, in the worker's own count; 0 = a plain scope */
    char text[64];       /* NUL-terminated: the name of the scope */
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

/*
 * "Note where you are": from now on each thread does so each time it has used so much CPU time, in a
 * ring that comes along as a sealed memfd (struct stint_profile_header). It comes from a helper beside
 * the master, so it is not in the master's count: its sequence is 0. The same ring again: look for threads
 * that have no timer yet.
 */
struct stint_profile_frame {
    int64_t
        until_us; /* absolute CLOCK_MONOTONIC µs; nothing is noted after that. 0: stop, no descriptor */
    uint32_t hz;    /* of each thread's CPU time */
    uint32_t flags; /* 0 */
};

#define STINT_PROFILE_MAGIC    UINT32_C(0x53544e50) /* "STNP" */
#define STINT_PROFILE_MAJOR    1
#define STINT_PROFILE_MINOR    1 /* 1: alive_us */
#define STINT_PROFILE_HZ_MAX   1000
#define STINT_PROFILE_PATIENCE 5000000 /* µs */

/* By DWARF's numbers, and then the pc. Both sides are of one machine. */
#if defined(__aarch64__)
#define STINT_PROFILE_REGISTERS 33
#define STINT_PROFILE_SP        31
#define STINT_PROFILE_PC        32
#else /* x86-64 */
#define STINT_PROFILE_REGISTERS 17
#define STINT_PROFILE_SP        7
#define STINT_PROFILE_PC        16
#endif

enum stint_profile_state {
    STINT_PROFILE_ASKED = 0,
    STINT_PROFILE_RUNS = 1,
    STINT_PROFILE_FAILED = 2 /* `error` says why */
};

/* The beginning of the ring; behind it `count` records of `stride` bytes. */
struct stint_profile_header {
    uint32_t magic; /* this line and the next by who asks, before he asks */
    uint16_t major, minor;
    uint32_t count, stride;
    uint32_t state;    /* atomic futex, written by the worker, as all that follows */
    int32_t error;     /* negative errno */
    uint32_t threads;  /* atomic; with a timer */
    uint32_t refused;  /* atomic; that got none */
    uint64_t next;     /* atomic; counts the records that were asked for */
    uint64_t lost;     /* atomic; samples that found their record still in use */
    uint64_t overruns; /* atomic; ticks that came while one was pending */
    int64_t alive_us;  /* atomic; by who asks: when he last looked, CLOCK_MONOTONIC. PATIENCE after
                          that he is gone, and nobody is sampled any more. 0: he does not say */
    uint8_t reserved[64];
};

enum stint_profile_record_state {
    STINT_PROFILE_FREE = 0,    /* the reader has taken it */
    STINT_PROFILE_WRITTEN = 1, /* a thread is at it */
    STINT_PROFILE_FULL = 2
};

#define STINT_PROFILE_REGISTERED \
    1u /* slot, epoch, scope and texts are valid: it was not changing them */

/* One sample; behind it a copy of the stack, as much as `stride` has room for. */
struct stint_profile_record {
    uint32_t state; /* atomic; enum stint_profile_record_state */
    uint32_t tid;
    uint32_t overruns; /* ticks that it stands for besides its own */
    uint32_t flags;    /* STINT_PROFILE_* */
    int64_t at_us;     /* CLOCK_MONOTONIC */
    uint64_t registers[STINT_PROFILE_REGISTERS];
    uint64_t stack_at; /* address of the first byte of the copy */
    uint32_t stack_n;
    uint32_t scope; /* index in the registry */
    uint32_t slot, epoch;
    uint8_t trace_id[16];
    char name[40];
    char token[32];
};

/* ---- The registry: a memfd of fixed size, its number in $STINT_REGISTRY ------------------ */

/*
 * The library writes it, the master reads it with pread() into memory of its own and never maps it.
 * The file's size is sealed (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); its content is the
 * worker's and may be anything. It is sparse: what was never used has no memory.
 *
 * Four tables, found by the header: a seq for each slot and behind those one for each scope; slots;
 * scopes; sites. Two more since minor 1, each row consistent by itself. The seqs are apart so that a reader checks them all with one short read: copy seqs,
 * copy the rest, copy seqs again; what has an odd one, or another one now, was just being written.
 * A site is written once, its `kind` last. `used` are high-water marks: nothing lies behind them.
 * A reader goes by offsets and strides, so both may grow. All texts end with a NUL.
 */
#define STINT_REGISTRY_MAGIC    UINT32_C(0x53544e54) /* "STNT" */
#define STINT_REGISTRY_MAJOR    2
#define STINT_REGISTRY_MINOR    2 /* 1: OVERRUNS, CALLERS, in a file of the same size; 2: SPANS */
#define STINT_REGISTRY_SLOTS    4096
#define STINT_REGISTRY_SCOPES   256
#define STINT_REGISTRY_SITES    944
#define STINT_REGISTRY_OVERRUNS 64
#define STINT_REGISTRY_CALLERS  32

struct stint_registry_table {
    uint32_t offset; /* of the first, from the beginning of the file */
    uint32_t stride; /* from one to the next, in bytes */
    uint32_t count;
    uint32_t used; /* atomic; this many were ever used, the first ones */
};

struct stint_registry_header {
    uint32_t magic; /* written last */
    uint16_t major, minor;
    uint32_t pid; /* of the process that writes it */
    uint32_t reserved0;
    struct stint_registry_table seqs, slots, scopes, sites;
    uint32_t overflow; /* threads that found no free slot; atomic, as those below */
    uint32_t overflow_scopes, overflow_sites;
    uint32_t reserved1;
    uint64_t served; /* counted by stint_served() */
    /* Since minor 1; before that, and with the preload object, they are empty. */
    struct stint_registry_table overruns, callers;
    uint64_t overrun;          /* atomic; all of them, also those that no row has */
    uint32_t overflow_callers; /* atomic; calls of those for whom there was no room */
    /* Since minor 2, in a file that is longer, and only then: */
    uint32_t spans_wanted; /* atomic, written by the supervisor: 1 = record what is finished */
    struct stint_registry_table span_seqs, spans; /* by the worker, as those above; `used` is 0 */
    uint64_t spans_begun; /* atomic; tickets given, of which the last `count` may be there */
    uint64_t spans_taken; /* by the supervisor: tickets below it need not be taken again */
    uint64_t reserved[7];
};

enum stint_slot_state {
    STINT_SLOT_FREE = 0,
    STINT_SLOT_LIVE = 1, /* the thread is between its first and its last instruction */
    STINT_SLOT_DONE = 2  /* it ended; kept until the slot is needed */
};

#define STINT_SLOT_TASK     1u /* a pool's thread at work: token, deadline and trace are the task's */
#define STINT_SLOT_PRELOAD  2u  /* registered by the preload object: it has no token */
#define STINT_SLOT_MAIN     4u  /* the first thread */
#define STINT_SLOT_ADOPTED  8u  /* made by somebody else's pthread_create() */
#define STINT_SLOT_VITAL    16u /* it has to live: vital_every_us */
#define STINT_SLOT_JOINABLE 32u /* somebody has to join it, and has not yet */
#define STINT_SLOT_EXEMPT   64u /* it may outlive its token, until exempt_until_us */

/* One thread. All of it is written under its seq, but for what is marked `alone`: single words. */
struct stint_registry_slot {
    uint32_t state; /* enum stint_slot_state */
    uint32_t tid;
    uint16_t scope; /* index; 0 = the process */
    uint16_t flags; /* STINT_SLOT_* */
    uint32_t epoch; /* counts the threads this slot had */
    /*
     * CLOCK_BOOTTIME, ns: at this time it was alive. The identity: the thread with this tid that
     * began at or before it, by field 22 of its stat, is meant; one that began later is another.
     */
    uint64_t alive_ns;
    uint64_t cancelled_us; /* alone; CLOCK_MONOTONIC when its token was cancelled; 0 = not */
    uint64_t beats;        /* alone; progress */
    uint64_t wait_object;  /* alone; address of what it waits for, by the kind of `wait_site` */
    uint32_t wait_site;    /* alone; index + 1 of a site; 0 = it said nothing */
    uint32_t cause;        /* alone; enum stint_cause; 0 = live */
    uint32_t birth_site;   /* index + 1; 0 = see creator_pc */
    uint32_t creator_tid;

    uint64_t started_us;     /* CLOCK_MONOTONIC */
    int64_t deadline_us;     /* of the token; INT64_MAX = none */
    int64_t vital_every_us;  /* with VITAL: it beats at least that often; 0 = it need not */
    int64_t shield_until_us; /* 0 = no shield */
    int64_t exempt_until_us; /* with EXEMPT; INT64_MAX = for ever */
    uint64_t start_pc;       /* its function; 0 = not known */
    uint64_t creator_pc;     /* where it was started, behind the call; 0 = not known */
    uint32_t reason_site;    /* index + 1: why it is exempt or, while it is, shielded */
    uint32_t reserved0;

    uint8_t trace_id[16]; /* all 0 = none */
    uint8_t span_id[8];
    char name[40];
    char creator_name[32];
    char token[32]; /* name of the token it obeys, or of its task */
};

enum stint_scope_state {
    STINT_SCOPE_FREE = 0,
    STINT_SCOPE_OPEN = 1,    /* it may be cancelled already */
    STINT_SCOPE_RETIRED = 2, /* a generation of the configuration that gave way to another */
    STINT_SCOPE_CLOSED = 3   /* gone, and nobody of it is left; kept until the place is needed */
};

/* A nursery of threads. Index 0 is the process itself. */
struct stint_registry_scope {
    uint32_t state;     /* enum stint_scope_state */
    uint32_t parent;    /* index */
    uint64_t opened_us; /* CLOCK_MONOTONIC */
    uint64_t cancelled_us;
    int64_t grace_us;    /* from cancelled_us on; INT64_MAX = none said */
    uint64_t generation; /* of the configuration, from 1; 0 = none. Scopes within have the same */
    uint32_t threads;    /* atomic; that live in it, or in scopes within it */
    uint32_t cause;      /* enum stint_cause; 0 = live */
    uint32_t birth_site; /* index + 1; 0 = none */
    uint32_t reserved0;
    char name[40];
    char who[40];  /* name of the thread that cancelled; "" = a signal or the supervisor */
    char text[64]; /* of the cancel */
    uint8_t reserved[56];
};

enum stint_site_kind {
    STINT_SITE_NONE = 0,
    STINT_SITE_BIRTH = 1,  /* a thread is started here, or a scope opened */
    STINT_SITE_WAIT = 2,   /* a thread waits here, for what `text` says; the object is an address */
    STINT_SITE_REASON = 3, /* `text` is the reason of an exemption or a shield */
    STINT_SITE_JOIN = 4,   /* a wait for a thread: the object is its tid, 0 = it has not begun */
    STINT_SITE_SCOPE = 5   /* a wait for a scope's threads: the object is its index */
};

#define STINT_SITE_UNKNOWN UINT32_MAX /* in place of index + 1: there was no room for it */

/* A place in the program, told once and meant by index. */
struct stint_registry_site {
    uint32_t kind; /* enum stint_site_kind */
    uint32_t line; /* 0 = none */
    char text[64];
    char function[64];
    char file[96]; /* tail kept when too long */
    uint8_t reserved[24];
};

/*
 * Work that went on past its deadline, for longer than the tolerance: a row for each thread name, place
 * where that was started, and scope. What is of the last time is written under `seq`, which is odd meanwhile.
 */
struct stint_registry_overrun {
    uint32_t seq;
    uint32_t tid; /* of the last time */
    uint64_t count;
    int64_t over_us;     /* the last time: so long after its deadline it ended */
    int64_t most_us;     /* the longest */
    uint64_t last_us;    /* CLOCK_MONOTONIC: when that ended */
    uint32_t birth_site; /* index + 1; 0 = see creator_pc */
    uint32_t creator_tid;
    uint64_t creator_pc;  /* as in a slot */
    uint8_t trace_id[16]; /* of the last time; all 0 = none */
    char thread[40];
    char creator_name[32];
    char task[40]; /* of the last time: the task, or the token */
    char scope[40];
    uint64_t reserved[4];
};

/* Who calls, by the name that the program knows it by. All numbers are atomic and mean something alone. */
struct stint_registry_caller {
    uint64_t calls;     /* that were opened or refused */
    uint64_t without;   /* … and said no timeout */
    uint64_t malformed; /* … and said one that is none: refused */
    uint64_t expired;   /* … whose deadline was over when they came: refused */
    uint64_t cut;       /* … that asked for more than the maximum */
    uint64_t overruns;  /* … for which work went on past the deadline */
    int64_t least_us;   /* shortest timeout that was said; 0 = none was */
    int64_t most_us;    /* longest */
    char name[40];      /* written before the table's `used`; "" = not known */
    uint64_t reserved[3];
};

/*
 * A ring of finished spans, behind all the others, in a file that has room for it (STINT_REGISTRY_WITH_SPANS).
 * A writer draws ticket n (`spans_begun`) and makes the seq of entry n % count 2n + 1, by one exchange from an even
 * one that is smaller; then it writes the entry, and makes the seq 2n + 2. Whoever finds the entry in use, or
 * overtaken, goes without: nobody waits. So each ticket is there to be read, or lost; nobody has to count.
 */
#define STINT_REGISTRY_SPANS 2048

enum stint_span_of {                            /* what has ended */
                     STINT_SPAN_OF_PROGRAM = 0, /* stint_span_start() */
                     STINT_SPAN_OF_THREAD = 1,
                     STINT_SPAN_OF_TASK = 2,
                     STINT_SPAN_OF_SCOPE = 3,
                     STINT_SPAN_OF_REQUEST = 4, /* a token with a trace that came in */
                     STINT_SPAN_OF_CALL = 5,    /* a traceparent was given out; at that moment */
                     STINT_SPAN_OF_PROCESS = 6
};

struct stint_registry_span {
    uint8_t trace_id[16], span_id[8], parent_id[8]; /* the latter all 0 = none */
    int64_t start_ns, end_ns;                       /* CLOCK_MONOTONIC */
    int64_t deadline_us;                            /* CLOCK_MONOTONIC; INT64_MAX = none */
    uint32_t tid;                                   /* that ended it; 0 = not known */
    uint32_t cause;                                 /* enum stint_cause; 0 = was not cancelled */
    uint16_t of;                                    /* enum stint_span_of */
    uint16_t kind;                                  /* enum stint_span_kind */
    uint16_t failed;                                /* 1: `text` says why */
    uint16_t reserved;
    char name[64];
    char thread[40];
    char creator_name[40];
    char scope[40];
    char text[64];
    char attributes[192]; /* key, NUL, value, NUL … and an empty key */
};

#define STINT_REGISTRY_SEQS (STINT_REGISTRY_SLOTS + STINT_REGISTRY_SCOPES)
#define STINT_REGISTRY_BYTES                                                         \
    (sizeof(struct stint_registry_header) + STINT_REGISTRY_SEQS * sizeof(uint32_t) + \
     STINT_REGISTRY_SLOTS * sizeof(struct stint_registry_slot) +                     \
     STINT_REGISTRY_SCOPES * sizeof(struct stint_registry_scope) +                   \
     STINT_REGISTRY_SITES * sizeof(struct stint_registry_site) +                     \
     STINT_REGISTRY_OVERRUNS * sizeof(struct stint_registry_overrun) +               \
     STINT_REGISTRY_CALLERS * sizeof(struct stint_registry_caller))

/* At a round place whatever the size of a page. */
#define STINT_REGISTRY_SPANS_AT ((STINT_REGISTRY_BYTES + 65535) / 65536 * 65536)
#define STINT_REGISTRY_WITH_SPANS \
    (STINT_REGISTRY_SPANS_AT +    \
     STINT_REGISTRY_SPANS * (sizeof(uint64_t) + sizeof(struct stint_registry_span)))

#endif
