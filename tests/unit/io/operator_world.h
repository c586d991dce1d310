/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_OPERATOR_WORLD_H
#define STINT_TESTS_IO_OPERATOR_WORLD_H

/* The desk with a real core behind it; only the world (files, processes) is made up. */
#include <inttypes.h>
#include <signal.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/operator.h"
#include "tests/unit/io/control_client.h"
#include "tests/unit/unit.h"

#define EVENTS_MAX 64

static struct world {
    struct digest disk; /* what LOOK finds */
    bool check_ok;
    bool starts;     /* new workers become ready */
    bool leaves;     /* workers go when they are told */
    bool undying;    /* not even SIGKILL ends them */
    bool blind;      /* nobody answers a look */
    bool reads_long; /* config_reload() takes longer */
    bool looks_long; /* so does finding out what a status tells … */
    unsigned n_told; /* … which was asked for so often */
    unsigned n_read; /* … was called so often */
    unsigned n_looks;
    int64_t ahead_us;   /* the core's clock, of ours: what takes long there need not here */
    const char *config; /* what config_reload() reads */
} world;

static struct ev_loop *loop;
static struct core *core;
static struct journal *journal;
static struct desk *desk; /* NULL: no master lives */
static struct operator_options desk_options;
static struct text image; /* what a master that dies now leaves behind */
static bool image_stale;
static ev_prepare persist;
static struct spec *specs[8]; /* everything ever configured; freed at the end */
static size_t n_specs;
static struct event queue[EVENTS_MAX];
static size_t n_queued;
static bool stepping;
static pid_t last_pid;
static uint64_t last_snapshot;
static ev_timer tick;
static char dir[64];

static inline void
post(const struct event *ev)
{
    ck_assert_uint_lt(n_queued, EVENTS_MAX);
    queue[n_queued++] = *ev;
}

static inline void
act_spawn(uint64_t worker)
{
    static const char *const last = "cannot bind: it says here";
    const struct worker *w = core_worker(core, worker);
    struct event ev = {.type = EVENT_SPAWNED, .worker = worker};

    ev.spawned.pid = ++last_pid;
    post(&ev);
    if (world.starts) {
        post(&(struct event){.type = EVENT_READY, .worker = worker});
        return;
    }
    journal_output(journal,
                   &(struct journal_origin){.service = w->generation->service->name,
                                            .generation = w->generation->number,
                                            .pid = last_pid,
                                            .stream = "stderr"},
                   last, strlen(last), 0);
    ev = (struct event){.type = EVENT_EXIT, .worker = worker};
    ev.death.wait_status = 1 << 8;
    ev.death.last_lines = last;
    post(&ev);
}

static inline void
act_leave(uint64_t worker, int wait_status)
{
    struct event ev = {.type = EVENT_EXIT, .worker = worker};

    ev.death.wait_status = wait_status;
    post(&ev);
}

static inline void
act(const struct effect *fx)
{
    struct event ev = {.service = fx->service, .worker = fx->worker};

    switch (fx->type) {
    case FX_LOOK:
        world.n_looks++;
        if (world.blind)
            break;
        ev.type = EVENT_LOOKED;
        ev.looked.reload = fx->reload;
        ev.looked.snapshot = ++last_snapshot;
        ev.looked.digest = world.disk;
        post(&ev);
        break;
    case FX_CHECK:
        ev.type = EVENT_CHECKED;
        ev.checked.reload = fx->reload;
        ev.checked.ok = world.check_ok;
        ev.checked.reason = "exit 1: line 3 is wrong";
        post(&ev);
        break;
    case FX_SPAWN:
        act_spawn(fx->worker);
        break;
    case FX_SIGNAL:
        if (world.leaves)
            act_leave(fx->worker, 0);
        break;
    case FX_RELOAD: /* no service here reloads itself */
        break;
    case FX_EVIDENCE:
        ev.type = EVENT_EVIDENCE;
        ev.evidence.stragglers = 1;
        ev.evidence.text = "thread `flush-2`, started at cache.c:88";
        post(&ev);
        break;
    case FX_KILL:
        if (!world.undying)
            act_leave(fx->worker, SIGKILL);
        break;
    case FX_RECORD:
        journal_record(journal, fx->record);
        if (desk)
            operator_record(desk, fx->record);
        break;
    case FX_HOOK:
        ev.type = EVENT_HOOKED;
        ev.hooked.generation = fx->generation;
        ev.hooked.hook = fx->hook;
        ev.hooked.outcome = HOOK_DONE;
        post(&ev);
        break;
    case FX_SURVEY:
        ev.type = EVENT_SURVEYED;
        ev.surveyed.generation = fx->generation;
        post(&ev);
        break;
    case FX_OPEN:
    case FX_INSPECT:
    case FX_UNHOOK:
    case FX_CANCEL:
    case FX_DISCARD:
        break;
    }
}

/* As the master does: at the end of a step, and before the loop sleeps. */
static inline void
save_image(void)
{
    if (!image_stale || !desk)
        return;
    image_stale = false;
    text_clear(&image);
    operator_save(desk, &image);
    ck_assert(!image.failed);
}

static inline void
on_persist(EV_P_ ev_prepare *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    save_image();
}

static inline void
changed(void *env)
{
    (void)env;
    image_stale = true;
}

static inline void
run_queue(void)
{
    struct effects fx = {0};
    int64_t next_us;

    if (stepping)
        return;
    stepping = true;
    for (size_t i = 0; i < n_queued; i++) {
        struct event ev = queue[i];

        ev.now_us = mono_now_us() + world.ahead_us;
        core_step(core, &ev, &fx);
        save_image();
        for (size_t k = 0; k < fx.n; k++)
            act(&fx.items[k]);
        effects_clear(&fx);
    }
    n_queued = 0;
    stepping = false;
    effects_finish(&fx);
    next_us = core_next_deadline_us(core);
    ev_timer_stop(loop, &tick);
    if (next_us != TIME_NEVER) {
        int64_t wait_us = next_us - mono_now_us() - world.ahead_us;

        ev_now_update(loop);
        ev_timer_set(&tick, wait_us > 0 ? (double)wait_us / US_PER_S : 0., 0.);
        ev_timer_start(loop, &tick);
    }
}

static inline void
on_tick(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)timer;
    (void)revents;
    post(&(struct event){.type = EVENT_TICK});
    run_queue();
}

static inline void
submit(void *env, const struct event *ev)
{
    (void)env;
    post(ev);
    run_queue();
}

static inline int
config_reload(void *env, const char *cause, struct error *reterr)
{
    struct diagnostics found = {0};
    struct spec *spec = NULL;
    struct event ev = {.type = EVENT_CONFIG};

    (void)env;
    (void)cause;
    world.n_read++;
    if (world.reads_long)
        return 1;
    if (config_parse("stint.yaml", world.config, strlen(world.config), &spec, &found) < 0) {
        (void)error_say(reterr, -EINVAL, "%s", found.items[0].text);
        diagnostics_finish(&found);
        return -EINVAL;
    }
    specs[n_specs++] = spec;
    ev.config.spec = spec;
    post(&ev);
    run_queue();
    return 0;
}

static const char one_service[] = "version: 1\nstop_budget: 1s\nservices:\n"
                                  "  web:\n    command: [/bin/true]\n    check: [/bin/true]\n"
                                  "    directory: /\n    watch: {settle: 0s}\n"
                                  "    drain_timeout: 150ms\n    leak_grace: 100ms\n"
                                  "    start_timeout: 2s\n"
                                  "    respawn: {backoff: {first: 10ms, max: 20ms}, "
                                  "limit: {count: 2, within: 5s}}\n";

static inline bool
look(void *env)
{
    (void)env;
    world.n_told++;
    return world.looks_long;
}

static inline void
set_up(void)
{
    struct operator_options *options = &desk_options;
    struct error e = {0};

    (void)snprintf(dir, sizeof(dir), "/tmp/stint-operator-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    world = (struct world){
        .disk = {1, 1},
          .check_ok = true, .starts = true, .leaves = true, .config = one_service
    };
    n_specs = n_queued = 0;
    last_pid = 1000;
    loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&tick, on_tick, 0., 0.);
    ck_assert_int_eq(core_create(1, &core), 0);
    ck_assert_int_eq(journal_create(loop, &(struct journal_options){.fd = -1}, &journal), 0);
    *options = (struct operator_options){
        .submit = submit, .config_reload = config_reload, .changed = changed, .look = look};
    options->loop = loop;
    options->runtime_dir = dir;
    options->journal = journal;
    options->sources = (struct report_sources){.core = core, .journal = journal, .started_us = 1};
    text_clear(&image);
    image_stale = false;
    ev_prepare_init(&persist, on_persist);
    ev_prepare_start(loop, &persist);
    ck_assert_msg(operator_create(options, &desk, &e) == 0, "%s", e.text);
    ck_assert_msg(config_reload(NULL, "test", &e) == 0, "%s", e.text);
    UNTIL(loop, service_state(core_service_by_name(core, "web")) == SERVICE_RUNNING);
}

static inline void
tear_down(void)
{
    char path[96];

    operator_destroy(desk);
    desk = NULL;
    ev_timer_stop(loop, &tick);
    ev_prepare_stop(loop, &persist);
    text_finish(&image);
    core_destroy(core);
    journal_destroy(journal);
    for (size_t i = 0; i < n_specs; i++)
        spec_destroy(specs[i]);
    ev_loop_destroy(loop);
    (void)snprintf(path, sizeof(path), "%s/control.lock", dir);
    unlink(path);
    rmdir(dir);
}

/* A whole exchange; the caller's JSON. */
static inline json_t *
call(const char *method, const char *path, const char *body, int *ret_status)
{
    struct client c;
    json_t *json;

    client_open(&c, dir);
    client_request(&c, method, path, body);
    UNTIL(loop, client_ended(&c));
    *ret_status = client_status(&c);
    json = client_json(&c);
    client_close(&c);
    return json;
}

static inline json_t *
first_service(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "services"), 0);
}

static inline int64_t
number_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

#endif
