/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_CHILD_H
#define STINT_BENCH_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct error;

/* How a program of a benchmark is started. All borrowed. */
struct child_spec {
    const char *const *argv; /* NULL-terminated; [0] with a slash or looked up in PATH */
    const char *log;         /* standard output and error are appended there */
    const char *directory;   /* NULL: ours */
    uid_t uid;               /* (uid_t)-1: ours */
    gid_t gid;
};

/* child_start - in a session of its own; it gets SIGTERM when we die. Return: its pid, or negative errno. */
pid_t child_start(const struct child_spec *spec, struct error *reterr);

/* child_wait - reap @pid. Return: 0 with the wait status, or -ETIMEDOUT (not reaped). */
int child_wait(pid_t pid, int64_t deadline_us, int *ret_status);

/* child_run - start, wait at most @budget_us, kill if need be. Return: exit status or negative errno. */
int child_run(const struct child_spec *spec, int64_t budget_us, struct error *reterr);

/* child_end - @sig, then SIGKILL after @grace_us; reaps. Return: 0, or -ETIMEDOUT: it had to be killed. */
int child_end(pid_t pid, int sig, int64_t grace_us);

/* child_adopt - become the parent of orphaned descendants. Return: 0 or negative errno. */
int child_adopt(void);

/**
 * child_end_orphans - wait for what a program left behind, then kill it.
 *
 * Return: how many had to be killed.
 */
int child_end_orphans(int64_t grace_us);

#endif
