/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ORPHANS_H
#define STINT_IO_ORPHANS_H

/*
 * Descendants that outlived their worker come to the master, because it is a sub-reaper. Living ones
 * are orphans, to be named and ended; dead ones that nobody waits for are strangers, to be reaped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct held;
struct leftover;
struct text;

/* How an orphan was traced back; what is not told is 0 or "". */
struct orphan {
    pid_t pid;
    int pidfd;           /* verified to be this process; take it with steal_fd(), or it is closed */
    uint64_t start_time; /* clock ticks since boot */
    pid_t session;       /* a worker leads its own session: its pid, when the orphan stayed in it */
    bool hidden;         /* /proc does not show it: only its session is known */
    char comm[64];
    uint64_t spawn_id; /* STINT_SPAWN_ID in its environment */
    char service[65];  /* STINT_SERVICE */
    uint64_t generation;
    unsigned slot;
};

/* How its worker was found out. */
enum orphan_clue {
    CLUE_NONE,
    CLUE_SPAWN_ID,
    CLUE_SESSION,
    CLUE_SERVICE,
    CLUE_CGROUP, /* it is in the cgroup of its generation */
    CLUE_HELD    /* it holds a pipe or the channel of its worker */
};

/**
 * orphan_tell - one line on it: its command, age and session, how it was found, what it holds, who is below it.
 * @left: what was read of it, with @held; NULL: it is gone
 *
 * Bounded: its first children, and theirs.
 */
void orphan_tell(const struct orphan *o, enum orphan_clue clue, const struct leftover *left,
                 const struct held *held, struct text *out);

struct stranger {
    pid_t pid, session;
    char comm[64];
    int wait_status; /* as waitpid(2) writes it */
};

/* orphan_read - what is known of process @pid; without a pidfd. Return: 0, -ESRCH. */
int orphan_read(pid_t pid, struct orphan *ret);

/* subreaper_set - orphans come to us from now on. Not inherited. Return: 0 or negative errno. */
int subreaper_set(void);

/**
 * orphans_find - living children of @parent, this process or the keeper, that @is_known denies.
 * @on_orphan: for each; it may not fork
 *
 * Call it when a worker has died, not in every turn: see the cost of proc_children().
 * Return: how many, or a negative errno.
 */
int orphans_find(pid_t parent, bool (*is_known)(void *env, pid_t pid),
                 void (*on_orphan)(void *env, struct orphan *o), void *env, struct error *reterr);

/**
 * strangers_reap - reap dead children that @is_known denies; a known one is left to its owner.
 * @on_reaped: for each
 *
 * For SIGCHLD, best after the pidfds had their turn: while a known child is dead and not yet reaped
 * it costs a proc_children(). Bounded: at most STRANGERS_MAX in one call.
 * Return: how many; STRANGERS_MAX: there may be more, call again; or a negative errno.
 */
#define STRANGERS_MAX 256
int strangers_reap(bool (*is_known)(void *env, pid_t pid),
                   void (*on_reaped)(void *env, const struct stranger *s), void *env);

#endif
