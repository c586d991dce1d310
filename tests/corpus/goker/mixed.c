/* SPDX-License-Identifier: GPL-2.0-or-later */

/* GoKer, mixed deadlocks: a channel and a lock (13), a channel and a WaitGroup (2), a WaitGroup (1). */
#include "goker.h"

/*
 * One waits at a channel with the lock in hand; who would be at the other end wants the lock first.
 * The twin lets the lock go before the channel, and leaves when it is told to.
 */
#define UNDER_LOCK(id, holds, op, wants, other)  \
    static pthread_mutex_t id##_lock = MUTEX;    \
    static struct queue id##_channel = QUEUE(0); \
    FN(id##_##holds)                             \
    {                                            \
        (void)arg;                               \
        LOCK(&id##_lock);                        \
        here();                                  \
        if (fixed)                               \
            UNLOCK(&id##_lock);                  \
        (void)op(&id##_channel, FIX);            \
        if (!fixed)                              \
            UNLOCK(&id##_lock);                  \
        LEAVE;                                   \
    }                                            \
    FN(id##_##wants)                             \
    {                                            \
        (void)arg;                               \
        all_here(1);                             \
        here();                                  \
        LOCK(&id##_lock);                        \
        (void)other(&id##_channel, FIX);         \
        UNLOCK(&id##_lock);                      \
        LEAVE;                                   \
    }                                            \
    void row_##id(void)                          \
    {                                            \
        GO(#holds, id##_##holds);                \
        GO(#wants, id##_##wants);                \
        play_out(2);                             \
    }

UNDER_LOCK(grpc_1460, keepalive, queue_get, new_stream, queue_put)
UNDER_LOCK(grpc_1353, watch_addresses, queue_put, lb_watcher, queue_get)
UNDER_LOCK(etcd_7902, follower, queue_get, leader, queue_put)
UNDER_LOCK(etcd_7443, balancer_up, queue_put, close_balancer, queue_get)
UNDER_LOCK(istio_16224, handle_event, queue_put, test_body, queue_get)
UNDER_LOCK(kubernetes_10182, set_status, queue_put, sync_batch, queue_get)
UNDER_LOCK(kubernetes_6632, write_frame, queue_put, monitor, queue_get)
UNDER_LOCK(kubernetes_1321, distribute, queue_put, stop_watching, queue_get)
UNDER_LOCK(kubernetes_26980, pop, queue_get, add, queue_put)
UNDER_LOCK(moby_28462, state_changed, queue_put, monitor, queue_get)

/* etcd_7492: a token is added under the lock while the keeper deletes one, which takes the lock. */
static pthread_mutex_t etcd_7492_tokens = MUTEX;
static struct queue etcd_7492_add = QUEUE(1);

FN(etcd_7492_authenticate)
{
    (void)arg;
    LOCK(&etcd_7492_tokens);
    (void)queue_put(&etcd_7492_add, NULL); /* there is room for one */
    here();
    if (fixed)
        UNLOCK(&etcd_7492_tokens);
    (void)queue_put(&etcd_7492_add, FIX);
    if (!fixed)
        UNLOCK(&etcd_7492_tokens);
    LEAVE;
}

FN(etcd_7492_keeper)
{
    (void)arg;
    all_here(1);
    here();
    LOCK(&etcd_7492_tokens); /* the ticker: delete */
    UNLOCK(&etcd_7492_tokens);
    (void)queue_get(&etcd_7492_add, FIX);
    LEAVE;
}

void
row_etcd_7492(void)
{
    GO("authenticate", etcd_7492_authenticate);
    GO("keeper", etcd_7492_keeper);
    play_out(2);
}

/* etcd_6873: stop holds the lock, and waits for the loop that coalesces under it. */
static pthread_mutex_t etcd_6873_broadcasts = MUTEX;
static struct queue etcd_6873_updates = QUEUE(1), etcd_6873_done = QUEUE(0);

FN(etcd_6873_coalesce)
{
    (void)arg;
    (void)queue_get(&etcd_6873_updates, NULL);
    LOCK(&etcd_6873_broadcasts);
    UNLOCK(&etcd_6873_broadcasts);
    queue_close(&etcd_6873_done);
    LEAVE;
}

FN(etcd_6873_stop)
{
    (void)arg;
    LOCK(&etcd_6873_broadcasts);
    here();
    if (fixed)
        UNLOCK(&etcd_6873_broadcasts);
    (void)queue_put(&etcd_6873_updates, NULL);
    (void)queue_get(&etcd_6873_done, NULL);
    if (!fixed)
        UNLOCK(&etcd_6873_broadcasts);
    LEAVE;
}

void
row_etcd_6873(void)
{
    GO("coalesce", etcd_6873_coalesce);
    GO("stop", etcd_6873_stop);
    play_out(1);
}

/* serving_2137: one request has the only place and wants a lock; who would unlock it waits for the other. */
static pthread_mutex_t serving_2137_first = MUTEX;
static struct queue serving_2137_active = QUEUE(1), serving_2137_accepted = QUEUE(1);

FN(serving_2137_active_request)
{
    (void)arg;
    (void)queue_put(&serving_2137_active, NULL);
    here();
    LOCK(&serving_2137_first); /* the thunk */
    UNLOCK(&serving_2137_first);
    (void)queue_get(&serving_2137_active, NULL);
    LEAVE;
}

FN(serving_2137_pending_request)
{
    (void)arg;
    (void)queue_put(&serving_2137_active, NULL);
    (void)queue_put(&serving_2137_accepted, NULL);
    LEAVE;
}

FN(serving_2137_unlock_all)
{
    (void)arg;
    LOCK(&serving_2137_first);
    here();
    all_here(2);
    if (fixed)
        UNLOCK(&serving_2137_first);
    (void)queue_get(&serving_2137_accepted, NULL); /* of the second one first */
    if (!fixed)
        UNLOCK(&serving_2137_first);
    LEAVE;
}

void
row_serving_2137(void)
{
    GO("unlock-all", serving_2137_unlock_all);
    all_here(1);
    GO("active", serving_2137_active_request);
    all_here(2);
    GO("pending", serving_2137_pending_request);
    play_out(2);
}

/* ---- WaitGroups ------------------------------------------------------------------------------------ */

/* cockroach_1462: the worker that sends is not in the select any more when the stopper stops. */
static struct queue cockroach_1462_events = QUEUE(0);
static struct group cockroach_1462_workers = GROUP(1);

FN(cockroach_1462_transport)
{
    (void)arg;
    here();
    (void)queue_put(&cockroach_1462_events, FIX);
    group_done(&cockroach_1462_workers);
    LEAVE;
}

FN(cockroach_1462_stop)
{
    (void)arg;
    here();
    group_wait(&cockroach_1462_workers);
    LEAVE;
}

void
row_cockroach_1462(void)
{
    GO("transport", cockroach_1462_transport);
    GO("stop", cockroach_1462_stop);
    play_out(2);
}

/* cockroach_1055: Quiesce() waits for tasks under the lock, and they end only when stopped. */
static pthread_mutex_t cockroach_1055_lock = MUTEX;
static struct group cockroach_1055_tasks = GROUP(1);
static struct queue cockroach_1055_stopper = QUEUE(0);

FN(cockroach_1055_task)
{
    (void)arg;
    here();
    (void)queue_get(&cockroach_1055_stopper, FIX);
    group_done(&cockroach_1055_tasks);
    LEAVE;
}

FN(cockroach_1055_quiesce)
{
    (void)arg;
    LOCK(&cockroach_1055_lock);
    here();
    group_wait(&cockroach_1055_tasks);
    UNLOCK(&cockroach_1055_lock);
    queue_close(&cockroach_1055_stopper);
    LEAVE;
}

void
row_cockroach_1055(void)
{
    GO("task", cockroach_1055_task);
    GO("quiesce", cockroach_1055_quiesce);
    play_out(2);
}

/* moby_25384: Wait() for all of them in the loop that starts one. */
static struct group moby_25384_plugins = GROUP(2);

FN(moby_25384_plugin)
{
    (void)arg;
    group_done(&moby_25384_plugins);
    LEAVE;
}

FN(moby_25384_init)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        GO("plugin", moby_25384_plugin);
        if (i == 0)
            here();
        if (!fixed)
            group_wait(&moby_25384_plugins);
    }
    group_wait(&moby_25384_plugins);
    LEAVE;
}

void
row_moby_25384(void)
{
    GO("init", moby_25384_init);
    play_out(1);
}
