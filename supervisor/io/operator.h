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
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/io/report.h"

struct error;
struct ev_loop;
struct event;
struct journal;
struct desk;
struct record;

struct operator_options {
    struct ev_loop *loop;    /* borrowed, outlives the operator */
    const char *runtime_dir; /* for the control socket */
    struct journal *journal; /* borrowed; audit lines go there, events and logs come from it */
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

/* operator_record - the core told people something; hand over every FX_RECORD, after the step. */
void operator_record(struct desk *op, const struct record *r);

/**
 * operator_config_read - a reading of the configuration has ended, whoever wanted it.
 * @r: 0: it is in force; negative errno: @words are the diagnostics
 *
 * Every request that waits for one is taken up again. Not from within core_step().
 */
void operator_config_read(struct desk *op, int r, const char *words);

/* operator_farewell - the master is about to end: give the answers that can be given, and let them leave. */
void operator_farewell(struct desk *op, int64_t budget_us);

#endif
