/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_OPERATOR_H
#define STINT_IO_OPERATOR_H

/*
 * The operator's desk: turns requests from the control socket into events for the core, and
 * answers them when the core has decided. Never "signal sent": every reload gets its verdict.
 *
 *   request ──▶ submit(event) ──▶ core ──▶ records ──▶ operator_record() ──▶ answer
 *
 * Whatever is awaited is also looked at as a level before the loop sleeps, so an answer depends on
 * the state of the core, not on having seen each record.
 *
 * A change whose request carries an "id" of the client's choice is remembered: it outlives its
 * connection, and with operator_save() its master. Whoever asks again with that id gets the answer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/io/report.h"

struct error;
struct ev_loop;
struct event;
struct journal;
struct spans;
struct desk;
struct metrics;
struct metrics_service;
struct probing_look;
struct probing_request;
struct profile_target;
struct record;
struct text;
struct worker;

#define OPERATOR_REMEMBERED_MAX 256 /* changes with an id; the oldest without a client goes first */

struct operator_options {
    struct ev_loop *loop;    /* borrowed, outlives the operator */
    const char *runtime_dir; /* for the control socket */
    const char *state_dir;   /* borrowed, outlives it; heap profiles are kept there; NULL: none */
    struct journal *journal; /* borrowed; audit lines go there, events and logs come from it */
    struct spans *spans;     /* borrowed; NULL: there are none to be read */
    struct report_sources sources; /* copied; what it points at outlives the operator */
    void *env;                     /* handed back to the two calls below */
    /**
     * An event for the core: RELOAD, START, STOP, STOP_ALL. Called from inside the loop, never from
     * within core_step(). The core has been stepped with it when this returns; its effects may be
     * acted on then or later (so operator_record() may be called from within). @ev and its texts
     * are borrowed for the call; now_us is filled in.
     */
    void (*submit)(void *env, const struct event *ev);
    /**
     * Read the configuration again and step EVENT_CONFIG before returning, so that the core shows
     * the services of today. Return: 0; negative errno with the diagnostics in @reterr (then
     * nothing changed); 1: it takes longer, and operator_config_read() will tell. @cause as in the
     * request's audit line.
     */
    int (*config_reload)(void *env, const char *cause, struct error *reterr);
    /**
     * What operator_save() would say has changed. Only remember it here; it has to be persisted
     * together with the step that follows or is under way (the claim and the core's promise to keep
     * it go together), otherwise before the loop sleeps: the desk looks at its tickets in an
     * ev_prepare of the highest priority, so one of a lower priority sees all. NULL: nobody does.
     */
    void (*changed)(void *env);
    /**
     * Become another program. @path: absolute; NULL: the one at the path this one was started from.
     * Called from inside the loop; changed() came before. Return: 0: it has begun, and this master
     * or the next calls operator_upgraded(); negative errno with the sentence: it has not. NULL:
     * nobody can.
     */
    int (*upgrade)(void *env, const char *path, struct error *reterr);
    /**
     * Find out what a status tells and only takes time. Return: false: it is known; true:
     * operator_looked() will be called within a second or so, not from within this. NULL: nothing is.
     */
    bool (*look)(void *env);
    /**
     * Look at the threads of a worker. @want: `all`, `on_done` and `env` of it count; see
     * probing_ask(). NULL: nobody can.
     */
    void (*threads)(void *env, const struct worker *w, const struct probing_request *want,
                    struct probing_look **ret);
    /*
     * Who may be profiled: fill in pid and descriptors of @ret. False: @w has no process. NULL: nobody.
     */
    bool (*profile)(void *env, const struct worker *w, struct profile_target *ret);
    /* What there is to count: of all, and of one service. Zeroed before; NULL: nobody can tell. */
    void (*metrics)(void *env, struct metrics *ret);
    void (*metrics_service)(void *env, const struct service *s, struct metrics_service *ret);
    /* The log file of @service is closed and opened again. False: it has none. NULL: nobody has. */
    bool (*reopen)(void *env, const char *service);
    /* What a master before this one left, see control.h; taken over whatever operator_create() returns. */
    int listen_fd, lock_fd; /* <= 0: there is none */
    pid_t pid;              /* whom people know as stint: the keeper; 0: this process */
    int64_t absence_us;     /* a remembered client may be away for so long; 0: 30 s */
};

/**
 * operator_create - open the control socket and serve it.
 *
 * Do it before anything is started or bound: it is also the lock that keeps two masters apart.
 * Requests are only accepted once the loop runs. Return: 0 or negative errno with the sentence.
 */
int operator_create(const struct operator_options *options, struct desk **ret,
                    struct error *reterr);
void operator_destroy(struct desk *op); /* NULL is fine */

/* Borrowed, to be kept for the next master: connections wait in the queue of the first while there is
 * none, the second keeps strangers out. Ask after operator_create(): they may be new ones. */
int operator_listen_fd(const struct desk *op);
int operator_lock_fd(const struct desk *op);
/* operator_leave - another master goes on here: operator_destroy() leaves the socket in its place. */
void operator_leave(struct desk *op);

/**
 * operator_save - the changes that are remembered, as bytes. Out of memory: @out->failed.
 *
 * They are JSON of version "desk": a program that is newer or older reads what it knows of it.
 */
void operator_save(const struct desk *op, struct text *out);

/**
 * operator_restore - into a desk that was just created, after the core was restored.
 *
 * Any bytes are survived: 0; or -EBADMSG, -EPROTO (another version), -ENOMEM with the sentence, and
 * then the desk is as it was. What was not submitted any more is submitted when the loop runs, and
 * a reading of the configuration that was under way is begun again.
 */
int operator_restore(struct desk *op, const void *bytes, size_t n, struct error *reterr);

/**
 * operator_upgraded - how the upgrade ended, for the one who asked for it, if anybody did.
 * @words: "stint 1.2.3", or why the old program goes on
 */
void operator_upgraded(struct desk *op, bool ok, const char *words);
/* Somebody waits to hear it: every new master tells him, whatever it was that made it one. */
bool operator_upgrading(const struct desk *op);

/* operator_record - the core told people something; hand over every FX_RECORD, after the step. */
void operator_record(struct desk *op, const struct record *r);

/**
 * operator_config_read - a reading of the configuration has ended, whoever wanted it.
 * @r: 0: it is in force; negative errno: @words are the diagnostics
 *
 * Every request that waits for one is taken up again. Not from within core_step().
 */
void operator_config_read(struct desk *op, int r, const char *words);

/* operator_looked - what look() began is known now: whoever asked for the status gets it. */
void operator_looked(struct desk *op);

/* operator_farewell - the master is about to end: give the answers that can be given, and let them leave. */
void operator_farewell(struct desk *op, int64_t budget_us);

#endif
