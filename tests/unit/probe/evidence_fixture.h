/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_EVIDENCE_FIXTURE_H
#define STINT_TESTS_UNIT_IO_EVIDENCE_FIXTURE_H

/* A worker, which is a forked child that writes its registry by hand, and looks at it. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/evidence.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/probe/registry_tables.h"
#include "tests/unit/unit.h"

static int registry = -1;
static pid_t worker;

static struct stint_registry_site *fixture_sites;
static uint32_t *fixture_seqs;

static inline struct stint_registry_slot *
slots_map(void)
{
    struct stint_registry_header *h =
        mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);

    if (h == MAP_FAILED)
        _exit(99);
    fixture_header(h);
    fixture_sites = (void *)((char *)h + h->sites.offset);
    fixture_seqs = (void *)((char *)h + h->seqs.offset);
    fixture_sites[0].kind = STINT_SITE_BIRTH;
    fixture_sites[0].line = 88;
    strcpy(fixture_sites[0].file, "src/cache.c");
    strcpy(fixture_sites[0].function, "cache_start_flusher");
    h->sites.used = 8;
    h->slots.used = h->slots.count;
    h->magic = STINT_REGISTRY_MAGIC;
    return (void *)((char *)h + h->slots.offset);
}

/* sign_in - as the library does: the calling thread takes slot @i. @cancelled_us: 0 = live. */
static inline void
sign_in(unsigned i, const char *name, int64_t cancelled_us)
{
    struct stint_registry_slot *s = &slots_map()[i];
    struct proc_stat st;

    if (proc_thread_stat_read(getpid(), (pid_t)syscall(SYS_gettid), &st) < 0)
        _exit(98);
    s->tid = (uint32_t)st.pid;
    s->alive_ns = (st.start_time + 1) * (1000000000U / (uint64_t)sysconf(_SC_CLK_TCK)) - 1;
    s->started_us = (uint64_t)mono_now_us();
    s->cancelled_us = (uint64_t)cancelled_us;
    s->deadline_us = INT64_MAX;
    s->birth_site = 1;
    strcpy(s->name, name);
    strcpy(s->creator_name, "main");
    strcpy(s->token, "root");
    s->state = STINT_SLOT_LIVE;
}

static int silent[2]; /* a pipe nobody writes to */

static inline void *
sleeps(void *arg)
{
    (void)prctl(PR_SET_NAME, "napper");
    for (;;)
        (void)pause();
    return arg;
}

static inline void *
naps(void *arg)
{
    struct timespec long_time = {3600, 0};

    (void)nanosleep(&long_time, NULL);
    return arg;
}

static inline pthread_t
start(void *(*body)(void *))
{
    pthread_attr_t attr;
    pthread_t t;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, 256 << 10);
    if (pthread_create(&t, &attr, body, NULL) != 0)
        _exit(97);
    return t;
}

/* worker_start - fork a worker that does @life. */
static inline void
worker_start(void (*life)(void))
{
    ck_assert_int_eq(registry_create(&registry, NULL), 0);
    ck_assert_int_eq(pipe(silent), 0);
    worker = fork();
    ck_assert_int_ne(worker, -1);
    if (worker == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        life();
        _exit(0);
    }
}

static inline void
teardown(void)
{
    if (worker > 0) {
        ck_assert_int_eq(kill(worker, SIGKILL), 0);
        ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    }
    (void)fd_close(registry);
}

static struct text summary;

/* await - evidence in which @word is in the summary, within twenty seconds. */
static inline struct evidence *
await(const char *word)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    for (;;) {
        struct evidence *e = NULL;

        ck_assert_int_eq(evidence_collect(worker, registry, mono_now_us(), &e, NULL), 0);
        text_clear(&summary);
        evidence_summary(e, &summary);
        if (strstr(text_str(&summary), word))
            return e;
        evidence_destroy(e);
        ck_assert_msg(mono_now_us() < deadline_us, "'%s' does not say '%s'", text_str(&summary),
                      word);
    }
}

#endif
