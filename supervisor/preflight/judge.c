/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen in a rehearsal, as the results of its checks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/rehearse.h"
#include "supervisor/preflight/report.h"
#include "supervisor/preflight/threads.h"

#define TREND_RELOADS 3 /* fewer tell nothing of what grows with each */
#define WARM_UP_FROM  5
#define MEMORY_LEAST  (512.0 * 1024)
#define MEMORY_PART   0.02 /* … and of what it had, for all reloads together */
#define OF_THREADS_FIX                                                                         \
    "end and join them when what they work for goes; 'stint threads' names who started them; " \
    "docs/leaks.md"

/* ---- who does not stay ------------------------------------------------------------------------- */

static bool
ended_by_itself(const json_t *event, const char *msg)
{
    return strcmp(word_of(event, "event"), "worker_exit") == 0 && strstr(msg, " while serving");
}

/* A worker that died is replaced, and nobody would notice in a rehearsal this short. */
void
judge_respawns(struct rehearsal *r)
{
    int64_t n = number_of(r->view.service, "respawns");
    char words[400] = "";

    if (n > 0)
        (void)cage_find_message(r->cage, ended_by_itself, words, sizeof(words));
    if (n > 0)
        check_fail(r->report, CHECK_START,
                   "the events are in the log in the cage (--keep); does it bind an address that "
                   "another generation, or another program, still has?",
                   "a worker ended by itself and was started again, %" PRId64 " time%s%s%s", n,
                   n == 1 ? "" : "s", words[0] ? ": it " : "", words);
}

/* ---- what becomes more with each reload ---------------------------------------------------------- */

/* With so many samples the first is left out: caches fill once, and pools of threads too. */
static size_t
warm_from(const struct rehearsal *r)
{
    return r->n_samples >= WARM_UP_FROM ? 1 : 0;
}

/*
 * A leak goes up and up, and as steeply at last as at first; what is warming up becomes ever flatter,
 * and what comes and goes has no order. @least: with each reload; @ret: the trend, NULL: nobody asks
 */
static bool
goes_on(const struct rehearsal *r, double (*value)(const struct sample *), double least,
        struct trend *ret)
{
    struct trend t = trend_of(r->samples, r->n_samples, warm_from(r), value);

    if (ret)
        *ret = t;
    return r->n_samples > TREND_RELOADS && t.order >= 0.8 && t.late >= 0.5 && t.per_reload >= least;
}

/* ---- lifecycle --------------------------------------------------------------------------------- */

static const json_t *
history(const struct rehearsal *r)
{
    return json_array_get(json_object_get(r->leaks, "services"), 0);
}

/* The line of the worst kind of threads that an ended generation left. */
static const char *
leak_words(const struct rehearsal *r)
{
    size_t i;
    json_t *g;

    json_array_foreach(json_object_get(history(r), "groups"), i, g)
    {
        const char *state = word_of(g, "state");

        if (strcmp(state, "leaked") == 0 || strcmp(state, "killed") == 0)
            return word_of(g, "text");
    }
    return "";
}

/* By a signal: the same processes are the next generation's, whose certificate has them. */
static bool
handed_over(const json_t *certificate)
{
    return strstr(word_of(certificate, "text"), "handed over") != NULL;
}

static unsigned
judge_certificates(struct rehearsal *r)
{
    unsigned n = 0;
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(history(r), "certificates"), i, c)
    {
        int64_t leaks = number_of(c, "leaks"), escapees = number_of(c, "escapees");

        n++;
        if (leaks > 0)
            check_fail(r->report, CHECK_LIFECYCLE, OF_THREADS_FIX,
                       "a generation did not end within its drain_timeout and was killed%s%s",
                       leak_words(r)[0] ? ": " : "", leak_words(r));
        if (escapees > 0)
            check_fail(r->report, CHECK_LIFECYCLE,
                       "a worker waits for the processes that it starts, or ends them",
                       "%" PRId64 " process%s outlived %s worker", escapees,
                       escapees == 1 ? "" : "es", escapees == 1 ? "its" : "their");
        if (leaks == 0 && json_is_false(json_object_get(c, "pids_gone")) && !handed_over(c))
            check_fail(r->report, CHECK_LIFECYCLE, "see 'stint leaks --certificates'",
                       "generation %" PRId64 " has no clean certificate: %s",
                       number_of(c, "generation"), word_of(c, "text"));
    }
    return n;
}

static void
judge_threads(struct rehearsal *r)
{
    const json_t *now = r->threads_now ? r->threads_now : r->threads_then;
    struct text words = TEXT_INIT, kinds = TEXT_INIT;
    int64_t leaked = threads_leaked(now, &words);

    if (leaked > 0)
        check_fail(r->report, CHECK_LIFECYCLE, OF_THREADS_FIX,
                   "%" PRId64 " thread%s should be gone: %s", leaked, leaked == 1 ? "" : "s",
                   text_str(&words));
    if (goes_on(r, sample_threads, 0.75, NULL)) {
        (void)threads_grown(r->threads_then, r->threads_now, &kinds);
        check_fail(r->report, CHECK_LIFECYCLE, OF_THREADS_FIX,
                   "%u threads, after %zu reloads %u%s%s", r->samples[0].threads, r->n_samples - 1,
                   r->samples[r->n_samples - 1].threads, kinds.bytes ? ": " : "", text_str(&kinds));
    }
    text_finish(&words);
    text_finish(&kinds);
}

void
judge_lifecycle(struct rehearsal *r)
{
    const struct cage *c = r->cage;
    unsigned certificates;

    if (!r->ready) {
        check_skip(r->report, CHECK_LIFECYCLE, "it did not come up");
        return;
    }
    certificates = judge_certificates(r);
    judge_threads(r);
    if (c->left_over > 0)
        check_fail(r->report, CHECK_LIFECYCLE,
                   "a worker waits for the processes that it starts, or ends them",
                   "left behind when all had ended, and killed: %s%s", text_str(&c->left_names),
                   c->left_over > 4 ? " …" : "");
    if (r->settled && certificates == 0)
        check_fail(r->report, CHECK_LIFECYCLE, "see the log in the cage (--keep)",
                   "no generation has a certificate");
    if (r->n_samples == 0) {
        check_pass(r->report, CHECK_LIFECYCLE,
                   "%u generation%s ended, each with a clean certificate; nobody stayed for a look",
                   certificates, certificates == 1 ? "" : "s");
        return;
    }
    check_pass(r->report, CHECK_LIFECYCLE,
               "%u generation%s ended, each with a clean certificate; %u thread%s at first, %u at "
               "last%s",
               certificates, certificates == 1 ? "" : "s", r->samples[0].threads,
               r->samples[0].threads == 1 ? "" : "s", r->samples[r->n_samples - 1].threads,
               c->spec->libstint || c->spec->preload
                   ? ""
                   : " (without libstint: by their number and by /proc)");
}

/* ---- growth ------------------------------------------------------------------------------------ */

static void
judge_fds(struct rehearsal *r)
{
    struct trend t;

    if (goes_on(r, sample_fds, 0.9, &t))
        check_fail(r->report, CHECK_GROWTH, "close what a reload opens; 'ls -l /proc/PID/fd'",
                   "descriptors: %u, after %u reloads %u", r->samples[warm_from(r)].fds,
                   t.points - 1, r->samples[r->n_samples - 1].fds);
}

static void
judge_memory(struct rehearsal *r)
{
    double had = sample_memory(&r->samples[warm_from(r)]);
    struct trend t;

    if (goes_on(r, sample_memory, 0, &t) && t.total > MEMORY_LEAST + had * MEMORY_PART)
        check_fail(r->report, CHECK_GROWTH,
                   "free what a reload replaces; 'stint profile --heap' shows who allocates",
                   "memory: %.1f MiB, after %u reloads %.1f MiB, %.0f KiB with each", had / 1048576,
                   t.points - 1, sample_memory(&r->samples[r->n_samples - 1]) / 1048576,
                   t.per_reload / 1024);
}

void
judge_growth(struct rehearsal *r)
{
    size_t from = warm_from(r);
    const struct sample *first, *last;

    if (r->n_samples <= TREND_RELOADS && r->settled) {
        check_skip(
            r->report, CHECK_GROWTH,
            "%zu reload%s tell%s nothing of a trend: 'reloads' of 'preflight' is at least %d",
            r->n_samples ? r->n_samples - 1 : 0, r->n_samples == 2 ? "" : "s",
            r->n_samples == 2 ? "s" : "", TREND_RELOADS);
        return;
    }
    if (r->n_samples <= TREND_RELOADS)
        return; /* why is said by who says it */
    first = &r->samples[from];
    last = &r->samples[r->n_samples - 1];
    judge_fds(r);
    judge_memory(r);
    check_pass(r->report, CHECK_GROWTH,
               "over %zu reloads: memory %.1f then %.1f MiB, descriptors %u then %u",
               r->n_samples - 1 - from, sample_memory(first) / 1048576,
               sample_memory(last) / 1048576, first->fds, last->fds);
}
