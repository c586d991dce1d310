/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_LOAD_H
#define STINT_PREFLIGHT_LOAD_H

/*
 * Private to preflight/: what the rehearsed service has to do, by `load` of its block: a command, or
 * requests of a URL. Child processes, so that it goes on while the service is handed over.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cage;
struct error;

#define LOAD_CLIENTS 4

/* Shared with the processes that ask. */
struct load_count {
    unsigned asked, answered; /* answered 2xx or 3xx */
    char wrong[160];          /* what the first one that was not got */
};

struct load {
    pid_t pids[LOAD_CLIENTS];
    unsigned n_pids;
    int64_t deadline_us;
    struct load_count *counts; /* of a URL: one each, shared; else NULL */
    unsigned round;
};

/* load_start - one round. Return: 0, also when there is none to start; or negative errno. */
int load_start(const struct cage *c, unsigned round, struct load *ret, struct error *reterr);

/**
 * load_end - wait for it.
 * @ret_answered, @ret_asked: of a URL, added to what is there
 *
 * Return: 0: it passed; -EINTR; -EIO: it did not, sentence in @reterr; -ETIMEDOUT. Its processes are gone.
 */
int load_end(const struct cage *c, struct load *l, unsigned *ret_answered, unsigned *ret_asked,
             struct error *reterr);

#endif
