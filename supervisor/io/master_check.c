/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/core/event.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/run.h"
#include "supervisor/preflight/passed.h"

/*
 * The answer to FX_CHECK: may it pass the door, where there is one, and the service's own `check:`,
 * of what the look has pinned.
 */

extern char **environ;

static void
inspection_checked(struct inspection *d, bool ok, const char *reason)
{
    struct event ev = {.type = EVENT_CHECKED, .service = d->service};

    ev.checked.reload = d->check_reload;
    ev.checked.ok = ok;
    ev.checked.reason = reason;
    master_post(d->master, &ev);
}

static void
on_checked(void *env, const struct run_result *result)
{
    struct inspection *d = env;
    auto_text struct text words = TEXT_INIT;
    char how[256];

    d->check = NULL;
    if (run_succeeded(result)) {
        inspection_checked(d, true, NULL);
        return;
    }
    text_addf(&words, "check: %s", run_explain(result, how, sizeof(how)));
    run_excerpt(result, ": ", &words);
    inspection_checked(d, false, text_str(&words));
}

/* Shut: it may open without anything that is looked at being changed, so the answer is not kept. */
static bool
door_is_shut(struct inspection *d, const struct service *s)
{
    auto_text struct text words = TEXT_INIT;
    struct event ev = {.type = EVENT_CHECKED, .service = d->service};
    struct passed passed;
    struct error err = {0};

    if (!reload_at_door(s) ||
        passed_read(d->master->spec->state_dir, s->name, s->reload.digest, &passed, &err) == 0)
        return false;
    text_addf(&words,
              "%s; 'stint preflight %s' rehearses it, and 'stint reload %s --force' goes past "
              "(handoff: {require_preflight: true})",
              err.text, s->name, s->name);
    ev.checked.reload = d->check_reload;
    ev.checked.again = true;
    ev.checked.reason = text_str(&words);
    master_post(d->master, &ev);
    return true;
}

static int
inspection_check(struct inspection *d, const struct snapshot *snap, const char *trace,
                 struct error *reterr)
{
    const struct service_spec *spec = snap->spec;
    struct strv environment = {NULL, 0}, argv = {NULL, 0};
    struct environment_request erq = {.spec = spec,
                                      .env_file = &snap->env_file,
                                      .own = environ,
                                      .identity = &snap->identity,
                                      .trace_id = trace,
                                      .span_id = snap->id};
    struct run_request rq = {
        .directory = spec->directory,
        .identity = &snap->identity,
        .umask = spec->umask,
        .limits = spec->limits,
        .n_limits = spec->n_limits,
        .deadline_us = mono_now_us() + spec->check_timeout_us,
        .on_done = on_checked,
        .env = d,
    };
    int r = environment_build(&erq, &environment, reterr);

    if (r == 0 && slot_argv(&spec->check, 0, &argv) < 0) /* it has no slot, but may have {{slot}} */
        r = error_set(reterr, -ENOMEM, "run the check of '%s'", spec->name);
    if (r == 0) {
        rq.argv = argv.items;
        rq.envp = environment.items;
        r = run_start(d->master->loop, &rq, &d->check, reterr);
    }
    strv_finish(&argv);
    strv_finish(&environment);
    return r;
}

void
snapshot_check(struct master *m, const struct effect *e)
{
    const struct service *s = core_service(m->core, e->service);
    struct snapshot *snap = snapshot_find(m, e->snapshot);
    struct inspection *d = inspection_get(m, e->service);
    struct error err = {.text = "the snapshot is gone"};

    if (!s)
        return;
    if (!d) {
        struct event ev = {.type = EVENT_CHECKED, .service = e->service};

        ev.checked.reload = e->reload;
        ev.checked.reason = "out of memory";
        master_post(m, &ev);
        return;
    }
    run_cancel(steal(d->check));
    d->check_reload = e->reload;
    if (door_is_shut(d, s))
        return;
    if (snap && snap->spec->check.n == 0)
        inspection_checked(d, true, NULL);
    else if (!snap || inspection_check(d, snap, s->reload.trace, &err) < 0)
        inspection_checked(d, false, err.text);
}
