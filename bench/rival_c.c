// SPDX-License-Identifier: GPL-2.0-or-later
/* Masters of the example worker in C that overlap its generations: the limit, and Server::Starter. */
#include "bench/rival_c.h"

#include <signal.h>
#include <stdio.h>

int
web_config(const struct bout *b, unsigned quiet_ms, struct error *reterr)
{
    return bout_write(b, "web.conf", reterr, "greeting = hello\ndrain_quiet_ms = %u\n", quiet_ms);
}

int
web_run(const struct bout *b, const char *name, enum web_listener listener, struct error *reterr)
{
    static const char *const inherit[] = {
        [WEB_BINDS] = "",
        [WEB_ON_0] = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1\n",
        [WEB_ON_3] = "export LISTEN_PID=$$ LISTEN_FDS=1\n",
        [WEB_ON_3_SAID] = "",
    };
    char port[16] = "";

    if (listener == WEB_BINDS)
        (void)snprintf(port, sizeof(port), "%u", b->port);
    return bout_script(b, name, reterr,
                       "#!/bin/sh\n"
                       "cd '%1$s' && read -r STINT_GENERATION <generation || exit 1\n"
                       "export STINT_GENERATION LISTEN_FDNAMES=http\n"
                       "%2$s"
                       "exec %3$s %4$s '%5$s' --config web.conf 2>&1\n",
                       b->dir, inherit[listener], listener == WEB_BINDS ? b->arena->listen : "",
                       port, b->arena->web);
}

/* ---- The limit: the worker itself tells its generation ---- */

static int
limit_configure(const struct bout *b, struct error *reterr)
{
    return web_config(b, WEB_LAME_DUCK_MS, reterr);
}

static pid_t
limit_start(const struct bout *b, struct error *reterr)
{
    char port[16];
    const char *const argv[] = {b->arena->limit, "2",        port, b->arena->web,
                                "--config",      "web.conf", NULL};

    (void)snprintf(port, sizeof(port), "%u", b->port);
    return bout_child(b, argv, reterr);
}

static int
hang_up(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGHUP, reterr);
}

const struct rival rival_limit = {
    .name = "limit-c",
    .serves = WEB_SERVES,
    .how = "HUP",
    .configure = limit_configure,
    .start = limit_start,
    .reload = hang_up,
    .stop_signal = SIGTERM,
    .measured_twice = true,
};

/*
 * ---- Server::Starter: start_server(1), "hot deploy" ----
 *
 * HUP starts the program anew; when the new one has lived for --interval (1 s, the default), the old
 * one gets TERM. It binds at the number it is told to.
 */

static int
start_server_configure(const struct bout *b, struct error *reterr)
{
    int r = web_config(b, WEB_LAME_DUCK_MS, reterr);

    if (r == 0)
        r = bout_generation(b, reterr);
    return r < 0 || b->generation > 1 ? r : web_run(b, "run", WEB_ON_3, reterr);
}

static pid_t
start_server_start(const struct bout *b, struct error *reterr)
{
    char port[32], run[PATH_MAX];
    const char *const argv[] = {"start_server",           port, "--backlog=1024", "--",
                                bout_path(b, "run", run), NULL};

    (void)snprintf(port, sizeof(port), "--port=127.0.0.1:%u=3", b->port);
    return bout_child(b, argv, reterr);
}

const struct rival rival_start_server = {
    .name = "start_server",
    .serves = WEB_SERVES,
    .how = "HUP",
    .needs = {"start_server"},
    .configure = start_server_configure,
    .start = start_server_start,
    .reload = hang_up,
    .interval_us = INT64_C(2000000), /* a handoff of its own takes one */
    .stop_signal = SIGTERM,
};
