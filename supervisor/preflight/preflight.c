/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/preflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/passed.h"
#include "supervisor/preflight/rehearse.h"
#include "supervisor/preflight/report.h"

#define CHANGED_FIX "run it again when nobody writes there"

/* ---- without starting anything ----------------------------------------------------------------- */

static struct candidate *
judge_program(const struct preflight_options *o, const struct preflight_hooks *h,
              struct preflight_report *r)
{
    struct candidate *held = NULL;
    char digest[DIGEST_TEXT];
    struct error e = {0};

    if (h->candidate_hold(o->spec, o->binary, &held, &r->candidate, &r->executable, &e) < 0)
        check_fail(r, CHECK_PROGRAM, "build or install it; 'stint check' says the same", "%s",
                   e.text);
    else
        check_pass(r, CHECK_PROGRAM, "%s, candidate %s", r->executable,
                   digest_format(r->candidate, digest));
    return held;
}

/*
 * What passes is what was there at the beginning, and all the time. Who builds or edits meanwhile has
 * had something else rehearsed, nobody knows what; who puts it back, too.
 */
static void
judge_sameness(struct candidate *held, const struct preflight_hooks *h, struct preflight_report *r)
{
    char before[DIGEST_TEXT], after[DIGEST_TEXT];
    struct digest now = {0};
    struct error e = {0};
    int result = h->candidate_again(held, &now, &e);

    if (result < 0 && result != -ESTALE)
        check_fail(r, CHECK_PROGRAM, CHANGED_FIX, "it is not there any more: %s", e.text);
    else if (!digest_equal(now, r->candidate))
        check_fail(r, CHECK_PROGRAM, CHANGED_FIX,
                   "the executable or an input was changed while it was rehearsed: candidate %s at "
                   "first, %s at last",
                   digest_format(r->candidate, before), digest_format(now, after));
    else if (result == -ESTALE)
        check_fail(r, CHECK_PROGRAM, CHANGED_FIX,
                   "%s while it was rehearsed, and is now as it was: what was started meanwhile "
                   "nobody knows",
                   e.text);
}

/* Told by the processes: some ran this file, some did not. A script's interpreter is no such evidence. */
static void
judge_runs(const struct rehearsal *run, struct preflight_report *r)
{
    if (run->n_ran > 0 && run->n_ran < run->n_samples)
        check_fail(r, CHECK_PROGRAM, CHANGED_FIX,
                   "of %zu looks at its workers only %zu found %s, others another file",
                   run->n_samples, run->n_ran, r->executable);
}

/* Why it is not rehearsed; NULL: it is. */
static const char *
why_not(const struct preflight_options *o, const struct preflight_report *r)
{
    if (o->spec->type == TYPE_ONESHOT)
        return "a oneshot does what it does: it is not rehearsed";
    if (!o->spec->preflight.may)
        return "not rehearsed: the service has no 'preflight' block, and its program may consume "
               "queues or migrate data; 'preflight: {}' lets it be started";
    if (o->spec->handoff == HANDOFF_REPLACE && !o->beside_live)
        return "not rehearsed: with 'handoff: replace' there may never be two of it; --beside-live "
               "starts it all the same";
    return r->checks[CHECK_PROGRAM].result == CHECK_FAILED ? "not rehearsed: there is no program"
                                                           : NULL;
}

/* ---- with ------------------------------------------------------------------------------------- */

static void
keep_samples(const struct rehearsal *run, struct preflight_report *r)
{
    r->samples = json_array();
    for (size_t i = 0; r->samples && i < run->n_samples; i++)
        (void)json_array_append_new(r->samples,
                                    sample_json(&run->samples[i])); /* or it is missing */
}

static int
in_a_cage(const struct preflight_options *o, const struct preflight_hooks *h,
          struct preflight_report *r, struct error *reterr)
{
    struct cage cage;
    struct rehearsal run = {.cage = &cage, .report = r};
    int result = cage_open(&cage, o, h, r->executable, reterr);

    if (result == 0 && stat(r->executable, &run.program) == -1)
        result = error_set(reterr, -errno, "look at '%s'", r->executable);
    if (result == 0)
        result = rehearse(&run);
    cage_stop(&cage);
    if (result == -EINTR) {
        r->interrupted = true;
        result = 0;
    } else if (result == 0 || result == -ECANCELED) {
        result = 0;
        r->rehearsed = true;
        judge_lifecycle(&run);
        judge_growth(&run);
        judge_runs(&run, r);
        if (run.ready) {
            judge_trace(&run);
            judge_deadlines(&run);
        }
    } else if (!reterr->text[0]) {
        (void)error_set(reterr, result, "rehearse the service");
    }
    keep_samples(&run, r);
    text_add(&r->notes, text_str(&cage.notes));
    if (o->keep && cage.directory)
        r->cage = strdup(cage.directory);
    rehearsal_finish(&run);
    cage_close(&cage, o->keep);
    return result;
}

/* ---- the door --------------------------------------------------------------------------------- */

static void
record(const struct preflight_options *o, struct preflight_report *r)
{
    struct passed p = {.candidate = r->candidate, .at_wall_us = wall_now_us(), .by_uid = geteuid()};
    struct error e = {0};

    for (enum check c = 0; c < CHECK_COUNT; c++) {
        p.checks += r->checks[c].result == CHECK_PASSED;
        p.skipped += r->checks[c].result == CHECK_SKIPPED;
    }
    if (!o->spec->require_preflight) {
        text_add(&r->recorded_text, "no door asks for it (handoff: {require_preflight: true})");
        return;
    }
    if (!preflight_passed(r) || !r->rehearsed) {
        text_add(&r->recorded_text,
                 r->rehearsed ? "it has not passed" : "what was not rehearsed has not passed");
        return;
    }
    if (!r->seen && cage_wraps(o->spec) && !cage_names_program(o->spec)) {
        text_addf(&r->recorded_text,
                  "it passed, but 'command' of 'preflight' never ran %s: {program} there is it",
                  r->executable);
        r->recorded = -ENOEXEC;
        return;
    }
    r->recorded = passed_write(o->state_dir, o->spec->name, &p, &e);
    if (r->recorded == 0)
        r->recorded = 1;
    text_addf(&r->recorded_text, "%s",
              r->recorded == 1 ? "the door is open for this candidate" : e.text);
}

static const char *
not_judged(const struct preflight_options *o, const struct preflight_report *r, enum check c)
{
    if (r->checks[CHECK_START].result != CHECK_PASSED)
        return "it did not come up, or not for long";
    if (c == CHECK_LOAD && o->spec->preflight.load.n == 0 && !o->spec->preflight.url)
        return "nothing was asked of it: 'load' of its 'preflight' is a command or a URL";
    return "it did not come so far";
}

int
preflight_run(const struct preflight_options *options, const struct preflight_hooks *hooks,
              struct preflight_report *ret, struct error *reterr)
{
    int64_t began_us = mono_now_us();
    struct candidate *held;
    const char *why;
    int r = 0;

    *ret = (struct preflight_report){0};
    reterr->text[0] = '\0';
    held = judge_program(options, hooks, ret);
    why = why_not(options, ret);
    if (why && options->spec->type == TYPE_SERVICE)
        (void)judge_policy(options->spec, ret);
    if (!why)
        r = in_a_cage(options, hooks, ret, reterr);
    if (r == 0 && ret->rehearsed)
        judge_sameness(held, hooks, ret);
    hooks->candidate_release(held);
    for (enum check c = 0; c < CHECK_COUNT; c++)
        check_skip(ret, c, "%s", why ? why : not_judged(options, ret, c));
    if (r == 0)
        record(options, ret);
    ret->duration_us = mono_now_us() - began_us;
    return r;
}
