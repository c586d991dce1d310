/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_RUN_H
#define STINT_IO_RUN_H

/*
 * A short-lived helper process: `check`, `ready: {exec: …}`. Own session, stdout and stderr merged,
 * a deadline, and nothing of its process group is left when it is over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/spec.h"
#include "supervisor/io/spawn.h"

struct error;
struct ev_loop;
struct identity;
struct run;
struct text;

#define RUN_OUTPUT_MAX 16384 /* bytes kept; the rest is counted */

/* How it went. Borrowed for the length of the callback. */
struct run_result {
    int wait_status;           /* as waitpid(2) wrote it; meaningless with exec.step set */
    struct spawn_failure exec; /* step SPAWN_STEP_NONE: the program ran */
    bool timed_out;            /* the deadline came and it was killed */
    const char *output;        /* NUL-terminated, the first RUN_OUTPUT_MAX bytes */
    size_t output_bytes;       /* without the NUL; bytes may contain NULs */
    uint64_t output_dropped;   /* bytes beyond */
    const char *program;       /* the path that was executed */
};

/* All borrowed for the call of run_start(), except @env. */
struct run_request {
    char *const *argv; /* [0] as spawn_find_program() takes it */
    char *const
        *envp; /* a worker's will do: LISTEN_* and NOTIFY_SOCKET are left out, for nothing is
                          passed and nothing is awaited; its PATH is searched for argv[0] */
    const char *directory;           /* NULL = stay */
    const struct identity *identity; /* NULL = stay */
    mode_t umask;                    /* (mode_t)-1 = stay */
    const struct limit_spec *limits;
    size_t n_limits;
    int64_t deadline_us; /* CLOCK_MONOTONIC; TIME_NEVER = none */
    bool tied;           /* it ends with us, should we be killed */
    void (*on_done)(void *env,
                    const struct run_result *result); /* once; the run is gone after it */
    void *env;                                        /* borrowed; must outlive the run */
};

/**
 * run_start - start it; the rest happens on @loop.
 * @ret: valid until on_done is called or run_cancel()
 *
 * on_done is never called from within run_start(). Return: 0 or negative errno with the sentence
 * (then on_done is never called).
 */
int run_start(struct ev_loop *loop, const struct run_request *req, struct run **ret,
              struct error *reterr);

/*
 * run_cancel - kill its group and forget it; on_done is not called. Reaping happens on the loop as
 * soon as the kernel lets go of it; nothing waits. NULL is fine.
 */
void run_cancel(struct run *run);

pid_t run_pid(const struct run *run);

/* Is @pid a helper that run_start() made, cancelled ones included? So that nobody takes it for a stranger. */
bool run_knows(pid_t pid);

/* run_succeeded - it ran, in time, and exited 0. */
bool run_succeeded(const struct run_result *result);

/* run_excerpt - @before and what it printed, of much the beginning and the end; nothing if it was nothing. */
void run_excerpt(const struct run_result *result, const char *before, struct text *out);

/* run_explain - the result in words, without the output: "exit status 1", "took too long". */
char *run_explain(const struct run_result *result, char *buf, size_t room);

#endif
