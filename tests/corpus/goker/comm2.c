/* SPDX-License-Identifier: GPL-2.0-or-later */

/* GoKer, communication deadlocks: a channel and a context (8), and condition variables (2 + 2). */
#include "goker.h"

/* A context that nobody cancels; the twin's is the process's. */
#define CONTEXT token_new(fixed ? root() : NULL, "context")

/* grpc_862: nobody closes the connection, and it is tried for ever. */
FN(grpc_862_reset_transport)
{
    here();
    while (!token_await(arg, 10000))
        ;
    LEAVE;
}

void
row_grpc_862(void)
{
    (void)spawn(root(), "reset", grpc_862_reset_transport, CONTEXT);
    play_out(1);
}

/* cockroach_13755, cockroach_13197: rows, and a transaction, wait for a cancel that is forgotten. */
FN(cockroach_13755_await_done)
{
    here();
    (void)token_await(arg, NEVER);
    LEAVE;
}

void
row_cockroach_13755(void)
{
    (void)spawn(root(), "rows", cockroach_13755_await_done, CONTEXT);
    play_out(1);
}

FN(cockroach_13197_await_done)
{
    here();
    (void)token_await(arg, NEVER);
    LEAVE;
}

static NOINLINE void
cockroach_13197_begin(void)
{
    (void)spawn(root(), "tx", cockroach_13197_await_done, CONTEXT);
    NOT_THE_LAST();
}

void
row_cockroach_13197(void)
{
    cockroach_13197_begin();
    play_out(1);
}

/* istio_18454: the event loop waits for a timer that was stopped, so nobody takes what is sent to it. */
static struct queue istio_18454_reset = QUEUE(1), istio_18454_timer = QUEUE(1);

FN(istio_18454_event_loop)
{
    (void)arg;
    (void)queue_get(&istio_18454_reset, NULL);
    here();
    (void)queue_get(&istio_18454_timer, FIX);
    LEAVE;
}

FN(istio_18454_process)
{
    (void)arg;
    (void)queue_put(&istio_18454_reset, NULL);
    all_here(1);
    (void)queue_put(&istio_18454_reset, NULL);
    here();
    (void)queue_put(&istio_18454_reset, FIX);
    LEAVE;
}

void
row_istio_18454(void)
{
    GO("event-loop", istio_18454_event_loop);
    GO("processor", istio_18454_process);
    play_out(2);
}

/* cockroach_18101: the context ends who takes, not who sends. */
static struct queue cockroach_18101_spans = QUEUE(6);

FN(cockroach_18101_restore)
{
    (void)queue_get(&cockroach_18101_spans, arg);
    here();
    LEAVE;
}

FN(cockroach_18101_scatter)
{
    (void)arg;
    for (unsigned i = 0; i < 8; i++)
        (void)queue_put(&cockroach_18101_spans, FIX);
    LEAVE;
}

void
row_cockroach_18101(void)
{
    struct token *context = token_new(NULL, "context");

    (void)spawn(root(), "restore", cockroach_18101_restore, context);
    GO("scatter", cockroach_18101_scatter);
    all_here(1);
    token_cancel(context);
    play_out(1);
}

/* cockroach_10790: the branch of the cancel leaves one behind that drains what is not sent. */
static struct queue cockroach_10790_commands = QUEUE(0);

FN(cockroach_10790_drain)
{
    (void)arg;
    here();
    (void)queue_get(&cockroach_10790_commands, FIX);
    LEAVE;
}

FN(cockroach_10790_begin)
{
    (void)token_await(arg, NEVER);
    GO("drain", cockroach_10790_drain);
    LEAVE;
}

void
row_cockroach_10790(void)
{
    struct token *context = token_new(NULL, "context");
    struct thread *begin = spawn(root(), "begin", cockroach_10790_begin, context);

    token_cancel(context);
    join(begin);
    play_out(1);
}

/* kubernetes_25331: on an error it cancels itself, and then gives a result that nobody takes. */
static struct queue kubernetes_25331_errors = QUEUE(0), kubernetes_25331_results = QUEUE(0);

FN(kubernetes_25331_run)
{
    (void)queue_get(&kubernetes_25331_errors, NULL);
    token_cancel(arg);
    here();
    (void)queue_put(&kubernetes_25331_results, fixed ? arg : NULL);
    LEAVE;
}

FN(kubernetes_25331_stop)
{
    (void)queue_put(&kubernetes_25331_errors, NULL);
    token_cancel(arg);
    LEAVE;
}

void
row_kubernetes_25331(void)
{
    struct token *context = token_new(root(), "context");

    (void)spawn(root(), "run", kubernetes_25331_run, context);
    (void)spawn(root(), "stop", kubernetes_25331_stop, context);
    play_out(1);
}

/* moby_33781: the monitor was stopped while its probe was under way. */
static struct queue moby_33781_results = QUEUE(0);

FN(moby_33781_probe)
{
    (void)token_await(arg, NEVER);
    here();
    (void)queue_put(&moby_33781_results, FIX);
    LEAVE;
}

FN(moby_33781_monitor)
{
    (void)spawn(root(), "probe", moby_33781_probe, arg);
    (void)token_await(arg, NEVER); /* "stop": without draining the results */
    LEAVE;
}

void
row_moby_33781(void)
{
    struct token *stop = token_new(NULL, "stop");
    struct thread *monitor = spawn(root(), "monitor", moby_33781_monitor, stop);

    token_cancel(stop);
    join(monitor);
    play_out(1);
}

/* ---- condition variables ----------------------------------------------------------------------- */

struct lever {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool on;
};
#define LEVER                                             \
    {                                                     \
        .mutex = MUTEX, .moved = PTHREAD_COND_INITIALIZER \
    }

/* kubernetes_11298: the notifier ended between the look and the wait. */
static struct lever kubernetes_11298_lever = LEVER;
static struct queue kubernetes_11298_waited = QUEUE(0);

FN(kubernetes_11298_after)
{
    bool left = false;

    (void)arg;
    LOCK(&kubernetes_11298_lever.mutex);
    here();
    while (!kubernetes_11298_lever.on && !left)
        left = cond_wait(&kubernetes_11298_lever.moved, &kubernetes_11298_lever.mutex, FIX);
    UNLOCK(&kubernetes_11298_lever.mutex);
    queue_close(&kubernetes_11298_waited);
    LEAVE;
}

FN(kubernetes_11298_service_loop)
{
    (void)arg;
    here();
    (void)queue_get(&kubernetes_11298_waited, NULL);
    LEAVE;
}

void
row_kubernetes_11298(void)
{
    GO("after", kubernetes_11298_after);
    GO("service-loop", kubernetes_11298_service_loop);
    play_out(2);
}

/* moby_27782: the reader delivers an event, and who removes the watch waits for the reader. */
static struct lever moby_27782_gone = LEVER;
static struct queue moby_27782_events = QUEUE(0);

FN(moby_27782_read_events)
{
    (void)arg;
    here();
    (void)queue_put(&moby_27782_events, FIX);
    LOCK(&moby_27782_gone.mutex);
    moby_27782_gone.on = true;
    (void)pthread_cond_broadcast(&moby_27782_gone.moved);
    UNLOCK(&moby_27782_gone.mutex);
    LEAVE;
}

FN(moby_27782_remove)
{
    (void)arg;
    LOCK(&moby_27782_gone.mutex);
    here();
    while (!moby_27782_gone.on)
        (void)pthread_cond_wait(&moby_27782_gone.moved, &moby_27782_gone.mutex);
    UNLOCK(&moby_27782_gone.mutex);
    LEAVE;
}

void
row_moby_27782(void)
{
    GO("reader", moby_27782_read_events);
    GO("remove", moby_27782_remove);
    play_out(2);
}

/* moby_30408: the plugin failed, and who waits for it is not told. */
static struct lever moby_30408_active = LEVER;

FN(moby_30408_wait_active)
{
    bool left = false;

    (void)arg;
    LOCK(&moby_30408_active.mutex);
    here();
    while (!moby_30408_active.on && !left)
        left = cond_wait(&moby_30408_active.moved, &moby_30408_active.mutex, FIX);
    UNLOCK(&moby_30408_active.mutex);
    LEAVE;
}

void
row_moby_30408(void)
{
    GO("wait-active", moby_30408_wait_active);
    play_out(1);
}

/* moby_29733: a handler that came later made the plugin inactive, and nobody activates it again. */
static struct lever moby_29733_active = LEVER;

FN(moby_29733_wait_active)
{
    (void)arg;
    LOCK(&moby_29733_active.mutex);
    here();
    while (!moby_29733_active.on)
        (void)pthread_cond_wait(&moby_29733_active.moved, &moby_29733_active.mutex);
    UNLOCK(&moby_29733_active.mutex);
    LEAVE;
}

static NOINLINE void
moby_29733_activate(void)
{
    LOCK(&moby_29733_active.mutex);
    moby_29733_active.on = fixed;
    (void)pthread_cond_broadcast(&moby_29733_active.moved);
    UNLOCK(&moby_29733_active.mutex);
}

void
row_moby_29733(void)
{
    moby_29733_activate();
    GO("wait-active", moby_29733_wait_active);
    play_out(1);
}
