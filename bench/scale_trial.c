// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/scale.h"
#include "bench/scale_stamp.h"

#define START_US  (300 * US_PER_S)
#define STOP_US   (120 * US_PER_S)
#define FINISH_US (30 * US_PER_S)

pid_t
trial_spawn(const struct trial *t, const char *const *argv, struct error *reterr)
{
    const struct child_spec spec = {
        .argv = argv, .log = t->log, .directory = t->dir, .uid = (uid_t)-1};

    return child_start(&spec, reterr);
}

/* ---- one trial ------------------------------------------------------------------------------------ */

/* Until N workers have said when they began. @ret_ns: when the last of them did. */
static int
await_all(const struct trial *t, int64_t *ret_ns, struct error *reterr)
{
    int64_t end_us = mono_now_us() + START_US;
    struct scale_stamp stamps[256];
    unsigned seen = 0;

    *ret_ns = 0;
    while (seen < t->n) {
        struct pollfd p = {t->stamps, POLLIN, 0};
        ssize_t n;

        if (mono_now_us() > end_us)
            return error_say(reterr, -ETIMEDOUT, "%u of %u services started within %d s", seen,
                             t->n, (int)(START_US / US_PER_S));
        (void)poll(&p, 1, 1000);
        n = read(t->stamps, stamps, sizeof(stamps));
        for (ssize_t i = 0; i < n / (ssize_t)sizeof(*stamps); i++, seen++)
            if (stamps[i].at_ns > *ret_ns)
                *ret_ns = stamps[i].at_ns;
        if (n == 0) /* nobody has it open, yet or any more */
            (void)poll(NULL, 0, 1);
    }
    return 0;
}

/* Until the last of them is gone, and has its FIFO closed. */
static int
await_none(const struct trial *t, struct error *reterr)
{
    int64_t end_us = mono_now_us() + STOP_US;
    struct scale_stamp more;

    for (;;) {
        struct pollfd p = {t->stamps, POLLIN, 0};
        int64_t left_us = end_us - mono_now_us();

        if (left_us <= 0)
            return error_say(reterr, -ETIMEDOUT, "some services do not stop");
        (void)poll(&p, 1, (int)(left_us / US_PER_MS) + 1);
        if (read(t->stamps, &more, sizeof(more)) > 0)
            return error_say(reterr, -EIO, "a service was started twice");
        if (p.revents & POLLHUP)
            return 0;
    }
}

static int
idle(const struct trial *t, struct scale_result *ret, struct error *reterr)
{
    struct scale_vitals before = {0}, after = {0};
    int64_t from_us, to_us = 0;
    int r;

    (void)poll(NULL, 0, 3000); /* what a start leaves to be done later, as deadlines that pass */
    r = scale_vitals_read(t->supervisor, t->rival->alone, t->worker, &before, reterr);
    from_us = mono_now_us();
    if (r == 0) {
        (void)poll(NULL, 0, (int)(t->idle_s * 1000));
        to_us = mono_now_us();
        r = scale_vitals_read(t->supervisor, t->rival->alone, t->worker, &after, reterr);
    }
    if (r < 0)
        return r;
    ret->processes = after.processes;
    ret->pss_kib = after.pss_kib;
    ret->cpu_ms_s = (after.cpu_ms - before.cpu_ms) * (double)US_PER_S / (double)(to_us - from_us);
    ret->switches_s =
        (after.switches - before.switches) * (double)US_PER_S / (double)(to_us - from_us);
    return 0;
}

int
trial_play(struct trial *t, struct scale_result *ret, struct error *reterr)
{
    int64_t began_us, last_ns = 0;
    int r = t->rival->prepare(t, reterr);

    if (r < 0)
        return r;
    began_us = mono_now_us();
    r = t->rival->start(t, reterr);
    if (r == 0)
        r = await_all(t, &last_ns, reterr);
    if (r < 0)
        return r;
    ret->start_ms = ((double)last_ns / 1000 - (double)began_us) / 1000;
    r = idle(t, ret, reterr);
    if (r < 0)
        return r;
    began_us = mono_now_us();
    r = t->rival->stop(t, reterr);
    if (r == 0)
        r = await_none(t, reterr);
    ret->stop_ms = (double)(mono_now_us() - began_us) / 1000;
    return r;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

int
trial_init(struct trial *t, const char *build, const char *stint, struct error *reterr)
{
    const char *tmp = getenv("TMPDIR");

    t->stamps = t->to = t->from = -1;
    if (!tmp) /* on a tmpfs, as /run is: no disk in it for anybody */
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    if (snprintf(t->dir, sizeof(t->dir), "%s/stint-scale-XXXXXX", tmp) >= PATH_MAX ||
        !mkdtemp(t->dir) || chmod(t->dir, 0755) == -1)
        return error_set(reterr, -errno, "make a directory");
    (void)snprintf(t->build, sizeof(t->build), "%s", build);
    if (snprintf(t->log, sizeof(t->log), "%s/log", t->dir) >= PATH_MAX ||
        snprintf(t->stamps_path, sizeof(t->stamps_path), "%s/stamps", t->dir) >= PATH_MAX ||
        snprintf(t->worker, sizeof(t->worker), "%s/bench/scale-worker", build) >= PATH_MAX ||
        snprintf(t->stint, sizeof(t->stint), "%s/bin/stint", build) >= PATH_MAX)
        return error_say(reterr, -ENAMETOOLONG, "a path is too long");
    if (stint)
        (void)snprintf(t->stint, sizeof(t->stint), "%s", stint);
    if (mkfifo(t->stamps_path, 0622) == -1 || chmod(t->stamps_path, 0622) == -1)
        return error_set(reterr, -errno, "make a FIFO");
    t->stamps = open(t->stamps_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (t->stamps == -1 || setenv("SCALE_STAMPS", t->stamps_path, 1) == -1)
        return error_set(reterr, -errno, "open a FIFO");
    (void)fcntl(t->stamps, F_SETPIPE_SZ, 1 << 20);
    return 0;
}

void
trial_finish(struct trial *t, bool failed)
{
    char command[PATH_MAX + 32];

    if (t->rival->finish)
        t->rival->finish(t);
    else
        (void)child_end(t->pid, SIGTERM, FINISH_US);
    (void)child_end_orphans(failed ? 0 : FINISH_US);
    fd_close(t->stamps);
    if (failed) {
        (void)snprintf(command, sizeof(command), "tail -n 5 '%s' >&2", t->log);
        (void)!system(command); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a name of our own */
    }
    (void)nftw(t->dir, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}
