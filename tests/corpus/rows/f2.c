/* SPDX-License-Identifier: GPL-2.0-or-later */

/* F, continued: requests, crowds and storms. */
#include <stdio.h>
#include <time.h>

#include "tests/corpus/corpus.h"

#define S_US INT64_C(1000000)

/* F09: a request that has more time than the process, and needs it. */
static NOINLINE THREAD_RESULT
f09_handle(void *arg)
{
    (void)arg;
    task_begin(root(), "GET /report", 60 * S_US);
    here();
    (void)token_await(root(), NEVER);
    (void)token_await(NULL, fixed ? 100000 : 30 * S_US); /* the answer of a backend */
    task_end();
    LEAVE;
}

void
row_F09(void)
{
    (void)spawn(root(), "f09-handler", f09_handle, NULL);
    all_here(1);
    serve();
    join_all();
}

/* F10: the same, and its time is over. */
static struct queue f10_backend = QUEUE(1);

static NOINLINE THREAD_RESULT
f10_handle(void *arg)
{
    (void)arg;
    task_begin(root(), "GET /report", S_US / 5);
    here();
    (void)queue_get(&f10_backend, fixed ? root() : NULL);
    task_end();
    LEAVE;
}

void
row_F10(void)
{
    (void)spawn(root(), "f10-handler", f10_handle, NULL);
    all_here(1);
    serve();
    join_all();
}

/* F11: nearly everybody waits in one place, and may. */
static struct queue f11_window = QUEUE(1);

static NOINLINE THREAD_RESULT
f11_wait_for_window(void *arg)
{
    here();
    (void)queue_get(arg, NULL);
    LEAVE;
}

void
row_F11(void)
{
    unsigned n = fixed ? 20 : 2000;

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "f11-handler", f11_wait_for_window, &f11_window);
    all_here(n);
    serve();
    queue_close(&f11_window);
    join_all();
}

/* F13: fifty reloads in a second, and everybody behaves. */
static NOINLINE THREAD_RESULT
f13_polite(void *arg)
{
    here();
    (void)token_await(arg, NEVER);
    LEAVE;
}

void
row_F13(void)
{
    unsigned n = 50;
    struct scope *now = generation_open("first");

    (void)scope_spawn(now, "f13-polite", f13_polite, scope_token(now));
    for (unsigned i = 0; i < n; i++) {
        struct scope *next = generation_open("next");

        (void)scope_spawn(next, "f13-polite", f13_polite, scope_token(next));
        all_here(i + 2);
        generation_retire(now, 100000);
        now = next;
        if (i % 5 == 0)
            (void)token_await(NULL, 20000 * some(1, 4));
    }
    serve();
    join_all();
}

/* F12: the new configuration is refused, and the old one goes on: nobody has to leave. */
static struct queue f12_jobs = QUEUE(4);

static NOINLINE THREAD_RESULT
f12_worker(void *arg)
{
    here();
    while (queue_get(arg, root()))
        ;
    LEAVE;
}

void
row_F12(void)
{
    struct scope *tried = generation_open("refused");

    (void)spawn(root(), "f12-worker", f12_worker, &f12_jobs);
    (void)scope_spawn(tried, "f12-tried", f13_polite, scope_token(tried));
    all_here(2);
    generation_retire(tried, 100000);
    serve();
    join_all();
}
