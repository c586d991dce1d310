/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of the rows about threads: what it costs to be known, and what the supervisor pays to know. */
#include "bench/worker_api/measure.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stint.h>

#include "supervisor/probe/registry.h"

#define SPAWNS  20000 /* in short turns with the plain ones, so that both see the same machine */
#define TURNS   200
#define BLOCKS  20000000
#define THREADS 1024

static struct stint_token *hold;

static void
nothing(void *arg)
{
    (void)arg;
}

static void *
nothing_plain(void *arg)
{
    return arg;
}

static void
stay(void *arg)
{
    (void)arg;
    (void)stint_token_wait(hold, STINT_NEVER);
}

static double
spawns(int times)
{
    double begin_ns = measure_now_ns();

    for (int i = 0; i < times; i++) {
        struct stint_thread *thread;

        if (stint_thread_spawn(&thread, stint_root(), "short", nothing, NULL) < 0 ||
            stint_thread_join(thread, NULL, STINT_NEVER) < 0)
            exit(1);
    }
    return measure_now_ns() - begin_ns;
}

static double
creates(int times)
{
    double begin_ns = measure_now_ns();

    for (int i = 0; i < times; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, nothing_plain, NULL) != 0 ||
            pthread_join(thread, NULL) != 0)
            exit(1);
    }
    return measure_now_ns() - begin_ns;
}

static void
threads(void)
{
    double ours = 0, plain = 0;

    (void)spawns(SPAWNS / TURNS);
    for (int i = 0; i < TURNS; i++) {
        ours += spawns(SPAWNS / TURNS);
        plain += creates(SPAWNS / TURNS);
    }
    printf("spawn %.1f\ncreate %.1f\n", ours / SPAWNS, plain / SPAWNS);
}

/* The least that could be done instead: the object's address and a number, and both back to nothing. */
static void
blocks(void)
{
    static struct stint_wait_cell cell;
    struct stint_wait_cell *volatile at = &cell;
    struct stint_wait_cell *to = at;

    MEASURE("store_pair", BLOCKS, {
        __atomic_store_n(&to->object, (uint64_t)i_, __ATOMIC_RELAXED);
        __atomic_store_n(&to->site, 1, __ATOMIC_RELEASE);
    });
    MEASURE("block", BLOCKS, STINT_BLOCK("for nothing", &cell) __asm__ volatile("" ::: "memory"));
}

static void
snapshots(int fd)
{
    struct stint_scope *scope = stint_scope_open(NULL, "crowd");
    struct registry_copy copy = {0};
    struct registry_view view;
    struct stint_registry_header header = {0};

    for (int i = 0; i < THREADS; i++)
        if (!scope || stint_scope_spawn(scope, "one of many", stay, NULL) < 0)
            exit(1);
    do
        if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
            exit(1);
    while (header.slots.used < THREADS);
    if (registry_copy_take(fd, &copy, NULL) < 0)
        exit(1);
    MEASURE("snapshot", 5000, (void)registry_copy_take(fd, &copy, NULL));
    MEASURE("snapshot_claims", 200, {
        if (registry_read(fd, &view, NULL) < 0 || view.n < THREADS)
            exit(1);
        registry_view_finish(&view);
    });
    registry_copy_finish(&copy);
    (void)stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    (void)stint_scope_close(scope, INT64_C(60) * 1000000, NULL, 0);
}

int
main(void)
{
    char number[16];
    int fd;

    if (registry_create(&fd, NULL) < 0)
        return 1;
    (void)snprintf(number, sizeof(number), "%d", dup(fd));
    (void)setenv("STINT_REGISTRY", number, 1);
    (void)snprintf(number, sizeof(number), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", number, 1);
    if (stint_init(NULL) < 0 || !(hold = stint_token_new(NULL, "hold")))
        return 1;
    threads();
    blocks();
    snapshots(fd);
    return 0;
}
