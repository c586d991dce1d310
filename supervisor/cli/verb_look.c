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

int
verb_threads(struct cli *cli)
{
    auto_text struct text path = TEXT_INIT;
    uint64_t generation = 0;
    char number[24];

    if (!cli_number(cli, OPTION_GENERATION, &generation))
        return CLI_USAGE;
    text_add(&path, "/v1/threads");
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    (void)snprintf(number, sizeof(number), "%" PRIu64, generation);
    if (generation > 0)
        cli_query(&path, "generation", number);
    return look(cli, text_str(&path), render_threads);
}

static void
render_version(struct cli *cli, const json_t *version)
{
    char up[32];

    paintf(cli, PAINT_PLAIN, "supervisor %s, pid %" PRId64 ", up %s\n",
           json_text(version, "version"), json_number(version, "pid"),
           json_duration(version, "uptime_ms", up, sizeof(up)));
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
    json_t *json;

    if (cli->values[OPTION_JSON]) {
        (void)fprintf(cli->out, "%s\n", line);
    } else {
        json = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
        if (strcmp(cli->verb->name, "logs") == 0)
            render_output(cli, json);
        else
            render_event(cli, json);
        json_decref(json);
    }
    return fflush(cli->out) == 0; /* whoever follows sees it now; nobody there: no more of it */
}

static int
stream(struct cli *cli, const char *route, const char *lines_default)
{
    static const struct {
        enum cli_option option;
        const char *key;
    } numbers[] = {
        {OPTION_SINCE, "since"},
        {OPTION_LINES, "lines"}
    };
    bool follow = cli->values[OPTION_FOLLOW] != NULL;
    auto_text struct text path = TEXT_INIT;
    struct ask ask = {.method = "GET", .timeout_us = follow ? 0 : LOOK_TIMEOUT_US, .line = on_line};
    json_t *none = NULL;
    int r;

    text_add(&path, route);
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    for (size_t i = 0; i < 2; i++) {
        uint64_t n;

        if (!cli_number(cli, numbers[i].option, &n))
            return CLI_USAGE;
        if (cli->values[numbers[i].option])
            cli_query(&path, numbers[i].key, cli->values[numbers[i].option]);
    }
    if (!cli->values[OPTION_SINCE] && !cli->values[OPTION_LINES] && lines_default)
        cli_query(&path, "lines", lines_default);
    if (follow)
        cli_query(&path, "follow", "1");
    ask.path = text_str(&path);
    r = cli_ask(cli, &ask, &none);
    json_decref(none);
    return r;
}

int
verb_events(struct cli *cli)
{
    return stream(cli, "/v1/events", NULL);
}

int
verb_logs(struct cli *cli)
{
    return stream(cli, "/v1/logs", "100");
}
