// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who can start many services, each in its documented way. All of them start the same program, which
 * finds its FIFO in the environment that it inherits; the daemontools family starts it as ./run, so no
 * shell is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/scale.h"

static int
write_file(const struct trial *t, const char *name, const struct text *text, struct error *reterr)
{
    char path[PATH_MAX];

    if (text->failed || snprintf(path, sizeof(path), "%s/%s", t->dir, name) >= PATH_MAX)
        return error_set(reterr, -ENOMEM, "write %s", name);
    return file_swap(path, text_str(text), text->bytes, 0644, reterr);
}

static int
begin(struct trial *t, const char *const *argv, struct error *reterr)
{
    t->pid = t->supervisor = trial_spawn(t, argv, reterr);
    return t->pid < 0 ? t->pid : 0;
}

static int
no_files(struct trial *t, struct error *reterr)
{
    (void)t;
    (void)reterr;
    return 0;
}

static int
by_sigterm(struct trial *t, struct error *reterr)
{
    return kill(t->pid, SIGTERM) == -1 ? error_set(reterr, -errno, "stop %s", t->rival->name) : 0;
}

/* ---- the bare loop ------------------------------------------------------------------------------ */

static int
limit_start(struct trial *t, struct error *reterr)
{
    char loop[PATH_MAX], number[16];
    const char *const argv[] = {loop, number, t->worker, NULL};

    (void)snprintf(number, sizeof(number), "%u", t->n);
    if (snprintf(loop, sizeof(loop), "%s/bench/stint-scale-limit", t->build) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "start");
    return begin(t, argv, reterr);
}

static const struct scale_rival limit = {
    .name = "limit",
    .prepare = no_files,
    .start = limit_start,
    .stop = by_sigterm,
};

/* ---- stint -------------------------------------------------------------------------------------- */

static int
stint_prepare(struct trial *t, struct error *reterr)
{
    auto_text struct text text = TEXT_INIT;

    text_addf(&text, "version: 1\nruntime_dir: %1$s/run\nstate_dir: %1$s/state\nservices:\n",
              t->dir);
    for (unsigned i = 1; i <= t->n; i++)
        text_addf(&text, "  s%u:\n    command: [%s]\n    ready: {assume_after: 1s}\n", i,
                  t->worker);
    return write_file(t, "stint.yaml", &text, reterr);
}

static int
stint_start(struct trial *t, struct error *reterr)
{
    const char *const argv[] = {t->stint, "run", "-c", "stint.yaml", NULL};

    return begin(t, argv, reterr);
}

static const struct scale_rival stint = {
    .name = "stint",
    .prepare = stint_prepare,
    .start = stint_start,
    .stop = by_sigterm,
};

/* ---- supervisord ---------------------------------------------------------------------------------- */

static int
supervisord_prepare(struct trial *t, struct error *reterr)
{
    auto_text struct text text = TEXT_INIT;

    text_addf(&text,
              "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
              "pidfile=%1$s/pid\nminfds=%2$u\nuser=root\n",
              t->dir, 3 * t->n + 1000); /* three pipes each */
    for (unsigned i = 1; i <= t->n; i++)
        text_addf(&text, "[program:s%u]\ncommand=%s\nstdout_logfile=NONE\nstderr_logfile=NONE\n", i,
                  t->worker);
    return write_file(t, "supervisord.conf", &text, reterr);
}

static int
supervisord_start(struct trial *t, struct error *reterr)
{
    const char *const argv[] = {"supervisord", "-n", "-c", "supervisord.conf", NULL};

    return begin(t, argv, reterr);
}

static const struct scale_rival supervisord = {
    .name = "supervisord",
    .program = "supervisord",
    .prepare = supervisord_prepare,
    .start = supervisord_start,
    .stop = by_sigterm,
};

/* ---- the daemontools family: a directory for each service ----------------------------------------- */

static int
family_prepare(struct trial *t, struct error *reterr)
{
    char path[PATH_MAX];

    for (unsigned i = 0; i <= t->n; i++) {
        int n = i == 0 ? snprintf(path, sizeof(path), "%s/scan", t->dir)
                       : snprintf(path, sizeof(path), "%s/scan/s%u", t->dir, i);

        if (n >= PATH_MAX || mkdir(path, 0755) == -1)
            return error_set(reterr, -errno, "make '%s'", path);
        if (i == 0)
            continue;
        n = snprintf(path, sizeof(path), "%s/scan/s%u/run", t->dir, i);
        if (n >= PATH_MAX || symlink(t->worker, path) == -1)
            return error_set(reterr, -errno, "make '%s'", path);
    }
    return 0;
}

static int
s6_start(struct trial *t, struct error *reterr)
{
    char most[16];
    const char *const argv[] = {"s6-svscan", "-c", most, "scan", NULL};

    (void)snprintf(most, sizeof(most), "%u", t->n + 10 > 500 ? t->n + 10 : 500);
    return begin(t, argv, reterr);
}

static int
runit_start(struct trial *t, struct error *reterr)
{
    const char *const argv[] = {"runsvdir", "-P", "scan", NULL};

    return begin(t, argv, reterr);
}

/* SIGHUP: end every runsv, and with it its service. */
static int
runit_stop(struct trial *t, struct error *reterr)
{
    return kill(t->pid, SIGHUP) == -1 ? error_set(reterr, -errno, "stop runsvdir") : 0;
}

static int
daemontools_start(struct trial *t, struct error *reterr)
{
    const char *const argv[] = {"svscan", "scan", NULL};

    return begin(t, argv, reterr);
}

/* svscan would start each again; then all are told to go down and to exit. */
static int
daemontools_stop(struct trial *t, struct error *reterr)
{
    const char *const argv[] = {"sh", "-c", "exec svc -dx scan/*", NULL};
    int status = 0;
    pid_t pid;

    (void)child_end(t->pid, SIGTERM, US_PER_S);
    t->pid = 0;
    pid = trial_spawn(t, argv, reterr);
    if (pid < 0)
        return pid;
    (void)child_wait(pid, INT64_MAX / 2, &status);
    return status == 0 ? 0 : error_say(reterr, -EIO, "svc ended with status %d", status);
}

static const struct scale_rival s6 = {
    .name = "s6",
    .program = "s6-svscan",
    .prepare = family_prepare,
    .start = s6_start,
    .stop = by_sigterm,
};

static const struct scale_rival runit = {
    .name = "runit",
    .program = "runsvdir",
    .most = 1000,
    .prepare = family_prepare,
    .start = runit_start,
    .stop = runit_stop,
};

static const struct scale_rival daemontools = {
    .name = "daemontools",
    .program = "svscan",
    .most = 1000,
    .prepare = family_prepare,
    .start = daemontools_start,
    .stop = daemontools_stop,
};

const struct scale_rival *const scale_rivals[] = {
    &stint, &limit, &s6, &runit, &daemontools, &supervisord, &scale_systemd, NULL,
};
