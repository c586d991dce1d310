/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_OPERATOR_INTERNAL_H
#define STINT_IO_OPERATOR_INTERNAL_H

/*
 * The inside of the operator's desk, for its own files: operator.c (routes, what is only read),
 * operator_order.c (what a change asks for), operator_change.c (audit, submit), operator_ticket.c
 * and operator_claim.c (what is awaited and when it is answered), operator_remember.c and
 * operator_image.c (what outlives its connection, and its master), operator_upgrade.c,
 * operator_stream.c (what is followed), operator_metrics.c.
 */
#include <ev.h>
#include <jansson.h>

#include "base/list.h"
#include "base/text.h"
#include "supervisor/core/core.h"
#include "supervisor/io/control.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/operator.h"

struct desk {
    struct operator_options options;
    struct control *control;
    struct list tickets;  /* struct ticket.node: requests that wait for the core, oldest first */
    size_t n_remembered;  /* … of which have an id */
    struct list readers;  /* struct line_reader.node */
    struct list metrics;  /* struct metrics_stream.node */
    struct list looking;  /* struct looking.node: they asked for the status, see options.look */
    struct list probed;   /* struct probed.node: they asked for threads, see options.threads */
    struct list profiled; /* struct profiled.node: they asked for a profile, see options.profile */
    ev_prepare settle; /* looks at the tickets before the loop sleeps; runs while there are any */
    bool closing;      /* farewell: streams end, nothing new begins */
    bool leaving;      /* what changes now is not told any more */
};

enum ticket_kind {
    TICKET_RELOAD,
    TICKET_START,
    TICKET_STOP,
    TICKET_STOP_ALL,
    TICKET_UPGRADE,
    TICKET_WAIT, /* never remembered: it changes nothing, so it can be asked again */
    TICKET_KIND_COUNT
};
enum ticket_wait { WAIT_SERVING, WAIT_GONE, WAIT_NONE };
enum ticket_target { TARGET_READY, TARGET_GONE, TARGET_GENERATION };

#define RELIEVED_MAX 16

/* A generation that is leaving because of the request. */
struct relieved {
    uint64_t number;
    bool gone;
    unsigned leaks; /* of its certificate */
};

/* What one service owes to a request. */
struct claim {
    uint32_t service_id;
    char service[65];
    uint64_t awaited;     /* RELOAD: a verdict of this run or a later one; 0 = judged by state */
    uint64_t last_before; /* id of the last verdict when the request came */
    uint64_t before;      /* generation that served when the request came; 0 = none */
    bool was_up;
    bool decided;
    bool good;
    char outcome[24];
    uint64_t generation; /* that serves now; 0 = none */
    int64_t duration_us;
    char cause[160];
    char reason[1024];
    char trace[33];
    char evidence[12]; /* of a reload by signal: grade_name() */
    struct relieved relieved[RELIEVED_MAX];
    unsigned n_relieved;
    json_t *leaks;    /* owned; array, or NULL = none yet */
    char *last_lines; /* owned; what the failed generation printed last, or NULL */
};

#define TICKET_ID_MIN 8
#define TICKET_ID_MAX 64

/* A request that waits for the core, or (with an id) whose answer waits for its client. */
struct ticket {
    struct list node; /* in desk.tickets */
    struct desk *op;
    struct control_request *rq; /* borrowed; NULL: the client of a remembered one is away … */
    int64_t away_us;            /* … since then */
    char id[TICKET_ID_MAX + 1]; /* "": it ends with its connection */
    uid_t uid;                  /* who asked */
    pid_t pid;
    enum ticket_kind kind;
    enum ticket_wait wait;
    bool all;                  /* every service */
    bool force;                /* RELOAD */
    bool reading;              /* RELOAD of everything: the configuration is read first … */
    bool read_again;           /* … but the master that read it is gone */
    bool asked;                /* the core was asked for all of it … */
    size_t n_asked;            /* … or for so many of the claims, in their order */
    enum ticket_target target; /* WAIT */
    uint64_t target_generation;
    int64_t started_us, deadline_us;
    ev_timer due;         /* the deadline, or when a client has been away for too long */
    struct claim *claims; /* owned */
    size_t n_claims;
    size_t told;    /* how much of it had happened when changed() was called last */
    json_t *answer; /* owned; NULL: not decided. Else it only waits to be fetched */
    unsigned status;
};

/* ---- operator_order.c -------------------------------------------------------------------- */

#define TIMEOUT_MAX_MS (INT64_C(24) * 3600 * 1000)

/* The body of a change, parsed. */
struct order {
    const char *verb; /* literal */
    const char *id;   /* borrowed from the body; NULL: none */
    const char *path; /* upgrade; borrowed from the body; NULL: none */
    bool all;
    json_t *services; /* borrowed from the body; array of names, or NULL with `all` */
    bool force;
    enum ticket_wait wait;
    int64_t timeout_us;
};

/* Fill in what the body says; @order has its verb and its defaults. False: @rq was answered. */
bool order_parse(struct desk *op, struct control_request *rq, struct order *order);
/* The same for an upgrade, which knows no services. */
bool order_parse_upgrade(struct control_request *rq, struct order *order);

/* ---- operator_ticket.c ------------------------------------------------------------------- */

/* @rq NULL: its client is away. It is in no list yet. NULL: out of memory. */
struct ticket *ticket_create(struct desk *op, struct control_request *rq, size_t claims);
void ticket_begin(struct ticket *t);                    /* from here on it is looked at */
bool ticket_make_room(struct ticket *t, size_t claims); /* false: out of memory */
void ticket_destroy(struct ticket *t);
void ticket_arm(struct ticket *t); /* its timer, after something that it depends on */
const char *ticket_verb(const struct ticket *t);
/* Before the event is submitted: what is there now. */
void claim_open(struct ticket *t, struct claim *c, const struct service *s);
void claim_decide(struct claim *c, bool good, const char *outcome, const char *reason);
/* Look at the core; answers and destroys the ticket when everything is decided. */
void ticket_settle(struct ticket *t);
void ticket_record(struct ticket *t, const struct record *r);
/* Answer with the state as it is. @status: HTTP */
void ticket_answer(struct ticket *t, unsigned status, bool timed_out);
/* The answer is @body, taken; NULL: out of memory. Destroys the ticket unless it is remembered. */
void ticket_finish(struct ticket *t, unsigned status, json_t *body);
void operator_on_settle(EV_P_ ev_prepare *w, int revents);

/* ---- operator_remember.c ----------------------------------------------------------------- */

bool ticket_id_valid(const char *id);
struct ticket *ticket_find(const struct desk *op, uid_t uid, const char *id);
/* Remember it by @id, NULL: do not. Another one may be forgotten for it. */
void ticket_identify(struct ticket *t, const char *id);
/* When nobody came back for it, it is forgotten then; TIME_NEVER: its client is there. */
int64_t ticket_forget_us(const struct ticket *t);
/* The client went away, or (@whole) has its answer. */
void ticket_left(struct ticket *t, bool whole);
/* The body names a change that is known: @rq waits for its answer now. False: it is a new one. */
bool operator_known(struct desk *op, struct control_request *rq, const char *verb);
void operator_changed(const struct desk *op);

/* ---- operator_claim.c -------------------------------------------------------------------- */

void claim_settle(const struct ticket *t, struct claim *c);
void claim_record(const struct ticket *t, struct claim *c, const struct record *r);
/* How much of it has happened: grows with each thing that operator_save() would say. */
size_t claim_progress(const struct claim *c);
bool claim_done(const struct ticket *t, const struct claim *c);
json_t *claim_json(const struct ticket *t, const struct claim *c);

/* ---- operator_change.c, operator_upgrade.c, operator_stream.c --------------------------- */

void operator_reload(struct desk *op, struct control_request *rq);
void operator_start(struct desk *op, struct control_request *rq);
void operator_stop(struct desk *op, struct control_request *rq);
void operator_wait(struct desk *op, struct control_request *rq);
/* Ask the core for what it was not asked for yet. */
void ticket_ask(struct ticket *t);
/* The master that read the configuration for it is gone: read it again. */
void ticket_read_again(struct ticket *t);
/* A change goes to the audit log. */
void operator_audit(struct desk *op, const struct control_request *rq, const struct order *order);
void operator_upgrade(struct desk *op, struct control_request *rq);
void operator_reopen(struct desk *op, struct control_request *rq);

/* ---- operator_reader.c -------------------------------------------------------------------- */

/* Somebody who reads lines of one kind, perhaps for as long as it lives. The first member of what it needs for that. */
struct line_reader {
    struct list node; /* in desk.readers */
    struct desk *op;
    struct control_request *rq; /* borrowed: finish() comes before it dies */
    bool follow;
    char service[65]; /* "" = all */
    char trace[33];   /* only what has to do with it; "" = all */
    uint64_t cursor;  /* nothing up to here */
    struct text line; /* what is being sent, may be longer than the client's buffer */
    size_t sent;      /* bytes of it */
    bool later;       /* fill() has done enough for a turn of the loop, and found nothing … */
    ev_timer again;   /* … then it is asked in the next */
    /* The next line into `line`, which is empty. False: nothing (yet), or `later`. */
    bool (*fill)(struct line_reader *r);
    void (*finish)(struct line_reader *r); /* frees it */
    void (*turn)(struct line_reader *r); /* before the first fill() of a turn; NULL: nobody cares */
};

/* What all of them are asked with. False: @rq was answered with what is wrong, and @r is still the caller's. */
bool line_reader_asks(struct line_reader *r, struct desk *op, struct control_request *rq);
void line_reader_begin(struct line_reader *r); /* from here on it ends with finish() */
void operator_end_readers(struct desk *op);

void operator_events(struct desk *op, struct control_request *rq);
void operator_logs(struct desk *op, struct control_request *rq);
void operator_spans(struct desk *op, struct control_request *rq);

/* ---- operator_metrics.c ------------------------------------------------------------------ */

void operator_metrics(struct desk *op, struct control_request *rq);
void operator_end_metrics(struct desk *op); /* they get the rest without a pause */

/* ---- operator_status.c ------------------------------------------------------------------ */

void operator_status(struct desk *op, struct control_request *rq);
void status_gone(struct desk *op, const struct control_request *rq); /* its client went away */
/* False: there is no such service and @rq was answered. @ret NULL: none was asked for. */
bool query_service(struct desk *op, struct control_request *rq, struct service **ret);

/* ---- operator_threads.c ------------------------------------------------------------------ */

void operator_threads(struct desk *op, struct control_request *rq);
void threads_gone(struct desk *op, const struct control_request *rq); /* its client went away */
void threads_farewell(struct desk *op); /* they are answered with what is known by now */
void threads_drop(struct desk *op);     /* nobody is answered */

/* ---- operator_profile.c ------------------------------------------------------------------ */

void operator_profile(struct desk *op, struct control_request *rq);
void profile_gone(struct desk *op, const struct control_request *rq); /* its client went away */
void profile_farewell(struct desk *op); /* who waits for one is told that there will be none */
void profile_drop(struct desk *op);     /* nobody is answered */

/* ---- operator.c -------------------------------------------------------------------------- */

/* The service of that name; NULL: @rq was answered with 404 and what was perhaps meant. */
struct service *operator_service(struct desk *op, struct control_request *rq, const char *name);
/* A number of the query. False: @rq was answered with 400. @ret keeps its value when not given. */
bool operator_query_number(struct control_request *rq, const char *key, uint64_t max,
                           uint64_t *ret);
/* `?key`, `?key=1`, `?key=true`. */
bool operator_query_flag(const struct control_request *rq, const char *key);

#endif
