/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_LEAKS_H
#define STINT_IO_MASTER_LEAKS_H

/* Who looks at the threads of workers, and for whom: between master*.c alone, like master_state.h. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "supervisor/io/bundle.h"

#include "supervisor/io/held.h"

struct bundle;
struct effect;
struct hand;
struct ledger;
struct master;
struct probing;
struct probing_look;
struct probing_request;
struct profile_target;
struct record;
struct service;
struct surveys;
struct text;
struct worker;

/* Of the master. */
struct leaks_state {
    unsigned counting, counted; /* turn of the loop, and how many were counted in it, for status */
    struct probing *probing;    /* owned; NULL: no memory, then nobody is looked at */
    struct ledger *ledger;      /* owned; NULL until there is a state_dir */
    struct surveys *surveys; /* owned; NULL: no memory, then certificates say what they conclude */
    struct bundles bundles;  /* what is kept of workers that were killed */
    struct list heaps;       /* struct keeping.node: heap profiles of who is about to be relieved */
};

/* Of a worker's hand: looks under way. */
struct leaks_mark {
    struct probing_look *evidence;   /* for FX_EVIDENCE; NULL = none */
    struct probing_look *inspection; /* for FX_INSPECT; NULL = none */
    struct bundle *bundle;  /* being written, before the evidence is given; NULL = none … */
    char *summary;          /* owned; … what will be given then … */
    int64_t until_us;       /* when the core is to have it */
    unsigned stragglers;    /* … */
    uint64_t generation;    /* whose it was when that was asked for */
    uint64_t channel_inode; /* of the end of its channel that it has; 0 = not known */
    int64_t seen_us;        /* CLOCK_MONOTONIC of the last look that saw it; 0 = none */
    unsigned known, leaked; /* … and what that found: in the registry, and gone too late */
    bool registry;          /* … it has one */
    bool killed;            /* SIGKILL went out */
};

void leaks_begin(struct master *m);  /* when there is a loop */
void leaks_finish(struct master *m); /* when all hands are gone */

void leaks_evidence(struct master *m, const struct effect *e); /* answers EVIDENCE */
void leaks_inspect(struct master *m, const struct effect *e);  /* answers INSPECTED */
void leaks_load(struct master *m);                             /* what is kept in state_dir */
void leaks_certify(struct master *m, const struct record *r);  /* RECORD_CERTIFICATE */
/* master_bundle.c: the evidence is there; it is kept, and given when that is done. False: it is not kept. */
bool leaks_keep(struct hand *h, unsigned leaked, const char *summary, const json_t *report);
void leaks_keep_not(struct hand *h); /* whatever is under way ends */
void leaks_give(struct master *m, uint64_t worker, unsigned leaked, const char *text);
void leaks_hand_gone(struct hand *h); /* before it is reaped; whoever asked about it hears so */

/* ---- master_heaps.c ---------------------------------------------------------------------------- */

void heaps_record(struct master *m, const struct record *r); /* RELOAD, DRAINING, SERVICE */
void heaps_resume(struct master *m);                         /* after a takeover */
void heaps_finish(struct master *m);

/* ---- master_survey.c -------------------------------------------------------------------------- */

struct event;
void survey_ask(struct master *m, const struct effect *e); /* answers SURVEYED */
/* What the registry of the dead @h says goes into its EXIT. @words: outlives @ev */
void survey_registry(const struct hand *h, struct event *ev, struct text *words);
void surveys_begin(struct master *m);
void surveys_finish(struct master *m);

/* As operator_options.threads; @env is the master. */
void leaks_threads(void *env, const struct worker *w, const struct probing_request *want,
                   struct probing_look **ret);

/* As operator_options.profile. */
bool leaks_profile(void *env, const struct worker *w, struct profile_target *ret);

/* For report_sources; @env is the master. */
json_t *leaks_threads_of(void *env, const struct worker *w);
json_t *leaks_history(void *env, const char *service);
json_t *leaks_diff(void *env, const struct service *s, uint64_t generation);

#endif
