/* SPDX-License-Identifier: GPL-2.0-or-later */

/* G: traps of pthreads and of the kernel; most of them are no leak. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* G01: nobody joins it, and it ends. */
static NOINLINE THREAD_RESULT
g01_short(void *arg)
{
    (void)arg;
    here();
    LEAVE;
}

void
row_G01(void)
{
    unsigned n = some(1, 9);

    for (unsigned i = 0; i < n; i++)
        let_go(spawn(root(), "g01-short", g01_short, NULL));
    all_here(n);
    serve();
}

/* G03: the first thread ends; the process does not. */
static struct queue g03_jobs = QUEUE(1);

static NOINLINE THREAD_RESULT
g03_survivor(void *arg)
{
    say_ready();
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_G03(void)
{
    let_go(spawn(root(), "g03-survivor", g03_survivor, &g03_jobs));
    pthread_exit(NULL);
}

/* G05: it takes each signal for none, and its token for nothing. */
static int g05_pipe[2];

static NOINLINE THREAD_RESULT
g05_read_again(void *arg)
{
    char byte;
    ssize_t n;

    (void)arg;
    here();
    do
        n = read(g05_pipe[0], &byte, 1);
    while (n == -1 && errno == EINTR);
    LEAVE;
}

void
row_G05(void)
{
    if (pipe(g05_pipe) == -1)
        return;
    (void)spawn(root(), "g05-reader", g05_read_again, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(g05_pipe[1]);
    join_all();
}

/* G07: the runner stops the process. */
static NOINLINE THREAD_RESULT
g07_polite(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    LEAVE;
}

void
row_G07(void)
{
    (void)spawn(root(), "g07-polite", g07_polite, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G09: the helpers of POSIX aio stay for a second or two. */
void
row_G09(void)
{
    static char buffer[64];
    struct aiocb cb = {.aio_fildes = open("/proc/self/stat", O_RDONLY | O_CLOEXEC),
                       .aio_buf = buffer,
                       .aio_nbytes = sizeof(buffer)};
    const struct aiocb *list[] = {&cb};

    if (!fixed && aio_read(&cb) == 0)
        (void)aio_suspend(list, 1, NULL);
    say_ready();
    (void)token_await(root(), NEVER);
    (void)close(cb.aio_fildes);
}

/* G11: somebody else's library has threads of its own. */
void foreign_pool_start(unsigned n);

void
row_G11(void)
{
    if (!fixed)
        foreign_pool_start(4);
    serve();
}

/* G13: it stays on purpose, and says why. */
static NOINLINE THREAD_RESULT
g13_metrics(void *arg)
{
    if (!fixed)
        exempt("metrics go on until the end", INT64_C(3600000000));
    here();
    (void)token_await(fixed ? arg : NULL, NEVER);
    LEAVE;
}

void
row_G13(void)
{
    struct scope *s = generation_open("before");
    struct thread *metrics = scope_spawn(s, "g13-metrics", g13_metrics, scope_token(s));

    all_here(1);
    if (!REGISTERED)
        let_go(metrics);
    generation_retire(s, 100000);
    serve();
    join_all();
}

/* G14: the same, and its time is over. */
static NOINLINE THREAD_RESULT
g14_metrics(void *arg)
{
    exempt("metrics go on for a moment", fixed ? INT64_C(3600000000) : 1000);
    here();
    (void)token_await(fixed ? arg : NULL, NEVER);
    LEAVE;
}

void
row_G14(void)
{
    struct scope *s = generation_open("before");

    (void)scope_spawn(s, "g14-metrics", g14_metrics, scope_token(s));
    all_here(1);
    generation_retire(s, 100000);
    serve();
    join_all();
}

/* G15: the pool lives on when a task's scope is over. */
static struct queue g15_jobs = QUEUE(4);

static NOINLINE THREAD_RESULT
g15_pool_run(void *arg)
{
    here();
    while (queue_get(arg, root()))
        ;
    LEAVE;
}

static NOINLINE THREAD_RESULT
g15_task_run(void *arg)
{
    here();
    (void)token_await(arg, NEVER);
    LEAVE;
}

void
row_G15(void)
{
    unsigned n = some(2, 5);
    struct scope *task = scope_open("task");

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "g15-pool", g15_pool_run, &g15_jobs);
    (void)scope_spawn(task, "g15-task", g15_task_run, scope_token(task));
    all_here(n + 1);
    scope_close(task, 500000);
    serve();
    join_all();
}

/* G17: one that starts its child again each time it has ended. */
static NOINLINE THREAD_RESULT
g17_child(void *arg)
{
    (void)arg;
    (void)token_await(root(), 20000);
    (void)token_await(NULL, 10000);
    LEAVE;
}

static NOINLINE THREAD_RESULT
g17_respawner(void *arg)
{
    (void)arg;
    here();
    while (!fixed || !token_cancelled(root()))
        join(spawn(root(), "g17-child", g17_child, NULL));
    LEAVE;
}

void
row_G17(void)
{
    struct thread *respawner = spawn(root(), "g17-respawner", g17_respawner, NULL);

    all_here(1);
    serve();
    join(respawner);
}

/* G19: it writes out what it has, which takes a while, and says so. */
static NOINLINE THREAD_RESULT
g19_flush(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    extend(3000000);
    for (unsigned i = 0; i < 15; i++) {
        (void)token_await(NULL, fixed ? 1000 : 100000);
        beat();
    }
    LEAVE;
}

void
row_G19(void)
{
    (void)spawn(root(), "g19-flush", g19_flush, NULL);
    all_here(1);
    serve();
    join_all();
}
