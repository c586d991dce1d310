/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

void
world_init(struct world *w, uint64_t seed, const struct wishes *wishes)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->random.state = random_mix(seed + 1);
    w->wishes = wishes;
    w->last_pid = 100;
    for (unsigned i = 0; i < WISHES; i++)
        w->inputs[i].version = w->inputs[i].newest = 1;
}

void
world_finish(struct world *w)
{
    queue_finish(&w->queue);
    free(w->snapshots);
    free(w->processes);
}

enum nature
world_nature(const struct world *w, unsigned input, uint64_t version)
{
    uint64_t dice = random_mix(w->seed ^ (version * 64 + input)) % 100;

    if (dice < 64 || (version == 1 && dice < 90))
        return NATURE_HEALTHY;
    if (dice < 71)
        return NATURE_BROKEN;
    if (dice < 78)
        return NATURE_CHECK_FAILS;
    if (dice < 83)
        return NATURE_EXEC_ERROR;
    if (dice < 88)
        return NATURE_NEVER_READY;
    return dice < 94 ? NATURE_CRASHES : NATURE_COLLAPSES;
}

struct digest
world_digest(unsigned input, uint64_t version)
{
    uint64_t both[2] = {input, version};

    return digest_of(both, sizeof(both));
}

struct digest
world_program(const struct world *w, unsigned input, uint64_t version)
{
    uint64_t dice = random_mix(w->seed ^ (version * 64 + input) ^ UINT64_C(0x5157)) % 100;

    return world_digest(input, dice < 70 ? 0 : version);
}

void
world_write(struct world *w, unsigned input, uint64_t version, int64_t now_us)
{
    struct news n = {.at_us = now_us + (int64_t)random_below(&w->random, 30000), .input = input};

    w->inputs[input].version = version;
    w->inputs[input].written_us = now_us;
    if (version > w->inputs[input].newest)
        w->inputs[input].newest = version;
    n.event.type = EVENT_HINT;
    n.event.hint.path = "/bin/worker";
    queue_add(&w->queue, n);
}

struct snapshot *
world_snapshot(struct world *w, uint64_t id)
{
    return id > 0 && id <= w->n_snapshots ? &w->snapshots[id - 1] : NULL;
}

struct process *
world_process(struct world *w, uint64_t worker)
{
    return worker > 0 && worker < w->n_processes && w->processes[worker].worker > 0
               ? &w->processes[worker]
               : NULL;
}

static uint64_t
take_snapshot(struct world *w, unsigned input, uint64_t version)
{
    if (w->n_snapshots == w->snapshots_room) {
        w->snapshots_room = w->snapshots_room > 0 ? w->snapshots_room * 2 : 16;
        w->snapshots = realloc(w->snapshots, w->snapshots_room * sizeof(*w->snapshots));
        if (!w->snapshots)
            abort();
    }
    w->snapshots[w->n_snapshots++] = (struct snapshot){input, version, false};
    return w->n_snapshots;
}

int64_t
patience(struct world *w)
{
    uint64_t dice = random_below(&w->random, 100);

    if (dice < 40)
        return 0;
    if (dice < 85)
        return random_between(&w->random, 0, 20 * US_PER_MS);
    return random_between(&w->random, 0, (dice < 97 ? 1 : 8) * US_PER_S);
}

/* There was no memory to remember the answer with. */
bool
answer_is_lost(struct world *w)
{
    bool lost = !w->calm && random_chance(&w->random, 1);

    w->lost += lost;
    return lost;
}

static void
act_look(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    const struct service *s = core_service(c, e->service);
    struct news n = {.at_us = now_us + patience(w), .settle_us = e->settle_us};

    n.input = s ? wish_of(s->name) : WISHES;
    n.event.type = EVENT_LOOKED;
    n.event.service = e->service;
    n.event.looked.reload = e->reload;
    if (n.input == WISHES)
        return; /* the service is gone already: nobody waits for the answer */
    w->inputs[n.input].check_lost = w->inputs[n.input].hook_lost = false;
    w->inputs[n.input].door_shut = false;
    w->inputs[n.input].look_lost = answer_is_lost(w);
    if (w->inputs[n.input].look_lost)
        return;
    n.at_read = random_chance(&w->random, 50);
    n.version = w->inputs[n.input].version;
    queue_add(&w->queue, n);
}

static void
act_check(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    const struct service *s = core_service(c, e->service);
    const struct snapshot *snapshot = world_snapshot(w, e->snapshot);
    struct news n = {.at_us = now_us + patience(w)};
    bool has_check = s && s->reload.spec && s->reload.spec->check.n > 0;
    bool shut = s && reload_at_door(s) && snapshot && random_chance(&w->random, 40);
    bool fails = has_check && snapshot &&
                 world_nature(w, snapshot->input, snapshot->version) == NATURE_CHECK_FAILS;

    n.event.type = EVENT_CHECKED;
    n.event.service = e->service;
    n.event.checked.reload = e->reload;
    n.event.checked.ok = !fails && !shut;
    n.event.checked.again = shut; /* the door is asked first */
    n.event.checked.reason = shut ? "no preflight has passed it" : fails ? "exit status 1" : NULL;
    if (shut)
        w->inputs[snapshot->input].door_shut = true;
    if (!answer_is_lost(w))
        queue_add(&w->queue, n);
    else if (snapshot)
        w->inputs[snapshot->input].check_lost = true;
}

static void
act_hook(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    const struct service *s = core_service(c, e->service);
    struct news n = {.at_us = now_us + patience(w)};
    bool late = n.at_us > e->deadline_us;

    n.event.type = EVENT_HOOKED;
    n.event.service = e->service;
    n.event.hooked.generation = e->generation;
    n.event.hooked.hook = e->hook;
    n.event.hooked.outcome = late                                        ? HOOK_LATE
                             : !w->calm && random_chance(&w->random, 12) ? HOOK_FAILED
                                                                         : HOOK_DONE;
    n.event.hooked.text = "200 OK";
    if (late)
        n.at_us = e->deadline_us > now_us ? e->deadline_us : now_us;
    if (!answer_is_lost(w))
        queue_add(&w->queue, n);
    else if (s && e->hook == HOOK_BEFORE_START)
        w->inputs[wish_of(s->name)].hook_lost = true;
}

static void
act_survey(struct world *w, const struct effect *e, int64_t now_us)
{
    struct news n = {.at_us = now_us + patience(w), .event.type = EVENT_SURVEYED};
    struct survey *found = &n.event.surveyed.found;

    n.event.service = e->service;
    n.event.surveyed.generation = e->generation;
    n.event.surveyed.seen = w->calm || !random_chance(&w->random, 3);
    found->left = random_chance(&w->random, 5);
    for (int f = FINDING_PIDS; f < FINDING_THREADS; f++)
        found->good[f] = found->left == 0;
    found->how[FINDING_CGROUP] = found->how[FINDING_FDS] = KNOWN_SEEN;
    if (!answer_is_lost(w))
        queue_add(&w->queue, n);
}

void
world_act(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    struct process *p = world_process(w, e->worker);

    switch (e->type) {
    case FX_LOOK:
        act_look(w, c, e, now_us);
        break;
    case FX_CHECK:
        act_check(w, c, e, now_us);
        break;
    case FX_SPAWN:
        process_start(w, c, e, now_us);
        break;
    case FX_OPEN:   /* clients come by themselves */
    case FX_CANCEL: /* the signal that follows is what ends it here */
        break;
    case FX_SIGNAL:
        if (p)
            process_signal(w, p, now_us);
        break;
    case FX_RELOAD:
        process_reload(w, c, e, now_us);
        break;
    case FX_EVIDENCE:
    case FX_INSPECT:
        process_look(w, e, now_us);
        break;
    case FX_KILL:
        if (p)
            process_kill(w, p, now_us);
        break;
    case FX_HOOK:
        act_hook(w, c, e, now_us);
        break;
    case FX_SURVEY:
        act_survey(w, e, now_us);
        break;
    case FX_UNHOOK: /* whatever it says, nobody listens */
        break;
    case FX_DISCARD:
        if (world_snapshot(w, e->snapshot))
            world_snapshot(w, e->snapshot)->given_back = true;
        break;
    case FX_RECORD:
        break;
    }
}

/* The look reads the disk at some moment between the question and the answer. */
static void
tell_looked(struct world *w, const struct news *n, struct event *ret, int64_t now_us)
{
    struct input *input = &w->inputs[n->input];
    uint64_t version = n->at_read ? n->version : input->version;
    bool fresh = n->settle_us > 0 && now_us - input->written_us < n->settle_us;

    input->looked = version;
    if (fresh || (!w->calm && n->settle_us > 0 && random_chance(&w->random, 3))) {
        ret->looked.result = LOOK_UNSETTLED;
        ret->looked.reason = "still being written";
        return;
    }
    ret->looked.digest = world_digest(n->input, version);
    ret->looked.program = ret->looked.setting = world_program(w, n->input, version);
    ret->looked.outdated = random_chance(&w->random, 5);
    if (world_nature(w, n->input, version) == NATURE_BROKEN) {
        ret->looked.result = LOOK_BROKEN;
        ret->looked.reason = "not an executable";
        return;
    }
    ret->looked.result = LOOK_OK;
    ret->looked.snapshot = take_snapshot(w, n->input, version);
}

/* A descendant that stays behind is told of first, the death right after. */
static bool
tell_death(struct world *w, struct process *p, struct news *n, struct event *ret)
{
    if (!p || !p->alive || n->token != p->token)
        return false;
    p->alive = n->escapee;
    if (n->escapee) {
        n->escapee = false;
        n->at_us = ret->now_us;
        queue_add(&w->queue, *n);
        ret->type = EVENT_ESCAPEE;
        ret->escapee.pid = ++w->last_pid;
        ret->escapee.name = "stray";
    }
    return true;
}

bool
world_tell(struct world *w, const struct core *c, struct event *ret, int64_t now_us)
{
    struct news n = queue_take(&w->queue);
    struct process *p = world_process(w, n.event.worker);
    const struct service *s;

    *ret = n.event;
    ret->now_us = now_us;
    if (n.event.type == EVENT_HINT) {
        s = core_service_by_name(c, wish_name(n.input));
        ret->service = s ? s->id : 0;
        return s != NULL;
    }
    if (n.event.type == EVENT_LOOKED)
        tell_looked(w, &n, ret, now_us);
    if (n.event.type == EVENT_READY) /* sometimes the message outlives its sender */
        return p && (p->alive || random_chance(&w->random, 10));
    if (n.event.type == EVENT_EXTEND || n.event.type == EVENT_STATUS ||
        n.event.type == EVENT_RELOADING || n.event.type == EVENT_REWRITTEN ||
        n.event.type == EVENT_USAGE || n.event.type == EVENT_INSPECT)
        return p && p->alive;
    return n.event.type != EVENT_EXIT || tell_death(w, p, &n, ret);
}

struct orphanage {
    struct world *world;
    const struct core *core;
};

/* Held back before its exec, until its pid is persisted: then it ends and has never run. */
static bool
unborn(const struct orphanage *o, uint64_t worker)
{
    const struct worker *w = core_worker(o->core, worker);

    return w && w->pid == 0;
}

static bool
outlives_the_master(struct news *n, void *env)
{
    const struct orphanage *o = env;

    switch (n->event.type) {
    case EVENT_READY:
    case EVENT_RELOADING:
    case EVENT_REWRITTEN: /* the file is still there */
    case EVENT_EXTEND:
    case EVENT_STATUS:
    case EVENT_USAGE:
    case EVENT_INSPECT:
        return !unborn(o, n->event.worker);
    case EVENT_EXIT:
        if (unborn(o, n->event.worker))
            return false;
        /* The step of exec that failed is told through a pipe of the master: now it is a status. */
        if (n->event.death.exec_error != 0 && random_chance(&o->world->random, 50))
            n->event.death = (__typeof__(n->event.death)){.wait_status = 127 << 8};
        return true;
    case EVENT_TICK:
    case EVENT_CONFIG:
    case EVENT_HINT:
    case EVENT_LOOKED:
    case EVENT_CHECKED:
    case EVENT_HOOKED:
    case EVENT_SURVEYED:
    case EVENT_SPAWNED:
    case EVENT_SPAWN_FAILED:
    case EVENT_UNSENT:
    case EVENT_EVIDENCE:
    case EVENT_INSPECTED:
    case EVENT_ESCAPEE:
    case EVENT_RELOAD:
    case EVENT_START:
    case EVENT_STOP:
    case EVENT_STOP_ALL:
    case EVENT_TYPE_COUNT:
        break;
    }
    return false;
}

void
world_orphan(struct world *w, const struct core *c)
{
    struct orphanage o = {w, c};

    queue_filter(&w->queue, outlives_the_master, &o);
    for (size_t i = 0; i < w->n_processes; i++)
        if (w->processes[i].worker > 0 && unborn(&o, w->processes[i].worker))
            w->processes[i].alive = false;
}
