/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the lines of a service and its requests carry with them: trace context and deadlines. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/rehearse.h"
#include "supervisor/preflight/report.h"

#define TRACE_FIX                                                                               \
    "start the thread under the token of what it works for, and log with stint_log(), or with " \
    "the ids of stint_trace_ids()"
#define NO_TRACE_FIX                                                                          \
    "print it with stint_log(), which has the ids of what the thread works for, or says why " \
    "there "                                                                                  \
    "are none; of another printer: trace_id and span_id by stint_trace_ids(), or trace=none " \
    "reason=\"…\""
#define DEADLINE_FIX                                                                               \
    "open each request with stint_deadline_open(), and wait with its token: stint_token_sleep(), " \
    "stint_token_poll(), or look at stint_token_cancelled()"

/* A place as a compiler's __FILE__ has it, without directories: "order at ../src/order.c:53". */
static void
add_place(const char *place, struct text *out)
{
    const char *at = strstr(place, " at "), *file = at ? at + strlen(" at ") : place;
    const char *end = file + strcspn(file, " "), *slash = memrchr(file, '/', (size_t)(end - file));

    text_addf(out, ", started %s%.*s%s", at ? "in " : "at ", (int)(file - place), place,
              slash ? slash + 1 : file);
}

/* " in thread `mailer`, started in order at lost-trace.c:49": as far as the line or the registry says. */
static void
add_who(const json_t *row, struct text *out)
{
    const char *thread = word_of(row, "thread"), *creator = word_of(row, "creator");

    if (thread[0])
        text_addf(out, " in thread `%s`", thread);
    if (creator[0])
        add_place(creator, out);
}

/* ---- trace ------------------------------------------------------------------------------------- */

static const struct {
    const char *key, *words;
} faults[] = {
    {"span_without_trace", "with a span and no trace"                },
    {"lost",               "of a thread that has a trace, without it"},
    {"changed",            "whose span was of another trace before"  },
    {"zero",               "with an id of nothing but zeros"         },
    {"malformed",          "with an id that is none"                 },
};

/* The row to show: of a thread that is known, where there is one. */
static const json_t *
best_row(const json_t *trace)
{
    static const char *const lists[] = {"findings", "lost_in_thread"};
    const json_t *best = NULL;
    size_t k;
    json_t *row;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        json_array_foreach(json_object_get(trace, lists[i]), k, row)
        {
            if (word_of(row, "creator")[0])
                return row;
            best = best ? best : row;
        }
    return best;
}

static void
judge_faults(struct preflight_report *r, const json_t *trace)
{
    const json_t *first = best_row(trace);
    auto_text struct text who = TEXT_INIT;

    add_who(first, &who);
    if (word_of(first, "line")[0])
        text_addf(&who, ", such as: %.200s", word_of(first, "line"));
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        int64_t n = number_of(trace, faults[i].key);

        if (n > 0) {
            check_fail(r, CHECK_TRACE, TRACE_FIX, "%" PRId64 " line%s %s%s", n, n == 1 ? "" : "s",
                       faults[i].words, text_str(&who));
            text_clear(&who); /* it is said once */
        }
    }
}

/* The first line of the service that neither has a trace nor says why. */
static bool
is_silent(const json_t *o, const char *msg)
{
    return strcmp(word_of(o, "event"), "output") == 0 && msg[0] && !strstr(msg, "trace");
}

/* Who takes no requests and speaks of no trace has none that could be missed. */
static void
judge_silence(struct rehearsal *r, int64_t lines, int64_t without, int64_t stamped)
{
    char line[200];

    if (r->cage->spec->n_listen == 0 && stamped == 0) {
        check_skip(r->report, CHECK_TRACE,
                   "it takes no requests, and none of its %" PRId64 " lines speaks of a trace",
                   lines);
        return;
    }
    (void)cage_find_message(r->cage, is_silent, line, sizeof(line));
    check_fail(r->report, CHECK_TRACE, NO_TRACE_FIX,
               "%" PRId64 " of %" PRId64 " lines have no trace context, and do not say why%s%s",
               without, lines, line[0] ? ", such as: " : "", line);
}

void
judge_trace(struct rehearsal *r)
{
    const struct service_spec *s = r->cage->spec;
    const json_t *trace = json_object_get(r->view.service, "trace");
    int64_t lines = number_of(trace, "lines"), stamped = number_of(trace, "stamped");
    int64_t without = number_of(trace, "without_trace");

    if (!s->trace.lint) {
        check_skip(r->report, CHECK_TRACE, "nobody looks at its lines: trace: {lint: false}");
        return;
    }
    if (lines == 0) {
        check_skip(r->report, CHECK_TRACE, "no worker printed a line");
        return;
    }
    judge_faults(r->report, trace);
    if (s->libstint && without > 0)
        judge_silence(r, lines, without, stamped);
    else if (!s->libstint && stamped == 0)
        check_skip(r->report, CHECK_TRACE, "none of its %" PRId64 " lines speaks of a trace",
                   lines);
    else
        check_pass(r->report, CHECK_TRACE,
                   "%" PRId64 " line%s, %" PRId64 " with trace context, %" PRId64
                   " that say why they have none%s",
                   lines, lines == 1 ? "" : "s", stamped, number_of(trace, "explained"),
                   without > 0 ? ", the others speak of none (without libstint that is no fault)"
                               : "");
}

/* ---- deadlines --------------------------------------------------------------------------------- */

bool
judge_policy(const struct service_spec *s, struct preflight_report *r)
{
    if (!s->libstint) {
        check_skip(r, CHECK_DEADLINES, "without libstint nobody knows the deadline of a request");
        return false;
    }
    if (s->n_listen == 0) {
        check_skip(r, CHECK_DEADLINES, "it takes no requests: there is no 'listen'");
        return false;
    }
    if (s->deadlines.default_us > 0 || s->deadlines.max_us > 0)
        return true;
    if (s->deadlines.none) { /* unless a caller's own deadline turns out to be passed by */
        check_skip(r, CHECK_DEADLINES, "a request has none here, on purpose: %s",
                   s->deadlines.none);
        return true;
    }
    check_fail(r, CHECK_DEADLINES,
               "'deadlines: {default: 5s, max: 30s}' in its configuration, or, when a request may "
               "take for ever on purpose, 'deadlines: {none: \"why\"}'; docs/deadlines.md",
               "there is no policy: a request that says nothing may take for ever");
    return false;
}

static int64_t
calls_of(const json_t *deadlines)
{
    int64_t n = 0;
    size_t i;
    json_t *edge;

    json_array_foreach(json_object_get(deadlines, "edges"), i, edge) n += number_of(edge, "calls");
    return n;
}

/* A caller that waits less than it may take here, or asks for more: a matter of two configurations. */
static const char *
fault_of(const json_t *deadlines)
{
    size_t i;
    json_t *edge;

    json_array_foreach(json_object_get(deadlines, "edges"), i,
                       edge) if (word_of(edge, "fault")[0]) return word_of(edge, "fault");
    return "";
}

void
judge_deadlines(struct rehearsal *r)
{
    const json_t *deadlines = json_object_get(r->view.service, "deadlines");
    const json_t *first = json_array_get(json_object_get(deadlines, "overruns"), 0);
    int64_t total = number_of(deadlines, "overruns_total"), calls = calls_of(deadlines);
    auto_text struct text who = TEXT_INIT;

    if (!judge_policy(r->cage->spec, r->report))
        return;
    if (first) {
        add_who(first, &who);
        check_fail(
            r->report, CHECK_DEADLINES, DEADLINE_FIX,
            "%" PRId64 " time%s work went on past its deadline: `%s`%s, %" PRId64 " ms past it%s%s",
            total > 0 ? total : 1, total > 1 ? "s" : "", word_of(first, "task"), text_str(&who),
            number_of(first, "most_ms") ? number_of(first, "most_ms") : number_of(first, "over_ms"),
            word_of(first, "trace_id")[0] ? ", trace " : "", word_of(first, "trace_id"));
        return;
    }
    if (calls == 0)
        check_skip(r->report, CHECK_DEADLINES,
                   "there is a policy, and no request was opened with stint_deadline_open(): "
                   "whether it is obeyed is not known");
    else
        check_pass(r->report, CHECK_DEADLINES,
                   "%" PRId64 " requests, nobody worked on past a deadline%s%s", calls,
                   fault_of(deadlines)[0] ? "; but " : "", fault_of(deadlines));
}
