/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/config.h"
#include "supervisor/core/event.h"
#include "supervisor/io/export.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/watch.h"

/*
 * stint's own configuration is reloaded as a transaction: read, validate, bind every new listener;
 * only then is it put in force. Whatever fails leaves everything as it was, and is loud until fixed.
 */

#define CONFIG_SETTLE_US       (200 * US_PER_MS)
#define CONFIG_CAP_US          (2 * US_PER_S)

#define STARTING_PER_PROCESSOR 4U

static void
bound_drop(struct listener **bound, size_t n)
{
    for (size_t i = 0; i < n; i++)
        listener_unref(bound[i]);
    free(bound);
}

/* Every listener it wants, open; an address that is open already keeps its socket and its queue. */
static int
config_bind(const struct reading *rd, struct listener ***ret, struct error *reterr)
{
    struct master *m = rd->master;
    struct listener **bound = calloc(rd->n_wanted + 1, sizeof(struct listener *));

    if (!bound)
        return error_set(reterr, -ENOMEM, "bind the listeners");
    for (size_t i = 0; i < rd->n_wanted; i++) {
        const struct wanted *w = &rd->wanted[i];
        int r = listeners_acquire(&m->listeners, w->spec, w->owner, &bound[i], reterr);

        if (r < 0) {
            bound_drop(bound, i);
            return error_wrap(reterr, r, "service %s, listener %s", w->service->name,
                              w->spec->name);
        }
        if (w->service->libstint || w->spec->nonblocking) /* stint.h promises it, too */
            (void)fd_nonblock(bound[i]->fd); /* an open descriptor of ours: cannot fail */
        listen_guard_add(m, bound[i]);
        keep_listener(m, bound[i]);
    }
    *ret = bound;
    return 0;
}

/* What may change under an open socket. Too late to refuse: what cannot be done is said. */
static void
config_adjust(const struct reading *rd, struct listener *const *bound)
{
    struct error err = {0};

    for (size_t i = 0; i < rd->n_wanted; i++) {
        const struct wanted *w = &rd->wanted[i];

        if (listener_adjust(bound[i], w->spec, w->owner, &err) < 0)
            journal_say(rd->master->journal, LOG_LEVEL_ERROR, "listener_not_adjusted",
                        "service %s: %s", w->service->name, err.text);
        save_listener(rd->master, bound[i]);
    }
}

static void
config_watch(struct master *m, const struct strv *files, const struct strv *directories)
{
    struct strv paths = {NULL, 0};
    struct error err = {0};
    int r = strv_add(&paths, m->config_path);

    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = strv_add(&paths, files->items[i]);
    for (size_t i = 0; directories && r == 0 && i < directories->n; i++)
        r = strv_add(&paths, directories->items[i]);
    if (r == 0)
        r = watch_set(m->watch, 0, (const char *const *)paths.items, paths.n, &err);
    if (r < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "config_not_watched", "%s", err.text);
    strv_finish(&paths);
}

static void
config_reject(struct master *m, const char *words, const char *cause)
{
    const struct journal_field fields[] = {FIELD_TEXT("cause", cause), FIELD_TEXT("msg", words)};

    free(m->config_error);
    m->config_error = strdup(words);
    save_config(m);
    save_commit(m);
    announcer_changed(m);
    journal_event(m->journal, LOG_LEVEL_ERROR, "config_rejected", fields, ARRAY_LEN(fields));
}

static void
config_note_restart_keys(struct master *m, const struct spec *now)
{
    auto_text struct text keys = TEXT_INIT;

    if (m->spec && spec_diff(m->spec, now, &keys) == RELOAD_RESTART)
        journal_say(m->journal, LOG_LEVEL_WARNING, "config_needs_restart",
                    "takes effect when stint is started again: %s", text_str(&keys));
}

/* Some wait for something other than a processor while they start. */
static unsigned
starting_for_all_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (unsigned)n * STARTING_PER_PROCESSOR : STARTING_PER_PROCESSOR;
}

/* From here on nothing can fail. */
static void
config_commit(struct reading *rd, struct listener **bound)
{
    const struct journal_field fields[] = {FIELD_TEXT("cause", rd->cause),
                                           FIELD_TEXT("msg", "it is in force now")};
    struct master *m = rd->master;
    struct event ev = {.type = EVENT_CONFIG};
    struct spec *old = m->spec, *spec = steal(rd->spec);
    struct listener **old_bound = m->bound;
    size_t old_n = m->n_bound;

    config_note_restart_keys(m, spec);
    m->spec = spec;
    m->bound = bound;
    m->n_bound = rd->n_wanted;
    free(m->config_error);
    m->config_error = NULL;
    journal_configure(m->journal, spec->log_format, spec->log_level);
    worker_spans_configured(m);
    logs_configure(m->logs, spec->services, spec->n_services);
    exporter_configure(m->exporter, &spec->export, old == NULL);
    journal_event(m->journal, LOG_LEVEL_INFO, "config_accepted", fields, ARRAY_LEN(fields));
    config_adjust(rd, bound);
    config_watch(m, &spec->inputs, &spec->directories);
    save_config(m);
    m->specs_stale = true;
    ev.config.spec = spec;
    ev.config.last_generation = numbers_last;
    ev.config.env = m;
    ev.config.max_starting =
        spec->max_starting ? spec->max_starting : starting_for_all_processors();
    master_post(m, &ev);
    inspections_rewatch(m);
    bound_drop(old_bound,
               old_n); /* what a draining generation still uses stays open through its snapshot */
    spec_destroy(old);
}

static int
config_enforce(struct reading *rd, struct error *reterr)
{
    struct listener **bound = NULL;
    int r = config_bind(rd, &bound, reterr);

    if (bound)
        config_commit(rd, bound);
    return r;
}

/* How it ended, for all who waited: the reading that began last speaks for those before it. */
static void
config_tell(struct master *m, int r, const char *words)
{
    struct event ev = {.type = EVENT_RELOAD, .request.cause = "SIGHUP"};

    operator_config_read(m->desk, r, words);
    if (m->hup_waits && r == 0)
        master_post(m, &ev);
    m->hup_waits = false;
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* @spec: taken over in any case. */
static int
config_take(struct master *m, struct spec *spec, const char *cause, struct error *reterr)
{
    struct reading *before = steal(m->reading);
    struct reading *rd = reading_create(m, spec, cause);
    int r;

    if (!rd) {
        reading_destroy(before);
        return error_set(reterr, -ENOMEM, "read the configuration");
    }
    if (before) /* whoever edits again and again gets no more time for it */
        rd->deadline_us = before->deadline_us;
    r = reading_names(rd, reterr); /* before the old one goes: they may ask for the same */
    reading_destroy(before);
    if (r == 0)
        r = config_enforce(rd, reterr);
    if (r == 1) {
        journal_say(m->journal, LOG_LEVEL_INFO, "config_waits",
                    "the owners of its sockets are being looked up");
        m->reading = steal(rd);
    }
    reading_destroy(rd);
    return r;
}

void
config_named(struct reading *rd, int r, const struct error *why)
{
    struct master *m = rd->master;
    struct error err = *why;

    m->reading = NULL;
    if (r == 0 && m->core->stopping)
        r = error_say(&err, -ECANCELED, "stint is stopping");
    if (r == 0)
        r = config_enforce(rd, &err);
    if (r < 0)
        config_reject(m, err.text, rd->cause);
    config_tell(m, r, err.text);
    reading_destroy(rd);
}

int
config_reload(struct master *m, const char *cause, struct error *reterr)
{
    struct diagnostics diags = {0};
    struct strv inputs = {NULL, 0};
    auto_text struct text words = TEXT_INIT;
    struct spec *spec = NULL;
    struct error err = {0};
    int r;

    if (m->core->stopping) {
        m->hup_waits = false;
        return error_say(reterr, -ECANCELED, "stint is stopping");
    }
    /* A program that is missing is the trouble of its service, not of everybody. */
    r = config_load(m->config_path, m->spec ? CONFIG_CHECK_SYNTAX : CONFIG_CHECK_SYSTEM, &spec,
                    &inputs, &diags);

    if (r < 0) {
        diagnostics_render(&diags, &words);
        config_watch(m, &inputs, m->spec ? &m->spec->directories : NULL);
    } else if (m->spec && !m->config_error && digest_equal(spec->digest, m->spec->digest)) {
        config_watch(m, &spec->inputs, &spec->directories);
        spec_destroy(spec);
    } else {
        r = config_take(m, spec, cause, &err);
        if (r < 0)
            text_add(&words, err.text);
    }
    if (r < 0) {
        config_reject(m, text_str(&words), cause);
        (void)error_say(reterr, r, "%s", text_str(&words));
    }
    if (r <= 0) {
        reading_destroy(steal(m->reading));
        config_tell(m, r, text_str(&words));
    }
    strv_finish(&inputs);
    diagnostics_finish(&diags);
    return r;
}

/* ---- noticing ------------------------------------------------------------------------------------ */

static void
on_settled(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, config_settle);

    (void)loop;
    (void)revents;
    m->config_cap_us = 0;
    (void)config_reload(m, "its file changed", NULL); /* said in the journal and in every status */
}

void
config_hint(struct master *m)
{
    int64_t now_us = mono_now_us();
    int64_t wait_us = CONFIG_SETTLE_US;

    if (m->config_cap_us == 0)
        m->config_cap_us = now_us + CONFIG_CAP_US;
    if (now_us + wait_us > m->config_cap_us)
        wait_us = m->config_cap_us > now_us ? m->config_cap_us - now_us : 0;
    ev_timer_stop(m->loop, &m->config_settle);
    ev_timer_set(&m->config_settle, (double)wait_us / (double)US_PER_S, 0.);
    ev_timer_start(m->loop, &m->config_settle);
}

void
config_init(struct master *m)
{
    ev_timer_init(&m->config_settle, on_settled, 0., 0.);
}

void
config_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->config_settle);
    reading_destroy(steal(m->reading));
    bound_drop(m->bound, m->n_bound);
    m->bound = NULL;
    m->n_bound = 0;
    spec_destroy(m->spec);
    m->spec = NULL;
    free(m->config_error);
    m->config_error = NULL;
}
