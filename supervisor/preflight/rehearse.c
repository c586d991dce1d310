/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/rehearse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/exposure.h"
#include "supervisor/preflight/profiles.h"
#include "supervisor/preflight/report.h"
#include "supervisor/preflight/threads.h"

#define CERTIFIED_US (5 * US_PER_S)
#define OUTLAST_US   (3 * US_PER_S)  /* that long a server tries for an address that is taken */
#define SLACK_US     (10 * US_PER_S) /* of a busy machine, beyond what the configuration allows */

/* ---- how long things may take ------------------------------------------------------------------ */

static int64_t
start_us(const struct service_spec *s)
{
    int64_t tries = (int64_t)s->limit_count;

    return tries *
               (s->start_timeout_us + s->backoff_max_us + s->drain_timeout_us + s->leak_grace_us) +
           (s->check.n > 0 ? s->check_timeout_us : 0) + SLACK_US;
}

static int64_t
drain_us(const struct service_spec *s)
{
    return s->announce_delay_us + s->drain_timeout_us + s->leak_grace_us + SLACK_US;
}

/* ---- what is waited for ------------------------------------------------------------------------ */

static bool
verdict_given(const struct view *v, void *env)
{
    return v->reload >= *(const uint64_t *)env && v->outcome[0] != '\0';
}

/* A run behind it, for an input that changed meanwhile, may have found nothing left to do before we looked. */
static bool
has_served(const struct view *v, uint64_t before)
{
    return strcmp(v->outcome, "serving") == 0 ||
           (strcmp(v->outcome, "unchanged") == 0 && v->serving > before);
}

static bool
nobody_leaves(const struct view *v, void *env)
{
    (void)env;
    return v->serving > 0 && v->leaving == 0 && v->n_pids > 0;
}

static bool
all_gone(const struct view *v, void *env)
{
    (void)env;
    return v->serving == 0 && v->leaving == 0;
}

/* ---- steps ------------------------------------------------------------------------------------- */

static bool
only_assumed(const struct cage *c)
{
    return c->spec->ready.mode == READY_ASSUME;
}

/* Of who is only alive, nobody knows that he serves: he is given the time to end by himself. */
static int
outlast(struct rehearsal *r)
{
    const struct cage *c = r->cage;
    int64_t until_us = mono_now_us() + OUTLAST_US;
    struct error e;

    while (only_assumed(c) && mono_now_us() < until_us) {
        if (cage_interrupted(c))
            return -EINTR;
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (only_assumed(c) && cage_look(c, &r->view, &e) == 0)
        judge_respawns(r);
    return r->report->checks[CHECK_START].result == CHECK_FAILED ? -ECANCELED : 0;
}

static int
come_up(struct rehearsal *r)
{
    struct cage *c = r->cage;
    int64_t began_us = mono_now_us();
    struct error e = {0};
    uint64_t first = 1;
    char took[32];
    int result = cage_start(c, &e);

    cage_progress(c, "starts in %s", c->directory);
    if (result == 0)
        result = cage_await(c, &r->view, verdict_given, &first, began_us + start_us(c->spec), &e);
    if (result == -EINTR)
        return result;
    if (result < 0) {
        check_fail(r->report, CHECK_START, "see the log in the cage (--keep)",
                   "it did not come up: %s", e.text);
        return -ECANCELED;
    }
    if (!has_served(&r->view, 0)) {
        check_fail(r->report, CHECK_START,
                   "what it says is above; 'command' and 'environment' of 'preflight' are for what "
                   "it lacks in a cage",
                   "%s: %s", r->view.outcome, r->view.reason);
        return -ECANCELED;
    }
    r->ready = true;
    check_pass(r->report, CHECK_START, "%u worker%s %s within %s%s", r->view.n_pids,
               r->view.n_pids == 1 ? "" : "s", only_assumed(c) ? "alive" : "ready",
               duration_human(mono_now_us() - began_us, took, sizeof(took)),
               only_assumed(c) ? ", and a moment later; whether ready is only assumed "
                                 "(ready: {assume_after})"
                               : "");
    return outlast(r);
}

static bool
has_load(const struct cage *c)
{
    return c->spec->preflight.load.n > 0 || c->spec->preflight.url;
}

/* Where nothing at all was answered before the first reload, asking again only takes time. */
static bool
is_loaded(const struct rehearsal *r, unsigned round)
{
    return has_load(r->cage) && (round == 0 || r->asked == 0 || r->answered > 0);
}

static int
finish_load(struct rehearsal *r, unsigned round)
{
    struct error e = {0};
    int result;

    if (!is_loaded(r, round))
        return 0;
    result = load_end(r->cage, &r->load, &r->answered, &r->asked, &e);
    if (result == -EINTR || result == 0)
        return result;
    check_fail(r->report, CHECK_LOAD,
               round == 0
                   ? "nothing was handed over yet: is 'load' of 'preflight' right, and does the "
                     "program take the socket that it is handed, instead of one of its own?"
                   : "a worker that drains goes on answering until its connections are gone",
               "%s%s", round == 0 ? "before the first reload: " : "during a reload: ", e.text);
    return 0;
}

/* Once at first, and once more at last: a reload may open what a start does not. */
static int
look_around(struct rehearsal *r, const pid_t *tree, size_t n)
{
    bool first = r->n_samples == 1, last = r->n_samples == r->cage->spec->preflight.reloads + 1UL;

    if (!first && (!last || r->report->checks[CHECK_PROFILING].result == CHECK_FAILED))
        return 0;
    if (exposure_judge(r->cage, tree, n, r->report) == -EINTR)
        return -EINTR;
    return first ? profiles_judge(r->cage, r->report) : 0;
}

/* All is quiet: what does it have, and who is there? */
static int
take_sample(struct rehearsal *r)
{
    struct sample *s = &r->samples[r->n_samples];
    pid_t tree[TREE_MOST];
    json_t *threads = NULL;
    enum tree_runs runs;
    struct error e;
    size_t n;

    if (cage_look(r->cage, &r->view, &e) < 0 || r->view.n_pids == 0)
        return 0; /* what became of it is seen elsewhere */
    n = tree_of(r->view.pids, r->view.n_pids, tree, ARRAY_LEN(tree));
    *s = (struct sample){.generation = r->view.serving};
    runs = tree_runs(tree, n, &r->program);
    r->report->seen = r->report->seen || runs != RUNS_ANOTHER;
    r->n_ran += runs == RUNS_IT;
    if (threads_take(r->cage, &threads, &e) == 0) {
        json_t **place = r->n_samples == 0 ? &r->threads_then : &r->threads_now;

        json_decref(*place);
        *place = threads;
    }
    sample_take(tree, n, s);
    r->n_samples++;
    return look_around(r, tree, n);
}

static int
hand_over(struct rehearsal *r, unsigned round)
{
    struct cage *c = r->cage;
    unsigned all = c->spec->preflight.reloads;
    uint64_t id = 0, before = r->view.serving;
    struct error e = {0};
    int result = cage_reload(c, &id, &e);

    if (result == 0)
        result = cage_await(c, &r->view, verdict_given, &id,
                            mono_now_us() + start_us(c->spec) + drain_us(c->spec) +
                                c->spec->soak_us + c->spec->reload_timeout_us,
                            &e);
    if (result == -EINTR)
        return result;
    if (result < 0 || !has_served(&r->view, before)) {
        check_fail(r->report, CHECK_RELOAD, "the events are in the log in the cage (--keep)",
                   "reload %u of %u: %s%s%s", round, all, result < 0 ? e.text : r->view.outcome,
                   result < 0 ? "" : ": ", result < 0 ? "" : r->view.reason);
        return -ECANCELED;
    }
    result = cage_await(c, &r->view, nobody_leaves, NULL, mono_now_us() + drain_us(c->spec), &e);
    if (result < 0 && result != -EINTR) {
        check_fail(r->report, CHECK_RELOAD, "see 'stint leaks' and docs/leaks.md",
                   "after reload %u of %u the old generation did not go: %s", round, all, e.text);
        return -ECANCELED;
    }
    return result == 0 ? outlast(r) : result;
}

static bool
leaked_already(struct rehearsal *r)
{
    const json_t *service, *certificates;
    struct error e;
    size_t i;
    json_t *one;

    json_decref(r->leaks);
    r->leaks = NULL;
    if (cage_ask(r->cage, "GET", "/v1/leaks", NULL, &r->leaks, &e) < 0)
        return false;
    service = json_array_get(json_object_get(r->leaks, "services"), 0);
    certificates = json_object_get(service, "certificates");
    json_array_foreach(certificates, i, one) if (number_of(one, "leaks") > 0) return true;
    return false;
}

/* One round: work, and a reload in the midst of it, but for the first, which is for comparison. */
static int
one_round(struct rehearsal *r, unsigned round)
{
    struct error e = {0};
    int result = is_loaded(r, round) ? load_start(r->cage, round, &r->load, &e) : 0;

    if (result < 0)
        check_fail(r->report, CHECK_LOAD, "see 'load' of 'preflight'", "%s", e.text);
    result = round == 0 ? 0 : hand_over(r, round);
    if (finish_load(r, round) == -EINTR || result == -EINTR)
        return -EINTR;
    return result == 0 ? take_sample(r) : result;
}

static int
rounds(struct rehearsal *r)
{
    unsigned all = r->cage->spec->preflight.reloads;
    int result = 0;

    for (unsigned i = 0; i <= all && result == 0; i++) {
        if (i > 0)
            cage_progress(r->cage, "reload %u of %u", i, all);
        else if (r->ready && has_load(r->cage))
            cage_progress(r->cage, "serves; the load begins");
        result = one_round(r, i);
        if (result == 0 && i > 0 && i < all && leaked_already(r))
            return 0; /* each further one would take a whole drain, and tell the same */
        r->settled = result == 0 && i == all;
    }
    return result;
}

static bool
is_certified(const struct rehearsal *r, uint64_t generation)
{
    const json_t *service = json_array_get(json_object_get(r->leaks, "services"), 0);
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(service, "certificates"), i, one)
    {
        if ((uint64_t)number_of(one, "generation") == generation)
            return true;
    }
    return false;
}

/* The last one is looked at when it is gone, and has its certificate a moment later. */
static int
take_certificates(struct rehearsal *r, uint64_t last)
{
    int64_t deadline_us = mono_now_us() + CERTIFIED_US;

    do {
        (void)leaked_already(r);
        if (cage_interrupted(r->cage))
            return -EINTR;
        if (is_certified(r, last))
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    } while (mono_now_us() < deadline_us);
    return 0;
}

static int
stop_service(struct rehearsal *r)
{
    auto_text struct text body = TEXT_INIT;
    json_t *answer = NULL;
    struct error e = {0};
    uint64_t last = r->view.serving;
    int result;

    cage_progress(r->cage, "stops");
    text_addf(&body, "{\"services\":[\"%s\"],\"wait\":\"none\"}", r->cage->spec->name);
    result = cage_ask(r->cage, "POST", "/v1/stop", text_str(&body), &answer, &e);
    json_decref(answer);
    if (result == 0)
        result = cage_await(r->cage, &r->view, all_gone, NULL,
                            mono_now_us() + drain_us(r->cage->spec), &e);
    return result == -EINTR ? result : take_certificates(r, last);
}

static const char *
how_handed_over(const struct service_spec *s)
{
    return s->handoff == HANDOFF_REPLACE   ? "each when the one before had left (handoff: replace)"
           : s->handoff == HANDOFF_SIGNAL  ? "by a signal: the same processes went on"
           : s->ready.mode == READY_ASSUME ? "nobody was signalled before the next was alive"
                                           : "nobody was signalled before the next was ready";
}

int
rehearse(struct rehearsal *r)
{
    int result;

    r->samples = calloc(r->cage->spec->preflight.reloads + 1UL, sizeof(*r->samples));
    if (!r->samples)
        return -ENOMEM;
    result = come_up(r);
    if (result == 0)
        result = rounds(r);
    if (result == -EINTR)
        return result;
    if (r->settled)
        check_pass(r->report, CHECK_RELOAD, "%u of %u, %s", r->cage->spec->preflight.reloads,
                   r->cage->spec->preflight.reloads, how_handed_over(r->cage->spec));
    if (r->asked > 0)
        check_pass(r->report, CHECK_LOAD, "%u of %u requests answered", r->answered, r->asked);
    else if (has_load(r->cage))
        check_pass(r->report, CHECK_LOAD, "the command passed each time");
    if (!r->ready)
        return 0;
    if (r->report->checks[CHECK_START].result != CHECK_FAILED)
        judge_respawns(r);
    return stop_service(r);
}

void
rehearsal_finish(struct rehearsal *r)
{
    view_finish(&r->view);
    json_decref(r->threads_then);
    json_decref(r->threads_now);
    json_decref(r->leaks);
    free(r->samples);
    *r = (struct rehearsal){0};
}
