/* SPDX-License-Identifier: GPL-2.0-or-later */

/* GoKer, resource deadlocks: double locking (12). A lock that is read and written there is a mutex
 * here where one thread takes it twice: glibc refuses that of a rwlock instead of waiting. */
#include "goker.h"

/* hugo_5379: rendering a page holds the lock that counting its words takes. */
static pthread_mutex_t hugo_5379_init = MUTEX;

static NOINLINE void
hugo_5379_word_count(bool lock)
{
    if (lock)
        LOCK(&hugo_5379_init);
    if (lock)
        UNLOCK(&hugo_5379_init);
}

FN(hugo_5379_render)
{
    (void)arg;
    LOCK(&hugo_5379_init);
    here();
    hugo_5379_word_count(!fixed);
    UNLOCK(&hugo_5379_init);
    LEAVE;
}

void
row_hugo_5379(void)
{
    GO("hugo-render", hugo_5379_render);
    play_out(1);
}

/* grpc_3017: the timer's thread returns with the lock. */
static pthread_mutex_t grpc_3017_cache = MUTEX;

FN(grpc_3017_timer)
{
    bool aborted = true;

    (void)arg;
    LOCK(&grpc_3017_cache);
    here();
    if (aborted && !fixed)
        LEAVE;
    UNLOCK(&grpc_3017_cache);
    LEAVE;
}

FN(grpc_3017_remove)
{
    (void)arg;
    here();
    LOCK(&grpc_3017_cache);
    UNLOCK(&grpc_3017_cache);
    LEAVE;
}

void
row_grpc_3017(void)
{
    struct thread *timer = spawn(root(), "grpc-timer", grpc_3017_timer, NULL);

    all_here(1);
    join(timer);
    GO("grpc-remove", grpc_3017_remove);
    play_out(2);
}

/* grpc_795: a stop that was asked for locks where it should unlock. */
static pthread_mutex_t grpc_795_server = MUTEX;
static bool grpc_795_drain;

static NOINLINE void
grpc_795_graceful_stop(void)
{
    LOCK(&grpc_795_server);
    if (grpc_795_drain || fixed)
        UNLOCK(&grpc_795_server);
    grpc_795_drain = true;
}

FN(grpc_795_test)
{
    (void)arg;
    grpc_795_graceful_stop();
    here();
    grpc_795_graceful_stop();
    LEAVE;
}

void
row_grpc_795(void)
{
    GO("grpc-stop", grpc_795_test);
    play_out(1);
}

/* etcd_10492: to renew calls a callback that takes the same lock. */
static pthread_mutex_t etcd_10492_lessor = MUTEX;

static NOINLINE void
etcd_10492_checkpoint(void)
{
    LOCK(&etcd_10492_lessor);
    UNLOCK(&etcd_10492_lessor);
}

FN(etcd_10492_renew)
{
    (void)arg;
    LOCK(&etcd_10492_lessor);
    here();
    if (fixed)
        UNLOCK(&etcd_10492_lessor);
    etcd_10492_checkpoint();
    if (!fixed)
        UNLOCK(&etcd_10492_lessor);
    LEAVE;
}

void
row_etcd_10492(void)
{
    GO("etcd-renew", etcd_10492_renew);
    play_out(1);
}

/* etcd_6708: to sync asks for the leader, whose answer takes the lock. */
static pthread_mutex_t etcd_6708_client = MUTEX;

static NOINLINE void
etcd_6708_do(void)
{
    LOCK(&etcd_6708_client);
    UNLOCK(&etcd_6708_client);
}

FN(etcd_6708_sync)
{
    (void)arg;
    LOCK(&etcd_6708_client);
    here();
    if (!fixed)
        etcd_6708_do();
    UNLOCK(&etcd_6708_client);
    LEAVE;
}

void
row_etcd_6708(void)
{
    GO("etcd-sync", etcd_6708_sync);
    play_out(1);
}

/* etcd_5509: a reader returns with an error and the lock; who closes wants to write. */
static pthread_rwlock_t etcd_5509_client = RWMUTEX;

FN(etcd_5509_acquire)
{
    bool closed = true;

    (void)arg;
    (void)pthread_rwlock_rdlock(&etcd_5509_client);
    here();
    if (closed && !fixed)
        LEAVE;
    (void)pthread_rwlock_unlock(&etcd_5509_client);
    LEAVE;
}

FN(etcd_5509_close)
{
    (void)arg;
    here();
    (void)pthread_rwlock_wrlock(&etcd_5509_client);
    (void)pthread_rwlock_unlock(&etcd_5509_client);
    LEAVE;
}

void
row_etcd_5509(void)
{
    struct thread *get = spawn(root(), "etcd-get", etcd_5509_acquire, NULL);

    all_here(1);
    join(get);
    GO("etcd-close", etcd_5509_close);
    play_out(2);
}

/* cockroach_9935: the log's file cannot be made, and to exit takes the log's lock. */
static pthread_mutex_t cockroach_9935_log = MUTEX;

static NOINLINE void
cockroach_9935_exit(void)
{
    LOCK(&cockroach_9935_log);
    UNLOCK(&cockroach_9935_log);
}

FN(cockroach_9935_output)
{
    (void)arg;
    LOCK(&cockroach_9935_log);
    here();
    if (fixed)
        UNLOCK(&cockroach_9935_log);
    cockroach_9935_exit();
    if (!fixed)
        UNLOCK(&cockroach_9935_log);
    LEAVE;
}

void
row_cockroach_9935(void)
{
    GO("cockroach-log", cockroach_9935_output);
    play_out(1);
}

/* cockroach_584: bootstrap breaks out of its loop with the lock, and manage takes it. */
static pthread_mutex_t cockroach_584_gossip = MUTEX;

static NOINLINE void
cockroach_584_bootstrap(void)
{
    LOCK(&cockroach_584_gossip);
    if (fixed)
        UNLOCK(&cockroach_584_gossip);
}

static NOINLINE void
cockroach_584_manage(void)
{
    LOCK(&cockroach_584_gossip);
    UNLOCK(&cockroach_584_gossip);
}

FN(cockroach_584_run)
{
    (void)arg;
    cockroach_584_bootstrap();
    here();
    cockroach_584_manage();
    LEAVE;
}

void
row_cockroach_584(void)
{
    GO("cockroach-gossip", cockroach_584_run);
    play_out(1);
}

/* syncthing_4829: to clear the addresses tells of it, which reads them. */
static pthread_mutex_t syncthing_4829_mapping = MUTEX;

static NOINLINE void
syncthing_4829_notify(void)
{
    LOCK(&syncthing_4829_mapping);
    UNLOCK(&syncthing_4829_mapping);
}

FN(syncthing_4829_clear)
{
    (void)arg;
    LOCK(&syncthing_4829_mapping);
    here();
    if (!fixed)
        syncthing_4829_notify();
    UNLOCK(&syncthing_4829_mapping);
    LEAVE;
}

void
row_syncthing_4829(void)
{
    GO("syncthing-clear", syncthing_4829_clear);
    play_out(1);
}

/* moby_36114: to add disks removes what is there, under the lock that it has. */
static pthread_mutex_t moby_36114_vm = MUTEX;

static NOINLINE void
moby_36114_remove(void)
{
    LOCK(&moby_36114_vm);
    UNLOCK(&moby_36114_vm);
}

FN(moby_36114_add)
{
    (void)arg;
    LOCK(&moby_36114_vm);
    here();
    if (!fixed)
        moby_36114_remove();
    UNLOCK(&moby_36114_vm);
    LEAVE;
}

void
row_moby_36114(void)
{
    GO("moby-add", moby_36114_add);
    play_out(1);
}

/* moby_17176: when nothing is to be cleaned up, the lock is kept. */
static pthread_mutex_t moby_17176_devices = MUTEX;

FN(moby_17176_cleanup)
{
    unsigned deleted = 0;

    (void)arg;
    LOCK(&moby_17176_devices);
    here();
    if (deleted == 0 && !fixed)
        LEAVE;
    UNLOCK(&moby_17176_devices);
    LEAVE;
}

FN(moby_17176_use)
{
    (void)arg;
    here();
    LOCK(&moby_17176_devices);
    UNLOCK(&moby_17176_devices);
    LEAVE;
}

void
row_moby_17176(void)
{
    struct thread *cleanup = spawn(root(), "moby-cleanup", moby_17176_cleanup, NULL);

    all_here(1);
    join(cleanup);
    GO("moby-use", moby_17176_use);
    play_out(2);
}

/* moby_7559: an error goes on with the next turn, and the lock. */
static pthread_mutex_t moby_7559_track = MUTEX;

FN(moby_7559_run)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        if (i == 1)
            here();
        LOCK(&moby_7559_track);
        if (!fixed)
            continue;
        UNLOCK(&moby_7559_track);
    }
    LEAVE;
}

void
row_moby_7559(void)
{
    GO("moby-proxy", moby_7559_run);
    play_out(1);
}
