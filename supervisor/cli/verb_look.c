/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

#define LOOK_TIMEOUT_US (10 * US_PER_S)

/* Ask, then either print the JSON as it is or render it. */
static int
look(struct cli *cli, const char *path, void (*render)(struct cli *, const json_t *))
{
    struct ask ask = {.method = "GET", .path = path, .timeout_us = LOOK_TIMEOUT_US};
    json_t *json;
    int r = cli_ask_json(cli, &ask, &json);

    if (json)
        render(cli, json);
    json_decref(json);
    return r;
}

int
verb_status(struct cli *cli)
{
    auto_text struct text path = TEXT_INIT;

    text_add(&path, "/v1/status");
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    return look(cli, text_str(&path), render_status);
}

static void
render_version(struct cli *cli, const json_t *version)
{
    auto_text struct text program = TEXT_INIT;

    render_program(version, &program);
    paintf(cli, PAINT_PLAIN, "supervisor %s\n", text_str(&program));
    render_program_notes(cli, version);
}

/* Works without a supervisor too: then it says only its own version, and that is no failure. */
int
verb_version(struct cli *cli)
{
    struct ask ask = {.method = "GET", .path = "/v1/version", .timeout_us = LOOK_TIMEOUT_US};
    bool json = cli->values[OPTION_JSON] != NULL;
    FILE *err = cli->err;
    char *said = NULL;
    size_t bytes = 0;
    json_t *answer = NULL;
    json_t *whole;

    if (!json)
        (void)fprintf(cli->out, "stint %s\n", STINT_VERSION);
    cli->err = open_memstream(&said, &bytes); /* why there is no supervisor is not asked here */
    if (!cli->err) {
        cli->err = err;
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    }
    (void)cli_ask(cli, &ask, &answer);
    (void)fclose(cli->err);
    cli->err = err;
    free(said);
    if (json) {
        whole = json_pack("{s:s, s:s, s:O?}", "schema", "stint.version/1", "client", STINT_VERSION,
                          "supervisor", answer);
        (void)json_dumpf(whole, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
        (void)fputc('\n', cli->out);
        json_decref(whole);
    } else if (answer) {
        render_version(cli, answer);
    } else {
        (void)fprintf(cli->out, "no supervisor answers\n");
    }
    json_decref(answer);
    return CLI_OK;
}

static bool
on_line(struct cli *cli, const char *line, size_t bytes)
{
    json_t *json = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);

    if (cli_trace_met(json))
        (void)0;
    else if (cli->values[OPTION_JSON])
        (void)fprintf(cli->out, "%s\n", line);
    else if (strcmp(cli->verb->name, "logs") == 0)
        render_output(cli, json);
    else
        render_event(cli, json);
    if (json_number(json, "seq") > 0)
        cli->seen = (uint64_t)json_number(json, "seq");
    json_decref(json);
    return fflush(cli->out) == 0; /* whoever follows sees it now; nobody there: no more of it */
}

/* What is read, and where its path is put together. */
struct reading {
    const char *route, *lines_default;
    struct text path;
};

/* What the command line says; after a break what comes after the last line instead. */
static void
stream_path(struct cli *cli, struct ask *ask, int64_t left_us)
{
    struct reading *rd = ask->env;
    const char *since = cli->values[OPTION_SINCE];
    const char *lines = cli->values[OPTION_LINES];
    char seen[24];

    (void)left_us;
    if (!since && !lines)
        lines = rd->lines_default;
    if (cli->seen > 0 || cli->values[OPTION_TRACE]) {
        (void)snprintf(seen, sizeof(seen), "%" PRIu64, cli->seen);
        since = seen;
        lines = NULL;
    }
    text_clear(&rd->path);
    text_add(&rd->path, rd->route);
    if (cli->n_args > 0)
        cli_query(&rd->path, "service", cli->args[0]);
    if (since)
        cli_query(&rd->path, "since", since);
    if (lines)
        cli_query(&rd->path, "lines", lines);
    if (cli->values[OPTION_TRACE])
        cli_query(&rd->path, "trace", cli->values[OPTION_TRACE]);
    if (cli->values[OPTION_FOLLOW])
        cli_query(&rd->path, "follow", "1");
    ask->path = text_str(&rd->path);
}

int
cli_stream(struct cli *cli, const char *route, const char *lines_default)
{
    bool follow = cli->values[OPTION_FOLLOW] != NULL;
    struct reading rd = {.route = route, .lines_default = lines_default, .path = TEXT_INIT};
    struct ask ask = {.method = "GET",
                      .patience = follow ? ASK_FOLLOW : ASK_LOOK,
                      .timeout_us = follow ? 0 : LOOK_TIMEOUT_US,
                      .line = on_line,
                      .renew = stream_path,
                      .env = &rd};
    uint64_t n;
    json_t *none = NULL;
    int r;

    if (!cli_number(cli, OPTION_SINCE, &n) || !cli_number(cli, OPTION_LINES, &n))
        return CLI_USAGE;
    stream_path(cli, &ask, 0);
    r = cli_ask(cli, &ask, &none);
    json_decref(none);
    text_finish(&rd.path);
    return r;
}

int
verb_events(struct cli *cli)
{
    if (!cli->values[OPTION_SPANS])
        return cli_stream(cli, "/v1/events", NULL);
    if (cli->values[OPTION_LINES])
        return cli_fail(cli, CLI_USAGE, "--spans shows all that are kept: no -n");
    return cli_stream(cli, "/v1/spans", NULL);
}

int
verb_logs(struct cli *cli)
{
    if (cli->values[OPTION_LINT])
        return cli_lint(cli);
    return cli->values[OPTION_TRACE] ? cli_logs_of_trace(cli) : cli_stream(cli, "/v1/logs", "100");
}
