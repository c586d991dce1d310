/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_LEFTOVER_H
#define STINT_PROBE_LEFTOVER_H

/*
 * A process that is there though its worker is gone or should be: who it is, where it comes from, how
 * old it is, what it does, and what it still has of what its worker was given. By a number alone nobody
 * knows whom to mend.
 *
 * Reads /proc only and opens no file of the process, so it does not wait for anybody. Bounded.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct text;

#define LEFTOVER_CHAIN   8    /* parents that are told */
#define LEFTOVER_HOLDS   12   /* descriptors that are told; others are counted */
#define LEFTOVER_FDS     4096 /* descriptors that are looked at, by a helper … */
#define LEFTOVER_FDS_FEW 256  /* … and by a loop */

/* A pipe or socket that a worker was given. Both ends of a pipe have one inode. */
struct held {
    uint64_t inode; /* 0: no more of them */
    bool own;       /* one worker's, and of nobody after it: its stdout, its channel … */
    char name[79];  /* "listener http", "stdout of worker 4711" */
};

/* What is looked for. All borrowed for the call. */
struct leftover_look {
    const struct held *held; /* until an inode of 0, or n_held of them */
    size_t n_held;
    size_t fds;   /* that are looked at */
    pid_t top[2]; /* the chain of parents ends at these: master and keeper */
};

struct leftover {
    pid_t pid, ppid, session;
    uint64_t start_time; /* clock ticks since boot: with the pid, who it is */
    int64_t age_us;
    pid_t worker; /* of which it descends, or 0: it was found without one */
    char state;   /* as in struct proc_stat */
    bool refused; /* its descriptors may not be seen */
    bool cut;     /* it has more than were looked at */
    char comm[64];
    char command[120]; /* its arguments; "" = none may be seen */
    char exe[200];     /* "" = may not be seen */
    struct {
        pid_t pid;
        char comm[64];
    } chain[LEFTOVER_CHAIN]; /* parents, the nearest first, without `top` */
    unsigned n_chain;
    struct {
        unsigned what; /* index in look.held */
        int fd;
    } holds[LEFTOVER_HOLDS];
    unsigned n_holds, more_holds;
    unsigned sockets, pipes; /* others that it has */
};

/**
 * leftover_read - Return: 0; -ESRCH: it is gone, or dead and not collected; another negative errno.
 * What is not permitted is left out.
 */
int leftover_read(pid_t pid, const struct leftover_look *look, struct leftover *ret);

/* leftover_inodes - of its pipes and sockets, at most @max. Return: how many were written. */
size_t leftover_inodes(pid_t pid, uint64_t *ret, size_t max);

/**
 * leftover_tell - "`sleep 100` (/usr/bin/sleep), 3.0 s old, sleeping, child of 12 (sh), holds …".
 *
 * Without its number, which most have said before.
 */
void leftover_tell(const struct leftover *l, const struct held *held, struct text *out);
/* leftover_tell_holds - only that: "stdout of worker 12 (fd 1), 2 other sockets"; "" = nothing. */
void leftover_tell_holds(const struct leftover *l, const struct held *held, struct text *out);

/* leftover_json - an entry of `processes`, schema stint.probe/1. NULL: no memory. */
json_t *leftover_json(const struct leftover *l, const struct held *held);

#endif
