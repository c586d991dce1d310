/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_JUDGE_H
#define STINT_PROBE_JUDGE_H

/*
 * What the facts mean: a verdict for each thread and one for the process, the cycles among those who
 * wait for each other, and groups of threads of one kind. Pure: no system call, no clock.
 *
 * A leak is a breach of contract: a thread whose token is cancelled and that is alive after the grace,
 * not exempt, not shielded, not progressing, and not the runtime's own. In a process that has no
 * tokens the contract is its own: it was asked to leave and is alive after its grace; whoever keeps it
 * alive is found by who waits for whom.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/facts.h"

struct text;

enum verdict {
    VERDICT_CLEAN,           /* nothing it should not do */
    VERDICT_DRAINING,        /* asked to leave, within its grace, or getting on with it */
    VERDICT_SHIELDED,        /* asked to leave, in a section that may not be disturbed */
    VERDICT_EXEMPT,          /* declared to outlive its token */
    VERDICT_RUNTIME,         /* libc's or the kernel's own */
    VERDICT_LEAKED_BLOCKED,  /* waits for what does not come */
    VERDICT_LEAKED_SPINNING, /* uses the CPU and does not look at its token */
    VERDICT_LEAKED_SLEEPING, /* sleeps and works in turns and does not look at its token */
    VERDICT_LEAKED_REQUEST,  /* works for a request whose deadline is over, or that was cancelled */
    VERDICT_DEADLOCK,        /* waits, at some remove, for itself; or for a lock of those who do */
    VERDICT_ORPHAN_LOCK,     /* waits for a lock whose holder is gone */
    VERDICT_UNREGISTERED,    /* not in the registry of a process that has one */
    VERDICT_UNJOINED,        /* ended, and nobody joined it */
    VERDICT_STUCK_KERNEL,    /* state D: not even SIGKILL reaches it */
    VERDICT_STOPPED,         /* by SIGSTOP or a debugger: not its fault */
    VERDICT_PROCESS_RETAINED, /* it has to stay, or cannot go, for a reason that is no leak: a client */
    VERDICT_DEAD_WATCHER,     /* a vital thread that ended, or does not beat */
    VERDICT_COUNT
};

/* What a thread does, whatever is thought of it. */
enum conduct {
    CONDUCT_BLOCKED,  /* one wait without an end of its own, seen twice */
    CONDUCT_SLEEPING, /* waits and works in turns, or a wait that ends by itself */
    CONDUCT_SPINNING, /* on a CPU */
    CONDUCT_KERNEL,   /* not to be interrupted */
    CONDUCT_STOPPED,
    CONDUCT_ENDED
};

/* Of one thread. */
struct judgement {
    size_t thread; /* index in facts->threads; SIZE_MAX: of facts->dead[dead] */
    size_t dead;   /* index in facts->dead, or SIZE_MAX */
    enum verdict verdict;
    enum conduct conduct;
    bool culprit; /* what has to be mended is here: not merely waiting for one who will not leave */
    bool by_contract;   /* its own token says so; else it is concluded from the process */
    size_t group;       /* index in groups */
    size_t waits_for;   /* index in facts->threads of whom it waits for; SIZE_MAX = nobody known */
    int64_t asked_us;   /* when it could see that it should leave; 0 = nobody asked */
    int64_t overdue_us; /* since its grace was over; 0 = it is not */
    char why[160];      /* a clause more than the verdict says: "its shield ended 3 s ago", or "" */
};

/* Threads of one kind: same verdict, start function, creator, wait class and first business frame. */
struct judgement_group {
    enum verdict verdict;
    char
        key[256]; /* without the verdict; the same over samples, processes and generations: names of
                      functions and modules only. What history compares */
    size_t first; /* index in judgements: the oldest member, told in full */
    size_t count;
    bool culprit; /* some member is */
};

struct judgement_cycle {
    size_t members
        [16]; /* indices in facts->threads: each waits for the next, the last for the first */
    size_t n; /* beyond 16 the rest is left out */
    bool
        concluded; /* one of the waits is not read from a lock but concluded: nobody else is left */
};

struct judgements {
    enum verdict process; /* what can be said of it as a whole */
    char process_why[256];
    struct judgement
        *of; /* owned; one for each thread, then for each dead one that has a verdict */
    size_t n;
    struct judgement_group *groups; /* owned; leaks first, culprits before others, then by count */
    size_t n_groups;
    struct judgement_cycle *cycles; /* owned */
    size_t n_cycles;
    size_t n_leaked; /* judgements with a verdict that is a leak: see verdict_is_leak() */
    char notice
        [256]; /* no verdict, but worth a look: "97 % of its threads wait in one place", or "" */
};

/**
 * judge - give everyone a verdict.
 * @facts:  borrowed; the indices in @ret are into it
 *
 * The order of facts->threads does not matter. Return: 0, or -ENOMEM.
 */
int judge(const struct process_facts *facts, struct judgements *ret);
void judgements_finish(struct judgements *judgements);

const char *verdict_name(enum verdict verdict); /* "leaked:blocked"; static */
bool verdict_is_leak(enum verdict verdict);     /* leaked:*, deadlock, orphan-lock, dead-watcher */
const char *conduct_name(enum conduct conduct); /* "blocked"; static */

/* judge_tell - one line for a group, everything that helps in it: see docs/leaks.md. */
void judge_tell(const struct process_facts *facts, const struct judgements *judgements,
                size_t group, struct text *out);

/* judge_summary - one line for people about all of it, the worst first; what the event log gets. */
void judge_summary(const struct process_facts *facts, const struct judgements *judgements,
                   struct text *out);

struct judged_generation {
    uint64_t generation; /* of the configuration within the process */
    size_t count;
};

/* judge_generations - of a group's members, the lowest first. Return: how many, at most @max. */
size_t judge_generations(const struct process_facts *facts, const struct judgements *judgements,
                         size_t group, struct judged_generation *ret, size_t max);

/* What @thread is called: its claimed name, unless the registry is not to be believed, else comm. */
const char *judge_name(const struct process_facts *facts, size_t thread);

/* judge_wait - "read(fd 9 → pipe:[123])": in what it waits; nothing for one that runs. */
void judge_wait(const struct process_facts *facts, const struct judgements *judgements,
                size_t thread, struct text *out);

#endif
