/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "tests/simulation/world.h"

static struct process *
process_add(struct world *w, uint64_t worker)
{
    if (worker >= w->n_processes) {
        size_t n = worker + worker / 2 + 16;

        w->processes = realloc(w->processes, n * sizeof(*w->processes));
        if (!w->processes)
            abort();
        memset(w->processes + w->n_processes, 0, (n - w->n_processes) * sizeof(*w->processes));
        w->n_processes = n;
    }
    w->processes[worker] = (struct process){.worker = worker, .alive = true, .exit_us = TIME_NEVER};
    return &w->processes[worker];
}

static void
post(struct world *w, struct process *p, int64_t at_us, struct event ev)
{
    ev.worker = p->worker;
    queue_add(&w->queue, (struct news){.at_us = at_us, .event = ev});
}

static void
end_at(struct world *w, struct process *p, int64_t at_us, struct event ev)
{
    struct news n = {.at_us = at_us, .event = ev};

    if (!p->alive || at_us >= p->exit_us)
        return; /* it will be dead by then */
    p->exit_us = at_us;
    n.token = ++p->token;
    n.event.type = EVENT_EXIT;
    n.event.worker = p->worker;
    n.escapee = !w->calm && ev.death.exec_error == 0 && random_chance(&w->random, 3);
    queue_add(&w->queue, n);
}

void
process_exit_at(struct world *w, struct process *p, int64_t at_us, int wait_status)
{
    end_at(w, p, at_us, (struct event){.death = {.wait_status = wait_status}});
}

static void
exec_fails(struct world *w, struct process *p, int64_t at_us, int error)
{
    end_at(w, p, at_us,
           (struct event){
               .death = {.exec_error = error, .exec_step = "execve"}
    });
}

/* A oneshot: to its end. One that never comes to an end by itself does after all, so that there is rest. */
static void
process_run(struct world *w, struct process *p, int64_t at_us, enum nature nature)
{
    const struct wish *wish = &w->wishes->list[p->input];
    int64_t takes_us = random_between(&w->random, 0, 3 * US_PER_S);
    bool bad_luck = !w->calm && random_chance(&w->random, 4);
    int status = 0;

    if (nature == NATURE_NEVER_READY)
        takes_us = 300 * US_PER_S;
    else if (bad_luck && wish->run_timeout_us > 0 && random_chance(&w->random, 50))
        takes_us = random_between(&w->random, wish->run_timeout_us * 8 / 10,
                                  wish->run_timeout_us * 13 / 10);
    else if (nature == NATURE_CRASHES || bad_luck)
        status = 1 << 8;
    else if (nature == NATURE_COLLAPSES)
        status = SIGSEGV;
    if (random_chance(&w->random, 10)) /* what it says does not matter: it ends, or not */
        post(w, p, at_us + takes_us / 2, (struct event){.type = EVENT_READY});
    process_exit_at(w, p, at_us + takes_us, status);
}

/* From its first instant to being ready, or not. */
static void
process_live(struct world *w, struct process *p, int64_t at_us)
{
    const struct wish *wish = &w->wishes->list[p->input];
    enum nature nature = world_nature(w, p->input, p->version);
    bool bad_luck = !w->calm && random_chance(&w->random, 4);
    int64_t ready_us = at_us + random_between(&w->random, 0, 300 * US_PER_MS);

    if (nature == NATURE_EXEC_ERROR) {
        exec_fails(w, p, at_us, -ENOEXEC);
        return;
    }
    if (!w->calm && random_chance(&w->random, 1)) {
        exec_fails(w, p, at_us, -ETXTBSY);
        return;
    }
    if (p->once) {
        process_run(w, p, at_us, nature);
        return;
    }
    if (nature == NATURE_CRASHES || (bad_luck && random_chance(&w->random, 50))) {
        process_exit_at(w, p, at_us + random_between(&w->random, 0, 200 * US_PER_MS), 1 << 8);
        return;
    }
    if (nature == NATURE_NEVER_READY)
        return;
    if (bad_luck) /* around its deadline: sometimes it makes it */
        ready_us = at_us + random_between(&w->random, wish->start_timeout_us * 8 / 10,
                                          wish->start_timeout_us * 13 / 10);
    if (bad_luck && random_chance(&w->random, 50))
        post(w, p, at_us + wish->start_timeout_us / 2,
             (struct event){.type = EVENT_EXTEND, .extend = {.usec = 5000000}});
    if (p->says_ready)
        post(w, p, ready_us, (struct event){.type = EVENT_READY});
    if (random_chance(&w->random, 5))
        post(w, p, ready_us,
             (struct event){.type = EVENT_STATUS, .status = {.text = "serving 3 requests"}});
    if (wish->restart_requests > 0 && !w->calm && random_chance(&w->random, 60))
        post(w, p, ready_us + random_between(&w->random, 0, 60 * US_PER_S),
             (struct event){.type = EVENT_USAGE, .usage = {.requests = wish->restart_requests}});
    if (!w->calm && random_chance(&w->random, 10))
        post(w, p, ready_us + random_between(&w->random, 0, 20 * US_PER_S),
             (struct event){.type = EVENT_INSPECT, .inspect = {.at_us = at_us + 10 * US_PER_S}});
    if (nature == NATURE_COLLAPSES && !w->calm)
        process_exit_at(w, p, ready_us + random_between(&w->random, 0, 4 * US_PER_S), SIGSEGV);
    else if (!w->calm && random_chance(&w->random, 8))
        process_exit_at(w, p, ready_us + random_between(&w->random, 0, 60 * US_PER_S), SIGABRT);
}

void
process_start(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    const struct worker *asked = core_worker(c, e->worker);
    const struct snapshot *snapshot = asked ? world_snapshot(w, asked->generation->snapshot) : NULL;
    struct process *p = process_add(w, e->worker);
    struct event born = {.type = EVENT_SPAWNED};
    int64_t at_us = now_us;

    if (snapshot) {
        p->input = snapshot->input;
        p->version = snapshot->version;
        p->once = asked->generation->spec->type == TYPE_ONESHOT;
        p->says_ready = asked->generation->spec->ready.mode == READY_NOTIFY;
    }
    if (random_chance(&w->random, 30))
        at_us += random_between(&w->random, 0, 20 * US_PER_MS);
    if (!w->calm && random_chance(&w->random, 2)) {
        p->alive = false;
        p->died_unheard = true;
        post(w, p, at_us,
             (struct event){
                 .type = EVENT_SPAWN_FAILED, .spawn_failed = {.error = -EAGAIN, .what = "clone"}
        });
        return;
    }
    p->pid = ++w->last_pid;
    born.spawned.pid = p->pid;
    post(w, p, at_us, born);
    process_live(w, p, at_us);
}

void
process_signal(struct world *w, struct process *p, int64_t now_us)
{
    const struct wish *wish = &w->wishes->list[p->input];
    uint64_t dice = random_below(&w->random, 100);
    int64_t until = wish->drain_timeout_us;

    if (p->asked) /* the second word: some listen now */
        dice = dice < 50 ? 0 : 99;
    p->asked = true;
    if (dice < 10)
        process_exit_at(w, p, now_us, 0);
    else if (dice < 82)
        process_exit_at(w, p, now_us + random_between(&w->random, 0, until / 2), 0);
    else if (dice < 92)
        process_exit_at(w, p, now_us + random_between(&w->random, until / 2, until * 3 / 2), 0);
    /* … and some do not care */
}

/* What it was told to read anew may be bad, and programs differ in what they say about it. */
static void
reload_live(struct world *w, struct process *p, enum nature after, int64_t now_us)
{
    uint64_t dice = random_below(&w->random, 100);
    struct event busy = {.type = EVENT_RELOADING};
    int64_t at_us = now_us + random_between(&w->random, 0, 200 * US_PER_MS);
    int64_t done_us = at_us + random_between(&w->random, 0, 500 * US_PER_MS);

    busy.reloading.at_us = dice % 2 ? at_us : 0;
    if (after == NATURE_CRASHES || (!w->calm && dice < 5)) {
        process_exit_at(w, p, at_us, dice % 2 ? SIGHUP : 1 << 8);
        return;
    }
    if (dice < 20 && !p->says_ready)
        post(w, p, at_us, (struct event){.type = EVENT_REWRITTEN});
    if (dice < 30) /* READY=1 alone, or RELOADING=1 of another reload, proves nothing */
        busy.reloading.at_us = now_us - US_PER_S;
    if (dice < 40 && dice >= 30)
        return; /* it says nothing at all */
    post(w, p, at_us, busy);
    if (after == NATURE_NEVER_READY)
        return;
    if (dice > 90) { /* it takes its time, and says so */
        post(w, p, at_us, (struct event){.type = EVENT_EXTEND, .extend = {.usec = 5000000}});
        done_us += 4 * US_PER_S;
    }
    post(w, p, done_us, (struct event){.type = EVENT_READY});
    if (after == NATURE_COLLAPSES && !w->calm)
        process_exit_at(w, p, done_us + random_between(&w->random, 0, 4 * US_PER_S), SIGSEGV);
}

/* It reads its input anew: what the run that asks has looked at, as far as it knows. */
void
process_reload(struct world *w, const struct core *c, const struct effect *e, int64_t now_us)
{
    const struct worker *asked = core_worker(c, e->worker);
    struct process *p = world_process(w, e->worker);
    const struct snapshot *looked;

    if (!asked || !p || !p->alive || asked->asked_us == 0)
        return;
    if (!w->calm && random_chance(&w->random, 2)) { /* it became another user */
        struct news n = {.at_us = now_us};

        n.event.type = EVENT_UNSENT;
        n.event.worker = e->worker;
        n.event.unsent.error = -EPERM;
        queue_add(&w->queue, n);
        return;
    }
    looked = world_snapshot(w, asked->generation->service->reload.snapshot);
    reload_live(w, p, looked ? world_nature(w, p->input, looked->version) : NATURE_HEALTHY, now_us);
}

void
process_kill(struct world *w, struct process *p, int64_t now_us)
{
    int64_t at_us = now_us + random_between(&w->random, 0, 30 * US_PER_MS);

    if (random_chance(&w->random, 8)) /* D state: SIGKILL waits, too */
        at_us += random_between(&w->random, 0, 40 * US_PER_S);
    process_exit_at(w, p, at_us, SIGKILL);
}

void
world_adopt(struct world *w, uint64_t worker, const struct event *escapee, int64_t now_us)
{
    const struct process *parent = world_process(w, escapee->worker);
    struct process *p;
    unsigned input = parent ? parent->input : 0;
    uint64_t version = parent ? parent->version : 0;

    p = process_add(w, worker); /* may move the processes: parent is not valid any more */
    p->input = input;
    p->version = version;
    p->pid = escapee->escapee.pid;
    if (random_chance(&w->random, 30))
        process_exit_at(w, p, now_us + random_between(&w->random, 0, 5 * US_PER_S), 0);
}
