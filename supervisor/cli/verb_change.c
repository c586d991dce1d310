/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

#define TIMEOUT_DEFAULT_US (600 * US_PER_S)
#define TIMEOUT_SLACK_US   (5 * US_PER_S) /* the master answers "timed out" itself, with the state */

/* A change, from the command line to the last line of its answer. */
static int
change(struct cli *cli, const char *route, json_t *body, int64_t timeout_us)
{
    struct ask ask = {
        .method = "POST", .path = route, .body = body, .timeout_us = timeout_us + TIMEOUT_SLACK_US};
    json_t *answer = NULL;
    int r;

    if (!body)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    r = cli_ask_json(cli, &ask, &answer);
    if (answer)
        render_answer(cli, answer);
    json_decref(answer);
    return r;
}

static bool
wait_is_known(struct cli *cli)
{
    static const char *const names[] = {"serving", "gone", "none", NULL};
    const char *s = cli->values[OPTION_WAIT];

    for (const char *const *n = names; s && *n; n++)
        if (strcmp(s, *n) == 0)
            return true;
    if (s)
        (void)cli_fail(cli, CLI_USAGE, "--wait wants serving, gone or none, not '%s'", s);
    return !s;
}

/* The request of reload, start and stop. NULL: said what is wrong. */
static json_t *
body_of(struct cli *cli, int64_t timeout_us)
{
    json_t *body = json_object();
    json_t *names = json_array();

    for (int i = 0; i < cli->n_args; i++)
        (void)json_array_append_new(names, json_string(cli->args[i])); /* counted below */
    if (!body || (int)json_array_size(names) != cli->n_args) {
        (void)cli_fail(cli, CLI_USAGE, "a service name is not UTF-8, or no memory is left");
        json_decref(names);
        json_decref(body);
        return NULL;
    }
    if (cli->n_args > 0)
        (void)json_object_set(body, "services", names);
    else
        (void)json_object_set_new(body, "all", json_true());
    json_decref(names);
    if (cli->values[OPTION_FORCE])
        (void)json_object_set_new(body, "force", json_true());
    if (cli->values[OPTION_WAIT])
        (void)json_object_set_new(body, "wait", json_string(cli->values[OPTION_WAIT]));
    (void)json_object_set_new(body, "timeout_ms", json_integer(timeout_us / US_PER_MS));
    return body;
}

static int
order(struct cli *cli, const char *route, bool all_by_default)
{
    int64_t timeout_us = TIMEOUT_DEFAULT_US;
    bool all = cli->values[OPTION_ALL] != NULL;
    json_t *body;
    int r;

    if (all && cli->n_args > 0)
        return cli_fail(cli, CLI_USAGE, "--all and service names exclude each other");
    if (!all && cli->n_args == 0 && !all_by_default)
        return cli_fail(cli, CLI_USAGE, "which service? Or --all");
    if (!cli_duration(cli, OPTION_TIMEOUT, &timeout_us) || !wait_is_known(cli))
        return CLI_USAGE;
    body = body_of(cli, timeout_us);
    if (!body)
        return CLI_USAGE;
    r = change(cli, route, body, timeout_us);
    json_decref(body);
    return r;
}

int
verb_reload(struct cli *cli)
{
    return order(cli, "/v1/reload", true);
}

int
verb_start(struct cli *cli)
{
    return order(cli, "/v1/start", false);
}

int
verb_stop(struct cli *cli)
{
    return order(cli, "/v1/stop", false);
}

static bool
target_is_known(struct cli *cli, const char *what)
{
    bool number = strncmp(what, "generation=", 11) == 0;
    const char *digits = number ? what + 11 : "";

    if (strcmp(what, "ready") == 0 || strcmp(what, "gone") == 0 ||
        (digits[0] && digits[strspn(digits, "0123456789")] == '\0'))
        return true;
    (void)cli_fail(cli, CLI_USAGE, "--for wants ready, gone or generation=N, not '%s'", what);
    return false;
}

int
verb_wait(struct cli *cli)
{
    const char *what = cli->values[OPTION_FOR] ? cli->values[OPTION_FOR] : "ready";
    int64_t timeout_us = TIMEOUT_DEFAULT_US;
    auto_text struct text path = TEXT_INIT;
    auto_text struct text target = TEXT_INIT;
    char number[24];
    struct ask ask = {.method = "GET"};
    json_t *answer = NULL;
    int r;

    if (!cli_duration(cli, OPTION_TIMEOUT, &timeout_us) || !target_is_known(cli, what))
        return CLI_USAGE;
    text_add(&target, what);
    if (strncmp(what, "generation=", 11) == 0)
        target.data[10] = ':';
    text_add(&path, "/v1/wait");
    cli_query(&path, "service", cli->args[0]);
    cli_query(&path, "for", text_str(&target));
    (void)snprintf(number, sizeof(number), "%" PRId64, timeout_us / US_PER_MS);
    cli_query(&path, "timeout_ms", number);
    ask.path = text_str(&path);
    ask.timeout_us = timeout_us + TIMEOUT_SLACK_US;
    r = cli_ask_json(cli, &ask, &answer);
    if (answer)
        render_answer(cli, answer);
    json_decref(answer);
    return r;
}
