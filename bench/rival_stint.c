// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/rival_stint.h"

#include <signal.h>
#include <stdio.h>

#include "bench/rival_c.h"
#include "bench/stint_control.h"

#define PREAMBLE              \
    "version: 1\n"            \
    "runtime_dir: %1$s/run\n" \
    "state_dir: %1$s/state\n" \
    "services:\n"             \
    "  web:\n"                \
    "    listen:\n"           \
    "      http: {address: 'tcp://127.0.0.1:%2$u', backlog: 1024, nonblocking: %3$s}\n"

int
stint_service(const struct bout *b, const struct stint_service *s, struct error *reterr)
{
    if (b->generation > 1) /* a roll; what the program reads was written by the caller */
        return 0;
    return bout_write(b, "stint.yaml", reterr,
                      PREAMBLE "    command: %4$s\n"
                               "    workers: %5$u\n"
                               "    ready: %6$s\n"
                               "    drain_signal: %7$s\n"
                               "    environment: {%8$s}\n"
                               "    max_draining: %9$u\n"
                               "    watch: {binary: false, settle: 0}\n",
                      b->dir, b->port, s->nonblocking ? "true" : "false", s->command, s->workers,
                      s->ready, s->drain_signal ? s->drain_signal : "TERM",
                      s->environment ? s->environment : "", s->max_draining ? s->max_draining : 2);
}

static int
write_config(const struct bout *b, const char *watch, struct error *reterr)
{
    int r;

    if (b->generation > 1) /* a roll without a change, as the limit does it */
        return 0;
    r = web_config(b, WEB_LAME_DUCK_MS, reterr);
    if (r < 0)
        return r;
    return bout_write(b, "stint.yaml", reterr,
                      PREAMBLE "    command: [%4$s, --config, web.conf]\n"
                               "    workers: 2\n"
                               "    libstint: true\n"
                               "    ready: notify\n"
                               "    watch: {%5$s, settle: 0}\n",
                      b->dir, b->port, "false", b->arena->web, watch);
}

static int
configure_web(const struct bout *b, struct error *reterr)
{
    return write_config(b, "binary: false", reterr);
}

static int
configure_watching(const struct bout *b, struct error *reterr)
{
    return write_config(b, "binary: true, paths: [web.conf]", reterr);
}

pid_t
stint_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX];
    const char *const argv[] = {b->arena->stint, "run", "-c", bout_path(b, "stint.yaml", conf),
                                NULL};

    return bout_child(b, argv, reterr);
}

int
stint_reload(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX];
    const char *const argv[] = {b->arena->stint, "reload", "web", "--force", "-c", conf, NULL};

    if (!b->arena->by_cli)
        return stint_control(b, "POST /v1/reload", "{\"services\": [\"web\"], \"force\": true}",
                             NULL, reterr);
    (void)bout_path(b, "stint.yaml", conf);
    return bout_command(b, argv, reterr);
}

const struct rival rival_stint = {
    .name = "stint",
    .serves = WEB_SERVES,
    .configure = configure_web,
    STINT_RIVAL,
};

const struct rival rival_stint_watching = {
    .name = "stint-watching",
    .serves = WEB_SERVES,
    .configure = configure_watching,
    STINT_RIVAL,
};
