// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server for node, under pm2 in its cluster mode, and under stint, from which it inherits the
 * listener. The same program: on the signal it closes its server and ends when that is closed, as pm2's
 * "Graceful Shutdown" has it (pm2 says SIGINT, stint SIGTERM).
 */
#include "bench/rival_families.h"

#include <signal.h>
#include <stdio.h>

#include "bench/rival_stint.h"

static int
write_application(const struct bout *b, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(
        b, "hello.js", reterr,
        "const fs = require('fs');\n"
        "const generation = fs.readFileSync('%1$s/generation', 'utf8').trim();\n"
        "const body = `hello from generation ${generation}\\n`;\n"
        "const server = require('http').createServer((request, response) => {\n"
        "  response.writeHead(200, {'Content-Type': 'text/plain',\n"
        "    'Content-Length': body.length, 'X-Stint-Generation': generation});\n"
        "  response.end(body);\n"
        "});\n"
        "server.keepAliveTimeout = 75000;\n"
        "for (const signal of ['SIGINT', 'SIGTERM'])\n"
        "  process.on(signal, () => server.close(() => process.exit(0)));\n"
        "if (process.env.READY_FD)\n"
        "  server.listen({fd: 3}, () => fs.writeSync(+process.env.READY_FD, '\\n'));\n"
        "else\n"
        "  server.listen({host: '127.0.0.1', port: %2$u, backlog: 1024});\n",
        b->dir, b->port);
}

/* ---- pm2 ("Cluster Mode": pm2 reload is the 0-second-downtime reload), in the foreground ---- */

static const char *
home(const struct bout *b, char to[PATH_MAX])
{
    (void)snprintf(to, PATH_MAX, "PM2_HOME=%.*s/pm2", PATH_MAX - 32, b->dir);
    return to;
}

static pid_t
pm2_start(const struct bout *b, struct error *reterr)
{
    char pm2_home[PATH_MAX];
    const char *const argv[] = {
        "/usr/bin/env", home(b, pm2_home), "pm2-runtime", "start", "hello.js", "-i", "2", NULL};

    return bout_child(b, argv, reterr);
}

static int
pm2_reload(const struct bout *b, struct error *reterr)
{
    char pm2_home[PATH_MAX];
    const char *const argv[] = {"/usr/bin/env", home(b, pm2_home), "pm2", "reload", "hello", NULL};

    return bout_command(b, argv, reterr);
}

const struct rival rival_pm2 = {
    .name = "pm2",
    .serves = "node, keep-alive",
    .how = "pm2 reload",
    .needs = {"pm2", "pm2-runtime", "node"},
    .configure = write_application,
    .start = pm2_start,
    .reload = pm2_reload,
    .interval_us = INT64_C(4000000), /* a reload on top of another stalls it */
    .stop_signal = SIGTERM,
    .modest = true,
};

static int
stint_node_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {.command = "[node, hello.js]",
                                                 .ready = "{fd: 5}",
                                                 .environment = "READY_FD: '5'",
                                                 .workers = 2};
    int r = write_application(b, reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_node = {
    .name = "stint+node",
    .serves = "node, keep-alive",
    .needs = {"node"},
    .configure = stint_node_configure,
    .modest = true,
    STINT_RIVAL,
};
