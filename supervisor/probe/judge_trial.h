/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_JUDGE_TRIAL_H
#define STINT_PROBE_JUDGE_TRIAL_H

/* On the way to the verdicts: between judge*.c alone. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/judge.h"

#define NOBODY SIZE_MAX

/* How one thread waits for another. */
enum tie {
    TIE_NONE,
    TIE_LOCK,  /* the other holds the lock */
    TIE_JOIN,  /* the other has to end */
    TIE_GUESS, /* concluded: nobody else could wake it */
};

struct standing {
    size_t waits_for; /* or NOBODY */
    size_t end; /* of the chain that begins here, or where it meets a circle; itself, if it waits
                         for nobody known */
    int64_t asked_us; /* when it could see that it should leave; 0 = not */
    int64_t due_us;   /* … and its grace is over; 0 = never */
    enum conduct conduct;
    enum tie tie;
    bool told;    /* its claim is used: the registry is trusted */
    bool bound;   /* … and it has a token */
    bool runtime; /* libc's, the kernel's, a language's */
    bool foreign; /* of a library; runs nothing of the program */
    bool past;    /* asked, and its grace is over */
    bool firm;    /* one wait, seen twice, that has no end of its own */
    bool wanted;  /* somebody waits for a lock that it holds */
    bool waits;   /* the main thread that only waits for others, or for events */
    bool cycle;
    bool orphan;    /* waits for a lock that nobody alive holds */
    bool late_born; /* was started when its token had been cancelled and the grace was over */
    bool judged;    /* the verdict stands */
};

struct trial {
    const struct process_facts *facts;
    struct judgements *ret;
    struct standing *of; /* owned; one for each thread */
    size_t *by_tid;      /* owned; indices of threads, by tid: whatever order the facts have */
    size_t main;         /* or NOBODY */
    int64_t due_us;      /* of the process; when its grace is over */
    bool asked, past;    /* the process */
    bool bound;          /* somebody has a token */
    bool relay;          /* who is born starts the next: nobody else has moved between the looks */
};

/* judge_standing.c: what each one does and is, and when it should leave. */
int trial_begin(struct trial *t);
void trial_finish(struct trial *t);
size_t trial_find(const struct trial *t, pid_t tid); /* a living thread, or NOBODY */
/* It could do something without another thread of the process: runs, sleeps, hears from outside. */
bool trial_moves(const struct trial *t, size_t i);
bool trial_within(const struct thread_facts *f); /* it waits for what other threads do */

/* judge_serves.c */
bool trial_serves(const struct trial *t, size_t i); /* it waits for a client of the process */

/* judge_graph.c: who waits for whom. Return: 0 or -ENOMEM. */
int trial_graph(struct trial *t);
bool trial_late(const struct trial *t,
                size_t i); /* asked to leave, itself or with all; it is over */
size_t trial_walk(const struct trial *t,
                  size_t i); /* what will be its `end`, before that is known */

/* judge_readers.c: the same for locks that many may read under. Return: 0 or -ENOMEM. */
int trial_readers(struct trial *t);

/* judge_contract.c: what its own token says of each. */
void trial_contract(struct trial *t);
enum verdict leak_of(enum conduct conduct);
__attribute__((format(printf, 2, 3))) void judgement_say(struct judgement *j, const char *fmt, ...);

/* judge_blame.c: who keeps a process alive that should be gone; who is the cause and who waits for it. */
void trial_blame(struct trial *t);
void trial_culprits(struct trial *t);

/* judge_more.c: of a cause that waits; @moves: somebody in the process does not. */
void trial_say_more(struct trial *t, size_t i, bool moves);

/* judge_dead.c: those who are gone. */
void trial_dead(struct trial *t);

/* judge_group.c. Return: 0 or -ENOMEM. */
int trial_groups(struct trial *t);
void trial_notice(struct trial *t);

/* judge_words.c: places, ages and names as words, for judge_text.c. */
const char *file_name_of(const char *path);
bool place_known(const struct place *place);
void add_place(struct text *out, const struct place *place); /* "cache.c:88 (cache_fill)" */
void add_clean(struct text *out, const char *s);             /* a name that others chose */
void add_span(struct text *out, int64_t us);                 /* "31 s" */

/* judge_text.c: one kind of threads, what is wrong with it and in what it waits. */
void tell_short(const struct process_facts *p, const struct judgements *js, size_t group,
                struct text *out);

#endif
