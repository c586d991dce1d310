/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROBE_CAPTURE_FIXTURE_H
#define STINT_TESTS_UNIT_PROBE_CAPTURE_FIXTURE_H

/*
 * A process to look at: a forked child, so that the addresses of its variables are ours too. What it
 * knows of itself it writes on a page of memory that both have.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/capture.h"
#include "tests/unit/unit.h"

#define ROLES_MAX 64

/* The shared page. */
static struct stage {
    _Atomic pid_t tids[ROLES_MAX]; /* of who plays which role; 0 = not yet */
    _Atomic uint64_t beats;        /* of a thread that must never be stopped */
    _Atomic int64_t worst_gap_us;  /* between two of them */
    _Atomic int fds[8];            /* whatever a test wants to tell */
    _Atomic bool go;
} * stage;

static pid_t actor;       /* the process */
static int registry = -1; /* of it */
static struct process_facts facts;

static inline void
enter(unsigned role)
{
    stage->tids[role] = (pid_t)syscall(SYS_gettid);
}

struct role {
    void *(*play)(void *);
    unsigned number;
};

static inline void *
role_begin(void *arg)
{
    struct role role = *(struct role *)arg;

    free(arg);
    enter(role.number);
    return role.play(NULL);
}

/* start - a thread of the actor for role @number. */
static inline pthread_t
start(unsigned number, void *(*play)(void *))
{
    struct role *role = malloc(sizeof(*role));
    pthread_attr_t attr;
    pthread_t t;

    if (!role)
        _exit(96);
    *role = (struct role){play, number};
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, 256 << 10);
    if (pthread_create(&t, &attr, role_begin, role) != 0)
        _exit(97);
    return t;
}

static inline void
rest(void)
{
    struct timespec long_time = {3600, 0};

    for (;;)
        (void)nanosleep(&long_time, NULL);
}

/* actor_start - fork a process that does @life; its first thread has role 0. */
static inline void
actor_start(void (*life)(void))
{
    stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stage, MAP_FAILED);
    actor = fork();
    ck_assert_int_ne(actor, -1);
    if (actor == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        enter(0);
        life();
        rest();
    }
}

static inline void
teardown(void)
{
    process_facts_finish(&facts);
    if (actor > 0) {
        ck_assert_int_eq(kill(actor, SIGKILL), 0);
        ck_assert_int_eq(waitpid(actor, NULL, 0), actor);
    }
    actor = 0;
    if (stage)
        (void)munmap(stage, sizeof(*stage));
}

static inline int
look(int64_t between_us)
{
    struct probe_request req = {.pid = actor, .registry_fd = registry, .between_us = between_us};
    struct error err = {0};
    int r;

    process_facts_finish(&facts);
    r = probe_capture(&req, &facts, &err);
    if (r < 0)
        ck_assert_msg(err.code == r && err.text[0] != '\0', "no sentence for %d", r);
    return r;
}

/* player - the facts of who has role @number, or NULL. */
static inline const struct thread_facts *
player(unsigned number)
{
    for (size_t i = 0; i < facts.n; i++)
        if (stage->tids[number] != 0 && facts.threads[i].tid == stage->tids[number])
            return &facts.threads[i];
    return NULL;
}

/*
 * await_at - look until who has role @number waits like that, at @object if not NULL. On its way there it may be
 * seen at a lock of somebody else's: a sanitizer's or the allocator's.
 */
static inline const struct thread_facts *
await_at(unsigned number, enum wait_class wait, const void *object)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    for (;;) {
        const struct thread_facts *t;

        ck_assert_int_eq(look(0), 0);
        t = player(number);
        if (t && t->wait == wait && (!object || t->object == (uint64_t)(uintptr_t)object))
            return t;
        ck_assert_msg(mono_now_us() < deadline_us,
                      "role %u is seen in '%s' (%s) at %#llx, not in '%s' at %p; %s", number,
                      t ? wait_class_name(t->wait) : "nothing", t ? t->call_name : "",
                      t ? (unsigned long long)t->object : 0, wait_class_name(wait), object,
                      facts.note);
    }
}

static inline const struct thread_facts *
await(unsigned number, enum wait_class wait)
{
    return await_at(number, wait, NULL);
}

#endif
