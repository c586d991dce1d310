/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_MODEL_H
#define STINT_CORE_MODEL_H

/*
 * The lives: reload, generation, worker, each with one table (*_fsm.def) and one writer of its
 * state (*_step). A service's state is not stored, it is derived: service_state().
 *
 *   service ──has──▶ generations, oldest first ──have──▶ slots and workers
 *
 * Everything here is plain data with ids, readable by the rim; only core/ writes it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/list.h"
#include "base/table.h"
#include "supervisor/core/effect.h"

struct service_spec;

enum worker_state {
    WORKER_NONE, /* 0: an empty cell of the table */
    WORKER_STARTING,
    WORKER_READY,
    WORKER_DRAINING,
    WORKER_LEAKED,
    WORKER_KILLED,
    WORKER_ABANDONED,
    WORKER_EXITED,
    WORKER_STATE_COUNT
};

enum worker_event {
    WE_READY,
    WE_OUTLIVED, /* restart_after: it has reached a limit */
    WE_RELIEVED, /* … and another has its slot, or may have it now */
    WE_DRAIN,
    WE_DEADLINE,
    WE_EXIT,
    WE_COUNT
};

/* handoff: signal: how far a worker has come with the present reload. */
enum reloading {
    RELOADING_NONE,  /* not concerned: it was started since, from the new input */
    RELOADING_DUE,   /* to be asked: when its turn comes and it is ready */
    RELOADING_ASKED, /* FX_RELOAD is out */
    RELOADING_BUSY,  /* said RELOADING=1 */
    RELOADING_DONE,
    RELOADING_COUNT
};

#define WANTED_LOOKS 4 /* of one worker, at once; each is a row of the image */

/* One process the master started, or (escapee) one it inherited from a worker that died. */
struct worker {
    struct list node;              /* in generation.workers */
    struct table_node by_id;       /* in core.workers */
    struct generation *generation; /* borrowed: outlives its workers */
    uint64_t id;                   /* never reused; pids are */
    unsigned slot;
    bool escapee;
    bool untold;             /* one of so many that no record is made of it, unless it leaks */
    pid_t pid;               /* 0 until SPAWNED; ours to signal until WORKER_EXITED */
    enum worker_state state; /* written by worker_step() alone */
    int64_t since_us;        /* it is in that state since then */
    int64_t spawned_us, ready_us, drain_us; /* 0 = not yet */
    int64_t deadline_us;                    /* of the present state; TIME_NEVER = none */
    int64_t
        extend_limit_us; /* EXTEND may move deadline_us up to here; LEAKED: evidence awaited so long */
    int64_t assume_us;   /* taken for ready, or for reloaded, then; TIME_NEVER = not so */
    bool placed;         /* counted in core.n_starting */
    bool signalled;      /* the drain signal went out (or will with SPAWNED) */
    bool evidence;       /* FX_EVIDENCE was answered: SIGKILL is allowed */
    unsigned stragglers; /* from the evidence */
    unsigned escapees;   /* descendants that outlived it */
    char name[16];       /* escapee: comm */
    char status[128];    /* last STATUS= text */
    char leak[512];      /* text of the evidence */

    /* handoff: signal */
    uint64_t born;            /* number of the generation that started it */
    enum reloading reloading; /* written by reload_signal.c alone */
    enum grade grade;         /* of its last reload by signal */
    int64_t asked_us;         /* when FX_RELOAD went out in this run; 0 = not yet */

    /* its threads, while it lives: written by leak.c alone */
    int64_t inspect_us; /* looked at then, by our own plan; TIME_NEVER = there is none */
    int64_t wanted_us[WANTED_LOOKS]; /* … as it asked itself; in order, TIME_NEVER = no more */
    int64_t answer_us;    /* FX_INSPECT is out, and waited for until then; TIME_NEVER = it is not */
    int64_t inspected_us; /* when it was answered last; 0 = never */
    int64_t leaking_us;   /* since when threads of it are known to leak; 0 = none does */
    unsigned leaking;     /* … how many */
    unsigned over;        /* limits of leak_budget that are not kept */
    unsigned looks;       /* that found the same, in a row: the next comes later */
    char leaks[256];      /* who leaks, or what is over */

    /* restart_after */
    bool relieved; /* it leaves its slot to another */
    int64_t
        leave_us; /* relieved: it is asked to leave then (announce_delay); TIME_NEVER = not so */
    uint64_t requests, rss_bytes; /* as EVENT_USAGE told last */
};

/* A place for one worker; back-off belongs to it, not to the generation. */
struct slot {
    struct worker *worker;     /* the live one in it, no escapee; NULL = free */
    unsigned failures;         /* in a row, without a healthy time between */
    int64_t next_spawn_us;     /* TIME_NEVER: occupied or not wanted */
    struct worker *substitute; /* starts in order to relieve `worker`; NULL = none */
    unsigned substitutes;      /* that failed, in a row … */
    int64_t relief_us;         /* … so the next is not tried before then */
};

enum generation_state {
    GENERATION_NONE,
    GENERATION_STARTING,
    GENERATION_SOAKING,
    GENERATION_SERVING,
    GENERATION_DRAINING,
    GENERATION_PARKED, /* handoff: replace: relieved and empty, kept to be started again if need be */
    GENERATION_COMPLETED, /* oneshot: its process ended with 0 */
    GENERATION_RETIRED,
    GENERATION_STATE_COUNT
};

enum generation_event {
    GE_ALL_READY, /* every slot has a ready worker, soak > 0 */
    GE_SERVE,     /* probation passed, or there was none */
    GE_ABORT,     /* the candidate failed */
    GE_RELIEVE,   /* its successor serves, or the service stops */
    GE_PARK,      /* empty, and a `replace` may still want it back */
    GE_RESTORE,   /* start again: its successor failed */
    GE_HAND,      /* handoff: signal: its workers are the next one's from now on */
    GE_EMPTY,     /* the last process is gone */
    GE_COMPLETE,  /* oneshot: it ended with 0, and nobody of it is left */
    GE_COUNT
};

struct generation {
    struct list node;            /* in service.generations, oldest first */
    struct service *service;     /* borrowed */
    uint64_t number;             /* per service, never reused */
    struct service_spec *spec;   /* one reference; policy part follows in place */
    unsigned policy_rev;         /* how often the policy part was changed in place */
    struct digest digest;        /* launch part and watched inputs */
    uint64_t snapshot;           /* the rim's pinned executable and listeners; 0 = given back */
    enum generation_state state; /* written by generation_step() alone */
    bool has_served;
    bool aborted;       /* outcome, not a state */
    bool excused;       /* its last failure says nothing about its input */
    struct slot *slots; /* owned; n_slots of them */
    unsigned n_slots;
    struct list workers; /* struct worker.node; in any state but WORKER_EXITED */
    int64_t started_us, serving_us, drain_us;
    int64_t ended_us,
        ran_us; /* oneshot: when its process ended with 0, and after how long; 0 = not */
    int64_t
        deadline_us;   /* SOAKING: probation ends; DRAINING: announce delay ends; else TIME_NEVER */
    int64_t window_us; /* start of the present window of the failure limit */
    unsigned window_failures;                /* in it; once it serves: with give_up only */
    unsigned spawns, leaks, kills, escapees; /* for the certificate */
    unsigned thread_leaks;                   /* … threads that leaked in one that went on */
    unsigned deaths, unseen;                 /* … processes that ended; nobody saw how */
    unsigned registries, unjoined; /* … that were read of those, and threads nobody had joined */
    int64_t survey_us;             /* RETIRED: FX_SURVEY is waited for so long; or NEVER */
    bool rising;                   /* RECORD_TREND was said */
    uint64_t reload;               /* id of the reload that made it */
    enum hook hook;                /* under way; HOOK_NONE */
    unsigned hook_tries;           /* how often it was asked for; once, unless masters died */
    int64_t hook_us,
        hook_deadline_us; /* since when; until when there must be an answer (or NEVER) */
    char trace[33];
    char reason[400];  /* why aborted, last failure */
    char threads[160]; /* the first of those that nobody had joined */
    char relief[33];   /* the trace in which it leaves; "" = it does not yet */
    int64_t since_us;  /* in its state since then */

    /* handoff: signal */
    struct digest program, setting; /* what a signal does not change, see EVENT_LOOKED */
    uint64_t root;                  /* number of the generation that `snapshot` was taken for */
    unsigned taken;                 /* for the certificate: started by the generation before */
    enum grade grade;               /* of the signal that made it: the weakest of its workers' */
};

enum reload_state {
    RELOAD_NO_STATE,
    RELOAD_IDLE,
    RELOAD_SETTLING,  /* waiting for the writer to finish */
    RELOAD_WAITING,   /* nothing serves, and a service it depends on is not ready */
    RELOAD_LOOKING,   /* FX_LOOK is out */
    RELOAD_CHECKING,  /* FX_CHECK is out */
    RELOAD_QUEUED,    /* max_draining reached */
    RELOAD_RELIEVING, /* handoff: replace: the old one is leaving first */
    RELOAD_HANDING,   /* the candidate is starting or soaking */
    RELOAD_RESTORING, /* handoff: replace: the candidate leaves before the previous one returns */
    RELOAD_ASKING,    /* handoff: signal: the workers take over the new input where they are */
    RELOAD_STATE_COUNT
};

enum reload_event {
    RE_HINT,      /* an input may have changed */
    RE_REQUEST,   /* an operator, a start or a new spec asks */
    RE_TIMER,     /* settled */
    RE_WAIT,      /* a start, but what it depends on is not ready */
    RE_READY,     /* … now it is */
    RE_CHANGED,   /* looked: a candidate, to be checked */
    RE_STARTABLE, /* looked or checked: a candidate, may start now */
    RE_CROWDED,   /* … but too many generations are draining */
    RE_UNSETTLED, /* looked: still being written */
    RE_RELIEVE,   /* handoff: replace: the old one has to leave first */
    RE_RESTORE,   /* handoff: replace: the candidate failed */
    RE_SIGNAL,    /* handoff: signal: the workers can do it themselves */
    RE_END,       /* a verdict was given */
    RE_COUNT
};

/* Single flight per service, exactly one trailing run. */
struct reload {
    enum reload_state state; /* written by reload_step() alone */
    uint64_t id;             /* of the present or last run; global, increasing; 0 = never */
    bool force;
    bool past_door;                /* an operator has it let through without a preflight */
    bool trailing, trailing_force; /* one more run when this one ends */
    bool trailing_past_door;
    bool trailing_request; /* … asked for, so it does not wait to settle */
    uint64_t trailing_id;  /* the id it will have */
    int64_t started_us;
    int64_t since_us; /* in its state since then */
    int64_t
        deadline_us; /* SETTLING: quiet time ends; LOOKING, CHECKING: the answer was lost; else TIME_NEVER */
    int64_t settle_cap_us; /* a stream of writes cannot starve it */
    struct service_spec
        *spec;         /* one reference: what this run looks at and will start; NULL when idle */
    uint64_t previous; /* handoff: replace: the generation this run relieved first; 0 = none */
    uint64_t snapshot; /* held until a generation takes it; 0 = none */
    struct digest digest;
    char trace[33];
    char cause[160];
    char trailing_cause[160];

    /* handoff: signal */
    struct digest program, setting; /* as looked at */
    bool outdated;                  /* … and a worker runs replaced libraries */
    int64_t patience_us;            /* ASKING: whoever is not done then is waited for no longer */
    enum grade grade;               /* it ended well: the weakest of the workers' */
    char fallback[192];             /* why processes are started after all; "" = they are not */
};

/* The last one of its kind. */
struct hook_result {
    enum hook_outcome outcome; /* HOOK_UNDONE: never yet, and the rest means nothing */
    unsigned tries;            /* more than one: masters died, and it may have been run as often */
    uint64_t generation;
    uint64_t reload; /* the run whose verdict it belongs to; 0 = none (a stop) */
    int64_t at_us, duration_us;
    char text[256];
};

struct verdict {
    uint64_t reload; /* 0 = none yet */
    enum outcome outcome;
    uint64_t generation; /* the one that serves after it; 0 = none */
    int64_t at_us, duration_us;
    char cause[160];
    char reason[1024];
    char trace[33];
    enum grade grade; /* of a reload by signal */
};

enum want { WANT_UP, WANT_DOWN, WANT_GONE };

enum service_state {
    SERVICE_STOPPED,
    SERVICE_STARTING,
    SERVICE_RUNNING,
    SERVICE_RELOADING,
    SERVICE_STOPPING,
    SERVICE_BACKOFF,
    SERVICE_FAILED,
    SERVICE_COMPLETED, /* oneshot: the last run ended with 0 */
    SERVICE_STATE_COUNT
};

/* One row of a life table that was taken. */
enum life { LIFE_WORKER, LIFE_GENERATION, LIFE_RELOAD };

struct move {
    enum life life;
    int from, event, to; /* enum worker_state, worker_event … of that life */
    uint32_t service;
    uint64_t id; /* of the worker or reload; the number of the generation */

    /* What is left, for who follows a run from phase to phase: its object may be gone after the step. */
    int64_t since_us;    /* it was in `from` since then */
    int64_t started_us;  /* of the run; of the generation, a worker's, too */
    uint64_t generation; /* 0 = none */
    uint64_t reload;     /* the run that made it */
    unsigned slot;       /* WORKER */
    unsigned leaks;      /* GENERATION: so far */
    pid_t pid;           /* WORKER; 0 = none */
    bool relieved; /* `trace` is that of the run that relieves it, not of the one that made it */
    char trace[33];
};

#define CORE_MOVES 64

/* One name of depends_on that there is a service for: the way there and the way back. */
struct dependency {
    struct list node;         /* in on->dependents */
    struct service *who, *on; /* borrowed; on: NULL once it was removed */
};

struct service {
    struct list node;                 /* in core.services, in order of the configuration */
    struct table_node by_id, by_name; /* in core.by_id, core.by_name */
    uint32_t id;                      /* never reused; from 1 */
    char name[65];
    struct service_spec *spec; /* one reference; what is desired now */
    enum want want;
    struct reload reload;
    struct list generations;  /* struct generation.node; RETIRED ones are removed at once */
    uint64_t last_generation; /* number given last */
    struct digest
        rejected; /* not tried again until it changes or is forced; none = nothing rejected */
    bool input_rejected; /* loud in every status until fixed */
    char rejected_reason[1024];
    struct verdict last;
    struct hook_result
        *hooks;        /* owned; HOOK_COUNT of them, by enum hook; NULL before the first was over */
    uint64_t respawns; /* crashes answered by a respawn, over all generations */
    struct service_tally tally;
    unsigned failure; /* what its last failure exits with, as a shell says it; 0 = none yet */

    /* agenda.c: when and because of whom it has to be looked at again */
    struct list agenda;              /* in core.agenda, or alone */
    struct list touched;             /* in core.touched, or alone */
    struct list place;               /* in core.places, or alone */
    uint64_t ticket;                 /* its number in that line; 0 = it does not stand there */
    int64_t due_us;                  /* its next deadline; TIME_NEVER = none */
    size_t due_at;                   /* its place in core.due, while due_us is not TIME_NEVER */
    struct dependency *dependencies; /* owned; n_dependencies of them */
    size_t n_dependencies;
    struct list dependents; /* struct dependency.node: who waits for this one */
    bool was_ready;         /* at the end of its last turn: service_ready() */
    bool was_completed;     /* … service_completed() */
    bool was_holding;       /* … service_holds() */
    bool was_live;          /* … and service_busy() */
};

struct core {
    struct list services;
    size_t n_services;
    struct table by_id, by_name; /* struct service */
    struct table workers;        /* struct worker.by_id */
    struct list agenda;          /* struct service.agenda: something happened to them */
    struct list touched;         /* struct service.touched: may be another one since core_clean() */
    struct service **due;        /* owned; a heap by due_us, n_due of room_due */
    size_t n_due, room_due;
    size_t n_live; /* services with processes */
    bool unlinked; /* out of memory: who depends on whom is not known in full */
    uint32_t last_service_id;
    uint64_t last_worker_id, last_reload_id;
    uint64_t entropy[2]; /* for jitter and trace ids; seeded by the rim, so a run can be replayed */
    int64_t now_us;      /* of the present step */
    bool stopping;       /* EVENT_STOP_ALL came */
    bool hurried;        /* … and the time to wait for dependents is over */
    int64_t stop_deadline_us;
    int64_t stop_budget_us;
    unsigned max_starting;         /* workers that may be starting at once; 0 = any number */
    unsigned n_starting;           /* … and are: those that are `placed` */
    struct list places;            /* struct service.place: they wait until one is ready, in turn */
    uint64_t last_ticket;          /* of service.ticket */
    struct service *offered;       /* borrowed; whose turn it is; NULL: nobody's */
    unsigned exit_status;          /* of EVENT_STOP_ALL: what stint exits with */
    struct effects *fx;            /* of the present step; NULL between steps */
    struct move moves[CORE_MOVES]; /* of the present or last step, in order; n_moves of them */
    size_t n_moves, moves_lost;    /* … and how many found no place */
};

const char *worker_state_name(enum worker_state s);
const char *generation_state_name(enum generation_state s);
const char *reload_state_name(enum reload_state s);
const char *service_state_name(enum service_state s);

#endif
