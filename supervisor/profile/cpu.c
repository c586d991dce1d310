/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU profile of a worker, in a helper process: from outside where the kernel permits that, else by
 * the worker itself, if it links libstint.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/remote.h"
#include "supervisor/profile/cpu_children.h"
#include "supervisor/profile/cpu_inside.h"
#include "supervisor/profile/cpu_perf.h"
#include "supervisor/profile/cpu_stacks.h"
#include "supervisor/profile/cpu_who.h"
#include "supervisor/profile/kinds.h"
#include "supervisor/profile/profile.h"
#include "worker-api/wire.h"

#define NAMES_TIME (20 * US_PER_S)
#define NS_PER_S   INT64_C(1000000000)
#define FULL_TIME  (30 * US_PER_S) /* a profile that is shorter says so */

const struct profile_type profile_cpu_types[2] = {
    {"samples", "count"      },
    {"cpu",     "nanoseconds"}
};

struct run {
    struct cpu_stacks *stacks;
    struct cpu_who *who;
    unsigned hz;
    int64_t from_us;
    unsigned told; /* percent */
};

static void
on_sample(void *env, const struct cpu_sample *sample)
{
    struct run *run = env;
    struct cpu_labels labels;

    if (!sample->labels)
        cpu_who_ask(run->who, sample->pid, sample->tid, sample->at_us, &labels);
    cpu_stacks_add(run->stacks, sample, sample->labels ? sample->labels : &labels);
}

static void
on_name(void *env, pid_t pid, pid_t tid, const char *comm)
{
    const struct run *run = env;

    cpu_who_name(run->who, pid, tid, comm);
}

static void
on_exec(void *env, pid_t pid)
{
    const struct run *run = env;

    cpu_stacks_exec(run->stacks, pid);
}

static void
progress(struct run *run, const struct profile_wish *w)
{
    int64_t all_us = w->until_us - run->from_us, done_us = mono_now_us() - run->from_us;
    unsigned percent = all_us <= 0 || done_us >= all_us ? 100 : (unsigned)(done_us * 100 / all_us);

    if (!w->progress || percent <= run->told)
        return;
    run->told = percent;
    w->progress(w->env, percent);
}

/* ---- From outside ------------------------------------------------------------------------ */

static int
outside(struct run *run, struct profile *p, const struct profile_target *t,
        const struct profile_wish *w, struct error *reterr)
{
    const struct cpu_sink sink = {
        .sample = on_sample, .name = on_name, .exec = on_exec, .env = run};
    const struct cpu_perf_counts *counts;
    struct cpu_perf *perf = NULL;
    bool there = true;
    int r = cpu_perf_open(&perf, t->pid, run->hz, t->registry_fd >= 0, reterr);

    if (r < 0)
        return r;
    cpu_who_look(run->who);
    while (there && mono_now_us() < w->until_us) {
        there = cpu_perf_await(perf, w->until_us);
        cpu_who_look(run->who);
        cpu_perf_take(perf, &sink);
        progress(run, w);
    }
    counts = cpu_perf_counts(perf);
    r = profile_comment(p,
                        "sampled from outside by perf_event_open, %u processes and %u threads "
                        "and what they started",
                        counts->processes, counts->threads);
    if (r == 0 && !counts->kernel)
        r = profile_comment(p, "time in the kernel is not in it: it takes CAP_PERFMON, or a "
                               "kernel.perf_event_paranoid of 1 or less");
    if (r == 0 && counts->lost > 0)
        r = profile_comment(p, "%llu samples were lost", (unsigned long long)counts->lost);
    if (r == 0 && counts->unwatched > 0)
        r = profile_comment(p,
                            "%u threads are not in it: the limit on descriptors (ulimit -n) "
                            "leaves none for them",
                            counts->unwatched);
    if (r == 0 && !there)
        r = profile_comment(p, "the worker ended before the time was up");
    cpu_perf_close(perf);
    return r;
}

/* ---- From inside ------------------------------------------------------------------------- */

static bool
not_permitted(int r)
{
    return r == -EACCES || r == -EPERM || r == -ENOSYS;
}

static int
inside(struct run *run, struct profile *p, const struct profile_target *t,
       const struct profile_wish *w, struct error *reterr)
{
    const struct cpu_sink sink = {.sample = on_sample, .env = run};
    const struct cpu_inside_counts *counts;
    struct cpu_children *children = NULL;
    struct cpu_inside *in = NULL;
    bool there = true;
    int r = cpu_inside_open(&in, t->pid, t->channel_fd, run->who, run->hz, w->until_us, reterr);

    if (r < 0)
        return r;
    children = cpu_children_look(t->pid);
    cpu_who_look(run->who);
    while (there && mono_now_us() < w->until_us) {
        there = cpu_inside_await(in, w->until_us);
        cpu_who_look(run->who);
        cpu_inside_take(in, &sink);
        progress(run, w);
    }
    cpu_inside_stop(in);
    cpu_inside_take(in, &sink);
    counts = cpu_inside_counts(in);
    r = profile_comment(p, "sampled from inside by timers of libstint, %u threads",
                        counts->threads);
    if (r == 0)
        r = children ? cpu_children_tell(children, p)
                     : profile_comment(p, "processes that it started are not in it");
    cpu_children_free(children);
    if (r == 0 && counts->lost > 0)
        r = profile_comment(p, "%llu samples were lost", (unsigned long long)counts->lost);
    if (r == 0 && counts->overruns > 0)
        r = profile_comment(p, "%llu ticks came while one was pending, and are counted with it",
                            (unsigned long long)counts->overruns);
    if (r == 0 && counts->held_up > 0)
        r = profile_comment(p,
                            "the worker stopped before its time: nobody looked for %d s, since "
                            "this machine is busy",
                            STINT_PROFILE_PATIENCE / (int)US_PER_S);
    if (r == 0 && counts->refused > 0)
        r = profile_comment(p, "%u threads are not in it: no timer was to be had for them",
                            counts->refused);
    if (r == 0 && !there)
        r = profile_comment(p, "the worker ended before the time was up");
    cpu_inside_close(in);
    return r;
}

/* ---- Both -------------------------------------------------------------------------------- */

static int
sample(struct run *run, struct profile *p, const struct profile_target *t,
       const struct profile_wish *w, struct error *reterr)
{
    struct error why;
    int r = outside(run, p, t, w, reterr);

    if (!not_permitted(r))
        return r;
    why = *reterr;
    r = inside(run, p, t, w, reterr);
    if (r < 0)
        return error_wrap(reterr, r, "%.300s; and from inside", why.text);
    return profile_comment(p, "%s", why.text);
}

/* blind_comment - names of functions and the rest of deep stacks are in its memory. */
static int
blind_comment(struct profile *p, pid_t pid)
{
    struct remote memory = {.pid = pid};
    char byte, yama[200];

    (void)remote_read(&memory, 0, &byte, sizeof(byte)); /* nothing is there: but may we look? */
    if (memory.refused != -EPERM || proc_yama_refuses(yama, sizeof(yama)) == 0)
        return 0;
    return profile_comment(
        p, "functions are not named: the memory of process %d may not be read: %s", (int)pid, yama);
}

static int
finish(struct run *run, struct profile *p, const struct profile_target *t, struct error *reterr)
{
    const int64_t period_ns = NS_PER_S / run->hz;
    const struct cpu_stacks_counts *counts = cpu_stacks_counts(run->stacks);
    int64_t took_us = mono_now_us() - run->from_us;
    int r;

    profile_period(p, (struct profile_type){"cpu", "nanoseconds"}, period_ns);
    profile_time(p, (wall_now_us() - took_us) * 1000, took_us * 1000);
    r = cpu_stacks_write(run->stacks, p, t, period_ns, mono_now_us() + NAMES_TIME, reterr);
    if (r == 0)
        r = profile_comment(p, "%u samples for each second of CPU time; %llu in %lld.%lld s",
                            run->hz, (unsigned long long)counts->samples,
                            (long long)(took_us / US_PER_S), (long long)(took_us / 100000 % 10));
    if (r == 0)
        r = blind_comment(p, t->pid);
    if (r == 0 && took_us < FULL_TIME - US_PER_S)
        r = profile_comment(p, "shorter than 30 s: what is seldom may be missing");
    if (r == 0 && counts->dropped > 0)
        r = profile_comment(p,
                            "%llu samples are not in it: there was no room for more kinds of "
                            "stacks",
                            (unsigned long long)counts->dropped);
    if (r == 0 && counts->bare > 0)
        r = profile_comment(p,
                            "%llu samples are of processes that were gone before they could be "
                            "looked at",
                            (unsigned long long)counts->bare);
    return r;
}

int
profile_cpu(struct profile *p, const struct profile_target *t, const struct profile_wish *w,
            struct error *reterr)
{
    struct run run = {.hz = w->hz == 0           ? CPU_HZ_DEFAULT
                            : w->hz > CPU_HZ_MAX ? CPU_HZ_MAX
                                                 : w->hz,
                      .from_us = mono_now_us()};
    struct error ignored;
    int r = cpu_stacks_new(&run.stacks);

    if (!reterr)
        reterr = &ignored;
    if (r == 0)
        r = cpu_who_new(&run.who, t->pid, t->registry_fd);
    if (r < 0)
        r = error_set(reterr, r, "sample process %d", (int)t->pid);
    if (r == 0)
        r = sample(&run, p, t, w, reterr);
    if (r == 0)
        r = finish(&run, p, t, reterr);
    cpu_who_free(run.who);
    cpu_stacks_free(run.stacks);
    return r;
}
