/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads of workers, and what is remembered of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

static enum paint
colour_of(const json_t *judged)
{
    if (json_flag(judged, "leak"))
        return PAINT_BAD;
    return strcmp(json_text(judged, "verdict"), "clean") == 0 ? PAINT_PLAIN : PAINT_WARN;
}

/* ---- stint threads -------------------------------------------------------------------------- */

static void
print_thread(struct cli *cli, const json_t *t)
{
    const json_t *claim = json_object_get(t, "claim"), *creator = json_object_get(claim, "creator");
    const json_t *start = json_object_get(t, "start");
    const char *wait = json_text(json_object_get(t, "wait"), "text");
    char age[32];

    paintf(cli, colour_of(t), "    %-8" PRId64 " %-16s %-16s %s", json_number(t, "tid"),
           json_text(t, "name"), json_text(t, "verdict"),
           duration_human(json_number(t, "age_us"), age, sizeof(age)));
    if (wait[0])
        paintf(cli, PAINT_PLAIN, ", in %s", wait);
    if (json_text(creator, "file")[0])
        paintf(cli, PAINT_FAINT, ", started at %s:%" PRId64 " by `%s`", json_text(creator, "file"),
               json_number(creator, "line"), json_text(creator, "thread"));
    else if (json_text(start, "function")[0])
        paintf(cli, PAINT_FAINT, ", began in %s", json_text(start, "function"));
    (void)fputc('\n', cli->out);
}

/* The sentence begins with the verdict, for whoever has nothing else; here that stands before it. */
static const char *
behind_verdict(const json_t *g)
{
    const char *text = json_text(g, "text"), *verdict = json_text(g, "verdict");
    size_t n = strlen(verdict);

    return strncmp(text, verdict, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static void
print_group(struct cli *cli, const json_t *g)
{
    int64_t n = json_number(g, "count");

    paintf(cli, colour_of(g), "  %s%s", json_text(g, "verdict"),
           json_flag(g, "culprit") ? "!" : "");
    if (n > 1)
        paintf(cli, colour_of(g), " x%" PRId64, n);
    paintf(cli, PAINT_PLAIN, "  %s\n", behind_verdict(g));
}

static void
print_cycle(struct cli *cli, const json_t *c)
{
    const json_t *threads = json_object_get(c, "threads");
    size_t i;
    json_t *t;

    paint(cli, PAINT_BAD, "  they wait for each other: ");
    json_array_foreach(threads, i, t)
        paintf(cli, PAINT_PLAIN, "`%s` (%s) -> ", json_text(t, "name"), json_text(t, "wait"));
    paintf(cli, PAINT_PLAIN, "`%s`%s\n", json_text(json_array_get(threads, 0), "name"),
           json_flag(c, "concluded") ? " (concluded: nobody else is left)" : "");
}

static void
print_process(struct cli *cli, const json_t *p)
{
    paintf(cli, PAINT_PLAIN, "  process %" PRId64 "  %s\n", json_number(p, "pid"),
           json_text(p, "text"));
}

/* What a registry counted; as render_overrun() has it, but for the units. */
static void
print_past(struct cli *cli, const json_t *one)
{
    char most[32], ago[32];

    paint(cli, PAINT_WARN, "  past its deadline");
    paintf(cli, PAINT_PLAIN, "  thread %s", json_text(one, "thread"));
    if (json_text(one, "creator")[0])
        paintf(cli, PAINT_PLAIN, " (%s)", json_text(one, "creator"));
    paintf(cli, PAINT_PLAIN, ", %s: %" PRId64 " times, up to %s, the last %s ago",
           json_text(one, "task"), json_number(one, "count"),
           duration_human(json_number(one, "most_us"), most, sizeof(most)),
           duration_human(json_number(one, "ended_ago_us"), ago, sizeof(ago)));
    if (json_text(one, "trace_id")[0])
        paintf(cli, PAINT_FAINT, ", trace %s", json_text(one, "trace_id"));
    (void)fputc('\n', cli->out);
}

void
render_evidence(struct cli *cli, const json_t *e)
{
    static const char *const lines[] = {"why", "notice", "held"};
    size_t i;
    json_t *one;

    paintf(cli, PAINT_PLAIN, ", %" PRId64 " threads", json_number(e, "total"));
    if (json_number(e, "leaked") > 0)
        paintf(cli, PAINT_BAD, ", %" PRId64 " LEAKED", json_number(e, "leaked"));
    paintf(cli, PAINT_FAINT, ", evidence: %s", json_text(e, "grade"));
    if (json_text(e, "note")[0])
        paintf(cli, PAINT_WARN, " (%s)", json_text(e, "note"));
    (void)fputc('\n', cli->out);
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (json_text(e, lines[i])[0])
            paintf(cli, PAINT_WARN, "  %s\n", json_text(e, lines[i]));
    json_array_foreach(json_object_get(e, "groups"), i, one) print_group(cli, one);
    json_array_foreach(json_object_get(e, "cycles"), i, one) print_cycle(cli, one);
    json_array_foreach(json_object_get(e, "threads"), i, one) print_thread(cli, one);
    json_array_foreach(json_object_get(e, "overruns"), i, one) print_past(cli, one);
    json_array_foreach(json_object_get(e, "processes"), i, one) print_process(cli, one);
    if (json_number(e, "processes_total") > 0)
        paintf(cli, PAINT_WARN, "  %" PRId64 " processes in all\n",
               json_number(e, "processes_total"));
    if (json_text(e, "left_out")[0])
        paintf(cli, PAINT_WARN, "  too long to be shown: %s\n", json_text(e, "left_out"));
}

void
render_threads(struct cli *cli, const json_t *threads)
{
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(threads, "workers"), i, w)
    {
        paintf(cli, PAINT_BOLD, "%s/%" PRId64 ".%" PRId64 " pid %" PRId64 " %s",
               json_text(w, "service"), json_number(w, "generation"), json_number(w, "slot"),
               json_number(w, "pid"), json_text(w, "state"));
        if (json_object_get(w, "evidence"))
            render_evidence(cli, json_object_get(w, "evidence"));
        else
            paintf(cli, PAINT_WARN, ": %s\n", json_text(w, "note"));
    }
    if (json_array_size(json_object_get(threads, "workers")) == 0)
        (void)fputs("no workers\n", cli->out);
}

/* ---- stint leaks ---------------------------------------------------------------------------- */

static const char *
day_of(const json_t *o, const char *key, char buf[32])
{
    time_t seconds = (time_t)(json_number(o, key) / US_PER_S);
    struct tm tm;

    buf[0] = '\0';
    if (seconds > 0 && localtime_r(&seconds, &tm))
        (void)strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
    return buf;
}

/* The counts over generations: "7: 2, 8: 4, 9: 6". */
static void
print_counts(struct cli *cli, const json_t *group)
{
    const char *between = "    ";
    size_t i;
    json_t *s;

    json_array_foreach(json_object_get(group, "seen"), i, s)
    {
        paintf(cli, strcmp(json_text(s, "state"), "leaked") == 0 ? PAINT_BAD : PAINT_FAINT,
               "%sgen %" PRId64 " pid %" PRId64 ": %" PRId64 " %s", between,
               json_number(s, "generation"), json_number(s, "pid"),
               json_number(s, json_object_get(s, "leaked_most") ? "leaked_most" : "most"),
               json_text(s, "state"));
        between = ", ";
    }
    (void)fputc('\n', cli->out);
}

static bool
print_kind(struct cli *cli, const json_t *g)
{
    const char *state = json_text(g, "state");
    bool leaks = strcmp(state, "leaked") == 0;
    char first[32], last[32];

    if (strcmp(state, "seen") == 0 && !json_flag(g, "rising"))
        return false;
    paintf(cli, leaks ? PAINT_BAD : PAINT_WARN, "  %s", state);
    if (json_flag(g, "rising"))
        paintf(cli, PAINT_BAD, " RISING by %" PRId64 ".%" PRId64 " with each",
               json_number(g, "growth_milli") / 1000, json_number(g, "growth_milli") % 1000 / 100);
    paintf(cli, PAINT_PLAIN, "  first in generation %" PRId64 " (%s), last in %" PRId64 " (%s)\n",
           json_number(g, "first_generation"), day_of(g, "first_wall_us", first),
           json_number(g, "last_generation"), day_of(g, "last_wall_us", last));
    paintf(cli, PAINT_PLAIN, "    %s\n",
           json_text(g, "text")[0]   ? json_text(g, "text")
           : json_text(g, "name")[0] ? json_text(g, "name")
                                     : json_text(g, "key"));
    print_counts(cli, g);
    return true;
}

static void
print_retained(struct cli *cli, const json_t *r)
{
    const char *state = json_text(r, "state");
    bool there = strcmp(state, "leaked") == 0;
    char first[32];

    paintf(cli, there ? PAINT_BAD : PAINT_WARN, "  process-retained, %s",
           there                          ? "still there"
           : strcmp(state, "killed") == 0 ? "killed"
                                          : "left by itself");
    paintf(cli, PAINT_PLAIN, "  generation %" PRId64 " pid %" PRId64 "  %s",
           json_number(r, "generation"), json_number(r, "pid"), json_text(r, "text"));
    paintf(cli, PAINT_FAINT, "  %s\n", day_of(r, "first_wall_us", first));
}

/* What it says of one thing, and how that is known. */
static void
print_finding(struct cli *cli, const json_t *c, const char *field, const char *how,
              const char *const words[2])
{
    const char *known = json_text(json_object_get(c, "how"), how);
    bool good = json_flag(c, field);

    if (strcmp(known, "none") == 0 || (!known[0] && !good)) /* nobody knew */
        return;
    paintf(cli, good ? PAINT_FAINT : PAINT_WARN, ", %s", words[good]);
    if (known[0]) /* else it was written by a stint that did not say */
        paintf(cli, strcmp(known, "refused") == 0 ? PAINT_WARN : PAINT_FAINT, " (%s)", known);
}

static void
print_overrun(struct cli *cli, const json_t *one)
{
    auto_text struct text words = TEXT_INIT;

    render_overrun(one, &words);
    paintf(cli, json_flag(one, "live") ? PAINT_BAD : PAINT_WARN, "  past its deadline");
    paintf(cli, PAINT_PLAIN, "  %s\n", text_str(&words));
}

static void
print_certificate(struct cli *cli, const json_t *c)
{
    static const char *const pids[] = {"processes NOT gone", "processes gone"};
    static const char *const cgroup[] = {"cgroup NOT empty", "cgroup empty"};
    static const char *const fds[] = {"descriptors NOT returned", "descriptors returned"};
    static const char *const threads[] = {"threads NOT joined", "threads joined"};
    bool clean = json_flag(c, "pids_gone") && json_text(c, "text")[0] == '\0';
    char at[32];

    paintf(cli, clean ? PAINT_GOOD : PAINT_WARN, "  generation %" PRId64 " %s",
           json_number(c, "generation"), clean ? "clean" : json_text(c, "text"));
    paintf(cli, PAINT_FAINT, "  %s, %" PRId64 " processes, known by %s",
           day_of(c, "at_wall_us", at), json_number(c, "processes"), json_text(c, "grade"));
    print_finding(cli, c, "pids_gone", "pids", pids);
    print_finding(cli, c, "cgroup_empty", "cgroup", cgroup);
    print_finding(cli, c, "fds_returned", "fds", fds);
    if (json_number(c, "unread") > 0)
        paintf(cli, PAINT_WARN, ", and what %" PRId64 " of others hold may not be seen",
               json_number(c, "unread"));
    print_finding(cli, c, "threads_joined", "threads", threads);
    (void)fputc('\n', cli->out);
}

/* What was kept of a worker before it was killed. */
static void
print_bundle(struct cli *cli, const json_t *b)
{
    char age[32];

    paintf(cli, PAINT_PLAIN, "bundle %s", json_text(b, "path"));
    paintf(cli, PAINT_FAINT, "  %" PRId64 " KiB, %s ago\n", json_number(b, "bytes") / 1024,
           json_duration(b, "age_ms", age, sizeof(age)));
}

void
render_leaks(struct cli *cli, const json_t *leaks)
{
    bool certificates = cli->values[OPTION_CERTIFICATES] != NULL;
    size_t i, k, n = 0;
    json_t *s, *one;

    json_array_foreach(json_object_get(leaks, "services"), i, s)
    {
        size_t told = 0;

        paintf(cli, PAINT_BOLD, "%s", json_text(s, "service"));
        paintf(cli, PAINT_FAINT, "  %" PRId64 " looks, %zu certificates\n", json_number(s, "looks"),
               json_array_size(json_object_get(s, "certificates")));
        json_array_foreach(json_object_get(s, "groups"), k, one) told += print_kind(cli, one);
        if (told == 0)
            (void)fputs("  no thread ever leaked\n", cli->out);
        json_array_foreach(json_object_get(s, "retained"), k, one) print_retained(cli, one);
        json_array_foreach(json_object_get(s, "overruns"), k, one) print_overrun(cli, one);
        if (certificates)
            json_array_foreach(json_object_get(s, "certificates"), k, one)
                print_certificate(cli, one);
        n++;
    }
    json_array_foreach(json_object_get(leaks, "bundles"), i, one) print_bundle(cli, one);
    if (n == 0)
        (void)fputs("nobody was looked at, and no generation has ended\n", cli->out);
}
