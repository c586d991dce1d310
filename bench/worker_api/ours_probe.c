/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round of the probe's rows: a process of 1,000 blocked threads is looked at, twice as stint does
 * it, with the names of where each is. `ours_probe target` is that process alone, for a rival.
 */
#include <pthread.h>
#include <sched.h>
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

#define THREADS 1000
#define LOOKS   9
#define BEAT_US US_PER_MS

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

/*
 * look - as stint does: a child looks, and is gone; when nobody waits for it, on idle time (HELPER_IDLE
 * in supervisor/io/helper.h). Return: whether it saw them all, and where.
 * @between_us: from the beginning of the first sample to that of the second
 * @ret_cpu_us: of the processor, for both samples and for the names; NULL: not asked
 */
static bool
look(pid_t pid, bool idle, int64_t between_us, int64_t *ret_cpu_us)
{
    struct probe_request req = {.pid = pid, .registry_fd = -1, .between_us = between_us};
    const struct sched_param no_priority = {0};
    struct process_facts facts = {0};
    pid_t child = fork();
    struct rusage used = {0};
    size_t seen = 0;
    int status = -1;

    if (child == 0) {
        if (idle)
            (void)sched_setscheduler(0, SCHED_IDLE, &no_priority);
        if (probe_capture(&req, &facts, NULL) < 0)
            _exit(1);
        for (size_t i = 0; i < facts.n; i++)
            seen += facts.threads[i].wait == WAIT_MUTEX && facts.threads[i].still &&
                    facts.threads[i].business >= 0 && facts.threads[i].owner == pid;
        _exit(seen == THREADS ? 0 : 1);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child)
        return false;
    if (ret_cpu_us)
        *ret_cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
                      used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    return status == 0;
}

static int
by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The longest gap in @us in which nobody looks. */
static int64_t
idle_gap_us(int64_t us)
{
    stage->gap_us = 0;
    wait_ms((long)(us / US_PER_MS));
    return stage->gap_us;
}

/*
 * Beats are late at times without anybody looking. So idle is measured twice, before and after, each as
 * long as the looks take, and its gap is the larger one: a look that changes nothing has the largest of
 * the three in a third of the rounds.
 */
static bool
measure_gap(pid_t pid)
{
    int64_t begin_us = mono_now_us(), before_us, after_us, gap_us;

    if (!look(pid, true, PROBE_BETWEEN_US, NULL))
        return false; /* the first one, to know how long they take */
    before_us = idle_gap_us((mono_now_us() - begin_us) * LOOKS);
    begin_us = mono_now_us();
    stage->gap_us = 0;
    for (int i = 0; i < LOOKS; i++)
        if (!look(pid, true, PROBE_BETWEEN_US, NULL))
            return false;
    gap_us = stage->gap_us;
    after_us = idle_gap_us(mono_now_us() - begin_us);
    printf("probe_gap %lld\n", (long long)gap_us * 1000);
    printf("idle_gap %lld\n", (long long)(before_us > after_us ? before_us : after_us) * 1000);
    return true;
}

static bool
measure(pid_t pid)
{
    int64_t took_us[LOOKS], cpu_us[LOOKS];

    for (int i = 0; i < LOOKS; i++) {
        int64_t at_us = mono_now_us();

        /* one sample right behind the other (0 µs would be one alone): all of the work, and no rest */
        if (!look(pid, false, 1, &cpu_us[i]))
            return false;
        took_us[i] = mono_now_us() - at_us;
    }
    qsort(took_us, LOOKS, sizeof(took_us[0]), by_value);
    qsort(cpu_us, LOOKS, sizeof(cpu_us[0]), by_value);
    printf("probe %lld\n", (long long)took_us[LOOKS / 2] * 1000);
    printf("probe_cpu %lld\n", (long long)cpu_us[LOOKS / 2] * 1000);
    return measure_gap(pid);
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
