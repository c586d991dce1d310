/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_CAGE_H
#define STINT_PREFLIGHT_CAGE_H

/*
 * Private to preflight/: the place of a rehearsal. A directory with a configuration, a supervisor
 * that runs on it, and private sockets in the place of the real ones.
 *
 * What it started is gone when cage_close() returns: the supervisor stops its service; whoever is
 * left becomes this process's child (PR_SET_CHILD_SUBREAPER) and is killed. Should this process be
 * killed itself, the supervisor is told to stop (PR_SET_PDEATHSIG).
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "supervisor/preflight/preflight.h"

struct cage_socket {
    const char *name; /* borrowed from the spec */
    char *address;    /* owned: "tcp://127.0.0.1:40123", "unix:/tmp/…/1.sock" */
    unsigned port;    /* tcp; else 0 */
};

struct cage_end {
    pid_t pid;
    uint64_t start_time;
};

#define CAGE_ENDS 64 /* processes that are told from each other at its end */

struct cage {
    const struct preflight_options *options; /* borrowed, like the next */
    const struct preflight_hooks *hooks;
    const char *program; /* borrowed: {program}, the candidate's executable; absolute */
    char *directory;     /* owned; NULL: not made */
    char *work;          /* owned; {cage}: the program's own */
    char *control;       /* owned; path of the control socket */
    struct cage_socket *sockets;
    size_t n_sockets;
    struct service_spec *spec; /* one reference: what is rehearsed */
    pid_t supervisor;          /* the keeper; 0: none */
    unsigned left_over;        /* processes that its end did not end; not counting stint's own */
    struct cage_end ends[CAGE_ENDS]; /* of those the first */
    struct text left_names;          /* "pid 12 (x)" of some of them */
    struct text notes;               /* what is otherwise than configured; lines */
};

/**
 * cage_open - the directory and what is in it.
 * @program: the candidate's executable; absolute
 *
 * Return: 0 or negative errno; cage_close() in any case.
 */
int cage_open(struct cage *c, const struct preflight_options *options,
              const struct preflight_hooks *hooks, const char *program, struct error *reterr);
/* cage_start - the supervisor. Return: 0 or negative errno. */
int cage_start(struct cage *c, struct error *reterr);
/* cage_stop - it ends, with all that it started, within its budget or by force. NULL-safe for none. */
void cage_stop(struct cage *c);
/* cage_close - what is left of it: removed unless it is to be kept. */
void cage_close(struct cage *c, bool keep);

/* cage_expand - @text with its {cage}, {program}, {listen.NAME} and {port.NAME}; owned; NULL: no memory. */
char *cage_expand(const struct cage *c, const char *text);
/* cage_spec.c: make c->spec of the service, for the rehearsal. 0 or negative errno. */
int cage_spec(struct cage *c, struct error *reterr);
/* Does `command` of its `preflight` start something else, which starts the program? Does it say {program}? */
bool cage_wraps(const struct service_spec *s);
bool cage_names_program(const struct service_spec *s);
/* cage_sockets.c: private addresses for those of the service. 0 or negative errno. */
int cage_sockets(struct cage *c, struct error *reterr);

static inline bool
cage_interrupted(const struct cage *c)
{
    return c->hooks->interrupted && *c->hooks->interrupted;
}

__attribute__((format(printf, 2, 3))) void cage_progress(const struct cage *c, const char *fmt,
                                                         ...);

#endif
