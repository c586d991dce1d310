// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Those who supervise any program, but know nothing of generations: they stop the old process, then
 * start the new one. What they run is the example worker that stint runs; each process binds for itself,
 * and leaves at once, since nobody answers until it has (drain_quiet_ms = 0: the best there is for them).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "bench/rival_c.h"
#include "bench/rival_families.h"

static int
write_run(const struct bout *b, const char *name, enum web_listener listener, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r == 0 && b->generation == 1)
        r = web_config(b, WEB_AT_ONCE_MS, reterr);
    if (r == 0 && b->generation == 1)
        r = web_run(b, name, listener, reterr);
    return r;
}

/*
 * ---- supervisord ----
 *
 * `supervisorctl restart`. With [fcgi-program] supervisord itself binds, and its processes have the
 * socket as their descriptor 0; it closes it when the last of them has stopped, so they are restarted
 * one after the other. startsecs = 0: else supervisorctl waits for a second each time.
 */

#define SUPERVISORD_BASE                               \
    "[unix_http_server]\n"                             \
    "file = %1$s/supervisor.sock\n"                    \
    "[supervisord]\n"                                  \
    "nodaemon = true\n"                                \
    "logfile = /dev/null\n"                            \
    "logfile_maxbytes = 0\n"                           \
    "pidfile = %1$s/supervisord.pid\n"                 \
    "childlogdir = %1$s\n"                             \
    "[rpcinterface:supervisor]\n"                      \
    "supervisor.rpcinterface_factory = "               \
    "supervisor.rpcinterface:make_main_rpcinterface\n" \
    "[supervisorctl]\n"                                \
    "serverurl = unix://%1$s/supervisor.sock\n"

static int
supervisord_configure(const struct bout *b, struct error *reterr)
{
    int r = write_run(b, "run", WEB_BINDS, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "supervisord.conf", reterr,
                      SUPERVISORD_BASE "[program:web]\n"
                                       "command = %1$s/run\n"
                                       "startsecs = 0\n",
                      b->dir);
}

static int
supervisord_fcgi_configure(const struct bout *b, struct error *reterr)
{
    int r = write_run(b, "run", WEB_ON_0, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "supervisord.conf", reterr,
                      SUPERVISORD_BASE "[fcgi-program:web]\n"
                                       "socket = tcp://127.0.0.1:%2$u\n"
                                       "socket_backlog = 1024\n"
                                       "command = %1$s/run\n"
                                       "numprocs = 2\n"
                                       "process_name = web%%(process_num)d\n"
                                       "startsecs = 0\n",
                      b->dir, b->port);
}

static pid_t
supervisord_start(const struct bout *b, struct error *reterr)
{
    static const char *const argv[] = {"supervisord", "-n", "-c", "supervisord.conf", NULL};

    return bout_child(b, argv, reterr);
}

static int
supervisorctl_restart(const struct bout *b, const char *what, struct error *reterr)
{
    const char *const argv[] = {"supervisorctl", "-c", "supervisord.conf", "restart", what, NULL};

    return bout_command(b, argv, reterr);
}

static int
supervisord_reload(const struct bout *b, struct error *reterr)
{
    return supervisorctl_restart(b, "web", reterr);
}

static int
supervisord_fcgi_reload(const struct bout *b, struct error *reterr)
{
    int r = supervisorctl_restart(b, "web:web0", reterr);

    return r < 0 ? r : supervisorctl_restart(b, "web:web1", reterr);
}

const struct rival rival_supervisord = {
    .name = "supervisord",
    .serves = WEB_SERVES,
    .how = "supervisorctl restart",
    .needs = {"supervisord", "supervisorctl"},
    .configure = supervisord_configure,
    .start = supervisord_start,
    .reload = supervisord_reload,
    .interval_us = INT64_C(2000000), /* it looks at its processes once a second */
    .stop_signal = SIGTERM,
};

const struct rival rival_supervisord_fcgi = {
    .name = "supervisord-fcgi",
    .serves = WEB_SERVES,
    .how = "supervisorctl restart, of each",
    .needs = {"supervisord", "supervisorctl"},
    .configure = supervisord_fcgi_configure,
    .start = supervisord_start,
    .reload = supervisord_fcgi_reload,
    .interval_us = INT64_C(2000000),
    .stop_signal = SIGTERM,
};

/* ---- The daemontools family: a directory with a run file, and a program that watches over it ---- */

static int
service_configure(const struct bout *b, struct error *reterr)
{
    int r = b->generation > 1 ? 0 : bout_folder(b, "web", reterr);

    return r < 0 ? r : write_run(b, "web/run", WEB_BINDS, reterr);
}

static pid_t
service_start(const struct bout *b, const char *program, struct error *reterr)
{
    char dir[PATH_MAX];
    const char *const argv[] = {program, bout_path(b, "web", dir), NULL};

    return bout_child(b, argv, reterr);
}

static int
service_command(const struct bout *b, const char *program, const char *order, struct error *reterr)
{
    char dir[PATH_MAX];
    const char *const argv[] = {program, order, bout_path(b, "web", dir), NULL};

    return bout_command(b, argv, reterr);
}

/* s6-svc -r: "If the service is up, restart it, by sending it a SIGTERM". */
static pid_t
s6_start(const struct bout *b, struct error *reterr)
{
    return service_start(b, "s6-supervise", reterr);
}

static int
s6_reload(const struct bout *b, struct error *reterr)
{
    return service_command(b, "s6-svc", "-r", reterr);
}

const struct rival rival_s6 = {
    .name = "s6",
    .serves = WEB_SERVES,
    .how = "s6-svc -r",
    .needs = {"s6-supervise", "s6-svc"},
    .configure = service_configure,
    .start = s6_start,
    .reload = s6_reload,
    .interval_us = INT64_C(2500000), /* a second passes before it starts anything again */
    .stop_signal = SIGTERM,
};

/* sv restart: TERM and CONT to the service if it runs, and wait until it is up again. */
static pid_t
runit_start(const struct bout *b, struct error *reterr)
{
    return service_start(b, "runsv", reterr);
}

static int
runit_reload(const struct bout *b, struct error *reterr)
{
    return service_command(b, "sv", "restart", reterr);
}

const struct rival rival_runit = {
    .name = "runit",
    .serves = WEB_SERVES,
    .how = "sv restart",
    .needs = {"runsv", "sv"},
    .configure = service_configure,
    .start = runit_start,
    .reload = runit_reload,
    .interval_us = INT64_C(2500000), /* who has run for less than a second waits for one */
    .stop_signal = SIGTERM,
};

/* svc -t: "Terminate. Send the service a TERM signal", and supervise starts it again. */
static pid_t
daemontools_start(const struct bout *b, struct error *reterr)
{
    return service_start(b, "supervise", reterr);
}

static int
daemontools_reload(const struct bout *b, struct error *reterr)
{
    return service_command(b, "svc", "-t", reterr);
}

static void
daemontools_stop(const struct bout *b)
{
    (void)service_command(b, "svc", "-dx", NULL); /* supervise has no signal for that */
}

const struct rival rival_daemontools = {
    .name = "daemontools",
    .serves = WEB_SERVES,
    .how = "svc -t",
    .needs = {"supervise", "svc"},
    .configure = service_configure,
    .start = daemontools_start,
    .reload = daemontools_reload,
    .stop = daemontools_stop,
    .interval_us = INT64_C(2500000), /* as runit */
    .stop_signal = 0, /* it ends when its service has */
};
