/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/heaps.h"
#include "supervisor/io/profiling.h"

/* What the helper of a profile does: each worker is looked at in a child, and the parts become one. */

#define LOOK_US (20 * US_PER_S) /* of kinds that look once */

struct part {
    pid_t pid;
    int out; /* owned; -1 */
};

/* Of all parts: what the children say, in memory that they share. */
struct said {
    int32_t error;
    char words[sizeof(((struct error *)0)->text)];
};

struct ticker {
    int fd;
    uint16_t target;
};

static void
on_progress(void *env, unsigned percent)
{
    const struct ticker *t = env;
    struct profiling_tick tick = {.target = t->target, .percent = (uint16_t)percent};
    ssize_t n = write(t->fd, &tick, sizeof(tick));

    (void)n; /* the pipe is full: the next one says more anyway */
}

/* ---- one worker ---------------------------------------------------------------------------------- */

static int
head(struct profile *p, const struct profiling_request *rq, const struct profile_target *t)
{
    return profile_comment(p, "%s profile of %s/%llu.%u, pid %d, by stint %s",
                           profile_kind_name(rq->kind), t->service,
                           (unsigned long long)t->generation, t->slot, (int)t->pid, STINT_VERSION);
}

static int
begin(struct profile *p, const struct profiling_request *rq, size_t i)
{
    int r = head(p, rq, &rq->targets[i]);

    return r == 0 && rq->remark ? profile_comment(p, "%s", rq->remark) : r;
}

static int
take(const struct profiling_request *rq, size_t i, int ticks, struct profile **ret,
     struct error *reterr)
{
    struct ticker ticker = {.fd = ticks, .target = (uint16_t)i};
    struct profile_wish wish = {
        .until_us = mono_now_us() + (rq->kind == PROFILE_CPU ? rq->seconds * US_PER_S : LOOK_US),
        .progress = ticks >= 0 ? on_progress : NULL,
        .env = &ticker,
        .hz = rq->hz};
    auto_profile struct profile *p = NULL;
    int r = profile_for(rq->kind, &p);

    r = r < 0 ? r : begin(p, rq, i);
    if (r < 0)
        return error_set(reterr, r, "begin a profile");
    r = profile_take(rq->kind, p, &rq->targets[i], &wish, reterr);
    if (r < 0)
        return r;
    *ret = steal(p);
    return 0;
}

/* In a child of the helper. */
static void __attribute__((noreturn))
take_part(const struct profiling_request *rq, size_t i, int ticks, int out, struct said *said)
{
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    int r = take(rq, i, ticks, &p, &err);

    r = r < 0 ? r : profile_write(p, out, &err);
    said->error = r;
    memcpy(said->words, err.text, sizeof(said->words));
    _exit(0);
}

/* ---- all of them --------------------------------------------------------------------------------- */

struct gathering {
    const struct profiling_request *rq;
    struct profile *whole; /* owned; NULL until the first part is there */
    struct said *said;     /* one for each target */
    char missing[PROFILING_WORDS];
    int error; /* the last one */
};

static void
miss(struct gathering *g, const struct profile_target *t, int r, const char *why)
{
    size_t n = strlen(g->missing);

    g->error = r;
    (void)snprintf(g->missing + n, sizeof(g->missing) - n, "%s%s/%llu.%u: %s", n > 0 ? "; " : "",
                   t->service, (unsigned long long)t->generation, t->slot, why);
}

static void
add_part(struct gathering *g, size_t i, const struct part *part, int status)
{
    const struct profile_target *t = &g->rq->targets[i];
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    int r = status == 0 ? g->said[i].error : -EIO;

    if (status != 0)
        (void)error_say(&err, r, "the process that looked died");
    else if (r < 0)
        (void)error_say(&err, r, "%.400s", g->said[i].words);
    else if (lseek(part->out, 0, SEEK_SET) < 0)
        r = error_set(&err, -errno, "read it");
    else
        r = profile_read(&p, part->out, &err);
    if (r == 0 && g->whole)
        r = profile_merge(g->whole, p, 1);
    else if (r == 0)
        g->whole = steal(p);
    if (r < 0)
        miss(g, t, r, err.text[0] ? err.text : "out of memory");
}

static void
part_start(struct gathering *g, size_t i, int ticks, struct part *part)
{
    pid_t parent = getpid();

    part->pid = -1;
    part->out = memfd_create("stint-profile", MFD_CLOEXEC);
    if (part->out == -1)
        return;
    part->pid = fork();
    if (part->pid != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    take_part(g->rq, i, ticks, part->out, &g->said[i]);
}

static void
gather(struct gathering *g, int ticks)
{
    struct part parts[PROFILING_WORKERS_MAX] = {0};

    for (size_t i = 0; i < g->rq->n; i++)
        part_start(g, i, ticks, &parts[i]);
    for (size_t i = 0; i < g->rq->n; i++) {
        int status = -1;

        if (parts[i].pid > 0)
            while (waitpid(parts[i].pid, &status, 0) == -1 && errno == EINTR)
                continue;
        add_part(g, i, &parts[i], status);
        (void)fd_close(parts[i].out);
    }
}

static void
gather_one(struct gathering *g, int ticks)
{
    struct error err = {0};
    int r = take(g->rq, 0, ticks, &g->whole, &err);

    if (r < 0)
        miss(g, &g->rq->targets[0], r, err.text);
}

/* ---- the answer ---------------------------------------------------------------------------------- */

static bool
tell(struct gathering *g, int out)
{
    struct profiling_told told = {.magic = PROFILING_MAGIC};
    struct error err = {0};
    off_t end;
    int r = g->whole ? 0 : g->error;

    if (g->whole && g->missing[0] != '\0')
        r = profile_comment(g->whole, "not in it: %s", g->missing);
    memcpy(told.words, g->missing, sizeof(told.words));
    if (r == 0 && lseek(out, sizeof(told), SEEK_SET) < 0)
        r = -errno;
    if (r == 0)
        r = profile_write(g->whole, out, &err);
    if (r < 0 && told.words[0] == '\0')
        memcpy(told.words, err.text, sizeof(err.text));
    end = r == 0 ? lseek(out, 0, SEEK_CUR) : (off_t)sizeof(told);
    told.error = r;
    told.bytes = (uint64_t)(end - (off_t)sizeof(told));
    return end >= (off_t)sizeof(told) && pwrite(out, &told, sizeof(told), 0) == sizeof(told);
}

/* ---- one that is kept ---------------------------------------------------------------------------- */

static int
copy(int from, int out)
{
    char buf[65536];
    ssize_t n;
    off_t at = sizeof(struct profiling_told);

    while ((n = read(from, buf, sizeof(buf))) > 0) {
        if (pwrite(out, buf, (size_t)n, at) != n)
            return -EIO;
        at += n;
    }
    return n < 0 ? -errno : 0;
}

/* Return: whether it was told, be it that there is none and nobody to look at. */
static bool
tell_kept(const struct profiling_request *rq, int out)
{
    struct profiling_told told = {.magic = PROFILING_MAGIC};
    struct error err = {0};
    auto_fd int fd = -1;

    fd = heaps_open(rq->kept.state_dir, rq->service, rq->kept.above, rq->kept.below, &told.bytes);
    told.error = fd < 0 ? fd : told.bytes > PROFILING_BYTES_MAX ? -EFBIG : copy(fd, out);
    if (told.error < 0 && rq->n > 0)
        return ftruncate(out, 0) != 0; /* those who are there are looked at */
    if (told.error == -ENOENT)
        (void)error_say(&err, -ENOENT,
                        "no heap profile of that generation of '%s' is kept: that is done when a "
                        "reload of it begins, where 'profiling: {heap: true}' was in force at its "
                        "start, and of the last %d",
                        rq->service, HEAPS_EACH);
    else if (told.error < 0)
        (void)error_set(&err, told.error, "read the heap profile that is kept");
    if (told.error < 0)
        told.bytes = 0;
    memcpy(told.words, err.text, sizeof(err.text));
    return (told.error == 0 || ftruncate(out, sizeof(told)) == 0) &&
           pwrite(out, &told, sizeof(told), 0) == sizeof(told);
}

bool
profiling_work(const struct profiling_request *rq, int ticks, int out)
{
    const struct rlimit bytes = {PROFILING_BYTES_MAX, PROFILING_BYTES_MAX};
    struct gathering g = {.rq = rq};
    bool ok;

    (void)setrlimit(RLIMIT_FSIZE, &bytes); /* best effort */
    if (rq->kept.state_dir && tell_kept(rq, out))
        return true;
    if (rq->n == 0)
        return false;
    if (rq->n == 1) {
        gather_one(&g, ticks);
    } else {
        g.said = mmap(NULL, rq->n * sizeof(*g.said), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (g.said == MAP_FAILED)
            return false;
        gather(&g, ticks);
    }
    ok = tell(&g, out);
    profile_free(g.whole);
    return ok;
}
