/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

#define GRACE_UNSAID_US (1 * US_PER_S) /* nobody said how long it may take */
#define ENDLESS_US      (US_PER_S * 24 * 3600)

/* ---- what it does --------------------------------------------------------------------------- */

static bool
waits_without_end(const struct thread_facts *f)
{
    return f->wait != WAIT_SLEEP && f->timeout_us >= ENDLESS_US;
}

/* With one sample nothing is `still`: the wait has to do. */
static bool
sits(const struct process_facts *p, const struct thread_facts *f)
{
    return f->still || (p->between_us <= 0 && f->wait != WAIT_RUNNING && f->wait != WAIT_UNKNOWN);
}

static enum conduct
conduct_of(const struct process_facts *p, const struct thread_facts *f)
{
    bool on_cpu = f->wait == WAIT_RUNNING || f->state == 'R';

    if (f->state == 'Z' || f->state == 'X')
        return CONDUCT_ENDED;
    if (f->state == 'T' || f->state == 't' || f->wait == WAIT_STOPPED)
        return CONDUCT_STOPPED;
    if ((f->state == 'D' || (f->wait == WAIT_KERNEL && f->state != 'S')) && f->still)
        return CONDUCT_KERNEL;
    if (p->between_us > 0 && f->cpu_delta_us >= p->between_us / 2)
        return CONDUCT_SPINNING;
    if (on_cpu && f->cpu_delta_us >= p->between_us / 50) /* 2 %: many of them share the machine */
        return CONDUCT_SPINNING;
    return sits(p, f) && waits_without_end(f) ? CONDUCT_BLOCKED : CONDUCT_SLEEPING;
}

static bool
within_process(enum wait_class wait)
{
    return wait == WAIT_MUTEX || wait == WAIT_COND || wait == WAIT_SEM || wait == WAIT_RWLOCK ||
           wait == WAIT_BARRIER || wait == WAIT_JOIN || wait == WAIT_FUTEX;
}

bool
trial_within(const struct thread_facts *f)
{
    return within_process(f->wait);
}

bool
trial_moves(const struct trial *t, size_t i)
{
    const struct thread_facts *f = &t->facts->threads[i];

    if (t->of[i].conduct == CONDUCT_ENDED)
        return false;
    if (t->of[i].conduct != CONDUCT_BLOCKED)
        return true;
    if (f->wait == WAIT_READ || f->wait == WAIT_WRITE)
        return strcmp(f->fd_peer, "this process") != 0;
    return !within_process(f->wait) || f->shared; /* then somebody outside may help */
}

/* ---- whose it is ---------------------------------------------------------------------------- */

/* Pools that never end before the process does, and keep it from ending never. */
static const char *const runtime_modules[] = {
    "libc.so",       "libc-",         "libpthread",  "librt.so",    "librt-",      "ld-linux",
    "libasan.so",    "libtsan.so",    "liblsan.so",  "libubsan.so", "libgomp.so",  "libiomp5.so",
    "libomp.so",     "libjvm.so",     "libnode.so",  "libv8",       "libuv.so",    "libglib-2.0.so",
    "libgio-2.0.so", "libjemalloc",   "libtcmalloc", "libcuda.so",  "libopenblas", "libmkl_",
    "libtbb.so",     "libcoreclr.so",
};

/* Functions in which libc and others begin threads of their own, in a program without shared libraries too. */
static const char *const runtime_starts[] = {
    "timer_helper_thread", "timer_sigev_thread",  "handle_fildes_io",
    "handle_requests",     "__aio_notify_thread", "PlatformWorkerThread",
    "uv__signal_",         "uv__stream_osx",      "DelayedTaskScheduler",
    "inspector",
};

static bool
module_is_runtime(const char *module)
{
    for (size_t i = 0; i < sizeof(runtime_modules) / sizeof(runtime_modules[0]); i++)
        if (strncmp(module, runtime_modules[i], strlen(runtime_modules[i])) == 0)
            return true;
    return false;
}

static bool
start_is_runtime(const char *function)
{
    for (size_t i = 0; i < sizeof(runtime_starts) / sizeof(runtime_starts[0]); i++)
        if (function[0] != '\0' && strstr(function, runtime_starts[i]))
            return true;
    return false;
}

static const char *
program_of(const struct process_facts *p)
{
    const char *slash = strrchr(p->exe, '/');

    return slash ? slash + 1 : p->exe;
}

/* libc's own functions in a program that has its libc inside: whole names, which nobody else takes. */
static bool
is_of_libc(const char *function)
{
    static const char *const names[] = {"timer_helper_thread", "timer_sigev_thread",
                                        "handle_fildes_io"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(function, names[i]) == 0)
            return true;
    return false;
}

/* Does code of the program itself run in it, as far as its stack is known? */
static bool
runs_program(const struct process_facts *p, const struct thread_facts *f)
{
    for (unsigned k = 0; k < f->n_frames && k < FACTS_FRAMES_MAX; k++)
        if (f->frames[k].unmapped ||
            (f->frames[k].business && !module_is_runtime(f->frames[k].module) &&
             !is_of_libc(f->frames[k].function)))
            return true;
    return f->start.unmapped ||
           (f->start.module[0] != '\0' && f->start.business &&
            strcmp(f->start.module, program_of(p)) == 0 && !is_of_libc(f->start.function));
}

/*
 * By where it began and what is on its stack, never by its name alone: a name is inherited and chosen.
 * A thread whose whole body is a function of libc (pause) is somebody's own all the same.
 */
static bool
is_runtime(const struct process_facts *p, const struct thread_facts *f)
{
    if (f->main)
        return false;
    if (f->kernel)
        return true;
    if (f->claimed && !p->untrusted && !f->claim.preload)
        return false;
    if (strncmp(f->comm, "iou-", 4) == 0 && f->n_frames == 0 && f->start.pc == 0)
        return true;
    if (f->start.pc == 0 || f->start.unmapped)
        return false;
    if (f->n_frames > 0 && f->start.function[0] != '\0' &&
        strcmp(f->frames[0].function, f->start.function) == 0)
        return false;
    return (module_is_runtime(f->start.module) || start_is_runtime(f->start.function)) &&
           !runs_program(p, f);
}

static bool
is_foreign(const struct process_facts *p, const struct thread_facts *f)
{
    const char *program = program_of(p);

    if (f->main || f->start.pc == 0 || f->start.unmapped || f->start.module[0] == '\0' ||
        strcmp(f->start.module, program) == 0)
        return false;
    for (unsigned k = 0; k < f->n_frames && k < FACTS_FRAMES_MAX; k++)
        if (f->frames[k].unmapped || strcmp(f->frames[k].module, program) == 0)
            return false;
    return true;
}

/* ---- when it should leave ------------------------------------------------------------------- */

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t
after(int64_t us, int64_t span_us)
{
    if (span_us <= 0)
        return us;
    return us > INT64_MAX - span_us ? INT64_MAX : us + span_us;
}

/* Of the process; one that nobody asked has none, and then its tokens need some. */
static int64_t
process_grace(const struct process_facts *p)
{
    if (p->grace_us > 0)
        return p->grace_us;
    return p->cancelled_us != 0 ? 0 : GRACE_UNSAID_US;
}

/*
 * The grace begins when the thread could see that it should leave, not with somebody's SIGTERM: at its
 * birth, if that was later. But who is born when it is over already has no claim to another one.
 */
static void
dates(const struct trial *t, const struct thread_facts *f, struct standing *s)
{
    const struct process_facts *p = t->facts;
    const struct claim *c = &f->claim;
    int64_t grace_us = c->grace_us != INT64_MAX ? c->grace_us : process_grace(p);
    int64_t cancelled_us = c->cancelled_us;
    int64_t born_us = c->started_us != 0 ? c->started_us : f->started_us;

    if (cancelled_us <= 0 && c->deadline_us > 0 && c->deadline_us <= p->at_us)
        cancelled_us = c->deadline_us;
    if (cancelled_us <= 0 || cancelled_us > p->at_us)
        return;
    s->late_born = !c->task && born_us > after(cancelled_us, grace_us);
    s->asked_us = s->late_born ? cancelled_us : later(cancelled_us, born_us);
    s->due_us = after(s->asked_us, grace_us);
    if (c->exempt)
        s->due_us = later(s->due_us, c->exempt_until_us);
    if (c->task && c->deadline_us != INT64_MAX)
        s->due_us = later(s->due_us, c->deadline_us);
    s->due_us = later(s->due_us, c->shield_until_us);
    s->past = p->at_us >= s->due_us && (!f->fresh || s->late_born);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int
by_tid(const void *a, const void *b, void *trial)
{
    const struct process_facts *p = ((const struct trial *)trial)->facts;
    pid_t x = p->threads[*(const size_t *)a].tid, y = p->threads[*(const size_t *)b].tid;

    return (x > y) - (x < y);
}

size_t
trial_find(const struct trial *t, pid_t tid)
{
    size_t low = 0, high = t->facts->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->facts->threads[t->by_tid[middle]].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == t->facts->n || t->facts->threads[t->by_tid[low]].tid != tid ||
        t->of[t->by_tid[low]].conduct == CONDUCT_ENDED)
        return NOBODY;
    return t->by_tid[low];
}

static void
stand(struct trial *t, size_t i)
{
    const struct process_facts *p = t->facts;
    const struct thread_facts *f = &p->threads[i];
    struct standing *s = &t->of[i];

    s->waits_for = NOBODY;
    s->conduct = conduct_of(p, f);
    s->told = f->claimed && !p->untrusted;
    s->bound = s->told && !f->claim.preload;
    s->runtime = is_runtime(p, f);
    s->foreign = is_foreign(p, f);
    s->firm = f->still && p->between_us > 0 && waits_without_end(f);
    if (s->bound)
        dates(t, f, s);
    t->bound |= s->bound;
    if (f->main)
        t->main = i;
}

/*
 * Nobody is judged who was born between the looks: it may be on its way out. But when none of those who
 * were there before has moved since, only newborns can have started it, and they will start the next.
 */
static bool
is_relay(const struct process_facts *p)
{
    bool born = false;

    for (size_t i = 0; i < p->n; i++) {
        born |= p->threads[i].fresh;
        if (!p->threads[i].fresh && !p->threads[i].still)
            return false;
    }
    return born;
}

int
trial_begin(struct trial *t)
{
    const struct process_facts *p = t->facts;

    t->of = calloc(p->n + 1, sizeof(*t->of));
    t->by_tid = calloc(p->n + 1, sizeof(*t->by_tid));
    if (!t->of || !t->by_tid)
        return -ENOMEM;
    t->main = NOBODY;
    t->asked = p->cancelled_us > 0 && p->cancelled_us <= p->at_us;
    t->due_us = t->asked ? after(p->cancelled_us, process_grace(p)) : 0;
    t->past = t->asked && p->at_us >= t->due_us;
    t->relay = t->past && is_relay(p);
    for (size_t i = 0; i < p->n; i++) {
        t->by_tid[i] = i;
        stand(t, i);
    }
    qsort_r(t->by_tid, p->n, sizeof(*t->by_tid), by_tid, t);
    return 0;
}

void
trial_finish(struct trial *t)
{
    free(t->of);
    free(t->by_tid);
}
