/* SPDX-License-Identifier: GPL-2.0-or-later */

/* C: messages between threads; shapes of bugs that were found in servers. */
#include <signal.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* C01: the caller took the other branch, and nobody takes the result. */
static struct queue c01_result = QUEUE(0);

static NOINLINE THREAD_RESULT
c01_request_run(void *arg)
{
    here();
    (void)queue_put(arg, fixed ? root() : NULL);
    LEAVE;
}

static NOINLINE void
c01_call(struct token *patience)
{
    (void)spawn(root(), "c01-request", c01_request_run, &c01_result);
    if (!token_cancelled(patience))
        (void)queue_get(&c01_result, patience);
}

void
row_C01(void)
{
    struct token *patience = token_new(root(), "patience");

    token_cancel(patience);
    c01_call(patience);
    all_here(1);
    serve();
    join_all();
}

/* C02: it waits for a condition under a context that is over. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned credit;
} c02_window = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static NOINLINE THREAD_RESULT
c02_send_run(void *arg)
{
    bool left = false;

    (void)arg;
    (void)pthread_mutex_lock(&c02_window.mutex);
    here();
    while (c02_window.credit == 0 && !left)
        left = cond_wait(&c02_window.changed, &c02_window.mutex, fixed ? root() : NULL);
    (void)pthread_mutex_unlock(&c02_window.mutex);
    LEAVE;
}

void
row_C02(void)
{
    (void)spawn(root(), "c02-sender", c02_send_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* C03: the reader waits for a message that the end of the stream should bring. */
static int c03_stream[2];

static NOINLINE THREAD_RESULT
c03_read_stream(void *arg)
{
    char byte;

    (void)arg;
    here();
    while (read(c03_stream[0], &byte, 1) > 0)
        ;
    LEAVE;
}

static NOINLINE void
c03_close_stream(void)
{
    if (fixed)
        (void)close(c03_stream[1]);
}

void
row_C03(void)
{
    if (pipe(c03_stream) == -1)
        return;
    (void)spawn(root(), "c03-reader", c03_read_stream, NULL);
    all_here(1);
    (void)!write(c03_stream[1], "some of it", some(1, 10));
    serve();
    c03_close_stream();
    join_all();
}

/* C05: a watcher waits for the end of a transaction that nobody ends. */
static NOINLINE THREAD_RESULT
c05_await_done(void *arg)
{
    here();
    while (!token_await(arg, NEVER))
        ;
    LEAVE;
}

void
row_C05(void)
{
    struct token *tx = token_new(fixed ? root() : NULL, "transaction");

    (void)spawn(root(), "c05-watcher", c05_await_done, tx);
    all_here(1);
    serve();
    join_all();
}

/* C06: two wait for each other's message. */
static struct queue c06_to_a = QUEUE(1), c06_to_b = QUEUE(1);

static NOINLINE THREAD_RESULT
c06_side(void *arg)
{
    struct queue *mine = arg;

    here();
    (void)queue_get(mine, fixed ? root() : NULL);
    (void)queue_put(mine == &c06_to_a ? &c06_to_b : &c06_to_a, NULL);
    LEAVE;
}

void
row_C06(void)
{
    (void)spawn(root(), "c06-side-a", c06_side, &c06_to_a);
    (void)spawn(root(), "c06-side-b", c06_side, &c06_to_b);
    all_here(2);
    serve();
    join_all();
}

/* C07: on cancel the reader returns, and the writer has more. */
static struct queue c07_results = QUEUE(2);

static NOINLINE THREAD_RESULT
c07_produce(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 8; i++) {
        if (i == 2)
            here();
        (void)queue_put(&c07_results, fixed ? root() : NULL);
    }
    LEAVE;
}

static NOINLINE THREAD_RESULT
c07_consume(void *arg)
{
    (void)arg;
    while (!token_await(root(), NEVER))
        ;
    LEAVE; /* without taking the rest */
}

void
row_C07(void)
{
    (void)spawn(root(), "c07-producer", c07_produce, NULL);
    (void)spawn(root(), "c07-consumer", c07_consume, NULL);
    all_here(1);
    serve();
    join_all();
}

/* C08: the answer is for a queue that was replaced. */
static struct queue c08_old = QUEUE(0), c08_new = QUEUE(0);

static NOINLINE THREAD_RESULT
c08_reply(void *arg)
{
    here();
    (void)queue_put(arg, fixed ? root() : NULL);
    LEAVE;
}

static NOINLINE THREAD_RESULT
c08_listen(void *arg)
{
    here();
    (void)queue_get(arg, root());
    LEAVE;
}

void
row_C08(void)
{
    (void)spawn(root(), "c08-reply", c08_reply, &c08_old);
    (void)spawn(root(), "c08-listener", c08_listen, &c08_new);
    all_here(2);
    serve();
    join_all();
}

/* C09: it asks "is it draining?" by a receive that waits. */
static struct queue c09_draining = QUEUE(1);

static NOINLINE THREAD_RESULT
c09_checker(void *arg)
{
    here();
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_C09(void)
{
    (void)spawn(root(), "c09-checker", c09_checker, &c09_draining);
    all_here(1);
    serve();
    join_all();
}

/* C10: it logs into a pipe that nobody reads. */
static int c10_pipe[2];

static NOINLINE THREAD_RESULT
c10_log_run(void *arg)
{
    static const char line[4096] = "a line";

    (void)arg;
    here();
    while (write(c10_pipe[1], line, sizeof(line)) > 0)
        ;
    LEAVE;
}

void
row_C10(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (pipe(c10_pipe) == -1)
        return;
    (void)spawn(root(), "c10-logger", c10_log_run, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(c10_pipe[0]);
    join_all();
}

/* C11: who tells all to leave is stuck with the first. */
static struct queue c11_to_a = QUEUE(1), c11_to_b = QUEUE(1);

static NOINLINE THREAD_RESULT
c11_worker(void *arg)
{
    here();
    (void)queue_get(arg, NULL);
    LEAVE;
}

static NOINLINE THREAD_RESULT
c11_cancel_all(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    (void)queue_put(&c11_to_a, fixed ? root() : NULL); /* full: A has ended without taking it */
    (void)queue_put(&c11_to_b, NULL);
    LEAVE;
}

void
row_C11(void)
{
    (void)queue_put(&c11_to_a, NULL);
    (void)spawn(root(), "c11-canceller", c11_cancel_all, NULL);
    (void)spawn(root(), "c11-worker-b", c11_worker, &c11_to_b);
    all_here(2);
    serve();
    join_all();
}
