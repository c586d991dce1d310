/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_JUDGE_H
#define STINT_SIMULATION_JUDGE_H

/*
 * The judge sees what an outsider sees - the events that were told and the effects that came back -
 * keeps its own books from them, and says which invariant is broken. It believes the core's model
 * only where the model is what people are shown.
 */
#include "supervisor/core/core.h"
#include "tests/simulation/wish.h"
#include "tests/simulation/world.h"

enum invariant {
    LAW_NONE,
    I1, /* (overlap) nobody is signalled for a handoff until the replacement is ready */
    I2, /* a failed candidate leaves the serving one untouched; (replace) check first, then restored */
    I3,            /* at most one starting, one serving, max_draining draining */
    I4,            /* once inputs stop changing: running = disk, or rejected and said so */
    I5,            /* every pid gets exactly one obituary, and is left alone after it */
    I6,            /* SIGKILL only after the drain signal, its deadline, and evidence */
    I7,            /* stop is bounded by one budget */
    I8,            /* the spawn rate is bounded */
    I9,            /* every generation ends in one certificate that counts its leaks */
    I10,           /* a master that died left all that the next one needs */
    LAW_SNAPSHOTS, /* given back exactly once, and not before the last spawn from it */
    LAW_VERDICTS,  /* exactly one for each reload */
    LAW_NUMBERS,   /* ids and generation numbers only grow */
    LAW_WANTED,    /* nothing is started that nobody wants */
    LAW_DEPENDS,   /* nothing is started before what it depends on serves */
    LAW_RELIEF, /* restart_after: a slot has its ready worker all along, and one relief at a time */
    LAW_GATE,   /* (gated) clients from when the whole generation is ready on, and not before */
    LAW_ONESHOT, /* it completes with an exit of 0 and no other way, is run once, and never twice at once */
    LAW_HOOKS,  /* who has to wait for a hook does, and nobody longer than he may */
    LAW_PLACES, /* of services that do not serve, only so many workers are starting at once */
    LAW_LEAKS, /* what leaks is told once, and again when it is over; nobody is looked at without a reason */
    LAW_DOOR,    /* (require_preflight) who serves is relieved by what has passed, or was forced */
    LAW_CERTIFY, /* a certificate says what was seen, and calls nothing seen that was not */
    LAW_SPANS, /* a move says since when its object was where it was, whichever master it was then */
    LAW_COUNTS, /* what is counted is what was told, by however many masters */
    LAW_SOUND,  /* no bug record, no lost effect, no deadline left behind */
    LAW_COUNT
};

enum relief_told { RELIEF_NOT_SAID, RELIEF_BESIDE, RELIEF_AFTER };

/* What the judge knows of a worker. */
struct subject {
    uint64_t id; /* 0: none of this number */
    uint32_t service;
    uint64_t generation;
    unsigned slot;
    bool escapee;
    pid_t pid; /* 0: not born yet */
    bool ready, gone, abandoned, extended;
    bool open;       /* it was let in, FX_OPEN */
    bool worn_out;   /* it was told to have used itself up */
    bool substitute; /* it starts beside another in its slot */
    bool doomed;     /* … and was not ready in time */
    enum relief_told relief;
    uint64_t relieved_by; /* 0: nobody has started for it */
    bool scaled_away;     /* before it had a pid: it will be signalled with its birth */
    bool evidence_asked, evidence_given, leak_said;
    bool inspect_reason; /* somebody wants its threads looked at */
    unsigned leaks_said; /* … and so many were said to leak last; 0 = none */
    int64_t inspect_us;  /* it was looked at last; 0 = never */
    unsigned obituaries;
    int64_t phase_us; /* it is in its state since then; 0 = not known, as in those below */
    int64_t spawned_us, ready_us, asked_us; /* asked_us: first drain signal; 0 = not yet */
    int64_t evidence_us, killed_us;
    uint64_t reload_run;       /* the run that asked it to reload last; 0 = none */
    int64_t reload_us;         /* … and when */
    bool said_busy, said_done; /* … what it said since: RELOADING=1, then READY=1 … */
    bool rewritten, reloaded;  /* … its file is another one; and what was made of all that */
};

#define JUDGE_SLOTS 4

/* … of a hook. */
struct errand {
    bool asked, over, passed;
    unsigned records;
    int64_t until_us;
};

/* … of a generation. Times in least_ are the shortest that were configured during its life. */
struct stint {
    uint32_t service;
    uint64_t number;
    unsigned wish;
    uint64_t snapshot;
    uint64_t version; /* a signal made it: of what its workers read; 0 = of the snapshot */
    unsigned launch;  /* of the wish it was made from */
    bool served, relieved, aborted, parked, ended;
    bool relief_was_right;
    bool opened; /* one of it was let in */
    unsigned spawned, living, leaks, certificates;
    bool once; /* of a oneshot … */
    bool may_retry,
        ended_well; /* … which somebody let try again; … whose process exited with 0, unasked */
    unsigned ran;   /* … and how many did that, or ended otherwise */
    int64_t least_age_us; /* TIME_NEVER: none was ever too old */
    bool may_wear_out;
    int64_t least_start_us, least_drain_us, least_leak_us, least_run_us;
    int64_t least_first_us, least_max_us, least_within_us, least_assume_us;
    unsigned most_failures, least_failures; /* limit_count, the largest and the smallest */
    bool may_give_up;
    int64_t phase_us;
    unsigned window_failures;
    unsigned failures; /* in all, whatever was configured meanwhile */
    bool given_up;
    int64_t window_us;
    int64_t survey_us; /* what is left of it was asked for, last; 0 = never */
    bool survey_told, survey_seen;
    unsigned survey_left; /* processes */
    unsigned wants_hooks; /* bit by enum hook: configured all along */
    struct errand hooks[HOOK_COUNT];
    struct {
        unsigned failures, relief_failures;
        int64_t not_before_us, relief_not_before_us;
    } slots[JUDGE_SLOTS];
};

/* … of a reload, by its id. */
struct run {
    uint32_t service;
    bool begun, asked, forced, past_door, door_opened, could_run, check_passed, relieved_serving;
    unsigned verdicts;
    enum outcome outcome;
    uint64_t serving_before, candidate; /* generation numbers; 0 = none */
    bool overlap_all_along, replace_all_along;
    int64_t phase_us;
    uint64_t first_asked; /* to reload: the first worker … */
    unsigned reloaded;    /* … and how many did */
};

/* … of a service name. */
struct affair {
    uint32_t id;       /* of the service that has the name now; 0 = none */
    uint64_t run;      /* not answered yet; 0 = none */
    bool down;         /* somebody said stop */
    bool looked;       /* at least once */
    uint64_t seen;     /* version of the last look */
    uint64_t rejected; /* version of the input; 0 = none. Not tried again unless forced … */
    unsigned rejected_launch;
    struct wish looked_for; /* what the last FX_LOOK pinned: its run starts that */
    bool forced;            /* … which somebody asked for since */
    bool past_door;         /* … and by a reload */
    bool asked;             /* somebody wanted a look, for whatever reason */
    bool bad;               /* its last verdict was bad */
    uint64_t last_number;
    uint64_t outcomes[OUTCOME_COUNT], told[RECORD_KIND_COUNT]; /* how often, of this id */
    unsigned allowed_draining; /* max_draining, the largest since the run began */
    bool crowd;                /* a stop relieved more than a reload may */
};

struct judge {
    const struct wishes *wishes; /* borrowed: the truth about what is wanted */
    struct world *world;         /* borrowed: the truth about disks and processes */
    const struct core *core;     /* borrowed: what people are shown */
    struct subject *subjects;    /* owned; by worker id */
    size_t n_subjects;
    struct stint *stints; /* owned; in order of birth */
    size_t n_stints, stints_room, first_open;
    struct run *runs; /* owned; by reload id */
    size_t n_runs;
    struct affair affairs[WISHES];
    uint64_t last_worker, last_reload;
    uint64_t promised[16]; /* reload ids that requests were told to wait for */
    unsigned n_promised;
    uint64_t said[RECORD_KIND_COUNT], outcomes[OUTCOME_COUNT],
        grades[GRADE_COUNT]; /* how often: nothing may go untried */
    unsigned ticks_due;      /* in a row, with the next deadline already there */
    int64_t stop_us;         /* STOP_ALL came then; 0 = not yet */
    bool stopped;            /* the core said so, at least once */
    int64_t back_us;         /* last time a new master took over; 0 = never */
    int64_t now_us;
    int64_t
        unseen[32]; /* steps after which a master died: their moves were not shown to the judge */
    unsigned n_unseen;
    bool blind;            /* moves were lost: how long phases are is not known any more */
    bool excused;          /* the present event is a failure that condemns no input */
    enum invariant broken; /* the first one; LAW_NONE: innocent */
    char why[400];
};

const char *invariant_name(enum invariant i);
enum invariant invariant_by_name(const char *name);

void judge_init(struct judge *j, const struct core *c, struct world *w,
                const struct wishes *wishes);
void judge_finish(struct judge *j);

/* Before the step: what was told. */
void judge_event(struct judge *j, const struct event *ev);
/* Each effect, in order. */
void judge_effect(struct judge *j, const struct effect *e);
/* After the step: what can be seen now. */
void judge_step(struct judge *j, const struct event *ev);
/* A new master has taken over. */
void judge_takeover(struct judge *j, int64_t now_us);
/* Nothing moves any more: I4, and what is owed by then. */
void judge_rest(struct judge *j);
/* Everything has stopped and the last process is gone. */
void judge_end(struct judge *j);
/* The configuration is about to change: @after replaces j->wishes in place. */
void judge_config(struct judge *j, const struct wishes *after);

/* ---- shared by the judge's files ----------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) void judge_say(struct judge *j, enum invariant broken,
                                                     const char *fmt, ...);
struct subject *judge_subject(struct judge *j, uint64_t id);
struct stint *judge_stint(struct judge *j, uint32_t service, uint64_t number);
struct run *judge_run(struct judge *j, uint64_t id);
const struct wish *judge_wish(const struct judge *j, const struct stint *g);
/* The number of the generation of @service that serves, by what was said; 0 = none. */
uint64_t judge_serving(const struct judge *j, uint32_t service);
bool judge_unwanted(const struct judge *j, const struct stint *g);

/* What may be held against @g: the shortest times and the largest numbers that were ever configured. */
void judge_follow(struct stint *g, const struct wish *w);

void judge_places(struct judge *j, const struct effect *spawn); /* judge_places.c */
void judge_tally_record(struct affair *a, const struct record *r);
void judge_tally_rest(struct judge *j); /* judge_tally.c */
void judge_spans_takeover(struct judge *j);
void judge_spans_step(struct judge *j); /* judge_spans.c */

void judge_hook_asked(struct judge *j, const struct effect *e);
void judge_hook_told(struct judge *j, const struct event *ev);
void judge_hook_over(struct judge *j, struct stint *g, const struct record *r);
void judge_hook_spawn(struct judge *j, const struct stint *g);
void judge_hook_signal(struct judge *j, const struct subject *w, const struct stint *g);
void judge_hooks_rest(struct judge *j);

void judge_survey_asked(struct judge *j, const struct effect *e); /* LAW_CERTIFY */
void judge_survey_told(struct judge *j, const struct event *ev);
void judge_survey_said(struct judge *j, struct stint *g, const struct record *r);

void judge_once_exit(struct judge *j, const struct event *ev, const struct subject *w,
                     struct stint *g);
void judge_once_spawn(struct judge *j, const struct subject *w, const struct stint *g);
void judge_once_abort(struct judge *j, const struct stint *g);
void judge_once_completed(struct judge *j, struct stint *g);
/* Nothing newer runs, and the last that ended did so with 0. */
bool judge_once_fulfilled(const struct judge *j, uint32_t service);

void judge_handoff_signal(struct judge *j, struct subject *w, struct stint *g); /* I1, I2 */
void judge_handoff_relief(struct judge *j, struct stint *g);                    /* I1, I2 */
void judge_handoff_serving(struct judge *j, struct stint *g);                   /* I1 */
void judge_relief_record(struct judge *j, const struct record *r);              /* LAW_RELIEF */
void judge_relief_spawn(struct judge *j, struct subject *w, struct stint *g);
void judge_relief_ready(struct judge *j, struct subject *w);
bool judge_relief_signal(struct judge *j, struct subject *w, struct stint *g);
bool judge_relief_exit(struct judge *j, struct subject *w, struct stint *g);
void judge_inspect(struct judge *j, struct subject *w, const struct stint *g); /* LAW_LEAKS */
void judge_inspect_told(struct subject *w, const struct event *ev);
void judge_leak_said(struct judge *j, struct subject *w, const struct record *r);
void judge_leaks_step(struct judge *j, const struct service *s);
void judge_door(struct judge *j, const struct stint *g, const struct run *r); /* LAW_DOOR */
void judge_gate_open(struct judge *j, const struct effect *e);                /* LAW_GATE */
void judge_gate_step(struct judge *j, const struct service *s);               /* LAW_GATE */
void judge_look(struct judge *j, const struct effect *e);
void judge_handoff_verdict(struct judge *j, struct run *r, const struct record *v); /* I2 */
void judge_signal_asked(struct judge *j, const struct effect *e);                   /* I2 */
void judge_signal_told(struct subject *w, const struct event *ev);
void judge_signal_reloaded(struct judge *j, struct subject *w, const struct record *r);
void judge_signal_handed(struct judge *j, struct stint *g, const struct record *r);
/* I4: a run goes on with what was rejected, and nobody forced it. */
void judge_again(struct judge *j, unsigned wish, uint64_t generation);
void judge_crowd(struct judge *j, const struct stint *newest); /* I3 */
void judge_dependencies(struct judge *j, const struct stint *newest);
void judge_kill(struct judge *j, struct subject *w, const struct stint *g); /* I6 */
void judge_pace(struct judge *j, struct subject *w, struct stint *g);       /* I8 */
void judge_failure(struct judge *j, struct subject *w, struct stint *g);    /* I8 */
void judge_exit(struct judge *j, const struct event *ev);
void judge_record(struct judge *j, const struct record *r);
void judge_discard(struct judge *j, const struct effect *e);

#endif
