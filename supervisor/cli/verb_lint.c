/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

/* What is wrong with the trace context of the lines of services, by the threads that printed them. */
#define LOOK_TIMEOUT_US (10 * US_PER_S)

static void
print_counts(struct cli *cli, const char *service, const json_t *trace)
{
    auto_text struct text faults = TEXT_INIT;

    render_trace(trace, &faults);
    paintf(cli, PAINT_BOLD, "%s", service);
    (void)fprintf(cli->out,
                  ": %" PRId64 " lines: %" PRId64 " with a trace, %" PRId64
                  " that say why not, %" PRId64 " without\n",
                  json_number(trace, "lines"), json_number(trace, "stamped"),
                  json_number(trace, "explained"), json_number(trace, "without_trace"));
    if (faults.bytes > 0)
        paintf(cli, PAINT_WARN, "  %s\n", text_str(&faults));
    else
        (void)fprintf(cli->out, "  no line has a fault\n");
}

/* "  3 × lost  thread flusher, start at cache.c:88  gen 4", and its first line below it. */
static void
print_finding(struct cli *cli, const json_t *f, const char *fault)
{
    const char *thread = json_text(f, "thread"), *creator = json_text(f, "creator");

    (void)fprintf(cli->out, "  %6" PRId64 " x %-18s  %s%s%s%s  gen %" PRId64 "\n",
                  json_number(f, "count"), fault, thread[0] ? "thread " : "",
                  thread[0] ? thread : "the line does not say whose it is", creator[0] ? ", " : "",
                  creator, json_number(f, "generation"));
    paintf(cli, PAINT_FAINT, "           %s\n", json_text(f, "line"));
}

static void
print_service(struct cli *cli, const json_t *s)
{
    const json_t *trace = json_object_get(s, "trace");
    json_t *f;
    size_t i;

    if (!trace) {
        (void)fprintf(cli->out, "%s: its lines are not looked at (trace: {lint: false})\n",
                      json_text(s, "name"));
        return;
    }
    print_counts(cli, json_text(s, "name"), trace);
    json_array_foreach(json_object_get(trace, "lost_in_thread"), i, f)
        print_finding(cli, f, "lost");
    json_array_foreach(json_object_get(trace, "findings"), i, f)
        print_finding(cli, f, json_text(f, "fault"));
    if (json_number(trace, "untold") > 0)
        (void)fprintf(cli->out, "  %6" PRId64 " x of threads beyond the first ones\n",
                      json_number(trace, "untold"));
}

/* As programs get it: {"services": [{"name": …, "trace": …}]}. */
static void
print_json(struct cli *cli, const json_t *services)
{
    json_t *whole = json_array(), *s;
    size_t i;

    json_array_foreach(services, i, s)(void)
        json_array_append_new(whole, json_pack("{s:s, s:O?}", "name", json_text(s, "name"), "trace",
                                               json_object_get(s, "trace")));
    whole = json_pack("{s:s, s:o}", "schema", "stint.lint/1", "services", whole);
    (void)json_dumpf(whole, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
    (void)fputc('\n', cli->out);
    json_decref(whole);
}

int
cli_lint(struct cli *cli)
{
    struct ask ask = {.method = "GET", .timeout_us = LOOK_TIMEOUT_US};
    auto_text struct text path = TEXT_INIT;
    json_t *status = NULL, *s;
    size_t i;
    int r;

    if (cli->values[OPTION_TRACE] || cli->values[OPTION_FOLLOW] || cli->values[OPTION_SINCE] ||
        cli->values[OPTION_LINES])
        return cli_fail(cli, CLI_USAGE, "--lint shows what was counted, and no lines: alone");
    text_add(&path, "/v1/status");
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    ask.path = text_str(&path);
    r = cli_ask(cli, &ask, &status);
    if (r == CLI_OK && cli->values[OPTION_JSON])
        print_json(cli, json_object_get(status, "services"));
    else if (r == CLI_OK)
        json_array_foreach(json_object_get(status, "services"), i, s) print_service(cli, s);
    json_decref(status);
    return r;
}
