/* SPDX-License-Identifier: GPL-2.0-or-later */

/* GoKer, communication deadlocks: a channel (17). */
#include "goker.h"

/* One side of a channel, and nobody on the other. */
#define ALONE(id, does, op, size)                   \
    static struct queue id##_channel = QUEUE(size); \
    FN(id##_##does)                                 \
    {                                               \
        (void)arg;                                  \
        here();                                     \
        (void)op(&id##_channel, FIX);               \
        LEAVE;                                      \
    }                                               \
    static NOINLINE void id##_start(void)           \
    {                                               \
        GO(#does, id##_##does);                     \
        NOT_THE_LAST();                             \
    }                                               \
    void row_##id(void)                             \
    {                                               \
        id##_start();                               \
        play_out(1);                                \
    }

ALONE(grpc_1275, read_stream, queue_get, 0)   /* the closed stream sends no last message */
ALONE(grpc_660, close_loop, queue_put, 0)     /* the loop was stopped and does not take "done" */
ALONE(cockroach_25456, process, queue_get, 0) /* "is it quiescing?" by a receive that waits */
ALONE(kubernetes_5316, run_request, queue_put, 0) /* the request's caller has timed out */
ALONE(moby_4395, run_function, queue_put, 0)      /* nobody wanted the function's error */
ALONE(moby_33293, container_wait, queue_put, 0)   /* it sends before it returns the channel */
ALONE(kubernetes_38669, process_events, queue_put,
      0) /* the watcher was stopped before its events */

/* grpc_1424: the watcher returns and does not close what is waited for. */
static struct queue grpc_1424_addresses = QUEUE(0), grpc_1424_done = QUEUE(0);

FN(grpc_1424_watcher)
{
    (void)arg;
    while (queue_get(&grpc_1424_addresses, NULL))
        ;
    if (fixed)
        queue_close(&grpc_1424_done);
    here();
    LEAVE;
}

FN(grpc_1424_dial)
{
    (void)arg;
    here();
    (void)queue_get(&grpc_1424_done, NULL);
    LEAVE;
}

void
row_grpc_1424(void)
{
    GO("watcher", grpc_1424_watcher);
    GO("dial", grpc_1424_dial);
    queue_close(&grpc_1424_addresses);
    play_out(2);
}

/* etcd_6857: its status is asked for after the node has stopped. */
static struct queue etcd_6857_status = QUEUE(0), etcd_6857_stop = QUEUE(0);

FN(etcd_6857_run)
{
    (void)arg;
    (void)queue_get(&etcd_6857_stop, NULL);
    here();
    LEAVE;
}

FN(etcd_6857_ask_status)
{
    (void)arg;
    all_here(1);
    here();
    (void)queue_put(&etcd_6857_status, FIX);
    LEAVE;
}

void
row_etcd_6857(void)
{
    GO("run", etcd_6857_run);
    GO("status", etcd_6857_ask_status);
    (void)queue_put(&etcd_6857_stop, NULL);
    play_out(2);
}

/* istio_17860: the agent ended after the first status; each further epoch wants to give its own. */
static struct queue istio_17860_status = QUEUE(0);

FN(istio_17860_agent)
{
    (void)arg;
    (void)queue_get(&istio_17860_status, NULL);
    here();
    LEAVE;
}

FN(istio_17860_run_wait)
{
    (void)arg;
    (void)queue_put(&istio_17860_status, FIX);
    LEAVE;
}

void
row_istio_17860(void)
{
    GO("agent", istio_17860_agent);
    GO("epoch", istio_17860_run_wait);
    GO("epoch", istio_17860_run_wait);
    play_out(1);
}

/* syncthing_5795: what the dispatcher calls waits for the end of the dispatcher. */
static struct queue syncthing_5795_inbox = QUEUE(0), syncthing_5795_stopped = QUEUE(0);

static NOINLINE void
syncthing_5795_close(void)
{
    if (!fixed)
        (void)queue_get(&syncthing_5795_stopped, NULL);
}

FN(syncthing_5795_dispatch)
{
    (void)arg;
    (void)queue_get(&syncthing_5795_inbox, NULL);
    here();
    syncthing_5795_close();
    queue_close(&syncthing_5795_stopped);
    LEAVE;
}

void
row_syncthing_5795(void)
{
    GO("dispatcher", syncthing_5795_dispatch);
    (void)queue_put(&syncthing_5795_inbox, NULL);
    play_out(1);
}

/* cockroach_35931: to cancel a flow pushes to each receiver, and the left one is full. */
static struct queue cockroach_35931_left = QUEUE(1), cockroach_35931_right = QUEUE(1);

static NOINLINE void
cockroach_35931_push(struct queue *q)
{
    (void)queue_put(q, FIX);
    NOT_THE_LAST();
}

FN(cockroach_35931_cancel)
{
    (void)arg;
    cockroach_35931_push(&cockroach_35931_left);
    here();
    cockroach_35931_push(&cockroach_35931_left);
    cockroach_35931_push(&cockroach_35931_right);
    LEAVE;
}

void
row_cockroach_35931(void)
{
    GO("cancel", cockroach_35931_cancel);
    play_out(1);
}

/* cockroach_35073: the outbox is full, its loop has ended, and one more is pushed. */
static struct queue cockroach_35073_rows = QUEUE(16);

FN(cockroach_35073_pusher)
{
    (void)arg;
    for (unsigned i = 0; i < 16; i++)
        (void)queue_put(&cockroach_35073_rows, NULL);
    here();
    (void)queue_put(&cockroach_35073_rows, FIX);
    LEAVE;
}

void
row_cockroach_35073(void)
{
    GO("pusher", cockroach_35073_pusher);
    play_out(1);
}

/* cockroach_24808: the compactor is nudged twice before its worker runs. */
static struct queue cockroach_24808_nudge = QUEUE(1);

FN(cockroach_24808_start)
{
    (void)arg;
    (void)queue_put(&cockroach_24808_nudge, NULL);
    here();
    (void)queue_put(&cockroach_24808_nudge, FIX);
    LEAVE;
}

void
row_cockroach_24808(void)
{
    GO("start", cockroach_24808_start);
    play_out(1);
}

/* cockroach_2448: one hands an event to the store, which hands its callback to the one. */
static struct queue cockroach_2448_events = QUEUE(0), cockroach_2448_callbacks = QUEUE(0);

FN(cockroach_2448_raft)
{
    (void)arg;
    (void)queue_get(&cockroach_2448_events, NULL);
    here();
    (void)queue_put(&cockroach_2448_callbacks, FIX);
    LEAVE;
}

FN(cockroach_2448_state)
{
    (void)arg;
    (void)queue_put(&cockroach_2448_events, NULL);
    here();
    (void)queue_put(&cockroach_2448_events, FIX);
    LEAVE;
}

void
row_cockroach_2448(void)
{
    GO("raft", cockroach_2448_raft);
    GO("state", cockroach_2448_state);
    play_out(2);
}

/* kubernetes_70277: the poller does not hear that it was enough, and "done" is never closed. */
static struct queue kubernetes_70277_done = QUEUE(0);

FN(kubernetes_70277_wait_for)
{
    (void)arg;
    here();
    (void)queue_get(&kubernetes_70277_done, NULL);
    LEAVE;
}

void
row_kubernetes_70277(void)
{
    GO("wait-for", kubernetes_70277_wait_for);
    all_here(1);
    serve();
    if (fixed)
        queue_close(&kubernetes_70277_done);
    join_all();
}

/* moby_21233: the consumer of progress failed its test and returned. */
static struct queue moby_21233_progress = QUEUE(0);

FN(moby_21233_consume)
{
    (void)arg;
    (void)queue_get(&moby_21233_progress, NULL);
    here();
    LEAVE;
}

FN(moby_21233_transfer)
{
    (void)arg;
    while (queue_put(&moby_21233_progress, FIX))
        ;
    LEAVE;
}

void
row_moby_21233(void)
{
    GO("consumer", moby_21233_consume);
    for (unsigned i = 0; i < 3; i++)
        GO("transfer", moby_21233_transfer);
    play_out(1);
}
