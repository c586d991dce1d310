/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/cli/cli_internal.h"
#include "supervisor/cli/http.h"
#include "supervisor/cli/render_preflight.h"
#include "supervisor/preflight/preflight.h"

static volatile sig_atomic_t interrupted; /* written by the handler below */

static void
on_signal(int sig)
{
    interrupted = sig;
}

static void
catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: what waits looks at it */

    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGHUP, &sa, NULL);
}

static int
ask(void *env, const struct preflight_ask *a, json_t **ret, struct error *reterr)
{
    struct http_request rq = {.socket = a->socket,
                              .method = a->method,
                              .path = a->path,
                              .body = a->body,
                              .deadline_us = a->deadline_us};
    struct http_reply reply = {0};
    json_t *json;
    int r = http_exchange(&rq, &reply, reterr);

    (void)env;
    if (r < 0)
        return r;
    json = json_loadb(reply.body ? reply.body : "", reply.bytes, 0, NULL);
    free(reply.body);
    if (!json_is_object(json) || json_has(json, "error")) {
        const char *message = json_text(json_object_get(json, "error"), "message");

        r = error_say(reterr, -EPROTO, "%s", message[0] ? message : "the answer is not JSON");
        json_decref(json);
        return r;
    }
    *ret = json;
    return 0;
}

/* For a person who waits. On a terminal the lines give way to the answer in the end. */
static void
progress(void *env, const char *what)
{
    struct cli *cli = env;

    (void)fprintf(cli->err, "preflight: %s\n", what);
    (void)fflush(cli->err);
}

/* Absolute, since the program is started elsewhere. NULL after saying what is wrong. */
static char *
binary_of(struct cli *cli)
{
    const char *given = cli->values[OPTION_BINARY];
    char *path = given ? realpath(given, NULL) : NULL;

    if (given && !path)
        (void)cli_fail(cli, CLI_USAGE, "--binary: '%s': %s", given, strerror(errno));
    return path;
}

static const struct service_spec *
find(const struct spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (strcmp(spec->services[i]->name, name) == 0)
            return spec->services[i];
    return NULL;
}

static int
judge(struct cli *cli, const struct spec *spec, const struct service_spec *service)
{
    auto_free char *binary = binary_of(cli);
    struct preflight_options options = {.spec = service,
                                        .state_dir = spec->state_dir,
                                        .binary = binary,
                                        .keep = cli->values[OPTION_KEEP] != NULL,
                                        .beside_live = cli->values[OPTION_BESIDE_LIVE] != NULL};
    struct preflight_hooks hooks = {.ask = ask,
                                    .candidate_hold = cli->hooks->candidate_hold,
                                    .candidate_again = cli->hooks->candidate_again,
                                    .candidate_release = cli->hooks->candidate_release,
                                    .progress = progress,
                                    .interrupted = &interrupted,
                                    .env = cli};
    struct preflight_report report;
    struct error e = {0};
    int r;

    if (cli->values[OPTION_BINARY] && !binary)
        return CLI_USAGE;
    catch_signals();
    r = preflight_run(&options, &hooks, &report, &e);
    if (r < 0)
        r = cli_fail(cli, CLI_CANNOT_RUN, "%s", e.text);
    else if (cli->values[OPTION_JSON])
        render_preflight_json(cli, service->name, &report);
    else if (cli->values[OPTION_JUNIT])
        render_preflight_junit(cli, service->name, &report);
    else
        render_preflight(cli, service->name, &report);
    if (r == 0 && report.interrupted)
        r = CLI_INTERRUPTED;
    else if (r == 0 && !preflight_passed(&report))
        r = CLI_NO;
    else if (r == 0 && report.recorded < 0) /* it passed, and the door will not know */
        r = cli_fail(cli, CLI_NOT_PERMITTED, "not noted for the door: %s",
                     text_str(&report.recorded_text));
    preflight_report_finish(&report);
    return r;
}

int
verb_preflight(struct cli *cli)
{
    auto_text struct text t = TEXT_INIT;
    const struct service_spec *service;
    struct diagnostics found = {0};
    struct spec *spec = NULL;
    int r;

    if (cli->values[OPTION_JSON] && cli->values[OPTION_JUNIT])
        return cli_fail(cli, CLI_USAGE, "--json and --junit: one of them");
    if (!cli->hooks->candidate_hold)
        return cli_fail(cli, CLI_INTERNAL, "this program cannot look at a candidate");
    r = config_load(config_of(cli), CONFIG_CHECK_SYSTEM, &spec, NULL, &found);
    if (r < 0) {
        diagnostics_render(&found, &t);
        (void)fputs(text_str(&t), cli->err);
        hint_config(cli);
        r = CLI_CONFIG;
    } else if ((service = find(spec, cli->args[0])) == NULL) {
        r = cli_fail(cli, CLI_NOT_FOUND, "no service '%s' in %s", cli->args[0], spec->path);
    } else {
        r = judge(cli, spec, service);
    }
    diagnostics_finish(&found);
    spec_destroy(spec);
    return r;
}
