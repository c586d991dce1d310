/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_JUDGE_HISTORY_H
#define STINT_PROBE_JUDGE_HISTORY_H

/*
 * What looks at the workers of one service found, over its generations: a book of bounded size. A leak
 * stays in it when it is over (`recovered`), with both times; a kind of thread that is more with each
 * generation, or with each look at one process, is noted before any deadline. Pure, as judge.h is.
 *
 * Times that end in `_wall_us` are CLOCK_REALTIME, since the book outlives the machine's uptime.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/judge.h"

#define HISTORY_GROUPS       64 /* kinds; who leaked stays longest */
#define HISTORY_SIGHTINGS    16 /* processes of one kind, the newest */
#define HISTORY_RECENT       8  /* counts of one process */
#define HISTORY_LOOKED       16 /* generations */
#define HISTORY_BEATS        256
#define SIGHT_GROUPS         256 /* of one look; leaks come first */
#define HISTORY_CERTIFICATES 32
#define CERTIFICATE_HOWS     4
#define HISTORY_RETAINED     32   /* processes that were left, the newest */
#define HISTORY_TEXT         1024 /* bytes of one text, with its NUL */

/* ---- a look ------------------------------------------------------------------------------------ */

struct sight_group {
    enum verdict verdict;
    bool culprit;
    unsigned count;
    char *key, *text; /* owned; text: one line, of a leak; else NULL */
    char name[48], start[96], creator[96];
};

struct sight_beat { /* of one thread that beats, or has to */
    pid_t tid;
    uint64_t start_time, beats;
};

/* What a look at one process found, as far as the book takes it. */
struct sight {
    uint64_t generation; /* of the service */
    pid_t pid;
    int64_t at_us, at_wall_us;
    bool asked;                 /* the process was asked to leave */
    struct sight_group *groups; /* owned */
    size_t n_groups;
    struct sight_beat *beats; /* owned */
    size_t n_beats;
};

/* sight_make - from facts and verdicts. (From a report: history_json.h.) Return: 0 or -ENOMEM. */
int sight_make(const struct process_facts *facts, const struct judgements *judgements,
               uint64_t generation, int64_t at_wall_us, struct sight *ret);
void sight_finish(struct sight *sight);

/* ---- the book ----------------------------------------------------------------------------------- */

enum history_state {
    HISTORY_SEEN,      /* never a leak */
    HISTORY_LEAKED,    /* now, as far as the last look knows */
    HISTORY_RECOVERED, /* it leaked and left by itself, or its process did */
    HISTORY_KILLED,    /* it leaked until its process was killed */
    HISTORY_STATE_COUNT
};

struct history_counts {
    unsigned most;
    unsigned recent[HISTORY_RECENT]; /* the newest last; the same one again is not added */
    unsigned n;
};

/* The newest; 0 = none yet. */
static inline unsigned
history_last(const struct history_counts *c)
{
    return c->n > 0 ? c->recent[c->n - 1] : 0;
}

/* One kind of thread in one process. */
struct history_sighting {
    uint64_t generation;
    pid_t pid;
    bool asked; /* at the last look */
    bool process_gone;
    enum history_state state;
    enum verdict verdict;      /* the last; of a leak the last that was one */
    struct history_counts all; /* of the kind … */
    struct history_counts
        leaked; /* … and those of them that leaked: after a reload within the process
                                     the threads of the new configuration are of the same kind */
    int64_t first_wall_us, last_wall_us;  /* looks that had it */
    int64_t leaked_wall_us, over_wall_us; /* 0 = not */
};

struct history_group {
    char *key;  /* owned */
    char *text; /* owned; the last leak's line; NULL: it never leaked */
    char name[48], start[96], creator[96];
    bool culprit;
    bool rising;
    int64_t growth_milli; /* thousandths of a thread, per generation or look, of the last rise */
    uint64_t first_generation, last_generation;
    int64_t first_wall_us, last_wall_us;
    unsigned looks;                                  /* that had it */
    struct history_sighting seen[HISTORY_SIGHTINGS]; /* the oldest first */
    unsigned n_seen;
};

struct history_beat {
    pid_t pid, tid;
    uint64_t start_time, beats;
    int64_t since_us; /* CLOCK_MONOTONIC of the first look that had this many */
};

/* A process that was there when its worker was gone or should have been. */
struct history_retained {
    uint64_t generation;
    pid_t pid;
    uint64_t start_time;
    enum history_state state;            /* LEAKED: it is there, as far as is known */
    int64_t first_wall_us, last_wall_us; /* when it was found, when it was seen last */
    int64_t over_wall_us;                /* 0 = not */
    char comm[16];
    char *text; /* owned; who it is, and what it holds */
};

enum certificate_grade {
    CERTIFICATE_ASSUMED, /* its processes were never seen to end */
    CERTIFICATE_PIDS,    /* those that were known have ended */
    CERTIFICATE_CGROUP,  /* and their cgroup is empty, so nothing escaped */
};

/* How a generation ended. */
struct certificate {
    uint64_t generation;
    int64_t at_wall_us;
    bool pids_gone, cgroup_empty;
    bool fds_returned;              /* what it held of the supervisor's is closed or given back */
    bool threads_joined;            /* by the registry: nobody left unjoined */
    bool threads_known;             /* it had a registry; else threads_joined says nothing */
    char how[CERTIFICATE_HOWS][12]; /* pids, cgroup, fds, threads: "seen", "concluded" … */
    unsigned processes, leaks, killed, escapees;
    unsigned unread; /* processes of others of which nobody may know what they hold */
    enum certificate_grade grade;
    char text[256]; /* what is missing, or "" */
};

struct history {
    struct history_group *groups; /* owned; in no order */
    size_t n_groups;
    uint64_t dropped; /* groups that found no place */
    uint64_t looks;
    struct {
        uint64_t generation;
        bool asked;
    } looked[HISTORY_LOOKED]; /* the oldest first */
    unsigned n_looked;
    struct history_beat *beats; /* owned */
    size_t n_beats;
    struct history_retained *retained; /* owned; the oldest first */
    size_t n_retained;
    struct certificate certificates[HISTORY_CERTIFICATES]; /* the oldest first */
    unsigned n_certificates;
};

enum history_news {
    NEWS_LEAKED,    /* a kind that leaks in this process, and did not at the look before */
    NEWS_RECOVERED, /* … and does not any more */
    NEWS_RISING     /* more and more of a kind */
};
typedef void (*history_tell)(void *env, enum history_news news, const struct history_group *group,
                             const struct history_sighting *seen);

void history_finish(struct history *h);

/**
 * history_look - take a look into the book.
 * @tell: NULL or who hears what is new; what it is given is valid until it returns
 *
 * Return: 0 or -ENOMEM; then a part of it may be missing, and the book is in order.
 */
int history_look(struct history *h, const struct sight *sight, history_tell tell, void *env);

/* history_gone - a process has ended, by itself or killed by the supervisor. */
void history_gone(struct history *h, pid_t pid, bool killed, int64_t at_wall_us, history_tell tell,
                  void *env);

/**
 * history_retain - a process is left behind. The same one again is the same entry.
 * @found: copied, with its text; state and over_wall_us are not looked at
 *
 * Return: 0 or -ENOMEM.
 */
int history_retain(struct history *h, const struct history_retained *found);
/* history_retained_gone - @pid is; 0: all of @generation are. Return: whether one was meant. */
bool history_retained_gone(struct history *h, uint64_t generation, pid_t pid, bool killed,
                           int64_t at_wall_us);
void history_retained_finish(struct history *h);

/* history_remind - before judge(): what an earlier look knows of the beats goes into the facts. */
void history_remind(const struct history *h, struct process_facts *facts);

void history_certify(struct history *h, const struct certificate *c); /* copies */

enum history_state history_state_of(const struct history_group *g);
const char *history_state_name(enum history_state state);         /* "recovered"; static */
const char *certificate_grade_name(enum certificate_grade grade); /* "cgroup"; static */

/* ---- two generations ------------------------------------------------------------------------------ */

enum history_change { CHANGE_GONE, CHANGE_NEW, CHANGE_MORE, CHANGE_LESS };

struct history_difference {
    const struct history_group *group; /* in the book */
    enum history_change change;
    unsigned before, after;
};

/* history_diff - kinds that the two do not have alike, at their last looks. Return: how many, at most @max. */
size_t history_diff(const struct history *h, uint64_t before, uint64_t after,
                    struct history_difference *ret, size_t max);

/* ---- what a service may have ------------------------------------------------------------------------ */

struct budget_rule {
    const char *thread; /* borrowed; pattern (fnmatch) of a name, a start or a creating function */
    unsigned max_count; /* UINT_MAX = any */
    int64_t max_age_us; /* INT64_MAX = any */
};

struct budget_breach {
    size_t rule;
    unsigned count; /* that are too many, or too old */
    bool too_old;   /* else too many */
    size_t first;   /* index in facts->threads: the oldest */
};

/* budget_check - Return: how many breaches, at most @max are told. */
size_t budget_check(const struct process_facts *facts, const struct judgements *judgements,
                    const struct budget_rule *rules, size_t n_rules, struct budget_breach *ret,
                    size_t max);

#endif
