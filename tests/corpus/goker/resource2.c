/* SPDX-License-Identifier: GPL-2.0-or-later */

/* GoKer, resource deadlocks: AB-BA (6), and a reader that reads again (5). */
#include "goker.h"

/* cockroach_10214: heartbeats under the store's lock take the replica's, a tick the other way. */
static pthread_mutex_t cockroach_10214_coalesced = MUTEX, cockroach_10214_raft = MUTEX;

static NOINLINE void
cockroach_10214_unreachable(void)
{
    LOCK(&cockroach_10214_raft);
    UNLOCK(&cockroach_10214_raft);
}

FN(cockroach_10214_heartbeats)
{
    (void)arg;
    LOCK(&cockroach_10214_coalesced);
    here();
    if (fixed)
        UNLOCK(&cockroach_10214_coalesced);
    all_here(2);
    cockroach_10214_unreachable();
    if (!fixed)
        UNLOCK(&cockroach_10214_coalesced);
    LEAVE;
}

static NOINLINE void
cockroach_10214_coalesce(void)
{
    LOCK(&cockroach_10214_coalesced);
    UNLOCK(&cockroach_10214_coalesced);
}

FN(cockroach_10214_tick)
{
    (void)arg;
    LOCK(&cockroach_10214_raft);
    here();
    all_here(2);
    cockroach_10214_coalesce();
    UNLOCK(&cockroach_10214_raft);
    LEAVE;
}

void
row_cockroach_10214(void)
{
    GO("heartbeats", cockroach_10214_heartbeats);
    GO("tick", cockroach_10214_tick);
    play_out(2);
}

/* cockroach_7504: by name: the cache, then the lease; to release: the lease, then the cache. */
static pthread_mutex_t cockroach_7504_cache = MUTEX, cockroach_7504_lease = MUTEX;

FN(cockroach_7504_acquire)
{
    (void)arg;
    LOCK(&cockroach_7504_cache);
    here();
    all_here(2);
    LOCK(&cockroach_7504_lease);
    UNLOCK(&cockroach_7504_lease);
    UNLOCK(&cockroach_7504_cache);
    LEAVE;
}

FN(cockroach_7504_release)
{
    (void)arg;
    LOCK(&cockroach_7504_lease);
    here();
    if (fixed)
        UNLOCK(&cockroach_7504_lease);
    all_here(2);
    LOCK(&cockroach_7504_cache);
    UNLOCK(&cockroach_7504_cache);
    if (!fixed)
        UNLOCK(&cockroach_7504_lease);
    LEAVE;
}

void
row_cockroach_7504(void)
{
    GO("acquire", cockroach_7504_acquire);
    GO("release", cockroach_7504_release);
    play_out(2);
}

/* kubernetes_30872: the queue's lock, then the informer's; whether all is synced asks the other way. */
static pthread_mutex_t kubernetes_30872_fifo = MUTEX, kubernetes_30872_informer = MUTEX;

FN(kubernetes_30872_pop)
{
    (void)arg;
    LOCK(&kubernetes_30872_fifo);
    here();
    if (fixed)
        UNLOCK(&kubernetes_30872_fifo);
    all_here(2);
    LOCK(&kubernetes_30872_informer);
    UNLOCK(&kubernetes_30872_informer);
    if (!fixed)
        UNLOCK(&kubernetes_30872_fifo);
    LEAVE;
}

FN(kubernetes_30872_synced)
{
    (void)arg;
    LOCK(&kubernetes_30872_informer);
    here();
    all_here(2);
    LOCK(&kubernetes_30872_fifo);
    UNLOCK(&kubernetes_30872_fifo);
    UNLOCK(&kubernetes_30872_informer);
    LEAVE;
}

FN(kubernetes_30872_stop)
{
    (void)arg;
    all_here(2);
    here();
    LOCK(&kubernetes_30872_informer);
    UNLOCK(&kubernetes_30872_informer);
    LEAVE;
}

void
row_kubernetes_30872(void)
{
    GO("pop", kubernetes_30872_pop);
    GO("synced", kubernetes_30872_synced);
    GO("stop", kubernetes_30872_stop);
    play_out(3);
}

/* kubernetes_13135: caching holds the cacher and wants the watch cache; an event the other way. */
static pthread_mutex_t kubernetes_13135_cacher = MUTEX, kubernetes_13135_watch = MUTEX;

FN(kubernetes_13135_caching)
{
    (void)arg;
    LOCK(&kubernetes_13135_cacher);
    here();
    all_here(2);
    LOCK(&kubernetes_13135_watch);
    UNLOCK(&kubernetes_13135_watch);
    UNLOCK(&kubernetes_13135_cacher);
    LEAVE;
}

FN(kubernetes_13135_event)
{
    (void)arg;
    LOCK(&kubernetes_13135_watch);
    here();
    if (fixed)
        UNLOCK(&kubernetes_13135_watch);
    all_here(2);
    LOCK(&kubernetes_13135_cacher);
    UNLOCK(&kubernetes_13135_cacher);
    if (!fixed)
        UNLOCK(&kubernetes_13135_watch);
    LEAVE;
}

void
row_kubernetes_13135(void)
{
    GO("caching", kubernetes_13135_caching);
    GO("event", kubernetes_13135_event);
    play_out(2);
}

/* moby_4951: two delete one device: the first lets the set's lock go for a moment. */
static pthread_mutex_t moby_4951_set = MUTEX, moby_4951_device = MUTEX;

FN(moby_4951_delete_first)
{
    (void)arg;
    LOCK(&moby_4951_set);
    LOCK(&moby_4951_device);
    UNLOCK(&moby_4951_set); /* until it is gone */
    here();
    all_here(2);
    if (fixed)
        UNLOCK(&moby_4951_device);
    LOCK(&moby_4951_set);
    if (!fixed)
        UNLOCK(&moby_4951_device);
    UNLOCK(&moby_4951_set);
    LEAVE;
}

FN(moby_4951_delete_second)
{
    (void)arg;
    all_here(1);
    LOCK(&moby_4951_set);
    here();
    LOCK(&moby_4951_device);
    UNLOCK(&moby_4951_device);
    UNLOCK(&moby_4951_set);
    LEAVE;
}

void
row_moby_4951(void)
{
    GO("first", moby_4951_delete_first);
    GO("second", moby_4951_delete_second);
    play_out(2);
}

/* hugo_3251: who waits for an url keeps the table, which is needed to give the url back. */
static pthread_mutex_t hugo_3251_table = MUTEX, hugo_3251_url = MUTEX;

FN(hugo_3251_has_it)
{
    (void)arg;
    LOCK(&hugo_3251_table);
    LOCK(&hugo_3251_url);
    UNLOCK(&hugo_3251_table);
    here();
    all_here(2);
    LOCK(&hugo_3251_table);
    UNLOCK(&hugo_3251_url);
    UNLOCK(&hugo_3251_table);
    LEAVE;
}

FN(hugo_3251_wants_it)
{
    (void)arg;
    all_here(1);
    LOCK(&hugo_3251_table);
    here();
    if (fixed)
        UNLOCK(&hugo_3251_table);
    LOCK(&hugo_3251_url);
    if (!fixed)
        UNLOCK(&hugo_3251_table);
    UNLOCK(&hugo_3251_url);
    LEAVE;
}

void
row_hugo_3251(void)
{
    GO("has-it", hugo_3251_has_it);
    GO("wants-it", hugo_3251_wants_it);
    play_out(2);
}

/* ---- read, write, read ----------------------------------------------------------------------- */

/* Who reads twice, down a chain of calls; the writer comes in between. */
#define READS_AGAIN(id, again)                       \
    static pthread_rwlock_t id##_lock = RWMUTEX;     \
    static NOINLINE void id##_##again(void)          \
    {                                                \
        (void)pthread_rwlock_rdlock(&id##_lock);     \
        (void)pthread_rwlock_unlock(&id##_lock);     \
    }                                                \
    FN(id##_reads)                                   \
    {                                                \
        (void)arg;                                   \
        (void)pthread_rwlock_rdlock(&id##_lock);     \
        here();                                      \
        if (fixed)                                   \
            (void)pthread_rwlock_unlock(&id##_lock); \
        else                                         \
            await_writer(&id##_lock);                \
        here();                                      \
        id##_##again();                              \
        if (!fixed)                                  \
            (void)pthread_rwlock_unlock(&id##_lock); \
        LEAVE;                                       \
    }                                                \
    FN(id##_writes)                                  \
    {                                                \
        (void)arg;                                   \
        all_here(1);                                 \
        (void)pthread_rwlock_wrlock(&id##_lock);     \
        (void)pthread_rwlock_unlock(&id##_lock);     \
        LEAVE;                                       \
    }                                                \
    void row_##id(void)                              \
    {                                                \
        GO("reads", id##_reads);                     \
        GO("writes", id##_writes);                   \
        play_out(2);                                 \
    }

READS_AGAIN(cockroach_16167, database_cache)
READS_AGAIN(cockroach_6181, string_of)
READS_AGAIN(cockroach_3710, raft_status)
READS_AGAIN(kubernetes_62464, get_cpu_set)

/* kubernetes_58107: two workers read; one waits for work meanwhile, and a writer keeps the other out. */
static pthread_rwlock_t kubernetes_58107_workers = RWMUTEX;
static struct queue kubernetes_58107_jobs = QUEUE(1);

FN(kubernetes_58107_worker)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&kubernetes_58107_workers);
    here();
    (void)queue_get(&kubernetes_58107_jobs, FIX);
    (void)pthread_rwlock_unlock(&kubernetes_58107_workers);
    LEAVE;
}

FN(kubernetes_58107_sync)
{
    (void)arg;
    all_here(1);
    here();
    (void)pthread_rwlock_wrlock(&kubernetes_58107_workers);
    (void)pthread_rwlock_unlock(&kubernetes_58107_workers);
    LEAVE;
}

void
row_kubernetes_58107(void)
{
    GO("worker", kubernetes_58107_worker);
    GO("sync", kubernetes_58107_sync);
    play_out(2);
}
