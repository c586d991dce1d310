/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_INSIDE_H
#define STINT_PROFILE_CPU_INSIDE_H

/*
 * From inside: the worker's libstint is asked by its channel to note where its threads are, by a CPU
 * timer for each of them, into memory that comes along with the request. What is in there is the
 * worker's and may be anything.
 */
#include "supervisor/profile/cpu_sample.h"

struct cpu_inside;
struct cpu_who;
struct error;

struct cpu_inside_counts {
    uint64_t lost;     /* samples that found no room */
    uint64_t overruns; /* ticks that came while one was pending */
    unsigned threads;  /* with a timer */
    unsigned refused;  /* without: RLIMIT_SIGPENDING */
    unsigned held_up;  /* we were, for so long that it stopped */
};

/**
 * cpu_inside_open - ask, and wait until the worker has begun.
 * @channel_fd: the master's end; borrowed; -1 = the worker has none
 * @who:        borrowed; tells scopes by their indices
 *
 * Return: 0; -ENOTCONN: it does not link libstint; -ETIMEDOUT: it does not read its channel; -EBUSY:
 * the program uses SIGPROF itself; or another negative errno.
 */
int cpu_inside_open(struct cpu_inside **ret, pid_t pid, int channel_fd, struct cpu_who *who,
                    unsigned hz, int64_t until_us, struct error *reterr);
void cpu_inside_close(struct cpu_inside *in); /* NULL is fine */

/* cpu_inside_await - some time, at most until @until_us. Return: false: the worker has ended. */
bool cpu_inside_await(struct cpu_inside *in, int64_t until_us);
void cpu_inside_take(struct cpu_inside *in, const struct cpu_sink *sink); /* all that is there */
void cpu_inside_stop(struct cpu_inside *in); /* nothing new from now on */

const struct cpu_inside_counts *cpu_inside_counts(struct cpu_inside *in);

#endif
