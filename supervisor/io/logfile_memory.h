/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGFILE_MEMORY_H
#define STINT_IO_LOGFILE_MEMORY_H

/*
 * What waits for the log file of one service: a ring of bytes in a memfd, between the master, which
 * puts whole lines in, and the writer, which appends them to the file.
 *
 *   …overwritten… │ written ─ done … being written … trying ─ … waiting … ─ put │ …free…
 *
 * The keeper keeps the memfd too, so the bytes outlive both. Positions only grow; the byte at one is
 * data[position % room], and put - done stays below room, so that the byte before `done` is still
 * there: it tells whether a line begins. Before a write it is noted which file is about to grow from
 * which size: whoever comes after a SIGKILL looks at the file and knows to the byte what was written.
 *
 * Pages exist when they are used: a service that prints little costs little.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct error;

#define LOGFILE_ROOM_MIN ((size_t)128 << 10) /* half of it takes any piece of a line */
#define LOGFILE_ROOM_MAX ((size_t)64 << 20)

/* Both processes run at the same time, so all of it is ordered. */
typedef _Atomic uint64_t logfile_u64;

/* What the writer has to know. Plain bytes: it goes through the memory and over the wire. */
struct logfile_config {
    uint64_t max_size;  /* 0: never rotated for its size */
    int64_t max_age_us; /* 0: … for its age */
    uint32_t keep;
    uint32_t mode;
    uint32_t format; /* enum service_log_format: of what the writer itself has to say */
    char service[68];
    char owner[128], group[128]; /* "": as we are */
    char path[4096];
};

struct logfile_shared {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t room;
    uint64_t total_bytes;

    /* the master's */
    logfile_u64 put;
    logfile_u64
        open_key; /* whose line is not ended, when the last byte before `open_at` is no newline … */
    logfile_u64 open_at; /* … and this is `put` */
    logfile_u64
        hungry; /* tell when half of the room is free; 0: no need to. Each hunger has its number */
    logfile_u64 current; /* config[current & 1] holds */
    struct logfile_config config[2];

    /* the writer's */
    logfile_u64 done;
    logfile_u64 trying,
        try_from; /* a write of these began; unless done is elsewhere by now, in doubt */
    logfile_u64 try_device, try_inode, try_size; /* … to this file, of this size before */
    logfile_u64 idle;                            /* it has seen that nothing waits: wake it */
    logfile_u64 busy_us; /* CLOCK_MONOTONIC: since when it has been at it; 0: it is not */
    logfile_u64 error;   /* errno that it waits for; 0: none */
    logfile_u64 begun_inode, begun_us; /* the file and when it was begun, wall clock */
    logfile_u64 size, rotations;
};

struct logfile_memory {
    struct logfile_shared *shared; /* start of the mapping, owned; NULL: none */
    char *data;
    size_t room, total_bytes;
    int fd; /* owned */
};

/* Return: 0 or negative errno with the sentence. */
int logfile_memory_create(struct logfile_memory *m, size_t room, struct error *reterr);

/**
 * logfile_memory_adopt - map what somebody else made.
 * @fd: taken over when this succeeds
 *
 * Nothing in it is believed but what makes sense together. Return: 0, -EBADMSG, or another errno.
 */
int logfile_memory_adopt(struct logfile_memory *m, int fd, struct error *reterr);
void logfile_memory_close(struct logfile_memory *m);

void logfile_memory_configure(struct logfile_memory *m, const struct logfile_config *c);
const struct logfile_config *logfile_memory_config(const struct logfile_memory *m);

/* ---- the master's side */

size_t logfile_memory_free(const struct logfile_memory *m); /* bytes that can be put */

/* Append; they fit. True: the writer sleeps and has to be woken. */
bool logfile_memory_put(struct logfile_memory *m, const struct iovec *parts, size_t n_parts);

/* The stream whose line is not ended yet; 0: none is, or nobody knows whose. */
uint64_t logfile_memory_open_line(const struct logfile_memory *m);
void logfile_memory_set_open(struct logfile_memory *m, uint64_t key);

/* ---- both */

size_t logfile_memory_waiting(const struct logfile_memory *m);

/* Is the byte before position @at a newline, or the first of all? */
bool logfile_memory_line_begins(const struct logfile_memory *m, uint64_t at);

/* The bytes between two positions, in one or two pieces. Return: how many. */
unsigned logfile_memory_parts(const struct logfile_memory *m, uint64_t from, uint64_t to,
                              struct iovec part[2]);

#endif
