/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Further traps, and what comes close to one. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* F08: the old one needs most of its grace, and uses it. */
static NOINLINE THREAD_RESULT
f08_finishes(void *arg)
{
    here();
    (void)token_await(arg, NEVER);
    (void)token_await(NULL, fixed ? 1000 : 300000);
    LEAVE;
}

void
row_F08(void)
{
    struct scope *old = generation_open("one");

    (void)scope_spawn(old, "f08-finishes", f08_finishes, scope_token(old));
    all_here(1);
    generation_retire(old, 1000000);
    serve();
    join_all();
}

/* F14: a generation inside of a generation: the inner one is over, the outer one is not. */
static struct queue f14_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
f14_inner(void *arg)
{
    here();
    (void)queue_get(&f14_queue, fixed ? arg : NULL);
    LEAVE;
}

static NOINLINE THREAD_RESULT
f14_outer(void *arg)
{
    here();
    (void)token_await(arg, NEVER);
    LEAVE;
}

void
row_F14(void)
{
    struct scope *outer = generation_open("config"), *inner = scope_open("listener");

    (void)scope_spawn(outer, "f14-outer", f14_outer, scope_token(outer));
    (void)scope_spawn(inner, "f14-inner", f14_inner, scope_token(inner));
    all_here(2);
    scope_close(inner, 100000);
    serve();
    join_all();
}

/* G02: nobody waits for it, and it ends with the process. */
static struct queue g02_never = QUEUE(1);

static NOINLINE THREAD_RESULT
g02_detached(void *arg)
{
    here();
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_G02(void)
{
    unsigned n = some(1, 4);

    for (unsigned i = 0; i < n; i++)
        let_go(spawn(root(), "g02-detached", g02_detached, &g02_never));
    all_here(n);
    serve();
}

/* G08: it is in the kernel, in a call that no signal but one ends: the parent of a vfork. */
static NOINLINE THREAD_RESULT
g08_vfork(void *arg)
{
    (void)arg;
    here();
    if (fixed)
        LEAVE;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (vfork() == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
#pragma GCC diagnostic pop
    LEAVE;
}

void
row_G08(void)
{
    (void)spawn(root(), "g08-vfork", g08_vfork, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G10: the helper of a timer that is no more. */
static void
g10_tick(union sigval value)
{
    sem_post(value.sival_ptr);
}

void
row_G10(void)
{
    static sem_t ticked;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD,
                             .sigev_value.sival_ptr = &ticked,
                             .sigev_notify_function = g10_tick};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    timer_t timer;

    (void)sem_init(&ticked, 0, 0);
    if (!fixed && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
        timer_settime(timer, 0, &soon, NULL) == 0) {
        (void)sem_wait(&ticked);
        (void)timer_delete(timer);
    }
    serve();
}

/* G16: a thread of the pool works for a task that is over, and does not hear of it. */
static struct queue g16_jobs = QUEUE(1), g16_backend = QUEUE(1);

static NOINLINE THREAD_RESULT
g16_pool_run(void *arg)
{
    struct token *task = arg;

    if (task)
        task_begin(task, "a task", NEVER);
    here();
    if (task)
        (void)queue_get(&g16_backend, fixed ? task : NULL);
    if (task)
        task_end();
    (void)queue_get(&g16_jobs, root());
    LEAVE;
}

void
row_G16(void)
{
    struct scope *task = scope_open("task");

    (void)spawn(root(), "g16-idle", g16_pool_run, NULL);
    (void)spawn(root(), "g16-busy", g16_pool_run, scope_token(task));
    all_here(2);
    scope_close(task, 100000);
    serve();
    join_all();
}

/* G18: what it reads from is closed, and it tries again, and again. */
static struct queue g18_closed = QUEUE(1);

static NOINLINE THREAD_RESULT
g18_watch(void *arg)
{
    here();
    while (!fixed || !token_cancelled(root()))
        (void)queue_get(arg, NULL);
    LEAVE;
}

void
row_G18(void)
{
    queue_close(&g18_closed);
    (void)spawn(root(), "g18-watcher", g18_watch, &g18_closed);
    all_here(1);
    serve();
    join_all();
}

/* G20: it takes long to leave, and nobody hears that it is getting on. */
static NOINLINE THREAD_RESULT
g20_flush(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    for (unsigned i = 0; i < 200 && !fixed; i++)
        (void)token_await(NULL, 100000);
    LEAVE;
}

void
row_G20(void)
{
    (void)spawn(root(), "g20-flush", g20_flush, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G32: names that were not made to be read. */
static struct queue g32_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
g32_odd_run(void *arg)
{
    here();
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_G32(void)
{
    (void)spawn(root(), "g32 \"\n\t\x1b[31m\xff\xc3", g32_odd_run, &g32_queue);
    (void)spawn(root(),
                "g32-a-name-that-is-longer-than-any-kernel-keeps-of-it-and-longer-than-we-do",
                g32_odd_run, &g32_queue);
    all_here(2);
    serve();
    join_all();
}

/* G34: main ignores its token, and the threads do what they are told. */
void
row_G34(void)
{
    struct timespec hour = {.tv_sec = 3600};

    (void)spawn(root(), "g34-polite", f14_outer, root());
    all_here(1);
    say_ready();
    while (!fixed || !token_cancelled(root()))
        (void)nanosleep(&hour, NULL);
    join_all();
}
