/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_outdated.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/outdated.h"
#include "supervisor/io/watch.h"

/*
 * Workers that run libraries of before an upgrade. They are looked at when somebody asks for the
 * status, and when the dynamic linker's cache was written anew, as every package with a library
 * makes it; never by the clock.
 */

#define LD_CACHE         "/etc/ld.so.cache"
#define LOOK_WITHIN_US   US_PER_S /* a status waits no longer than this */
#define LOOK_SHARE       20       /* … and looking takes no more than this part of the time */
#define CACHE_SETTLES_US (2 * US_PER_S) /* an upgrade may write it several times */

/* One that serves; whoever is leaving takes its libraries along. */
static bool
is_looked_at(const struct hand *h)
{
    const struct worker *w = core_worker(h->master->core, h->worker);

    return w && !w->escapee && w->state == WORKER_READY &&
           (w->generation->state == GENERATION_SERVING ||
            w->generation->state == GENERATION_SOAKING);
}

static bool
is_wanted(const struct master *m)
{
    if (m->outdated.stale || mono_now_us() - m->outdated.at_us > m->outdated.took_us * LOOK_SHARE)
        return true;
    list_for_each (n, &m->hands) {
        const struct hand *h = container_of(n, struct hand, node);

        if (h->outdated.at_us == 0 && is_looked_at(h))
            return true;
    }
    return false;
}

/* ---- what was found ------------------------------------------------------------------------- */

static const char *
file_next(const char *files, size_t *ret_n)
{
    *ret_n = strcspn(files, "\n");
    return *ret_n > 0 ? files : NULL;
}

static void
tell(struct hand *h)
{
    struct master *m = h->master;
    auto_text struct text files = TEXT_INIT;
    size_t n;

    for (const char *f = h->outdated.files; f && (f = file_next(f, &n)); f += n + (f[n] == '\n')) {
        text_add(&files, files.bytes > 0 ? " " : "");
        text_addn(&files, f, n);
    }
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service),
        FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),
        FIELD_NUMBER("pid", h->pid),
        FIELD_NUMBER("files", h->outdated.n),
        FIELD_TEXT("outdated", text_str(&files)),
        FIELD_TEXT("msg", "runs libraries that were replaced on disk: a reload (--force) makes "
                          "it run those of today"),
    };

    journal_event(m->journal, LOG_LEVEL_WARNING, "needs_reload", fields, ARRAY_LEN(fields));
}

/* Once for a generation, in whatever slot it is seen first. */
static bool
was_told(const struct hand *of)
{
    list_for_each (n, &of->master->hands) {
        const struct hand *h = container_of(n, struct hand, node);

        if (h->outdated.told && h->generation == of->generation &&
            strcmp(h->service, of->service) == 0)
            return true;
    }
    return false;
}

static void
on_answer(void *env, const struct outdated_answer *a)
{
    struct master *m = env;
    struct hand *h = hand_find(m, a->id);

    if (!h)
        return; /* gone meanwhile */
    h->outdated.asked = false;
    h->outdated.at_us = mono_now_us();
    h->outdated.error = a->error;
    h->outdated.n = a->n;
    free(h->outdated.files);
    h->outdated.files = a->n > 0 ? strdup(a->files) : NULL;
    if (a->n == 0 || h->outdated.told || !is_looked_at(h))
        return;
    if (!was_told(h))
        tell(h);
    h->outdated.told = true;
    save_hand(m, h);
}

/*
 * The first that has no answer may have kept the others from theirs: some wait for ever to be looked
 * at. It comes last from now on.
 */
static void
on_end(void *env)
{
    struct master *m = env;
    bool first = true;

    m->outdated.look = NULL;
    m->outdated.took_us = mono_now_us() - m->outdated.at_us;
    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);
        bool unanswered = h->outdated.asked;

        h->outdated.asked = false;
        if (!unanswered || !first)
            continue;
        first = false;
        h->outdated.error = -ETIMEDOUT;
        h->outdated.at_us = mono_now_us();
    }
    save_commit(m);
    if (m->desk)
        operator_looked(m->desk);
}

/* ---- looking -------------------------------------------------------------------------------- */

static size_t
ask_all(struct master *m, struct outdated_ask *asks, bool late)
{
    size_t n_asks = 0;

    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);

        if (!is_looked_at(h) || (h->outdated.error == -ETIMEDOUT) != late)
            continue;
        h->outdated.asked = true;
        asks[n_asks++] = (struct outdated_ask){
            .id = h->worker,
            .pid = h->pid,
            /* that is what a reload is about by itself */
            .program =
                h->spec && h->spec->watch_binary && h->snapshot ? h->snapshot->exe_path : NULL,
        };
    }
    return n_asks;
}

bool
outdated_look(struct master *m)
{
    auto_free struct outdated_ask *asks = NULL;
    struct outdated_request req = {.on_answer = on_answer, .on_end = on_end, .env = m};
    size_t n = 0;

    if (m->outdated.look)
        return true;
    if (m->core->stopping || !is_wanted(m))
        return false;
    list_for_each (pos, &m->hands)
        n++;
    asks = calloc(n + 1, sizeof(*asks));
    if (!asks)
        return false;
    req.asks = asks;
    req.n = ask_all(m, asks, false);
    req.n += ask_all(m, asks + req.n, true);
    m->outdated.at_us = mono_now_us();
    m->outdated.stale = false;
    req.deadline_us = m->outdated.at_us + LOOK_WITHIN_US;
    return req.n > 0 && outdated_start(m->loop, &req, &m->outdated.look) == 0;
}

static void
on_settled(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, outdated.settles);

    (void)loop;
    (void)revents;
    (void)outdated_look(m);
}

void
outdated_hint(struct master *m)
{
    m->outdated.stale = true;
    ev_timer_stop(m->loop, &m->outdated.settles);
    ev_timer_set(&m->outdated.settles, (double)CACHE_SETTLES_US / US_PER_S, 0.);
    ev_timer_start(m->loop, &m->outdated.settles);
}

void
outdated_begin(struct master *m)
{
    static const char *const paths[] = {LD_CACHE};

    ev_timer_init(&m->outdated.settles, on_settled, 0., 0.);
    /* Not worth waking up for: where it cannot be watched, a status finds out. */
    if (watch_set(m->watch, OUTDATED_TAG, paths, 1, NULL) < 0 ||
        strcmp(watch_mode(m->watch, OUTDATED_TAG), "inotify") != 0)
        watch_clear(m->watch, OUTDATED_TAG);
}

void
outdated_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->outdated.settles);
    outdated_cancel(steal(m->outdated.look));
}

/* ---- for the reports -------------------------------------------------------------------------- */

static json_t *
files_of(const struct hand *h)
{
    json_t *all = json_array();
    size_t n;

    for (const char *f = h->outdated.files; f && (f = file_next(f, &n)); f += n + (f[n] == '\n')) {
        auto_text struct text name = TEXT_INIT;

        text_addn(&name, f, n);
        (void)json_array_append_new(all, report_text(text_str(&name)));
    }
    return all;
}

static const char *
unknown_because(const struct hand *h)
{
    if (h->outdated.at_us == 0)
        return "not looked at yet";
    if (h->outdated.error == -ETIMEDOUT)
        return "its list of mappings could not be read in time";
    return h->outdated.error ? strerrordesc_np(-h->outdated.error) : NULL;
}

json_t *
outdated_of_worker(void *env, const struct worker *w)
{
    const struct hand *h = hand_find(env, w->id);
    const char *why = h ? unknown_because(h) : NULL;

    if (!h || !is_looked_at(h))
        return NULL;
    if (why)
        return json_pack("{s:s, s:s}", "state", "unknown", "why", why);
    if (h->outdated.n == 0)
        return json_pack("{s:s}", "state", "current");
    return json_pack("{s:s, s:o, s:I}", "state", "outdated", "files", files_of(h), "count",
                     (json_int_t)h->outdated.n);
}

json_t *
outdated_of_service(void *env, const struct service *s)
{
    struct master *m = env;
    bool any = false, unknown = false;

    list_for_each (g, &s->generations) {
        list_for_each (n, &container_of(g, struct generation, node)->workers) {
            const struct hand *h = hand_find(m, container_of(n, struct worker, node)->id);

            if (!h || !is_looked_at(h))
                continue;
            if (h->outdated.n > 0 && !unknown_because(h))
                return json_true();
            any = true;
            unknown = unknown || unknown_because(h);
        }
    }
    return unknown ? json_null() : any ? json_false() : NULL;
}
