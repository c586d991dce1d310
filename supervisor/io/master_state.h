/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_STATE_H
#define STINT_IO_MASTER_STATE_H

/*
 * What the files master*.c share; nobody else includes this. The master joins the core, which
 * decides, with the other files of this room, which act. It holds what the core names by id:
 *
 *   struct hand      a process: pidfd, pipes, sockets          core: struct worker
 *   struct snapshot  a pinned executable and open listeners    core: generation.snapshot
 *   struct inspection      a service's listeners, look and check     core: struct service
 *
 * Life of an event: peek ─▶ core_step() ─▶ write down (master_save.c) ─▶ tell people, act ─▶ consume
 * (master_queue.c). What the step wants done is done in order, at once when the turn of the loop has
 * time left, else in the next. Killed anywhere on this way, the next master reads what was written
 * (master_restore.c), does what is not known to be done, and hears again what was not consumed.
 */
#include <ev.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/table.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/identity.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/logs.h"
#include "supervisor/io/master_announce.h"
#include "supervisor/io/master_deadlines.h"
#include "supervisor/io/master_leaks.h"
#include "supervisor/io/master_outdated.h"
#include "supervisor/io/master_usage.h"
#include "supervisor/io/master_worker_spans.h"
#include "supervisor/io/sockets.h"
#include "supervisor/io/spawn.h"
#include "supervisor/io/surroundings.h"

struct cgroup_leaf;
struct cgroup_tree;
struct channel;
struct error;
struct look;
struct notify;
struct pin;
struct desk;
struct reading;
struct ready;
struct run;
struct state;
struct watch;

#define STALL_US          INT64_C(50000) /* a turn of the loop longer than this is a counted event */
#define BUDGET_US         INT64_C(20000) /* … so after this long, effects wait for the next turn */
#define FAREWELL_US       (2 * US_PER_S)
#define GATE_PATIENCE_US  (2 * US_PER_S)
#define RELIC_PATIENCE_S  10.0
#define NAMES_PATIENCE_US INT64_C(30000000) /* with a name service that is asked who somebody is */

/* What is known at one moment, for the length of a turn of the loop. */
struct turn_account {
    int64_t at_us;
    int64_t computed_us, starved_us; /* on a CPU and waiting for one since we began; 0: not told */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of reading */
struct master {
    struct ev_loop *loop;      /* owned; not libev's default one, which reaps anybody's children */
    struct core *core;         /* owned */
    struct journal *journal;   /* owned */
    struct logs *logs;         /* owned */
    struct spans *spans;       /* owned; NULL without memory */
    struct exporter *exporter; /* owned */
    struct desk *desk;         /* owned */
    struct watch *watch;       /* owned */
    struct spec *spec;         /* owned; the configuration in force */
    char *runtime_dir, *state_dir; /* owned; as of the start: they do not change meanwhile */
    char *config_path;             /* owned; absolute */
    int64_t started_us, master_us; /* stint, with its first master; this one */
    int64_t wall_less_mono_us;     /* as the two clocks were first compared; 0: not yet */
    int exit_status;
    bool exit_when_failed; /* as it was asked for */

    struct list queue;      /* struct queued.node: events not consumed yet */
    bool stepping;          /* inside a step: posts are queued, not nested */
    bool acting;            /* inside an effect: the next one waits */
    struct effects effects; /* of the present step; effects_taken of them are told or in `todo` */
    size_t effects_taken;
    struct effects todo; /* effects not carried out yet, but for records; todo_done of them are */
    size_t todo_done;
    ev_timer more, trim; /* effects are left for the next turn; many were done a while ago */
    ev_timer tick;       /* the core's next deadline … */
    ev_timer tock;       /* … and the turn after it, in which the core is told */

    struct list hands, snapshots, inspections, errands;
    struct table hand_by_worker, hand_by_pid, snapshot_by_id, inspection_by_service;
    struct table pins; /* struct pin.by_file */
    uint64_t last_snapshot;
    struct listeners listeners;
    struct listener *
        *bound; /* owned; one reference for each listener of the configuration in force */
    size_t n_bound;
    ev_prepare graveyard; /* before the loop sleeps: bury in one go whoever died in this turn */
    ev_timer exhume;      /* somebody could not be buried yet: try again */
    struct elder *elders; /* owned; whoever was a child of this process before it became a master */
    size_t n_elders;
    bool sweep;               /* a service may be gone: its inspection goes too */
    bool deaths;              /* somebody died */
    bool graves, graves_wait; /* some are not buried yet: many last words; their log has no room */
    bool strangers;           /* SIGCHLD came: there may be dead nobody knows */

    ev_io signals; /* signalfd: TERM, INT, HUP, CHLD, USR1, USR2 */
    int signal_fd;
    ev_timer config_settle;
    int64_t config_cap_us;   /* a stream of writes delays a configuration reload no longer */
    struct reading *reading; /* owned; a configuration that waits for names; NULL = none */
    bool hup_waits;          /* … and then SIGHUP means every service, too */
    char *config_error;      /* owned; the diagnostics of the file on disk, NULL = it is in force */

    ev_check woke;     /* the loop woke up: a turn begins */
    ev_prepare sleeps; /* … and ends */
    int schedstat_fd; /* owned; our time on a CPU and waiting for one; -1: the kernel does not tell */
    struct turn_account turn; /* when the present turn began, or a little before that */
    int64_t turn_at_us;       /* CLOCK_MONOTONIC: when it began; 0: none has */
    struct {
        uint64_t stalls, steps, strangers, refused_notify, bad_channels, lost_effects, relistens;
        int64_t longest_turn_us;
    } count;

    struct fdstore *fdstore; /* owned; NULL without a keeper */
    struct state *state;     /* owned; NULL without a keeper */
    bool state_torn;         /* the last commit failed: the next one holds everything */
    bool state_loud;         /* … and people were told */
    struct list specs;       /* struct known_spec.node: what the state calls a spec */
    struct table spec_by_pointer, spec_by_number;
    uint64_t last_spec, last_listener, last_effect, restored_effect;
    bool specs_stale;                /* one may not be needed any more */
    struct list gated;               /* struct hand.gate: children that wait for their release */
    ev_timer alive;                  /* tells the keeper so */
    struct announcer *announcer;     /* owned; NULL without a service manager */
    int control_fd, control_lock_fd; /* owned until the desk has them; -1 */
    bool desk_stale;   /* operator_save() would say something else than the state holds */
    struct run *proof; /* owned; a new program: can it read the state? NULL = none */
    char *next_path;   /* owned; … and where it is */
    int next_fd;       /* owned; … the program itself; -1 */
    bool making_way;   /* another program goes on here */
    enum cgroup_mode first_cgroup; /* as the configuration said before it was in force */
    struct cgroup_tree *cgroups;   /* owned; one without leaves where we may not have them */
    struct surroundings surroundings;
    struct outdated_state outdated;
    struct leaks_state leaks;
    struct deadlines_state deadlines;
    struct worker_spans_state worker_spans;
    struct list relics; /* workers of a state that is not trusted, on their way out */
    ev_timer relics_late, usage_timer; /* the second while somebody has limits of restart_after */

    struct strv numbers; /* "SERVICE NUMBER": last generation number given, as in state_dir */
    bool numbers_changed;
    int listener_epoll; /* reports listeners that a worker shut down */
    ev_io listener_hup;
};

/* A process, its number being given anew or not. */
struct elder {
    pid_t pid;
    uint64_t start_time;
};

/* One process: a worker or an escapee. */
struct hand {
    struct list node; /* in master.hands */
    struct table_node by_worker, by_pid;
    struct master *master;
    uint64_t worker; /* the core's id */
    pid_t pid;
    uint64_t start_time;               /* clock ticks since boot: with the pid, who it is */
    int pidfd, exec_fd;                /* owned; exec_fd -1 once it is known how the exec went */
    struct list gate;                  /* in master.gated, or alone */
    struct spawn_failure exec_failure; /* step NONE: it went well, or is not known yet */
    uid_t uid;
    ev_io dies, execs;
    bool dead;                 /* pidfd is readable: to be buried before the loop sleeps */
    bool adopted;              /* the keeper's child now: it tells how it ended … */
    bool told;                 /* … and did: */
    int wait_status;           /* … so */
    int64_t dead_us;           /* when it was found dead */
    struct log *log;           /* one reference; NULL: no memory */
    struct log_waiter waits;   /* for room in it */
    struct capture *capture;   /* owned; these four are NULL for an escapee */
    struct notify *notify;     /* owned */
    int64_t refusals_us;       /* when lines about messages refused there began to be counted … */
    unsigned refusals;         /* … and how many since: anybody may send there */
    struct channel *channel;   /* owned; NULL without libstint */
    struct ready *ready;       /* owned; NULL when nobody has to ask */
    int registry_fd;           /* owned; -1 without libstint */
    struct strv environment;   /* owned; what it was started with; for `ready: {exec}` only */
    struct listener *probe;    /* one reference; NULL = none */
    struct snapshot *snapshot; /* borrowed: outlives the workers started from it */
    struct service_spec *spec; /* one reference: what it was started with */
    struct outdated_mark outdated;
    struct usage_mark usage;
    struct leaks_mark leaks;
    struct deadlines_mark deadlines;
    struct worker_spans_mark spans;
    char service[65], trace[33];
    uint64_t generation, born; /* whose it is now; which started it, as its environment says */
    unsigned slot;
    int64_t spawned_us; /* CLOCK_MONOTONIC, before it was */
};

/* What a generation is started from, again and again: exactly this file, exactly these sockets. */
struct snapshot {
    struct list node;        /* in master.snapshots, or alone */
    struct table_node by_id; /* … and in master.snapshot_by_id */
    struct master *master;
    uint64_t id;               /* what the core calls it */
    struct service_spec *spec; /* one reference */
    struct pin *pin;           /* one reference; NULL for a script, which has to be run by path */
    int exe_fd;                /* the pin's, borrowed; -1 without one */
    char *exe_path;            /* owned; without links */
    struct stat exe_stat;
    struct strv env_file; /* what was in it: it may be broken by the next start */
    struct identity identity;
    struct listener **listeners; /* owned; one reference each, in order of spec->listen */
    size_t n_listeners;
    struct listener *probe;   /* one reference; NULL = the spec has no probe_listener */
    struct cgroup_leaf *leaf; /* owned; NULL before the first start, and where there are none */
    uint64_t leaf_generation; /* whose it is; 0 = nobody's yet */
    struct held_past past;    /* what workers had that were started from it and have ended */
};

/* A service as the rim sees it. */
struct inspection {
    struct list node; /* in master.inspections */
    struct table_node by_service;
    struct master *master;
    uint32_t service;
    struct identity_ask *ask; /* owned; the FX_LOOK under way: who the generation will run as … */
    struct look *look;        /* owned; … then this; NULL = none */
    struct snapshot *looking; /* owned; what it will become */
    int64_t settle_us;        /* as it was asked for */
    uint64_t look_reload;     /* the run that asked */
    struct digest program, setting; /* of the last look that went well */
    struct run *check;              /* owned; the FX_CHECK under way; NULL = none */
    uint64_t check_reload;
    struct strv watched; /* the paths its watch stands for */
};

/* ---- master_queue.c ------------------------------------------------------------------------ */

/**
 * master_post - something happened: step the core now, or right after the present step.
 * @ev: copied, with its texts; now_us is filled in when it is 0
 */
void master_post(struct master *m, const struct event *ev);
/* The same for an escapee, whose pidfd goes to the new record; it is taken over in any case. */
void master_post_escapee(struct master *m, const struct event *ev, int pidfd);
/* A master took over: what was under way is asked for again, what was not done is done. */
void master_resume(struct master *m);
void master_queue_init(struct master *m);
void master_queue_finish(struct master *m);

/* ---- master_act.c ---------------------------------------------------------------------------- */

void master_act(struct master *m, const struct effect *e);

/* ---- master_hand.c ---------------------------------------------------------------------------- */

void hand_start(struct master *m, uint64_t worker); /* answers SPAWNED or SPAWN_FAILED */
void hand_adopt(struct master *m, const struct worker *w, int pidfd); /* takes the pidfd over */
struct hand *hand_create(struct master *m, const struct worker *w);   /* NULL: no memory */
void hand_watch(struct hand *h);                                      /* its pidfd */
void hand_notify_path(const struct hand *h, char *buf, size_t room);  /* of its notify socket */
int hand_probe(struct hand *h, int ready_fd, struct error *reterr);   /* ask whether it is ready */
/* They are in the books: their children may go on, as soon as the keeper has what is theirs. */
void hands_release(struct master *m);
struct hand *hand_find(const struct master *m, uint64_t worker);
struct hand *hand_of_pid(const struct master *m, pid_t pid);
void hand_destroy(struct hand *h);

/* ---- master_hand_events.c ---------------------------------------------------------------------- */

extern const struct notify_hooks hand_notify_hooks;                     /* env to be filled in */
const struct channel_events *hand_channel_events(const struct hand *h); /* static */
void hand_on_line(void *env, enum capture_stream stream, const char *bytes, size_t n,
                  unsigned flags);
extern const struct capture_keeper hand_capture_keeper;
void hand_on_dead(EV_P_ ev_io *io, int revents);
void hand_on_exec(EV_P_ ev_io *io, int revents);
void hand_on_ready(void *env);
void hand_on_not_ready(void *env, const char *why);

/* ---- master_traffic.c ---------------------------------------------------------------------------- */

#define INHERITED_MAX 256 /* listeners of a worker, and its probe's */

/* What it inherits, in the order of LISTEN_FDS; borrowed. Return: how many. */
size_t hand_inherits_names(const struct hand *h, const char *names[INHERITED_MAX]);
size_t hand_inherits_fds(const struct hand *h, int fds[INHERITED_MAX]);
/* In a gated service: it may have clients now. May be said again. */
void hand_give_listeners(struct hand *h);

/* ---- master_graves.c ----------------------------------------------------------------------------- */

int graves_elders(struct master *m); /* notes who is a child already; before anything is started */
void graves_init(struct master *m);
void graves_finish(struct master *m);
void graves_dig(struct master *m); /* bury whoever died in this turn, now */

/* ---- master_snapshot.c ---------------------------------------------------------------------------- */

void snapshot_look(struct master *m, const struct effect *e);
struct snapshot *snapshot_find(const struct master *m, uint64_t id);
void snapshot_destroy(struct snapshot *snap); /* NULL is fine */
struct inspection *inspection_get(struct master *m,
                                  uint32_t service); /* made when new; NULL: no memory */
void inspection_destroy(struct inspection *d);
/* The configuration is another one: watch what it names now, not only from the next look on. */
void inspections_rewatch(struct master *m);

/* ---- master_check.c --------------------------------------------------------------------------------- */

void snapshot_check(struct master *m, const struct effect *e);

/* ---- master_config.c -------------------------------------------------------------------------------- */

/*
 * Read the configuration and put it in force, or leave everything as it was. Return: 0; negative
 * errno with the diagnostics; 1: a name service is asked first, see operator_config_read().
 */
int config_reload(struct master *m, const char *cause, struct error *reterr);
void config_hint(struct master *m); /* one of its files may have changed */
/* All names it has are known, or one cannot be. @r: 0 or negative errno with @why. */
void config_named(struct reading *rd, int r, const struct error *why);
void config_init(struct master *m);
void config_finish(struct master *m);

/* ---- master_reading.c ------------------------------------------------------------------------------ */

/* A listener that a configuration wants. */
struct wanted {
    const struct service_spec *service; /* borrowed from the reading's spec, like the next */
    const struct listener_spec *spec;
    struct listener_owner owner;
};

/* A configuration that is valid, on its way into force. */
struct reading {
    struct master *master;
    struct spec *spec;        /* owned */
    char *cause;              /* owned */
    struct wanted *wanted;    /* owned; every listener there is, in order */
    size_t n_wanted, named;   /* the owners of the first `named` are known */
    struct identity_ask *ask; /* owned; for wanted[named]; NULL = none */
    int64_t deadline_us;      /* for all names of it */
};

/* @spec: taken over in any case. NULL: no memory */
struct reading *reading_create(struct master *m, struct spec *spec, const char *cause);
void reading_destroy(struct reading *rd); /* NULL is fine */
/*
 * Find out who owns the listeners. Return: 0: known; negative errno with the sentence; 1: a name
 * service is being asked, and config_named() will hear.
 */
int reading_names(struct reading *rd, struct error *reterr);

/* ---- master_listen.c --------------------------------------------------------------------------------- */

int listen_guard_init(struct master *m, struct error *reterr);
void listen_guard_finish(struct master *m);
void listen_guard_add(struct master *m, struct listener *l);

/* ---- master_numbers.c --------------------------------------------------------------------------------- */

void numbers_load(struct master *m);
void numbers_note(struct master *m, const char *service, uint64_t generation);
void numbers_save(struct master *m); /* when something changed */
uint64_t numbers_last(void *master, const char *service);

/* ---- master_turn.c -------------------------------------------------------------------- */

void turn_init(struct master *m);

/* ---- master.c -------------------------------------------------------------------------------- */

void master_stop(struct master *m, const char *cause);

/* ---- master_begin.c -------------------------------------------------------------------------- */

int master_paths(struct master *m, struct error *reterr); /* a first look at the configuration */
int master_begin(struct master *m, struct error *reterr);

/* ---- master_sources.c ----------------------------------------------------------------------------------- */

struct report_sources;
void sources_fill(struct master *m, struct report_sources *ret);

#endif
