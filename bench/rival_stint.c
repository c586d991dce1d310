// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>

#include "bench/rival.h"
#include "bench/stint_control.h"

/* No check, nothing watched, settle 0: what is measured is the handoff itself. */
static int
write_config(const struct bout *b, const char *watch, struct error *reterr)
{
    int r;

    if (b->generation > 1) /* a roll without a change, as the limit does it */
        return 0;
    r = bout_web_config(b, reterr);
    if (r < 0)
        return r;
    return bout_write(b, "stint.yaml", reterr,
                      "version: 1\n"
                      "runtime_dir: %1$s/run\n"
                      "state_dir: %1$s/state\n"
                      "services:\n"
                      "  web:\n"
                      "    command: [%2$s, --config, web.conf]\n"
                      "    workers: 2\n"
                      "    listen:\n"
                      "      http: {address: 'tcp://127.0.0.1:%3$u', backlog: 1024}\n"
                      "    libstint: true\n"
                      "    ready: notify\n"
                      "    watch: {%4$s, settle: 0}\n",
                      b->dir, b->arena->web, b->port, watch);
}

static int
stint_configure(const struct bout *b, struct error *reterr)
{
    return write_config(b, "binary: false", reterr);
}

static int
stint_configure_watching(const struct bout *b, struct error *reterr)
{
    return write_config(b, "binary: true, paths: [web.conf]", reterr);
}

static pid_t
stint_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    const char *const argv[] = {b->arena->stint, "run", "-c", conf, NULL};

    (void)snprintf(conf, sizeof(conf), "%s/stint.yaml", b->dir);
    return bout_child(b, argv, reterr);
}

static int
stint_reload(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    const char *const argv[] = {b->arena->stint, "reload", "web", "--force", "-c", conf, NULL};

    if (!b->arena->by_cli)
        return stint_control(b, "POST /v1/reload", "{\"services\": [\"web\"], \"force\": true}",
                             NULL, reterr);
    (void)snprintf(conf, sizeof(conf), "%s/stint.yaml", b->dir);
    return bout_command(b, argv, reterr);
}

const struct rival rival_stint = {
    .name = "stint",
    .configure = stint_configure,
    .start = stint_start,
    .reload = stint_reload,
    .stop_signal = SIGTERM,
};

const struct rival rival_stint_watching = {
    .name = "stint-watching",
    .configure = stint_configure_watching,
    .start = stint_start,
    .reload = stint_reload,
    .stop_signal = SIGTERM,
};
