/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

#define TIMEOUT_DEFAULT_US (600 * US_PER_S)
#define UPGRADE_TIMEOUT_US (60 * US_PER_S)
#define TIMEOUT_SLACK_US   (5 * US_PER_S) /* the master answers "timed out" itself, with the state */

/* The time that is left for the master's own answer. */
static int64_t
left_ms(int64_t left_us)
{
    return left_us > TIMEOUT_SLACK_US + US_PER_MS ? (left_us - TIMEOUT_SLACK_US) / US_PER_MS : 1;
}

static void
renew_change(struct cli *cli, struct ask *ask, int64_t left_us)
{
    (void)cli;
    (void)json_object_set_new(ask->body, "timeout_ms",
                              json_integer(left_ms(left_us))); /* or the longer one from before */
}

/* A change, from the command line to the last line of its answer. */
static int
change(struct cli *cli, const char *route, json_t *body, int64_t timeout_us,
       void (*render)(struct cli *, const json_t *))
{
    struct ask ask = {.method = "POST",
                      .path = route,
                      .body = body,
                      .timeout_us = timeout_us + TIMEOUT_SLACK_US,
                      .renew = renew_change};
    json_t *answer = NULL;
    char id[CLI_ID_TEXT];
    int r;

    if (!body)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    (void)json_object_set_new(body, "timeout_ms", json_integer(timeout_us / US_PER_MS));
    /* With it, whoever takes over knows that it was asked for already. */
    ask.patience =
        cli_id(id) && json_object_set_new(body, "id", json_string(id)) == 0 ? ASK_WAIT : ASK_ONCE;
    r = cli_ask_json(cli, &ask, &answer);
    if (answer)
        render(cli, answer);
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
body_of(struct cli *cli)
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
    body = body_of(cli);
    if (!body)
        return CLI_USAGE;
    r = change(cli, route, body, timeout_us, render_answer);
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

int
verb_reopen(struct cli *cli)
{
    return order(cli, "/v1/reopen", true);
}

/* As the shell would find it; the name stays, so that a symbolic link means what it means then. */
static json_t *
absolute(struct cli *cli, const char *path)
{
    auto_free char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    auto_text struct text whole = TEXT_INIT;
    json_t *json;

    if (path[0] != '/' && !here) {
        (void)cli_fail(cli, CLI_USAGE, "this directory has no name; give an absolute path");
        return NULL;
    }
    text_addf(&whole, "%s%s%s", here ? here : "", here ? "/" : "", path);
    json = whole.failed ? NULL : json_string(text_str(&whole));
    if (!json)
        (void)cli_fail(cli, CLI_USAGE, "the path is not UTF-8, or no memory is left");
    return json;
}

int
verb_upgrade(struct cli *cli)
{
    int64_t timeout_us = UPGRADE_TIMEOUT_US;
    json_t *body, *path = NULL;
    int r;

    if (!cli_duration(cli, OPTION_TIMEOUT, &timeout_us))
        return CLI_USAGE;
    if (cli->n_args > 0) {
        path = absolute(cli, cli->args[0]);
        if (!path)
            return CLI_USAGE;
    }
    body = json_pack("{s:o*}", "path", path);
    r = change(cli, "/v1/upgrade", body, timeout_us, render_upgrade);
    json_decref(body);
    return r;
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

/* What is waited for, and where it is put together. */
struct waiting {
    const char *target;
    struct text path;
};

static void
wait_path(struct cli *cli, struct ask *ask, int64_t left_us)
{
    struct waiting *w = ask->env;
    char number[24];

    text_clear(&w->path);
    text_add(&w->path, "/v1/wait");
    cli_query(&w->path, "service", cli->args[0]);
    cli_query(&w->path, "for", w->target);
    (void)snprintf(number, sizeof(number), "%" PRId64, left_ms(left_us));
    cli_query(&w->path, "timeout_ms", number);
    ask->path = text_str(&w->path);
}

int
verb_wait(struct cli *cli)
{
    const char *what = cli->values[OPTION_FOR] ? cli->values[OPTION_FOR] : "ready";
    int64_t timeout_us = TIMEOUT_DEFAULT_US;
    auto_text struct text target = TEXT_INIT;
    struct waiting w = {.path = TEXT_INIT};
    struct ask ask = {.method = "GET", .patience = ASK_WAIT, .renew = wait_path, .env = &w};
    json_t *answer = NULL;
    int r;

    if (!cli_duration(cli, OPTION_TIMEOUT, &timeout_us) || !target_is_known(cli, what))
        return CLI_USAGE;
    text_add(&target, what);
    if (strncmp(what, "generation=", 11) == 0)
        target.data[10] = ':';
    w.target = text_str(&target);
    ask.timeout_us = timeout_us + TIMEOUT_SLACK_US;
    wait_path(cli, &ask, ask.timeout_us);
    r = cli_ask_json(cli, &ask, &answer);
    if (answer)
        render_answer(cli, answer);
    json_decref(answer);
    text_finish(&w.path);
    return r;
}
