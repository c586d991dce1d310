/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_EFFECT_H
#define STINT_CORE_EFFECT_H

/*
 * Everything the core can ask for: plain data, in order, to be carried out after the step. This
 * list is the only door from core/ to the world; tests read it instead of acting.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/spec.h"

enum effect_type {
    FX_LOOK, /* service, reload, settle_us: digest its inputs, pin its executable; answer EVENT_LOOKED */
    FX_CHECK, /* service, reload, snapshot: may it pass the door, and its `check`; answer EVENT_CHECKED */
    FX_SPAWN,    /* worker: start it; answer EVENT_SPAWNED or EVENT_SPAWN_FAILED */
    FX_OPEN,     /* worker: it may have clients: in a gated service it gets its listeners now */
    FX_CANCEL,   /* worker: CANCEL frame, deadline_us and text in it (libstint workers only) */
    FX_SIGNAL,   /* worker: signal */
    FX_RELOAD,   /* worker: signal, and EVENT_REWRITTEN when the file of its `ready` is */
    FX_EVIDENCE, /* worker: who has not left? answer EVENT_EVIDENCE */
    FX_INSPECT,  /* worker: it goes on; who of its threads should not? answer EVENT_INSPECTED */
    FX_KILL,     /* worker: SIGKILL it and its process group */
    FX_HOOK, /* service, generation, hook, snapshot, other, deadline_us: run it; answer EVENT_HOOKED */
    FX_UNHOOK, /* service, generation, hook: nobody waits for it any more, end it */
    FX_SURVEY, /* service, generation, snapshot, deadline_us: all it had are dead; is anybody or anything of it
                   left? answer EVENT_SURVEYED */
    FX_DISCARD, /* snapshot: not needed any more */
    FX_RECORD   /* record: tell people */
};

enum record_kind {
    RECORD_SERVICE, /* added, removed, stopped, failed, policy changed … */
    RECORD_RELOAD,  /* a reload began; cause in text */
    RECORD_QUEUED, /* a reload waits: max_draining generations drain, or a dependency is not ready */
    RECORD_CHECK,  /* check passed or failed, output in text */
    RECORD_STARTING,    /* a generation begins; cause in text */
    RECORD_SPAWN,       /* a worker was started */
    RECORD_READY,       /* a worker is ready */
    RECORD_SIGNALLED,   /* a worker is sent its reload_signal */
    RECORD_RELOADED,    /* … and has taken over its new input */
    RECORD_FALLBACK,    /* handoff: signal, but a signal cannot do it; why in text */
    RECORD_HANDED,      /* the workers of the generation before are this one's from now on */
    RECORD_SOAKING,     /* every worker of a candidate is ready, probation runs */
    RECORD_SERVING,     /* a generation serves */
    RECORD_ABORTED,     /* a candidate is given up; reason in text */
    RECORD_DRAINING,    /* a generation is being relieved */
    RECORD_LEAK,        /* a worker passed its drain deadline; evidence in text */
    RECORD_THREAD_LEAK, /* threads of one that goes on should be gone; who they are in text */
    RECORD_RECOVERED,   /* … and are, or are not so many any more */
    RECORD_THREADS,     /* what threads it has more, and less, than the generation before it */
    RECORD_TREND,       /* … and that there are more with each generation */
    RECORD_BUDGET,      /* a leak_budget is not kept, or is again */
    RECORD_KILL,        /* SIGKILL goes out, and why */
    RECORD_ABANDONED,   /* even SIGKILL did not end it */
    RECORD_EXIT,        /* obituary: exactly one for each pid */
    RECORD_ESCAPEE,     /* a descendant outlived its worker */
    RECORD_RELIEF,      /* a worker at a limit of restart_after, or none could relieve it */
    RECORD_BACKOFF,     /* a slot waits before its next try */
    RECORD_VERDICT,     /* the result of a reload: exactly one for each reload */
    RECORD_CERTIFICATE, /* a generation is gone: exactly one for each generation; leaks counted */
    RECORD_COMPLETED,   /* a oneshot ended with 0, and nobody of it is left */
    RECORD_HOOK,        /* a hook is over; what it said in text */
    RECORD_BUG,         /* an internal event met an empty cell: our fault, survived */
    RECORD_KIND_COUNT
};

enum outcome {
    OUTCOME_NONE,
    OUTCOME_SERVING,   /* the new generation serves */
    OUTCOME_UNCHANGED, /* inputs are what the serving generation was made from */
    OUTCOME_REJECTED,  /* the new one did not make it; the serving one was not touched */
    OUTCOME_RESTORED,  /* handoff: replace, and the previous generation was started again */
    OUTCOME_CANCELLED, /* stopped or removed meanwhile */
    OUTCOME_COMPLETED, /* oneshot: it ran, and ended with 0 */
    OUTCOME_COUNT
};

/* What says that a worker has taken over its new input on a signal, the weakest first. */
enum grade {
    GRADE_NONE,    /* it was not asked to */
    GRADE_ASSUMED, /* it is still alive */
    GRADE_FILE,    /* it rewrote the file of its `ready` */
    GRADE_NOTIFY,  /* RELOADING=1, then READY=1 */
    GRADE_COUNT
};

/* How a hook came out. */
enum hook_outcome {
    HOOK_UNDONE,
    HOOK_DONE,       /* it exited with 0 */
    HOOK_FAILED,     /* it did not, or could not be run */
    HOOK_LATE,       /* it took longer than it may */
    HOOK_UNANSWERED, /* how it went could not be learnt, or there was no time to wait for that */
    HOOK_CANCELLED,  /* its generation is not wanted any more */
    HOOK_OUTCOME_COUNT
};

/* What a certificate says of, and how each is known. */
enum finding {
    FINDING_PIDS,    /* its processes are gone */
    FINDING_CGROUP,  /* its cgroup is empty */
    FINDING_FDS,     /* nobody of it holds what it was given */
    FINDING_THREADS, /* all threads that somebody had to join were */
    FINDING_COUNT
};
enum known {
    KNOWN_NOT, /* there is nothing to see it by, or nobody looked */
    KNOWN_CONCLUDED,
    KNOWN_REFUSED, /* it was looked at, and not all of it may be seen */
    KNOWN_SEEN,
    KNOWN_COUNT
};
struct survey {
    bool good[FINDING_COUNT];
    enum known how[FINDING_COUNT];
    unsigned left;    /* processes of it that are there yet */
    unsigned unread;  /* processes of others of which nobody may know what they hold */
    char holder[128]; /* FINDING_FDS is not good: who has what, or "" */
};

/* What there was of a generation that is gone. */
struct toll {
    unsigned processes; /* it had, those taken over included */
    unsigned killed, escapees;
    unsigned threads;   /* that leaked in a process which went on */
    unsigned unjoined;  /* that nobody had joined when their process ended */
    uint64_t snapshot;  /* that they were started from, not given back yet; 0 = none */
    uint64_t handed_to; /* the generation that has its processes now; 0 = they are gone */
    struct survey survey;
};

/* What a certificate is worth: how it is known that nothing is left. */
enum certified {
    CERTIFIED_ASSUMED, /* somebody is left, or was never seen to end */
    CERTIFIED_PIDS,    /* those that were known have ended */
    CERTIFIED_CGROUP,  /* and their cgroup is empty */
    CERTIFIED_HANDED,  /* handoff: signal: its processes are the next one's */
    CERTIFIED_COUNT
};

/* How often what happened to a service, since it was added: tally.c. Only grows. */
struct service_tally {
    int64_t since_us;  /* when it was added */
    int64_t reload_us; /* the durations of all of the next */
    uint32_t verdicts[OUTCOME_COUNT];
    uint32_t certificates[CERTIFIED_COUNT];
    uint32_t unclean; /* … of those: that had something to say against the generation */
    uint32_t spawns, exits;
    uint32_t overdue; /* processes past their drain deadline */
    uint32_t kills, abandoned, escapees;
    uint32_t thread_leaks; /* told of a process that went on */
    uint32_t aborted;      /* candidates that were given up */
};

/* One line for people: what happened, to whom, in which reload. Copied, no pointers. */
struct record {
    enum record_kind kind;
    enum outcome outcome; /* VERDICT */
    enum grade grade;     /* RELOADED, VERDICT: of a reload by signal */
    enum hook hook;       /* HOOK, like the next */
    enum hook_outcome hook_outcome;
    uint32_t service_id;
    char service[65];
    uint64_t generation; /* 0 = none */
    uint64_t worker;     /* 0 = none */
    unsigned slot;
    pid_t pid;     /* 0 = none */
    int64_t at_us; /* CLOCK_MONOTONIC */
    int64_t
        duration_us; /* EXIT, COMPLETED: lived; READY: since spawn; VERDICT, CERTIFICATE: whole; BACKOFF: wait */
    unsigned
        count; /* LEAK, THREAD_LEAK: stragglers; BUDGET: limits that are not kept; CERTIFICATE: leaks; EXIT: wait status; HOOK: tries */
    bool warning;     /* worth a louder level */
    struct toll toll; /* CERTIFICATE */
    uint64_t reload;  /* id of the reload it belongs to; 0 = none */
    char trace[33];   /* 32 hex digits, or "" */
    char text[1024];
};

struct effect {
    enum effect_type type;
    uint64_t number; /* the rim's, by which it knows whether it was done; 0 = none yet */
    uint32_t service;
    uint64_t generation;
    uint64_t worker;
    uint64_t snapshot;
    uint64_t reload; /* LOOK, CHECK: to be echoed in the answer */
    int64_t
        settle_us;  /* LOOK: how long the inputs must have been quiet; 0 = take them as they are */
    uint64_t other; /* HOOK: the generation that serves beside it; 0 = none */
    enum hook hook; /* HOOK, UNHOOK */
    bool again;     /* HOOK: it may have been run before, by a master that died */
    int signo;
    int64_t deadline_us;
    char text[128];        /* CANCEL: why */
    struct record *record; /* RECORD: owned by the list */
};

/* A growing list, reused from step to step. */
struct effects {
    struct effect *items; /* owned */
    size_t n, room;
    size_t lost; /* out of memory: effects that found no place (counted, said, never silent) */
};

void effects_finish(struct effects *fx);
void effects_clear(struct effects *fx); /* forget all, keep the memory */
struct effect *effects_add(struct effects *fx, enum effect_type type); /* zeroed; NULL: no memory */

const char *effect_type_name(enum effect_type t);
const char *record_kind_name(enum record_kind k); /* "worker_exit", "verdict", … as in the logs */
const char *outcome_name(enum outcome o);
const char *known_name(enum known k);               /* "seen", "concluded", "refused", "none" */
const char *grade_name(enum grade g);               /* "" for GRADE_NONE */
const char *hook_outcome_name(enum hook_outcome o); /* "done", "failed", "timeout" … */

#endif
