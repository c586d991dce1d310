/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_WORLD_H
#define STINT_SIMULATION_WORLD_H

/*
 * Everything outside the core: files that change, processes that start, dawdle, crash, ignore TERM
 * and leave descendants. It acts on effects and makes news; it decides nothing for the core and
 * judges nothing.
 */
#include "supervisor/core/core.h"
#include "tests/simulation/queue.h"
#include "tests/simulation/random.h"
#include "tests/simulation/wish.h"

/* What a version of a service's inputs is like: the same for each of its processes. */
enum nature {
    NATURE_HEALTHY,
    NATURE_BROKEN,      /* cannot be executed, and a look sees it */
    NATURE_CHECK_FAILS, /* `check` says no; without check it would run */
    NATURE_EXEC_ERROR,  /* a look does not see it, execve does */
    NATURE_NEVER_READY,
    NATURE_CRASHES,  /* before it is ready */
    NATURE_COLLAPSES /* a while after it was ready */
};

struct input {
    uint64_t version;   /* what the disk holds */
    uint64_t looked;    /* … and what the last look has seen of it */
    uint64_t newest;    /* highest version ever written; people also go back */
    int64_t written_us; /* last write */
    bool look_lost;     /* nobody knows what is there: the answer to the last look was lost */
    bool hook_lost;     /* … to the hook before its start */
    bool door_shut;     /* no preflight has passed it, yet */
    bool check_lost;    /* nobody knows whether it is good: … to the check after it */
};

struct snapshot {
    unsigned input;
    uint64_t version;
    bool given_back;
};

struct process {
    uint64_t worker; /* 0: no process of this number */
    unsigned input;
    uint64_t version;
    pid_t pid;
    bool says_ready;   /* ready: notify */
    bool once;         /* of a oneshot */
    bool alive;        /* from FX_SPAWN to the news of its end */
    uint64_t token;    /* of the valid EXIT news */
    int64_t exit_us;   /* when that comes; TIME_NEVER */
    bool asked;        /* to leave, at least once */
    bool died_unheard; /* never had a pid */
};

struct world {
    struct random random;
    uint64_t seed;
    struct queue queue;
    struct input inputs[WISHES];
    struct snapshot *snapshots; /* owned; by id - 1 */
    size_t n_snapshots, snapshots_room;
    struct process *processes; /* owned; by worker id */
    size_t n_processes;
    const struct wishes *wishes; /* borrowed: readiness and drain times of a service */
    bool calm;                   /* no accidents any more: natures stay, chance does not */
    uint64_t lost;               /* answers to a look or a check that never came (no memory) */
    pid_t last_pid;
};

void world_init(struct world *w, uint64_t seed, const struct wishes *wishes);
void world_finish(struct world *w);

enum nature world_nature(const struct world *w, unsigned input, uint64_t version);
struct digest world_digest(unsigned input, uint64_t version);
/* world_program - of a version: many differ in what a process can read anew, some in the program. */
struct digest world_program(const struct world *w, unsigned input, uint64_t version);
/* world_write - somebody writes a file; inotify will tell a little later. */
void world_write(struct world *w, unsigned input, uint64_t version, int64_t now_us);
struct snapshot *world_snapshot(struct world *w, uint64_t id); /* NULL: never handed out */
struct process *world_process(struct world *w, uint64_t worker);

/* world_act - carry out one effect (never an FX_RECORD). */
void world_act(struct world *w, const struct core *c, const struct effect *e, int64_t now_us);
/*
 * world_tell - the next news as an event; false: it has become stale, nothing to tell.
 * world_adopt - an EVENT_ESCAPEE was stepped: the core may have taken it in as @worker.
 */
bool world_tell(struct world *w, const struct core *c, struct event *ret, int64_t now_us);
void world_adopt(struct world *w, uint64_t worker, const struct event *escapee, int64_t now_us);

/*
 * world_orphan - the master died: its watch, its helpers and their answers died with it, and so did
 * each child whose pid @c, which is what is left of it, does not know. Workers do not notice.
 */
void world_orphan(struct world *w, const struct core *c);

/* process.c */
void process_start(struct world *w, const struct core *c, const struct effect *e, int64_t now_us);
void process_signal(struct world *w, struct process *p, int64_t now_us);
void process_reload(struct world *w, const struct core *c, const struct effect *e, int64_t now_us);
/* FX_EVIDENCE, FX_INSPECT: somebody looks at its threads. world_looks.c */
void process_look(struct world *w, const struct effect *e, int64_t now_us);
int64_t patience(struct world *w);
bool answer_is_lost(struct world *w);
void process_kill(struct world *w, struct process *p, int64_t now_us);
void process_exit_at(struct world *w, struct process *p, int64_t at_us, int wait_status);

#endif
