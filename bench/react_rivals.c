// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who starts a service again when it has died, or when its executable was replaced, each in its documented way. The
 * daemontools family runs the program itself as ./run: no shell is counted.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/react.h"

#define COMMAND_US (10 * US_PER_S)

static int
begin(struct react *r, const char *const *argv, struct error *reterr)
{
    r->pid = react_spawn(r, argv, reterr);
    return r->pid < 0 ? r->pid : 0;
}

__attribute__((format(printf, 4, 5))) static int
write_file(const struct react *r, const char *name, struct error *reterr, const char *fmt, ...)
{
    char path[PATH_MAX], text[4096];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(text) || snprintf(path, sizeof(path), "%s/%s", r->dir, name) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "write %s", name);
    return file_swap(path, text, (size_t)n, 0644, reterr);
}

static int
shell(struct react *r, const char *script, struct error *reterr)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    return begin(r, argv, reterr);
}

/* ---- ours, and the least there can be --------------------------------------------------------------- */

static int
stint_start(struct react *r, struct error *reterr)
{
    const char *const argv[] = {r->stint, "run", "-c", "stint.yaml", NULL};
    int rc = write_file(r, "stint.yaml", reterr,
                        "version: 1\nruntime_dir: run\nstate_dir: state\nservices:\n"
                        "  w:\n    command: [./worker]\n    ready: {assume_after: 1ms}\n"
                        "    watch: {binary: true, settle: 0}\n"
                        "    respawn: {limit: {within: 1s}}\n");

    return rc < 0 ? rc : begin(r, argv, reterr);
}

static int
limit_start(struct react *r, struct error *reterr)
{
    char limit[PATH_MAX];
    const char *const argv[] = {limit, r->worker, NULL};

    if (snprintf(limit, sizeof(limit), "%s/bench/stint-react-limit", r->build) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "start");
    return begin(r, argv, reterr);
}

static int
while_true_start(struct react *r, struct error *reterr)
{
    return shell(r, "while :; do ./worker; done", reterr);
}

static int
inotifywait_start(struct react *r, struct error *reterr)
{
    return shell(r,
                 "./worker & old=$!\n"
                 "inotifywait -q -m -e moved_to --format %f . | while read -r file; do\n"
                 "    [ \"$file\" = worker ] || continue\n"
                 "    ./worker & new=$!\n    kill $old\n    old=$new\ndone",
                 reterr);
}

/* ---- who looks at files ------------------------------------------------------------------------------- */

static int
entr_start(struct react *r, struct error *reterr)
{
    return shell(r, "echo ./worker | exec entr -n -r ./worker", reterr);
}

static int
nodemon_start(struct react *r, struct error *reterr)
{
    char nodemon[PATH_MAX];
    const char *const argv[] = {nodemon,    "--quiet", "--watch", "worker",   "--ext", "*",
                                "--signal", "SIGTERM", "--exec",  "./worker", NULL};

    if (snprintf(nodemon, sizeof(nodemon), "%s/bench/peers/node_modules/.bin/nodemon", r->build) >=
        PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "start");
    return begin(r, argv, reterr);
}

/* ---- who looks at processes ----------------------------------------------------------------------------- */

static int
family(struct react *r, const char *const *argv, struct error *reterr)
{
    char path[PATH_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/scan", r->dir);
    if (mkdir(path, 0755) == -1)
        return error_set(reterr, -errno, "make '%s'", path);
    (void)snprintf(path, sizeof(path), "%s/scan/w", r->dir);
    if (mkdir(path, 0755) == -1)
        return error_set(reterr, -errno, "make '%s'", path);
    (void)snprintf(path, sizeof(path), "%s/scan/w/run", r->dir);
    if (symlink(r->worker, path) == -1)
        return error_set(reterr, -errno, "make '%s'", path);
    return begin(r, argv, reterr);
}

static int
s6_start(struct react *r, struct error *reterr)
{
    static const char *const argv[] = {"s6-svscan", "scan", NULL};

    return family(r, argv, reterr);
}

static int
runit_start(struct react *r, struct error *reterr)
{
    static const char *const argv[] = {"runsvdir", "-P", "scan", NULL};

    return family(r, argv, reterr);
}

static void
runit_finish(struct react *r)
{
    (void)child_end(r->pid, SIGHUP, COMMAND_US); /* ends every runsv, and with it its service */
    r->pid = 0;
}

static int
daemontools_start(struct react *r, struct error *reterr)
{
    static const char *const argv[] = {"svscan", "scan", NULL};

    return family(r, argv, reterr);
}

static void
daemontools_finish(struct react *r)
{
    static const char *const argv[] = {"svc", "-dx", "scan/w", NULL};
    pid_t pid;

    (void)child_end(r->pid, SIGTERM, COMMAND_US); /* it would start the service again */
    r->pid = 0;
    pid = react_spawn(r, argv, NULL);
    if (pid > 0)
        (void)child_wait(pid, mono_now_us() + COMMAND_US, NULL);
}

static int
supervisord_start(struct react *r, struct error *reterr)
{
    static const char *const argv[] = {"supervisord", "-n", "-c", "supervisord.conf", NULL};
    int rc = write_file(r, "supervisord.conf", reterr,
                        "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
                        "pidfile=%s/pid\n[program:w]\ncommand=%s\nautorestart=true\nstartsecs=0\n"
                        "stdout_logfile=NONE\nstderr_logfile=NONE\n",
                        r->dir, r->worker);

    return rc < 0 ? rc : begin(r, argv, reterr);
}

static int
start_server_start(struct react *r, struct error *reterr)
{
    static const char *const argv[] = {"start_server", "--interval=1", "--", "./worker", NULL};

    return begin(r, argv, reterr);
}

static int
systemd_start(struct react *r, struct error *reterr)
{
    char machine[PATH_MAX];
    const char *const argv[] = {"bash", machine, r->dir, NULL};
    int rc;

    if (snprintf(machine, sizeof(machine), "%s/bench/machine", r->build) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "start");
    (void)snprintf(r->failure, sizeof(r->failure), "%.280s/units", r->dir);
    rc = dir_make(r->failure, 0755, reterr);
    r->failure[0] = '\0';
    if (rc == 0)
        rc = write_file(r, "units/web.service", reterr,
                        "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\n"
                        "ExecStart=%s\nEnvironment=REACT_SOCKET=%s/socket\nRestart=always\n"
                        "RestartSec=0\n",
                        r->worker, r->dir);
    return rc < 0 ? rc : begin(r, argv, reterr);
}

static const struct react_rival rivals[] = {
    {.name = "stint",        .how = "settle: 0", .crash = true,                .change = true,                            .start = stint_start     },
    {.name = "limit",
     .how = "pidfd, inotify, posix_spawn in C",
     .crash = true,
     .change = true,
     .twice = true,
     .start = limit_start},
    {.name = "sh",                      .how = "while :; do ./worker; done",                             .crash = true, .start = while_true_start},
    {.name = "start_server",
     .program = "start_server",
     .how = "--interval=1, its default",
     .crash = true,
     .start = start_server_start},
    {.name = "daemontools",
     .program = "svscan",
     .how = "svscan",
     .crash = true,
     .start = daemontools_start,
     .finish = daemontools_finish},
    {.name = "runit",
     .program = "runsvdir",
     .how = "runsvdir",
     .crash = true,
     .start = runit_start,
     .finish = runit_finish},
    {.name = "systemd",
     .program = "/lib/systemd/systemd",
     .how = "Restart=always, RestartSec=0, no start limit",
     .crash = true,
     .root = true,
     .start = systemd_start},
    {.name = "s6",           .program = "s6-svscan",                     .how = "s6-svscan",                                                 .crash = true,                                                                               .start = s6_start                                                                                         },
    {.name = "supervisord",
     .program = "supervisord",
     .how = "autorestart=true, startsecs=0",
     .crash = true,
     .start = supervisord_start                                                                       },
    {.name = "inotifywait",
     .program = "inotifywait",
     .how = "inotifywait -m in a shell loop",
     .change = true,
     .start = inotifywait_start                                                                                                                      },
    {.name = "entr",         .program = "entr",                 .how = "entr -n -r",                                             .change = true,                                                                         .start = entr_start                                                                                                                      },
    {.name = "nodemon",
     .program = "nodemon",
     .how = "--watch worker --exec ./worker",
     .change = true,
     .start = nodemon_start},
};

const struct react_rival *const react_rivals[] = {
    &rivals[0], &rivals[1], &rivals[2], &rivals[3],  &rivals[4],  &rivals[5], &rivals[6],
    &rivals[7], &rivals[8], &rivals[9], &rivals[10], &rivals[11], NULL,
};
