/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LEDGER_H
#define STINT_IO_LEDGER_H

/*
 * What was ever seen of the threads of each service, and how its generations ended: the books of
 * probe/judge_history.h, kept in one file that is only appended to: JSON lines, replayed at the
 * start. So what is in it outlives a master that is killed, and a stint that ends.
 *
 *   {"service":"web","look":{…report…},"generation":7,"pid":4711,"at_wall_us":…}
 *   {"service":"web","gone":4711,"killed":true,"at_wall_us":…}
 *   {"service":"web","retained":{…process…},"generation":7,"at_wall_us":…}
 *   {"service":"web","certificate":{…}}
 *   {"service":"web","overruns":{…},"generation":7,"pid":4711,"at_wall_us":…}
 *   {"service":"web","history":{…}}        all before it, when the file was written anew …
 *   {"service":"web","overruns":{…},"of":[[7,4711],…]}        … and who is in that sum
 *
 * A line that is damaged is left out and said once. Without the file the books are in memory only.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct history;
struct ledger;
struct overruns;

#define LEDGER_BYTES    ((size_t)4 << 20) /* then it is written anew, in short */
#define LEDGER_SERVICES 10000             /* with a book; no more are begun */
#define LEDGER_LINE     ((size_t)64 << 10)

/**
 * ledger_open - read what there is.
 * @path: NULL: in memory only
 * @say:  what people should know, once each: lines that were left out, a disk that is full
 *
 * Return: 0; -ENOMEM. A file that cannot be read or written is said, and the ledger goes on.
 */
int ledger_open(const char *path, void (*say)(void *env, const char *sentence), void *env,
                struct ledger **ret);
void ledger_close(struct ledger *l); /* NULL is fine */

/* What a look brought that was not known, in words; "" = nothing. */
struct ledger_news {
    char compare[512]; /* with the generation before it: at the first look of each */
    char trend[256];   /* what there is more of with each */
};

/**
 * ledger_look - take a look into the book.
 * @report: schema stint.probe/1, of probe_report()
 * @asked:  the process was asked to leave before it
 */
void ledger_look(struct ledger *l, const char *service, uint64_t generation, pid_t pid,
                 const json_t *report, struct ledger_news *ret);

/* A process has ended. Costs nothing where it was never looked at. */
void ledger_gone(struct ledger *l, const char *service, pid_t pid, bool killed);

/**
 * ledger_retain - a process of a generation is left behind.
 * @process: an entry of `processes`, schema stint.probe/1, as leftover_json() makes it; borrowed
 */
void ledger_retain(struct ledger *l, const char *service, uint64_t generation,
                   const json_t *process);

/* How a generation ended; see struct certificate of probe/judge_history.h. */
struct ledger_certificate {
    uint64_t generation;
    bool pids_gone, cgroup_empty, fds_returned, threads_joined, threads_known;
    const char *how[4]; /* each of pids, cgroup, fds and threads is known: "seen"; static */
    unsigned processes, leaks, killed, escapees;
    unsigned unread; /* processes of others of which nobody may know what they hold */
    char text[256];  /* what is not as it should be, or "" */
};

/* One for each generation; the second of the same is left out. */
void ledger_certify(struct ledger *l, const char *service, const struct ledger_certificate *c);

/**
 * overruns_add - add what @from has to @to: rows by thread, creator and scope, callers by name. Live ones have
 * ended then.
 */
void overruns_add(struct overruns *to, const struct overruns *from);

/* ledger_overrun - what the registry of a worker that is gone says. False: a master before this one has entered it. */
bool ledger_overrun(struct ledger *l, const char *service, uint64_t generation, pid_t pid,
                    const struct overruns *o);

/* The sum of all workers that are gone; `last_us` is of this boot, so it may be negative. NULL: none. */
const struct overruns *ledger_overruns(const struct ledger *l, const char *service);

/* NULL: it has none. Valid until the next call that is not const. */
const struct history *ledger_book(const struct ledger *l, const char *service);

/* What differs between @generation and the newest before it that was looked at; NULL: nothing known. */
json_t *ledger_diff(const struct ledger *l, const char *service, uint64_t generation);

#define LEDGER_LEAKS 12 /* verdicts that are leaks: there are fewer */

/* As the last look at each process knows. */
struct ledger_counts {
    unsigned leaked[LEDGER_LEAKS]; /* threads, by verdict: ledger_leak_name() */
    unsigned rising;               /* kinds of threads that are more with each generation or look */
    unsigned retained;             /* processes that are left */
};

/* ledger_count - False: it has no book, and @ret is zeroed. */
bool ledger_count(const struct ledger *l, const char *service, struct ledger_counts *ret);
const char *ledger_leak_name(
    unsigned i); /* "leaked:blocked"; static; NULL: there are not so many */

/* Schema stint.leaks/1, for one service or (NULL) all that have a book. New reference. */
json_t *ledger_report(const struct ledger *l, const char *service);

#endif
