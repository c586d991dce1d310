// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/load_report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

static void
add_histogram(struct text *out, const char *name, const struct histogram *h)
{
    text_addf(out,
              "  \"%s\": {\"answers\": %" PRIu64 ", \"p50_us\": %" PRId64 ", \"p99_us\": %" PRId64
              ", \"p999_us\": %" PRId64 ", \"max_us\": %" PRId64 "},\n",
              name, h->n, histogram_at(h, 0.5), histogram_at(h, 0.99), histogram_at(h, 0.999),
              h->max_us);
}

static void
add_marks(struct text *out, const struct load_stats *s)
{
    text_add(out, "  \"marks\": [");
    for (size_t i = 0; i < s->n_marks; i++) {
        const struct load_mark *m = &s->marks[i];

        text_addf(out,
                  "%s\n    {\"at_us\": %" PRId64 ", \"requests\": %" PRIu64 ", \"failed\": %" PRIu64
                  ", \"longest_gap_us\": %" PRId64 "}",
                  i ? "," : "", m->at_us, m->requests, m->failed, m->longest_gap_us);
    }
    text_add(out, "],\n");
}

static void
add_generations(struct text *out, const struct load_stats *s)
{
    text_add(out, "  \"generations\": [");
    for (size_t i = 0; i < s->n_generations; i++) {
        const struct load_generation *g = &s->generations[i];

        text_add(out, i ? ",\n    {\"name\": " : "\n    {\"name\": ");
        text_add_json(out, g->name, strlen(g->name));
        text_addf(
            out, ", \"first_us\": %" PRId64 ", \"last_us\": %" PRId64 ", \"answers\": %" PRIu64 "}",
            g->first_us, g->last_us, g->answers);
    }
    text_add(out, "],\n");
}

static void
add_failures(struct text *out, const struct load_stats *s)
{
    text_add(out, "  \"failed_by_kind\": {");
    for (enum load_failure k = 0; k < LOAD_FAILURE_COUNT; k++)
        text_addf(out, "%s\"%s\": %" PRIu64, k ? ", " : "", load_failure_name(k), s->failed[k]);
    text_add(out, "},\n  \"first_failures\": [");
    for (size_t i = 0; i < s->n_kept; i++)
        text_addf(out,
                  "%s\n    {\"at_us\": %" PRId64 ", \"scheduled_us\": %" PRId64
                  ", \"kind\": \"%s\"}",
                  i ? "," : "", s->kept[i].at_us, s->kept[i].scheduled_us,
                  load_failure_name(s->kept[i].kind));
    text_add(out, "],\n");
}

void
load_report_json(const struct load_stats *s, struct text *out)
{
    text_addf(out,
              "{\n  \"requests\": %" PRIu64 ",\n  \"answers\": %" PRIu64 ",\n  \"failed\": %" PRIu64
              ",\n",
              s->requests, s->answers, load_stats_failed(s));
    add_failures(out, s);
    add_histogram(out, "latency", &s->all);
    add_histogram(out, "latency_steady", &s->steady);
    add_histogram(out, "latency_reload", &s->reload);
    add_marks(out, s);
    add_generations(out, s);
    text_addf(out,
              "  \"connects\": %" PRIu64 ",\n  \"idle_closed\": %" PRIu64
              ",\n  \"begun_us\": %" PRId64 ",\n  \"ended_us\": %" PRId64
              ",\n  \"longest_gap_us\": %" PRId64 ",\n  \"longest_gap_at_us\": %" PRId64 "\n}\n",
              s->connects, s->idle_closed, s->begun_us, s->ended_us, s->longest_gap_us,
              s->longest_gap_at_us);
}

static void
add_latency_line(struct text *out, const char *what, const struct histogram *h)
{
    if (h->n > 0)
        text_addf(out, "%-16s p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n", what,
                  (double)histogram_at(h, 0.5) / 1000, (double)histogram_at(h, 0.99) / 1000,
                  (double)histogram_at(h, 0.999) / 1000, (double)h->max_us / 1000);
}

void
load_report_text(const struct load_stats *s, struct text *out)
{
    uint64_t failed = load_stats_failed(s);
    const char *comma = "";

    text_addf(out, "%-16s %.1f s, %" PRIu64 " connections\n", "load",
              (double)(s->ended_us - s->begun_us) / 1e6, s->connects);
    add_latency_line(out, "latency", &s->all);
    if (s->n_marks > 0) {
        add_latency_line(out, "  steady", &s->steady);
        add_latency_line(out, "  in reloads", &s->reload);
    }
    text_addf(out, "%-16s %.1f ms\n", "longest gap", (double)s->longest_gap_us / 1000);
    if (s->n_generations > 0)
        text_addf(out, "%-16s %zu answered, the last is %s\n", "generations", s->n_generations,
                  s->generations[s->n_generations - 1].name);
    text_addf(out, "requests %" PRIu64 ", failed %" PRIu64, s->requests, failed);
    if (failed > 0) {
        text_add(out, " (");
        for (enum load_failure k = 0; k < LOAD_FAILURE_COUNT; k++) {
            if (s->failed[k] == 0)
                continue;
            text_addf(out, "%s%s %" PRIu64, comma, load_failure_name(k), s->failed[k]);
            comma = ", ";
        }
        text_add(out, ")");
    }
    text_add(out, "\n");
}

void
load_report_live(const struct load_stats *s, struct text *out)
{
    text_addf(out, "requests %" PRIu64 " failed %" PRIu64 "\n", s->requests, load_stats_failed(s));
}

int
load_report_swap(const char *path, const struct text *out, struct error *reterr)
{
    char next[PATH_MAX];
    auto_fd int fd = -1;

    if (out->failed)
        return error_set(reterr, -ENOMEM, "write '%s'", path);
    if (snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
        return error_set(reterr, -ENAMETOOLONG, "write '%s'", path);
    fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd == -1)
        return error_set(reterr, -errno, "open '%s'", next);
    if (write(fd, text_str(out), out->bytes) != (ssize_t)out->bytes)
        return error_set(reterr, errno ? -errno : -EIO, "write '%s'", next);
    if (rename(next, path) == -1)
        return error_set(reterr, -errno, "rename '%s' over '%s'", next, path);
    return 0;
}
