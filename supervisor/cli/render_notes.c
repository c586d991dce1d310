/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the table of `stint status` says of a worker or a service, as words. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/cli/cli_internal.h"

/* "1200 of 10000 requests, 120 of 512 MiB, 2 h of 12 h": how near it is to its limits. */
void
render_limits(const json_t *w, struct text *out)
{
    const json_t *r = json_object_get(w, "restart_after");
    char is[32], limit[32];
    const char *between = "";

    if (json_has(r, "requests_limit")) {
        text_add(out, json_has(r, "requests") ? "" : "an unknown number");
        if (json_has(r, "requests"))
            text_addf(out, "%" PRId64, json_number(r, "requests"));
        text_addf(out, " of %" PRId64 " requests", json_number(r, "requests_limit"));
        between = ", ";
    }
    if (json_has(r, "rss_limit_bytes")) {
        text_add(out, between);
        if (json_has(r, "rss_bytes"))
            text_addf(out, "%" PRId64, json_number(r, "rss_bytes") >> 20);
        text_addf(out, "%s of %" PRId64 " MiB", json_has(r, "rss_bytes") ? "" : "an unknown part",
                  json_number(r, "rss_limit_bytes") >> 20);
        between = ", ";
    }
    if (json_has(r, "age_limit_ms"))
        text_addf(out, "%s%s of %s", between, json_duration(r, "age_ms", is, sizeof(is)),
                  json_duration(r, "age_limit_ms", limit, sizeof(limit)));
    if (json_has(r, "relieved_by_pid"))
        text_addf(out, ": pid %" PRId64 " starts to relieve it", json_number(r, "relieved_by_pid"));
}

/* "12 threads, 9 of them registered, 1 should be gone": the first is now, the rest as of the last look. */
void
render_thread_count(const json_t *t, struct text *out)
{
    const char *between = out->bytes > 0 ? ", " : "";
    int64_t now = json_number(t, "now"), leaked = json_number(t, "leaked");

    if (now > 0)
        text_addf(out, "%s%" PRId64 " thread%s", between, now, now == 1 ? "" : "s");
    else if (leaked > 0)
        text_addf(out, "%sof its threads", between);
    if (json_has(t, "known") && json_number(t, "known") < now)
        text_addf(out, ", %" PRId64 " registered", json_number(t, "known"));
    if (leaked > 0)
        text_addf(out, "%s %" PRId64 " should be gone", now > 0 ? "," : "", leaked);
}

/* The names alone, each once. */
static void
add_outdated(const json_t *worker, struct text *out)
{
    size_t i;
    json_t *file;

    json_array_foreach(json_object_get(json_object_get(worker, "libraries"), "files"), i, file)
    {
        const char *path = json_string_value(file), *slash = path ? strrchr(path, '/') : NULL;
        const char *name = slash ? slash + 1 : path;

        if (name && !strstr(text_str(out), name))
            text_addf(out, "%s%s", out->bytes > 0 ? ", " : "", name);
    }
}

void
render_outdated(const json_t *s, struct text *out)
{
    size_t g, w;
    json_t *generation, *worker;

    json_array_foreach(json_object_get(s, "generations"), g, generation)
        json_array_foreach(json_object_get(generation, "workers"), w, worker)
            add_outdated(worker, out);
}

/* "thread sleeper (pool.c:41 in start by main), GetUser: 912 ms over it now, trace 0af7…" */
void
render_overrun(const json_t *one, struct text *out)
{
    char over[32], ago[32], most[32];

    text_addf(out, "thread %s", json_text(one, "thread"));
    if (json_text(one, "creator")[0])
        text_addf(out, " (%s)", json_text(one, "creator"));
    text_addf(out, ", %s: ", json_text(one, "task"));
    if (json_flag(one, "live"))
        text_addf(out, "%s over it now, pid %" PRId64,
                  json_duration(one, "over_ms", over, sizeof(over)), json_number(one, "pid"));
    else
        text_addf(out, "%" PRId64 " times, up to %s, the last %s ago", json_number(one, "count"),
                  json_duration(one, "most_ms", most, sizeof(most)),
                  json_duration(one, "last_ago_ms", ago, sizeof(ago)));
    if (json_text(one, "trace_id")[0])
        text_addf(out, ", trace %s", json_text(one, "trace_id"));
}

/* The first finding of that kind: " (thread flusher, start at cache.c:88)"; nothing where nobody is named. */
static void
add_culprit(const json_t *findings, const char *fault, struct text *out)
{
    size_t i;
    json_t *one;

    json_array_foreach(findings, i, one)
    {
        if (!json_text(one, "thread")[0] ||
            (json_has(one, "fault") && strcmp(json_text(one, "fault"), fault) != 0))
            continue;
        text_addf(out, " (thread %s%s%s)", json_text(one, "thread"),
                  json_text(one, "creator")[0] ? ", " : "", json_text(one, "creator"));
        return;
    }
}

/* "of 1200 lines 3 lost their trace (thread …), 1 has ids of zeroes". Nothing where nothing is wrong. */
void
render_trace(const json_t *trace, struct text *out)
{
    static const struct {
        const char *key, *words;
    } faults[] = {
        {"lost",               "lost the trace of their thread"},
        {"span_without_trace", "with a span and no trace"      },
        {"zero",               "with ids of zeroes"            },
        {"malformed",          "with malformed ids"            },
        {"changed",            "in another trace than before"  },
    };

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        const char *key = faults[i].key;

        if (json_number(trace, key) == 0)
            continue;
        if (out->bytes == 0)
            text_addf(out, "of %" PRId64 " lines ", json_number(trace, "lines"));
        else
            text_add(out, ", ");
        text_addf(out, "%" PRId64 " %s", json_number(trace, key), faults[i].words);
        add_culprit(json_object_get(trace, i == 0 ? "lost_in_thread" : "findings"), key, out);
    }
}
