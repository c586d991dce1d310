/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round of the probe's rows: a process of 1,000 blocked threads is looked at, twice as stint does
 * it, with the names of where each is. `ours_probe target` is that process alone, for a rival.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "supervisor/probe/capture.h"

#define THREADS   1000
#define LOOKS     5
#define BEAT_US   US_PER_MS

#define LOOK_NICE 5 /* as for a look at a service that serves (supervisor/io/probing_work.c) */

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

/* Shared with the process that is looked at. */
static struct stage {
    _Atomic int64_t gap_us; /* the longest time between two beats, since somebody set it to 0 */
    _Atomic int waiting;
} * stage;

static void *
blocks(void *arg)
{
    stage->waiting++;
    (void)pthread_mutex_lock(&taken);
    return arg;
}

/* Stopped for a while, it shows. */
static void *
beats(void *arg)
{
    const struct timespec pause = {0, BEAT_US * 1000};
    int64_t last_us = mono_now_us();

    for (;;) {
        int64_t now_us;

        (void)nanosleep(&pause, NULL);
        now_us = mono_now_us();
        if (now_us - last_us > stage->gap_us)
            stage->gap_us = now_us - last_us;
        last_us = now_us;
    }
    return arg;
}

static void
begin(void *(*play)(void *))
{
    pthread_attr_t attr;
    pthread_t thread;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, (size_t)64 << 10);
    if (pthread_create(&thread, &attr, play, NULL) != 0)
        _exit(1);
}

static void
wait_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

static void
target_begin(void)
{
    (void)pthread_mutex_lock(&taken);
    begin(beats);
    for (int i = 0; i < THREADS; i++)
        begin(blocks);
    while (stage->waiting < THREADS)
        wait_ms(1);
    wait_ms(100); /* from the count into the lock */
}

/* For each line that is read, the gap since the one before; "end" is the last. */
static int
target(void)
{
    char line[16];

    target_begin();
    printf("%d\n", (int)getpid());
    (void)fflush(stdout);
    stage->gap_us = 0;
    while (fgets(line, sizeof(line), stdin) && line[0] != 'e') {
        printf("%lld\n", (long long)stage->gap_us);
        (void)fflush(stdout);
        stage->gap_us = 0;
    }
    return 0;
}

/* look - as stint does: a child looks, and is gone. Return: whether it saw them all, and where. */
static bool
look(pid_t pid)
{
    struct probe_request req = {.pid = pid, .registry_fd = -1, .between_us = PROBE_BETWEEN_US};
    struct process_facts facts = {0};
    pid_t child = fork();
    size_t seen = 0;
    int status = -1;

    if (child == 0) {
        (void)setpriority(PRIO_PROCESS, 0, LOOK_NICE);
        if (probe_capture(&req, &facts, NULL) < 0)
            _exit(1);
        for (size_t i = 0; i < facts.n; i++)
            seen += facts.threads[i].wait == WAIT_MUTEX && facts.threads[i].still &&
                    facts.threads[i].business >= 0 && facts.threads[i].owner == pid;
        _exit(seen == THREADS ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int
by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool
measure(pid_t pid)
{
    int64_t took_us[LOOKS];
    int64_t begin_us = mono_now_us(), all_us;

    stage->gap_us = 0;
    for (int i = 0; i < LOOKS; i++) {
        int64_t at_us = mono_now_us();

        if (!look(pid))
            return false;
        took_us[i] = mono_now_us() - at_us - PROBE_BETWEEN_US; /* it sleeps then */
    }
    all_us = mono_now_us() - begin_us;
    printf("probe_gap %lld\n", (long long)stage->gap_us * 1000);
    qsort(took_us, LOOKS, sizeof(took_us[0]), by_value);
    printf("probe %lld\n", (long long)took_us[LOOKS / 2] * 1000);
    stage->gap_us = 0;
    wait_ms((long)(all_us / 1000)); /* as long, and nobody looks */
    printf("idle_gap %lld\n", (long long)stage->gap_us * 1000);
    return true;
}

int
main(int argc, char **argv)
{
    bool ok;
    pid_t pid;

    stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED)
        return 1;
    if (argc > 1 && strcmp(argv[1], "target") == 0)
        return target();
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        target_begin();
        stage->waiting++; /* all there */
        for (;;)
            (void)pause();
    }
    while (stage->waiting <= THREADS)
        wait_ms(1);
    ok = measure(pid);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    if (!ok)
        (void)fputs("the probe did not see them all\n", stderr);
    return ok ? 0 : 1;
}
