/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_hooks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/core/event.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/run.h"

/*
 * The answers to FX_HOOK: a service's hooks, run as its user where its workers are, for one of its
 * generations. A hook is tied to this master: when that is killed it ends, and the next one asks
 * for it again, so it runs at least once.
 */

extern char **environ;

/* One that runs. */
struct errand {
    struct list node; /* in master.errands */
    struct master *master;
    struct run *run; /* owned */
    uint64_t generation;
    uint32_t service;
    enum hook hook;
};

static void
errand_destroy(struct errand *d)
{
    list_del(&d->node);
    run_cancel(d->run);
    free(d);
}

static void
hook_says(struct master *m, const struct effect *e, enum hook_outcome o, const char *text)
{
    struct event ev = {.type = EVENT_HOOKED, .service = e->service};

    ev.hooked.generation = e->generation;
    ev.hooked.hook = e->hook;
    ev.hooked.outcome = o;
    ev.hooked.text = text;
    master_post(m, &ev);
}

static void
on_done(void *env, const struct run_result *result)
{
    struct errand *d = env;
    struct master *m = d->master;
    struct effect of = {.service = d->service, .generation = d->generation, .hook = d->hook};
    enum hook_outcome o = run_succeeded(result) ? HOOK_DONE
                          : result->timed_out   ? HOOK_LATE
                                                : HOOK_FAILED;
    auto_text struct text words = TEXT_INIT;
    char how[256];

    d->run = NULL; /* it is gone when we return */
    errand_destroy(d);
    if (o != HOOK_DONE)
        text_add(&words, run_explain(result, how, sizeof(how)));
    run_excerpt(result, o == HOOK_DONE ? "" : ": ", &words);
    hook_says(m, &of, o, text_str(&words));
}

static int
set_number(struct strv *env, const char *name, uint64_t n)
{
    char digits[24];

    if (n == 0)
        return 0;
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, n);
    return environment_set(env, name, digits);
}

/* Which generation it is about, and who comes before or after that one. */
static int
add_generations(struct strv *env, const struct effect *e)
{
    bool starts = e->hook == HOOK_BEFORE_START;
    int r = environment_set(env, "STINT_HOOK", hook_name(e->hook));

    if (r == 0)
        r = set_number(env, "STINT_GENERATION", e->generation);
    if (r == 0)
        r = set_number(env, "STINT_OLD_GENERATION", starts ? e->other : e->generation);
    if (r == 0)
        r = set_number(env, "STINT_NEW_GENERATION", starts ? e->generation : e->other);
    return r == 0 && e->again ? environment_set(env, "STINT_HOOK_REPEATED", "1") : r;
}

static int
hook_environment(const struct snapshot *snap, const struct generation *g, const struct effect *e,
                 struct strv *ret, struct error *reterr)
{
    struct environment_request erq = {.spec = g->spec,
                                      .env_file = &snap->env_file,
                                      .own = environ,
                                      .identity = &snap->identity,
                                      .trace_id = g->trace,
                                      .span_id = snap->id};
    int r = environment_build(&erq, ret, reterr);

    return r == 0 && add_generations(ret, e) < 0 ? error_set(reterr, -ENOMEM, "run a hook") : r;
}

static int
errand_start(struct errand *d, const struct snapshot *snap, const struct generation *g,
             const struct effect *e, struct error *reterr)
{
    const struct service_spec *spec = g->spec;
    struct strv environment = {NULL, 0}, argv = {NULL, 0};
    struct run_request rq = {
        .directory = spec->directory,
        .identity = &snap->identity,
        .umask = spec->umask,
        .limits = spec->limits,
        .n_limits = spec->n_limits,
        .deadline_us = e->deadline_us,
        .tied = true,
        .on_done = on_done,
        .env = d,
    };
    int r = hook_environment(snap, g, e, &environment, reterr);

    if (r == 0 && slot_argv(&spec->hooks[e->hook].command, 0, &argv) < 0) /* as with `check` */
        r = error_set(reterr, -ENOMEM, "run a hook");
    if (r == 0) {
        rq.argv = argv.items;
        rq.envp = environment.items;
        r = run_start(d->master->loop, &rq, &d->run, reterr);
    }
    strv_finish(&argv);
    strv_finish(&environment);
    return r;
}

void
hook_run(struct master *m, const struct effect *e)
{
    const struct service *s = core_service(m->core, e->service);
    const struct generation *g = s ? service_generation(s, e->generation) : NULL;
    const struct snapshot *snap = snapshot_find(m, e->snapshot);
    struct error err = {.text = "what it was started from is not known any more"};
    struct errand *d;

    if (!g || g->hook != e->hook)
        return; /* nobody waits for it any more */
    if (g->spec->hooks[e->hook].command.n == 0) {
        hook_says(m, e, HOOK_CANCELLED, "it is not configured any more");
        return;
    }
    d = snap ? calloc(1, sizeof(*d)) : NULL;
    if (snap && !d)
        (void)error_set(&err, -ENOMEM, "run a hook");
    if (!d) {
        hook_says(m, e, HOOK_FAILED, err.text);
        return;
    }
    d->master = m;
    d->service = e->service;
    d->generation = e->generation;
    d->hook = e->hook;
    list_add(&m->errands, &d->node);
    if (errand_start(d, snap, g, e, &err) < 0) {
        errand_destroy(d);
        hook_says(m, e, HOOK_FAILED, err.text);
    }
}

void
hook_end(struct master *m, const struct effect *e)
{
    list_for_each_safe (n, &m->errands) {
        struct errand *d = container_of(n, struct errand, node);

        if (d->service == e->service && d->generation == e->generation && d->hook == e->hook)
            errand_destroy(d);
    }
}

void
hooks_finish(struct master *m)
{
    list_for_each_safe (n, &m->errands)
        errand_destroy(container_of(n, struct errand, node));
}
