/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_PERF_H
#define STINT_PROFILE_CPU_PERF_H

/*
 * From outside: the kernel notes where the threads of a process and of its descendants are, each time
 * one has used so much CPU time. Nobody is stopped, signalled or asked.
 */
#include "supervisor/profile/cpu_sample.h"

struct error;
struct cpu_perf;

/* What became of it, for the comment. */
struct cpu_perf_counts {
    uint64_t lost;      /* samples that found no room */
    unsigned processes; /* that were there at the beginning */
    unsigned threads;   /* of them that are watched, and whatever they start */
    unsigned unwatched; /* no descriptors were left for those */
    bool kernel;        /* time in the kernel is seen, too */
};

/**
 * cpu_perf_open - begin to watch @pid and its descendants.
 * @hz:     per second of CPU time of each thread
 * @prompt: cpu_perf_await() is to end with each sample, not when there are some
 *
 * Return: 0; -EACCES, -EPERM, -ENOSYS: it is not permitted, and the sentence says what to allow;
 * -ESRCH; or another negative errno.
 */
int cpu_perf_open(struct cpu_perf **ret, pid_t pid, unsigned hz, bool prompt, struct error *reterr);
void cpu_perf_close(struct cpu_perf *perf); /* NULL is fine */

/* ---- cpu_refused.c ---- */

struct cpu_refusal {
    int paranoid;  /* kernel.perf_event_paranoid; -1: there is none */
    bool admin;    /* CAP_SYS_ADMIN */
    bool perfmon;  /* CAP_PERFMON, once a part of it */
    bool filtered; /* a seccomp filter is over us */
};

const char *cpu_refused_why(
    const struct cpu_refusal *r); /* … and the way out; pure, static words */

/* cpu_refused - the sentence for the errno @r of perf_event_open(). Return: @r. */
int cpu_refused(int r, pid_t pid, struct error *reterr);

/* cpu_perf_await - until there is something to take, or @until_us. Return: false: nobody is left. */
bool cpu_perf_await(struct cpu_perf *perf, int64_t until_us);

/* cpu_perf_take - all that is there now. */
void cpu_perf_take(struct cpu_perf *perf, const struct cpu_sink *sink);

/* cpu_perf_counts - valid until the next call. */
const struct cpu_perf_counts *cpu_perf_counts(const struct cpu_perf *perf);

#endif
