/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_READY_H
#define STINT_IO_READY_H

/*
 * Asking a worker from outside whether it is ready. READY_NOTIFY is the notify socket's and the
 * channel's business and READY_ASSUME the core's clock's; for these two nothing is watched here and
 * only ready_progress() has something to say.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/spec.h"

struct error;
struct ev_loop;
struct identity;
struct ready;

/* Copied or borrowed as noted. */
struct ready_request {
    const struct ready_spec *spec; /* borrowed until ready_stop() */
    unsigned slot;                 /* of the worker: what {slot} in it stands for */
    pid_t pid;                     /* the worker */
    int64_t spawned_us;            /* CLOCK_MONOTONIC, taken before it was spawned */
    int fd;                        /* READY_FD: read end of the pipe; ours after success; else -1 */
    bool rewritten;                /* READY_FILE: it has to become another file than it is now */
    int64_t until_us;              /* READY_FILE: asked no longer, and silently; 0 = for ever */
    const char *directory;         /* borrowed until ready_stop() */
    char *const *envp;             /* READY_EXEC: borrowed until ready_stop() */
    const struct identity *identity; /* READY_EXEC: same; NULL = stay */
    const char *address; /* TCP, HTTP: where to ask when not spec->address: the probe listener's own
                            "tcp://HOST:PORT"; copied; NULL = as the spec says */
    void (*on_ready)(void *env);                   /* at most once */
    void (*on_failed)(void *env, const char *why); /* at most once, and then on_ready never comes:
                                                      READY_FD closed without a newline. May be NULL */
    void *env;                                     /* borrowed. A hook may call ready_stop(). */
};

/**
 * ready_start - begin asking. No hook is called from within it.
 * @loop: borrowed; must outlive the probe
 *
 * Return: 0 or negative errno with the sentence (then @req->fd is still the caller's).
 */
int ready_start(struct ev_loop *loop, const struct ready_request *req, struct ready **ret,
                struct error *reterr);

/* ready_progress - what is awaited and the last answer, for status; borrowed from @r. */
const char *ready_progress(const struct ready *r);

void ready_stop(struct ready *r); /* NULL is fine */

#endif
